"""Serve the gate: HTTP/1.1 as h11 reads it, one thread, every client bounded in time and memory.

What is complete, has the secret and is within the bounds is written down, and then answered with a
success, at once, as the real service would: a program that gets no success tries again, and waits.
What cannot be written down is not acknowledged.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from _operator import _compare_digest  # what `hmac` falls back on; it loads all of OpenSSL
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from ..formats import MAX_BODY_BYTES
from .refusals import (
    BROKEN,
    DISK_FULL,
    HTTP_2,
    NOT_HTTP,
    STRANGER,
    TLS,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
)
from .requests import Request
from .responses import Response, response_to
from .spool import BacklogError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_UNDER_WAY_BYTES = 64 << 20
"""Of all bodies that are not complete yet."""
MAX_HEAD_BYTES = 16 * 1024
MAX_CONNECTIONS = 128
STRANGER_SECONDS = 10.0
"""How long a client may take to show the secret."""
IDLE_SECONDS = 120.0
"""How long a known client may be silent between requests; Go's closes after 90."""
BODY_SECONDS = 30.0
_LINGER_SECONDS = 1.0
_PART = 64 * 1024
_UNREAD_BYTES = 16 * 1024
"""How many bytes of answers may wait for a client to read them."""
_OK = 200
_NOT_FOUND = 404
_TOO_LARGE = 413
_NOT_IMPLEMENTED = 501
_UNAVAILABLE = 503
_VERSION_NOT_SUPPORTED = 505
_VERSIONS = frozenset({b"1.0", b"1.1"})
_NO_WORDS = Response("text/plain", b"")
_HTTP_2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TLS_HANDSHAKE = b"\x16\x03"


@dataclass(slots=True)
class Counts:
    """What one gate has seen.

    Attributes:
        requests: how many complete requests were taken in.
        lost: how many more were complete, and could not be held.
        late: how many of them came after the program's end.
        refused: how many were not answered as wanted, by the reason.
        blocked_attempts: how many connections were tried to the address of the blocked channels.
    """

    requests: int = 0
    lost: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    blocked_attempts: int = 0


class Server:
    """Serves two listening sockets, a look at a time.

    Args:
        listener: where programs send to.
        blocked_port: where each connection is counted and closed.
        profiles: the secret that a path begins with, and the profile whose it is.
        keep: takes a complete request; once it returns, the request is acknowledged.
        counts: what is told of it all.
    """

    def __init__(
        self,
        listener: socket.socket,
        blocked_port: socket.socket,
        profiles: Mapping[str, str],
        keep: Callable[[Request], None],
        counts: Counts,
    ) -> None:
        self._listener = listener
        self._blocked_port = blocked_port
        self._selector = selectors.DefaultSelector()
        self._prefixes = {f"/{secret}/".encode(): name for secret, name in profiles.items()}
        self.keep = keep
        self.counts = counts
        self.connections: dict[_Connection, None] = {}
        self.under_way = 0
        """Bytes of bodies that are not complete yet."""
        self._is_full = False
        self.watch(listener, self._accept)
        self.watch(blocked_port, self._count)

    @property
    def is_quiet(self) -> bool:
        """Whether no client is in the middle of a request."""
        return all(one.is_quiet for one in self.connections)

    @property
    def sockets(self) -> list[socket.socket]:
        """Return all that is open: what listens, and each client's."""
        clients = [each.socket for each in self.connections]
        return [self._listener, self._blocked_port, *clients]

    def watch(self, what: socket.socket, then: Callable[[], None]) -> None:
        """Let something happen whenever a socket can be read."""
        self._selector.register(what, selectors.EVENT_READ, then)

    def unwatch(self, what: socket.socket) -> None:
        """Watch a socket no more."""
        self._selector.unregister(what)

    def look(self, seconds: float) -> bool:
        """Wait for something to happen, and let it; return whether anything did."""
        happened = self._selector.select(seconds)
        for key, _ in happened:
            key.data()
        now = time.monotonic()
        for connection in list(self.connections):
            if now > connection.until:
                self.counts.refused[TOO_SLOW] += not connection.is_quiet
                connection.close()
        return bool(happened)

    def close(self) -> None:
        """Close all connections, and refuse all that come from now on."""
        for connection in list(self.connections):
            connection.close()
        self._selector.close()
        self._listener.close()
        self._blocked_port.close()

    def recognise(self, target: bytes) -> tuple[str, bytes] | None:
        """Return the profile that a request's target is of, and its path without the secret."""
        known = None
        for prefix, profile in self._prefixes.items():  # all of them: time tells nothing
            if _compare_digest(target[: len(prefix)], prefix):
                known = profile, b"/" + target[len(prefix) :]
        return known

    def forget(self, connection: _Connection) -> None:
        """Watch a connection no more."""
        self._selector.unregister(connection.socket)
        del self.connections[connection]
        if self._is_full:
            self._is_full = False
            self.watch(self._listener, self._accept)

    def _accept(self) -> None:
        if len(self.connections) >= MAX_CONNECTIONS and not self._make_room():
            self._selector.unregister(self._listener)
            self._is_full = True
            return
        with contextlib.suppress(OSError):
            accepted, _ = self._listener.accept()
            accepted.setblocking(False)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
            connection = _Connection(accepted, self)
            self.connections[connection] = None
            self.watch(accepted, connection.read)

    def _make_room(self) -> bool:
        """Close the oldest connection that has not shown the secret."""
        for connection in self.connections:
            if not connection.is_known:
                self.counts.refused[TOO_MANY] += 1
                connection.close()
                return True
        return False

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            self._blocked_port.accept()[0].close()
            self.counts.blocked_attempts += 1


class _Connection:
    """One client, and what it has sent of its request so far.

    Attributes:
        socket: non-blocking.
        until: when its patience ends, in seconds of the monotonic clock.
        is_known: whether it has shown the secret.
    """

    def __init__(self, accepted: socket.socket, server: Server) -> None:
        self.socket = accepted
        self.until = time.monotonic() + STRANGER_SECONDS
        self.is_known = False
        self._server = server
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._begins_with = b""
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._profile, self._path = "", b""
        self._is_leaving = False
        self._is_closed = False

    @property
    def is_quiet(self) -> bool:
        """Whether it is not in the middle of a request."""
        return self._is_leaving or (self._request is None and not self._http.trailing_data[0])

    def close(self) -> None:
        """Close it, and forget what it had begun to send."""
        self._drop_body()
        self._server.forget(self)
        self.socket.close()
        self._is_closed = True

    def read(self) -> None:
        """Read what has come; whatever that is, only this connection can end of it."""
        if self._is_closed:
            return  # in the same moment, to make room
        try:
            data = self.socket.recv(_PART)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if self._is_leaving:
            if not data:
                self.close()
            return
        try:
            self._understand(data)
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, self._why_not_http(data))
        except OSError:
            self.close()
        except Exception:  # noqa: BLE001  # of a kind that nobody has thought of: the next is served
            self._server.counts.refused[NOT_HTTP] += 1
            if not self._is_closed:
                self.close()

    def _why_not_http(self, data: bytes) -> str:
        if self._request is not None and not data:
            return BROKEN
        if self._begins_with == _HTTP_2_PREFACE[: len(self._begins_with)]:
            return HTTP_2
        return TLS if self._begins_with.startswith(_TLS_HANDSHAKE) else NOT_HTTP

    def _understand(self, data: bytes) -> None:
        if len(self._begins_with) < len(_HTTP_2_PREFACE):
            self._begins_with += data[: len(_HTTP_2_PREFACE) - len(self._begins_with)]
        self._http.receive_data(data)
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if not self._take(event):
                return
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _take(self, event: object) -> bool:
        """Take one event; return whether there may be another."""
        if isinstance(event, h11.Request):
            return self._begin(event)
        if isinstance(event, h11.Data):
            return self._add(event.data)
        if isinstance(event, h11.EndOfMessage):
            return self._complete()
        self.close()
        return False

    def _begin(self, request: h11.Request) -> bool:
        known = self._server.recognise(request.target)
        self._request = request
        if request.http_version not in _VERSIONS:
            self._refuse(_VERSION_NOT_SUPPORTED, HTTP_2)
            return False
        if request.method == b"CONNECT":
            self._refuse(_NOT_IMPLEMENTED, NOT_HTTP)  # a success would make a tunnel of it
            return False
        if known is None:
            self._refuse(_NOT_FOUND, STRANGER)
            return False
        self.is_known = True
        self._profile, self._path = known
        self.until = time.monotonic() + BODY_SECONDS
        length = next((value for name, value in request.headers if name == b"content-length"), b"0")
        return self._has_room(int(length))

    def _add(self, data: bytes) -> bool:
        if not self._has_room(len(data)):
            return False
        self._body += data
        self._server.under_way += len(data)
        return True

    def _has_room(self, size: int) -> bool:
        """Refuse the request where so many more bytes are beyond a bound."""
        if len(self._body) + size > MAX_BODY_BYTES:
            self._refuse(_TOO_LARGE, TOO_LARGE)
            return False
        if self._server.under_way + size > MAX_UNDER_WAY_BYTES:
            self._refuse(_UNAVAILABLE, TOO_MANY)
            return False
        return True

    def _complete(self) -> bool:
        head, body = self._request, bytes(self._body)
        assert head is not None  # noqa: S101  # h11 ends no message that did not begin
        self._drop_body()
        request = Request(
            head.method.decode("latin-1"),
            self._path.decode("latin-1"),
            tuple((name.decode("latin-1"), text.decode("latin-1")) for name, text in head.headers),
            body,
            time.time_ns() // 1000,
            self._profile,
        )
        try:
            self._server.keep(request)
        except OSError as error:
            why = TOO_MANY if isinstance(error, BacklogError) else DISK_FULL
            self._refuse(_UNAVAILABLE, why)
            return False
        self.until = time.monotonic() + IDLE_SECONDS
        self._answer(_OK, response_to(request.path, request.header("content-type")))
        self._request = None
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._leave()  # the client said that this was its last, or wants another protocol
            return False
        self._http.start_next_cycle()
        return True

    def _drop_body(self) -> None:
        self._server.under_way -= len(self._body)
        self._body.clear()

    def _answer(self, status: int, response: Response) -> None:
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
        ]
        events: list[h11.Event] = [h11.Response(status_code=status, headers=headers)]
        if self._request is None or self._request.method != b"HEAD":
            events.append(h11.Data(data=response.body))
        self._send(*events, h11.EndOfMessage())

    def _send(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        # An answer is small: a client whose buffer has no room for it does not read.
        if data and self.socket.send(data) < len(data):
            raise OSError("the client does not read")

    def _refuse(self, status: int, why: str) -> None:
        """Answer with an error, and read no more of it than the client needs to see it."""
        self._server.counts.refused[why] += 1
        self._drop_body()
        try:
            if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                self._answer(status, _NO_WORDS)
            self._leave()
        except (OSError, h11.LocalProtocolError):
            self.close()

    def _leave(self) -> None:
        """Close it once the client has: to close at once would reset what it still reads."""
        self.socket.shutdown(socket.SHUT_WR)
        self._is_leaving = True
        self.until = time.monotonic() + _LINGER_SECONDS
