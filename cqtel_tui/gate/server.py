"""Serve the gate: HTTP/1.1 as h11 reads it, one thread, every client bounded in time and memory.

All that is complete, has the secret and is within the bounds is kept and answered with a success,
at once, as the real service would: a program that gets no success tries again, and waits.
"""

from __future__ import annotations

import contextlib
import hmac
import importlib
import selectors
import socket
import time
from typing import TYPE_CHECKING

import h11

from .listening import MAX_BODY_BYTES, Caught
from .protocols import Answer, answer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .listening import Seen

MAX_HEAD_BYTES = 16 * 1024
MAX_CONNECTIONS = 128
STRANGER_SECONDS = 10.0
"""How long a client may take to show the secret."""
IDLE_SECONDS = 120.0
"""How long a known client may be silent between requests; Go's closes after 90."""
BODY_SECONDS = 30.0
_NEEDED_AFTERWARDS = ("cqtel_tui.gate.catching", "cqtel_tui.outbox.runs")
_LINGER_SECONDS = 1.0
_DRAIN_SECONDS = 0.3
_QUIET_SECONDS = 0.02
_GLANCE_SECONDS = 1.0
_PART = 64 * 1024
_UNREAD_BYTES = 16 * 1024
"""How many bytes of answers may wait for a client to read them."""
_NOT_FOUND = 404
_TOO_LARGE = 413
_WORDS = Answer("text/plain", b"")


class Server:
    """Serves two listening sockets until a third one, the bell, can be read.

    Args:
        listener: where the program sends to.
        closed_door: where each connection is counted and closed.
        bell: readable once the program has ended.
        profiles: the secret that a path begins with, and the profile whose it is.
        seen: what is told of it all.
    """

    def __init__(
        self,
        listener: socket.socket,
        closed_door: socket.socket,
        bell: socket.socket,
        profiles: Mapping[str, str],
        seen: Seen,
    ) -> None:
        self._listener = listener
        self._closed_door = closed_door
        self._bell = bell
        self._selector = selectors.DefaultSelector()
        self._prefixes = {f"/{secret}/".encode(): name for secret, name in profiles.items()}
        self.seen = seen
        self.connections: dict[_Connection, None] = {}
        self.under_way = 0
        """Bytes of bodies that are not complete yet."""
        self._is_full = False
        self._is_over = False

    def run(self) -> None:
        """Serve until the bell rings, and take what was sent before it did."""
        with self._selector:
            try:
                self._watch(self._bell, self._end)
                self._watch(self._listener, self._accept)
                self._watch(self._closed_door, self._count)
                # What is needed when the program has ended is loaded while it runs.
                for module in _NEEDED_AFTERWARDS:
                    importlib.import_module(module)
                while not self._is_over:
                    self._look(_GLANCE_SECONDS)
                self._drain()
            finally:
                for connection in list(self.connections):
                    connection.close()

    def recognise(self, target: bytes) -> tuple[str, bytes] | None:
        """Return the profile that a request's target is of, and its path without the secret."""
        known = None
        for prefix, profile in self._prefixes.items():  # all of them: time tells nothing
            if hmac.compare_digest(target[: len(prefix)], prefix):
                known = profile, b"/" + target[len(prefix) :]
        return known

    def forget(self, connection: _Connection) -> None:
        """Watch a connection no more."""
        self._selector.unregister(connection.socket)
        del self.connections[connection]
        if self._is_full:
            self._is_full = False
            self._watch(self._listener, self._accept)

    def _watch(self, what: socket.socket, then: Callable[[], None]) -> None:
        self._selector.register(what, selectors.EVENT_READ, then)

    def _look(self, seconds: float) -> bool:
        """Wait for something to happen, and let it; return whether anything did."""
        happened = self._selector.select(seconds)
        for key, _ in happened:
            key.data()
        now = time.monotonic()
        for connection in list(self.connections):
            if now > connection.until:
                self.seen.refused["too slow"] += not connection.is_quiet
                connection.close()
        return bool(happened)

    def _drain(self) -> None:
        """Go on while there is more to read; a dead program's connections end by themselves."""
        self._selector.unregister(self._bell)
        until = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < until:
            waits = _QUIET_SECONDS if self.connections else 0.0
            if not self._look(waits) and all(one.is_quiet for one in self.connections):
                return

    def _end(self) -> None:
        self._is_over = True

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
            self._watch(accepted, connection.read)

    def _make_room(self) -> bool:
        """Close the oldest connection that has not shown the secret."""
        for connection in self.connections:
            if not connection.is_known:
                self.seen.refused["too many"] += 1
                connection.close()
                return True
        return False

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            self._closed_door.accept()[0].close()
            self.seen.closed_attempts += 1


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
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._is_kept = True
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
        """Read what has come."""
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
            self._refuse(error.error_status_hint, "not HTTP that we read")
        except OSError:
            self.close()

    def _understand(self, data: bytes) -> None:
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
        if known is None:
            self._refuse(_NOT_FOUND, "without the secret")
            return False
        self.is_known = True
        self._profile, self._path = known
        self.until = time.monotonic() + BODY_SECONDS
        self._request = request
        length = next((value for name, value in request.headers if name == b"content-length"), b"0")
        if int(length) > MAX_BODY_BYTES:
            self._refuse(_TOO_LARGE, "too large")
            return False
        return True

    def _add(self, data: bytes) -> bool:
        if len(self._body) + len(data) > MAX_BODY_BYTES:
            self._refuse(_TOO_LARGE, "too large")
            return False
        # Beyond the bounds it is read and answered all the same, so that the program goes on.
        if self._is_kept and self._server.seen.has_room(self._server.under_way + len(data)):
            self._body += data
            self._server.under_way += len(data)
        else:
            self._drop_body()
            self._is_kept = False
        return True

    def _complete(self) -> bool:
        request, body = self._request, bytes(self._body)
        assert request is not None  # noqa: S101  # h11 ends no message that did not begin
        self._drop_body()
        path = self._path.decode("latin-1")
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
        )
        method, now = request.method.decode("latin-1"), time.time_ns() // 1000
        caught = Caught(method, path, headers, body, now, self._profile)
        if self._is_kept:
            self._server.seen.add(caught)
        else:
            self._server.seen.lost += 1
        self._request, self._is_kept = None, True
        self.until = time.monotonic() + IDLE_SECONDS
        self._answer(200, answer_to(path, caught.header("content-type")))
        if self._http.our_state is not h11.DONE:
            self._leave()  # the client said that this was its last
            return False
        self._http.start_next_cycle()
        return True

    def _drop_body(self) -> None:
        self._server.under_way -= len(self._body)
        self._body.clear()

    def _answer(self, status: int, answer: Answer) -> None:
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
        ]
        self._send(h11.Response(status_code=status, headers=headers))
        self._send(h11.Data(data=answer.body))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        # An answer is small: a client whose buffer has no room for it does not read.
        if data and self.socket.send(data) < len(data):
            raise OSError("the client does not read")

    def _refuse(self, status: int, why: str) -> None:
        """Answer with an error, and read no more of it than the client needs to see it."""
        self._server.seen.refused[why] += 1
        self._drop_body()
        try:
            if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                self._answer(status, _WORDS)
            self._leave()
        except (OSError, h11.LocalProtocolError):
            self.close()

    def _leave(self) -> None:
        """Close it once the client has: to close at once would reset what it still reads."""
        self.socket.shutdown(socket.SHUT_WR)
        self._is_leaving = True
        self.until = time.monotonic() + _LINGER_SECONDS
