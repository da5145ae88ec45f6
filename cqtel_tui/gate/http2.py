"""Read HTTP/2 in plaintext, and the gRPC in it, as `h2` does: the requests of one connection.

A client has to know beforehand that it may speak it (RFC 9113 §3.3), as gRPC clients do. A path
in gRPC is fixed, so that its secret comes in a header. Needs the extra `grpc`, and is imported only
where a client speaks HTTP/2.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from ..formats import grpc
from .channels import SECRET_HEADER
from .limits import BODY_SECONDS, IDLE_SECONDS, MAX_HEAD_BYTES
from .refusals import (
    BROKEN,
    DISK_FULL,
    NOT_HTTP,
    NOT_OTLP,
    STRANGER,
    TOO_LARGE,
    TOO_MANY,
)
from .requests import Request
from .responses import response_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .receiving import Receiver

MAX_STREAMS = 32
"""How many requests of one connection may be under way."""
_WINDOW_BYTES = 1 << 20
_ENCODING = "grpc-encoding"
_SECRET_HEADER = SECRET_HEADER.encode()
_HTTP_STATUS = {
    STRANGER: 404,
    TOO_LARGE: 413,
    NOT_HTTP: 501,
    NOT_OTLP: 501,
    DISK_FULL: 503,
    TOO_MANY: 503,
}
_GRPC_STATUS = {
    STRANGER: grpc.UNAUTHENTICATED,
    TOO_LARGE: grpc.RESOURCE_EXHAUSTED,
    NOT_HTTP: grpc.UNIMPLEMENTED,
    NOT_OTLP: grpc.UNIMPLEMENTED,
    DISK_FULL: grpc.UNAVAILABLE,
    TOO_MANY: grpc.UNAVAILABLE,
}
_OK = "200"


@dataclass(slots=True)
class _Stream:
    """One request, and what has come of it so far."""

    method: str
    path: str
    profile: str
    headers: tuple[tuple[str, str], ...]
    until: float
    body: bytearray = field(default_factory=bytearray)

    @property
    def is_grpc(self) -> bool:
        return grpc.is_grpc(_last(self.headers, "content-type"))


class Http2:
    """The requests of one connection: bytes in, bytes out.

    Args:
        server: knows the secrets, and takes complete requests.
        is_call: whether it is for calls that are made without a secret, and for nothing else.

    Attributes:
        is_known: whether the client has shown the secret, or needs none.
        is_over: whether it is to be closed once the client has read what it was sent.
    """

    def __init__(self, server: Receiver, *, is_call: bool = False) -> None:
        self.is_known = is_call
        self.is_over = False
        self._server = server
        self._is_call = is_call
        self._streams: dict[int, _Stream] = {}
        self._idle_until = 0.0
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._http.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES,
            },
        )
        self._http.decoder.max_header_list_size = MAX_HEAD_BYTES
        self._http.initiate_connection()
        self._http.increment_flow_control_window(_WINDOW_BYTES)

    @property
    def is_quiet(self) -> bool:
        """Whether it is not in the middle of a request."""
        return not self._streams

    @property
    def until(self) -> float:
        """When the patience with a client that is known ends, in seconds of the monotonic clock."""
        return min((one.until for one in self._streams.values()), default=self._idle_until)

    def receive(self, data: bytes) -> bytes:
        """Take what has come; return what is to be sent."""
        try:
            for event in self._http.receive_data(data):
                with contextlib.suppress(StreamClosedError):  # by the client, in the same moment
                    self._take(event)
                if self.is_over:
                    break
        except ProtocolError:
            self._end(NOT_HTTP)
        self._idle_until = time.monotonic() + IDLE_SECONDS
        return bytes(self._http.data_to_send())

    def drop(self) -> None:
        """Forget all that is not complete."""
        for stream in list(self._streams):
            self._forget(stream)

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event.stream_id, event.headers)
        elif isinstance(event, DataReceived):
            self._add(event)
        elif isinstance(event, StreamEnded) and event.stream_id in self._streams:
            self._complete(event.stream_id)
        elif isinstance(event, StreamReset) and self._forget(event.stream_id) is not None:
            self._server.counts.refused[BROKEN] += 1

    def _begin(self, number: int, received: Sequence[tuple[bytes, bytes]]) -> None:
        named = [(bytes(name), bytes(value)) for name, value in received]
        shown = dict(named)
        known = self._recognise(shown.get(b":path", b""), shown.get(_SECRET_HEADER, b""))
        profile, path = known or ("", b"")
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in named
            if not name.startswith(b":") and name != _SECRET_HEADER
        )
        self._streams[number] = stream = _Stream(
            shown.get(b":method", b"").decode("latin-1"),
            path.decode("latin-1"),
            profile,
            headers,
            time.monotonic() + BODY_SECONDS,
        )
        if known is None:
            self._refuse(number, NOT_OTLP if self._is_call else STRANGER)
            self._http.close_connection()
            self._end()
            return
        self.is_known = True
        if stream.method == "CONNECT":
            self._refuse(number, NOT_HTTP)
        elif stream.is_grpc and not _is_export(stream):
            self._refuse(number, NOT_OTLP)
        else:
            length = _last(headers, "content-length")
            self._has_room(number, int(length) if length.isdecimal() else 0)

    def _recognise(self, path: bytes, secret: bytes) -> tuple[str, bytes] | None:
        if not self._is_call:
            return self._server.recognise(path, secret)
        profile = self._server.calls.get(path)
        return None if profile is None else (profile, path)

    def _add(self, event: DataReceived) -> None:
        number, data = event.stream_id, bytes(event.data)
        self._http.acknowledge_received_data(event.flow_controlled_length, number)
        if number in self._streams and self._has_room(number, len(data)):
            self._streams[number].body += data
            self._server.under_way += len(data)

    def _has_room(self, number: int, size: int) -> bool:
        stream = self._streams[number]
        framing = grpc.PREFIX_BYTES if stream.is_grpc else 0
        why = self._server.lack_of_room(len(stream.body) - framing, size)
        if why:
            self._refuse(number, why)
        return not why

    def _complete(self, number: int) -> None:
        stream = self._streams[number]
        try:
            request = _request(stream)
        except grpc.UnframedError:
            self._refuse(number, NOT_OTLP, is_complete=True)
            return
        if why := self._server.take(request):
            self._refuse(number, why, is_complete=True)
            return
        self._forget(number)
        if stream.is_grpc:
            headers = [(":status", _OK), ("content-type", grpc.CONTENT_TYPE)]
            self._http.send_headers(number, headers)
            self._http.send_data(number, grpc.framed(b""))  # an empty message: all was taken
            self._http.send_headers(number, [("grpc-status", str(grpc.OK))], end_stream=True)
            return
        response = response_to(request.path, request.header("content-type"))
        self._answer(number, _OK, response.content_type, response.body, stream.method)

    def _answer(self, number: int, status: str, kind: str, body: bytes, method: str) -> None:
        headers = [(":status", status), ("content-type", kind), ("content-length", str(len(body)))]
        has_body = bool(body) and method != "HEAD"
        self._http.send_headers(number, headers, end_stream=not has_body)
        if has_body:
            self._http.send_data(number, body, end_stream=True)

    def _refuse(self, number: int, why: str, *, is_complete: bool = False) -> None:
        """Answer one request with an error, and read no more of it; the others go on."""
        self._server.counts.refused[why] += 1
        stream = self._forget(number)
        if stream is not None and stream.is_grpc:
            headers = [
                (":status", _OK),
                ("content-type", grpc.CONTENT_TYPE),
                ("grpc-status", str(_GRPC_STATUS[why])),
                ("grpc-message", f"refused by cq-telemetry: {why}"),
                ("grpc-accept-encoding", ",".join(grpc.ENCODINGS)),
            ]
            self._http.send_headers(number, headers, end_stream=True)
        else:
            self._answer(number, str(_HTTP_STATUS[why]), "text/plain", b"", "")
        if not is_complete:
            self._http.reset_stream(number, ErrorCodes.NO_ERROR)

    def _forget(self, number: int) -> _Stream | None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._server.under_way -= len(stream.body)
        return stream

    def _end(self, why: str = "") -> None:
        """Read no more of this client."""
        if why:
            self._server.counts.refused[why] += 1
        self.drop()
        self.is_over = True


def _request(stream: _Stream) -> Request:
    """Return a complete request; of gRPC, its one message without the frame around it.

    Raises:
        UnframedError: there is no such message.
    """
    request = Request(
        stream.method,
        stream.path,
        stream.headers,
        bytes(stream.body),
        time.time_ns() // 1000,
        stream.profile,
    )
    if not stream.is_grpc:
        return request
    message, is_compressed = grpc.unframed(request.body)
    headers = tuple(one for one in request.headers if is_compressed or one[0] != _ENCODING)
    return replace(request, body=message, headers=headers)


def _is_export(stream: _Stream) -> bool:
    """Tell whether it is a call that can be read, in an encoding that can be read."""
    encoding = _last(stream.headers, _ENCODING) or "identity"
    is_known = stream.path in grpc.SIGNALS or stream.path == grpc.SUMMARY_CALL
    return is_known and encoding in grpc.ENCODINGS and stream.method == "POST"


def _last(headers: tuple[tuple[str, str], ...], wanted: str) -> str:
    return next((value for name, value in reversed(headers) if name == wanted), "")
