"""Serve one client of the gate: HTTP/1.1 as h11 reads it, and HTTP/2 where it begins with that."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import h11

from .channels import SECRET_HEADER
from .limits import (
    BODY_SECONDS,
    IDLE_SECONDS,
    MAX_HEAD_BYTES,
    STRANGER_SECONDS,
)
from .refusals import (
    BROKEN,
    HTTP_2,
    NOT_HTTP,
    STRANGER,
    TLS,
    TOO_LARGE,
)
from .requests import Request
from .responses import Response, response_to

if TYPE_CHECKING:
    from .http2 import Http2
    from .receiving import Receiver

_LINGER_SECONDS = 1.0
_PART = 64 * 1024
_OK = 200
_NOT_FOUND = 404
_TOO_LARGE = 413
_NOT_IMPLEMENTED = 501
_UNAVAILABLE = 503
_VERSION_NOT_SUPPORTED = 505
_VERSIONS = frozenset({b"1.0", b"1.1"})
_SECRET_HEADER = SECRET_HEADER.encode()
_NO_WORDS = Response("text/plain", b"")
_HTTP_2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TLS_HANDSHAKE = b"\x16\x03"


class Connection:
    """One client, and what it has sent of its request so far.

    Attributes:
        socket: non-blocking.
        until: when its patience ends, in seconds of the monotonic clock.
        is_known: whether it has shown the secret.
    """

    def __init__(self, accepted: socket.socket, server: Receiver, *, is_call: bool = False) -> None:
        self.socket = accepted
        self.until = time.monotonic() + STRANGER_SECONDS
        self.is_known = False
        self._server = server
        self._is_call = is_call
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._http2: Http2 | None = None
        self._is_http_1 = False
        self._begins_with = b""
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._profile, self._path = "", b""
        self._is_leaving = False
        self._is_closed = False

    @property
    def is_quiet(self) -> bool:
        """Whether it is not in the middle of a request."""
        if self._http2 is not None:
            return self._is_leaving or self._http2.is_quiet
        has_begun = self._http.trailing_data[0] if self._is_http_1 else self._begins_with
        return self._is_leaving or (self._request is None and not has_begun)

    def close(self) -> None:
        """Close it, and forget what it had begun to send."""
        self._drop_body()
        if self._http2 is not None:
            self._http2.drop()
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
        if self._http2 is None and not self._is_http_1:
            received = self._begins_with = self._begins_with + data
            if not self._is_told(received, has_more=bool(data)):
                return
            data = received
            if self._is_call and self._http2 is None:
                self.close()
                return
        if self._http2 is not None:
            self._speak_http_2(self._http2, data)
            return
        self._http.receive_data(data)
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if not self._take(event):
                return
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _is_told(self, received: bytes, *, has_more: bool) -> bool:
        """Tell by how it begins which HTTP it is; return whether enough of that has come."""
        if has_more and received != _HTTP_2_PREFACE and _HTTP_2_PREFACE.startswith(received):
            return False
        self._begins_with = received[: len(_HTTP_2_PREFACE)]
        if self._begins_with == _HTTP_2_PREFACE:
            with contextlib.suppress(ImportError):  # its extra is not installed: it is refused
                from .http2 import Http2

                self._http2 = Http2(self._server, is_call=self._is_call)
                self._server.counts.blocked_attempts -= self._is_call  # it can be read
        self._is_http_1 = self._http2 is None
        return True

    def _speak_http_2(self, http2: Http2, data: bytes) -> None:
        if not data:
            self._server.counts.refused[BROKEN] += not http2.is_quiet
            self.close()
            return
        self._write(http2.receive(data))
        if http2.is_known:
            self.is_known = True
            self.until = http2.until
        if http2.is_over:
            self._leave()

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
        shown = next((value for name, value in request.headers if name == _SECRET_HEADER), b"")
        known = self._server.recognise(request.target, shown)
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
        why = self._server.lack_of_room(len(self._body), size)
        if why:
            self._refuse(_TOO_LARGE if why == TOO_LARGE else _UNAVAILABLE, why)
        return not why

    def _complete(self) -> bool:
        head, body = self._request, bytes(self._body)
        assert head is not None  # noqa: S101  # h11 ends no message that did not begin
        self._drop_body()
        request = Request(
            head.method.decode("latin-1"),
            self._path.decode("latin-1"),
            tuple(
                (name.decode("latin-1"), text.decode("latin-1"))
                for name, text in head.headers
                if name != _SECRET_HEADER
            ),
            body,
            time.time_ns() // 1000,
            self._profile,
        )
        if why := self._server.take(request):
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
        self._write(b"".join(self._http.send(event) or b"" for event in events))

    def _write(self, data: bytes) -> None:
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
