"""Send what came by gRPC to where it was bound for: one call in HTTP/2, as `h2` has it.

Bounded in time and in memory, as over HTTP (`connection`). Each call has a connection of its own.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..formats import grpc
from ..formats.protobuf_wire import message_in, number_in
from ..review.headers import request_headers
from .connection import (
    MAX_ANSWER_BYTES,
    MAX_ANSWER_CHARACTERS,
    MAX_REJECTED,
    CollectorResponse,
    trusted,
)
from .exchanging import FAREWELL_SECONDS, Exchanges, NoAnswerError
from .proxies import proxy_for, without_password

if TYPE_CHECKING:
    import ssl
    import threading
    from collections.abc import Callable

    from ..outbox.envelope import Envelope

_PART = 64 * 1024
_PORTS = {"http": 80, "https": 443}
_HTTP_OK = 200
_LIKE_IN_HTTP = {
    grpc.OK: 200,
    grpc.INVALID_ARGUMENT: 400,
    grpc.UNAUTHENTICATED: 401,
    grpc.PERMISSION_DENIED: 403,
    grpc.UNIMPLEMENTED: 404,
    grpc.RESOURCE_EXHAUSTED: 413,
    # By these a client is asked to try again (https://opentelemetry.io/docs/specs/otlp/#failures).
    grpc.CANCELLED: 503,
    grpc.DEADLINE_EXCEEDED: 504,
    grpc.ABORTED: 503,
    grpc.OUT_OF_RANGE: 503,
    grpc.UNAVAILABLE: 503,
    grpc.DATA_LOSS: 503,
}
"""What each status comes to in HTTP's, by which receipts and waiting go; any other is a 500."""
_OTHER = 500
_BUSY = 429
_MAY_RETRY = "grpc-status-details-bin"
"""With it a server that has no room asks to be tried again later."""


class Calls(Exchanges):
    """Calls to one service.

    Args:
        url: the call's: a server, and the path of service and method.
        seconds: how long one call may take in all, its answer included.
        is_cancelled: called again and again while one is under way.

    Attributes:
        proxy: empty; none is used.

    Raises:
        NoAnswerError: it cannot be called: by a proxy, or without what speaks HTTP/2.
    """

    proxy = ""

    def __init__(self, url: str, seconds: float, is_cancelled: Callable[[], bool]) -> None:
        super().__init__(seconds, is_cancelled)
        if proxy := proxy_for(url):
            raise NoAnswerError(
                f"gRPC is not sent through a proxy, and {without_password(proxy)} is set"
            )
        self._url = url
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close it: each call has closed its own."""

    def connected(self) -> socket.socket | None:
        """Return the socket that is in use; None if there is none yet."""
        return self._socket

    def post(self, envelope: Envelope) -> CollectorResponse:
        """Call with an envelope's bytes and headers, and nothing else.

        Raises:
            NoAnswerError: there was no answer, or none in time.
        """
        heard = _Heard()

        def exchange(is_over: threading.Event) -> None:
            try:
                self._exchange(envelope, heard)
            except Exception as error:  # noqa: BLE001  # told to whoever waits, whatever it is
                heard.problem = f"{error}" or type(error).__name__
            finally:
                is_over.set()

        reason = self.run(exchange)
        if heard.is_complete:
            return heard.response()
        raise NoAnswerError(reason or heard.problem or "it closed the connection too early")

    def _exchange(self, envelope: Envelope, heard: _Heard) -> None:
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        patience = self.seconds + FAREWELL_SECONDS  # `run` has no patience for as long
        with contextlib.ExitStack() as opened:
            connected = opened.enter_context(socket.create_connection((host, port), patience))
            self._socket = connected
            if parts.scheme == "https":
                connected = self._socket = opened.enter_context(_secured(connected, host))
            if self.is_stopped:
                raise NoAnswerError("it was stopped before it was sent")
            _Call(connected, heard).make(_head(self._url, envelope), grpc.framed(envelope.payload))


def _head(url: str, envelope: Envelope) -> list[tuple[str, str]]:
    """Return all that stands before a call's message, as HTTP/2 has it."""
    parts = urlsplit(url)
    named = [
        (name.lower(), value)
        for name, value in request_headers(envelope.headers, len(envelope.payload), url)
    ]
    authority = next(value for name, value in named if name == "host")
    return [
        (":method", "POST"),
        (":scheme", parts.scheme),
        (":authority", authority),
        (":path", parts.path),
        *[one for one in named if one[0] != "host"],
    ]


def _secured(connected: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        context = trusted()
    except OSError as error:
        raise NoAnswerError(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error.strerror}"
        ) from None
    context.set_alpn_protocols(["h2"])
    secured = context.wrap_socket(connected, server_hostname=host)
    if secured.selected_alpn_protocol() != "h2":
        secured.close()
        raise NoAnswerError("it does not speak HTTP/2")
    return secured


class _Heard:
    """What one call has been answered so far."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.is_complete = False
        self.problem = ""

    def note(self, headers: Any) -> None:
        """Take note of headers or trailers; a call's status may be in either."""
        for name, value in headers:
            self.headers[bytes(name).decode("latin-1")] = bytes(value).decode("latin-1")

    def response(self) -> CollectorResponse:
        """Return the answer as one of HTTP."""
        http = self.headers.get(":status", "")
        status = self.headers.get("grpc-status", "")
        words = unquote(self.headers.get("grpc-message", ""))
        if not status.isdecimal():
            number = int(http) if http.isdecimal() else _OTHER
            words = f"no status of gRPC{f': {words}' if words else ''}"
            number = _OTHER if number == _HTTP_OK else number
            return CollectorResponse(number, words[:MAX_ANSWER_CHARACTERS], 0, "")
        number = _LIKE_IN_HTTP.get(int(status), _OTHER)
        if int(status) == grpc.RESOURCE_EXHAUSTED and _MAY_RETRY in self.headers:
            number = _BUSY
        words = f"gRPC status {int(status)}{f': {words}' if words else ''}"
        rejected, message = _partial(bytes(self.body)) if number == _HTTP_OK else (0, "")
        if message:
            words = message
        return CollectorResponse(number, words[:MAX_ANSWER_CHARACTERS], rejected, "")


def _partial(body: bytes) -> tuple[int, str]:
    """Return how many items a service says it refused, and why.

    `partial_success` of `ExportTraceServiceResponse` and its kin: a number, and a message.
    """
    try:
        message, is_compressed = grpc.unframed(body)
    except grpc.UnframedError:
        return 0, ""
    if is_compressed:  # nobody asked for that, and a few bytes could fill the memory
        return 0, ""
    partial = message_in(message, 1)
    rejected = number_in(partial, 1)
    words = message_in(partial, 2).decode("utf-8", "replace")
    return min(rejected, MAX_REJECTED) if rejected < 1 << 63 else 0, words


class _Call:
    """One call over a connection of its own."""

    def __init__(self, connected: socket.socket, heard: _Heard) -> None:
        try:
            from h2.config import H2Configuration
            from h2.connection import H2Connection
        except ImportError:
            from ..extras import how_to_install

            words = f"h2 is not installed: {how_to_install('grpc')}"
            raise NoAnswerError(words) from None
        self._socket = connected
        self._heard = heard
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._is_http_2 = False

    def make(self, head: list[tuple[str, str]], body: bytes) -> None:
        """Send a request, and take its answer."""
        from h2.exceptions import ProtocolError

        try:
            self._http.initiate_connection()
            self._flush()
            while not self._is_http_2:  # before, nobody knows who gets what is sent
                self._read()
            number = self._http.get_next_available_stream_id()
            self._http.send_headers(number, head)
            self._flush()
            self._send(number, body)
            while not self._heard.is_complete:
                self._read()
        except ProtocolError as error:
            raise NoAnswerError(f"it does not speak HTTP/2 as it should ({error})") from None

    def _send(self, number: int, body: bytes) -> None:
        """Send the body as far as the server has room for it, waiting for more room."""
        while body and not self._heard.is_complete:
            room = self._http.local_flow_control_window(number)
            part = body[: max(0, min(room, self._http.max_outbound_frame_size))]
            if not part:
                self._read()
                continue
            body = body[len(part) :]
            self._http.send_data(number, part, end_stream=not body)
            self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())

    def _read(self) -> None:
        from h2 import events

        data = self._socket.recv(_PART)
        if not data:
            raise NoAnswerError("it closed the connection without a response")
        for event in self._http.receive_data(data):
            if isinstance(event, events.RemoteSettingsChanged):
                self._is_http_2 = True
            elif isinstance(event, (events.ResponseReceived, events.TrailersReceived)):
                self._heard.note(event.headers)
            elif isinstance(event, events.DataReceived):
                self._heard.body += event.data
                size = event.flow_controlled_length
                self._http.acknowledge_received_data(size, event.stream_id)
                if len(self._heard.body) > MAX_ANSWER_BYTES:
                    raise NoAnswerError(f"its answer is longer than {MAX_ANSWER_BYTES:,} bytes")
            elif isinstance(event, events.StreamEnded):
                self._heard.is_complete = True
            elif isinstance(event, events.StreamReset):
                self._end(f"it reset the call ({event.error_code})")
            elif isinstance(event, events.ConnectionTerminated):
                self._end(f"it ended the connection ({event.error_code})")
        self._flush()

    def _end(self, why: str) -> None:
        """Take a call for over: answered, if its status is there, as servers do that refuse it."""
        if "grpc-status" not in self._heard.headers:
            raise NoAnswerError(why)
        self._heard.is_complete = True
