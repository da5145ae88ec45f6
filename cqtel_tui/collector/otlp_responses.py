"""What a collector answers: OTLP's responses and errors, in the encoding of the request.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

if TYPE_CHECKING:
    from starlette.types import Send

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

_CODES = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    405: 12,  # UNIMPLEMENTED
    408: 4,  # DEADLINE_EXCEEDED
    413: 8,  # RESOURCE_EXHAUSTED
    415: 3,
    421: 7,
    422: 3,
    429: 8,
    500: 13,  # INTERNAL
    501: 12,
    502: 14,  # UNAVAILABLE
    503: 14,
}
_VARINT = 0x80
_MAX_MESSAGE = 4096

Header = tuple[bytes, bytes]


class OtlpResponse(NamedTuple):
    """One response, whole."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[Header, ...] = ()


_DONE = {JSON: OtlpResponse(200, JSON, b"{}"), PROTOBUF: OtlpResponse(200, PROTOBUF, b"")}


def done(encoding: str, rejected: int, message: str) -> OtlpResponse:
    """Answer that a request was taken, and what was left out of it.

    Args:
        encoding: `JSON` or `PROTOBUF`.
        rejected: how many spans were refused.
        message: what was left out, and why; empty if nothing was.
    """
    if not message:
        return _DONE[encoding]
    message = _bounded(message)
    if encoding == JSON:
        partial = {"rejectedSpans": str(rejected), "errorMessage": message}
        return OtlpResponse(200, JSON, json.dumps({"partialSuccess": partial}).encode("ascii"))
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return OtlpResponse(200, PROTOBUF, response.SerializeToString())


def refusal(encoding: str, status: int, message: str, *headers: Header) -> OtlpResponse:
    """Answer with an error, as google.rpc.Status."""
    message = _bounded(message)
    code = _CODES[status]
    if encoding == JSON:
        body = json.dumps({"code": code, "message": message}).encode("ascii")
    else:
        text = message.encode("utf-8", "replace")
        body = b"\x08" + bytes((code,)) + b"\x12" + _varint(len(text)) + text
    return OtlpResponse(status, encoding, body, headers)


async def send_response(send: Send, response: OtlpResponse) -> None:
    """Send a response, as ASGI has it."""
    headers = [
        (b"content-type", response.content_type.encode("ascii")),
        (b"content-length", str(len(response.body)).encode("ascii")),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def retry_after(seconds: float) -> Header:
    """Return the header that says when to come again, in whole seconds."""
    return b"retry-after", str(max(1, int(seconds + 0.999))).encode("ascii")


def _bounded(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"


def _varint(number: int) -> bytes:
    """Write a length as protobuf does."""
    written = bytearray()
    while number >= _VARINT:
        written.append(number & (_VARINT - 1) | _VARINT)
        number >>= 7
    written.append(number)
    return bytes(written)
