"""One request for traces: what its head says, and its body as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..formats import MAX_BODY_BYTES
from .otlp_responses import JSON, PROTOBUF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope

    from .otlp_responses import Header

_DRAINED_BYTES = 8 * MAX_BODY_BYTES


class DisconnectedError(Exception):
    """The client has gone before its request was complete."""


class OtlpRequest:
    """One request for traces: what its head says, and its body as it comes.

    Args:
        method: the request's.
        peer: the address at the other end of the connection.
        headers: their names in lower case.
        receive: gives the body in parts; None if that came with the head.
        memory: what is remembered of its connection from one request to the next.
    """

    __slots__ = (
        "_expects",
        "_receive",
        "compression",
        "encoding",
        "forwarded",
        "is_over",
        "length",
        "memory",
        "method",
        "origin",
        "peer",
    )

    def __init__(
        self,
        method: str,
        peer: str,
        headers: Iterable[Header],
        receive: Receive | None = None,
        memory: dict[str, Any] | None = None,
    ) -> None:
        self.memory = {} if memory is None else memory
        self._receive = receive
        self.is_over = receive is None
        self._expects = False
        self.method = method
        self.peer = peer
        self.encoding: str | None = None
        self.compression = ""
        self.length = 0
        self.forwarded: list[str] = []
        self.origin = b""
        for name, value in headers:
            if name == b"content-type":
                kind = value.partition(b";")[0].strip().lower()
                self.encoding = ENCODINGS.get(kind)
            elif name == b"content-length":
                self.length = int(value) if value.isdigit() else 0
            elif name == b"content-encoding":
                self.compression = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                self.forwarded.append(value.decode("latin-1"))
            elif name == b"expect":
                self._expects = True
            elif name == b"origin":
                self.origin = value

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> OtlpRequest:
        """Return the request of a scope, as ASGI has it."""
        peer = scope["client"][0] if scope["client"] else ""
        return cls(scope["method"], peer, scope["headers"], receive)

    async def drain(self) -> None:
        """Read the rest without keeping it: most clients send all before they read an answer."""
        size = 0
        # A client that waits for 100 Continue would send it all only because we read on.
        while not self.is_over and not self._expects and size <= _DRAINED_BYTES:
            part, _ = await self.part()
            size += len(part)

    async def part(self) -> tuple[bytes, bool]:
        """Return the next part of the body, and whether there are more.

        Raises:
            DisconnectedError: the client has gone.
        """
        message = None if self._receive is None else await self._receive()
        if message is None or message["type"] == "http.disconnect":
            raise DisconnectedError
        more: bool = message.get("more_body", False)
        self.is_over = not more
        return message.get("body", b""), more


ENCODINGS = {JSON.encode(): JSON, PROTOBUF.encode(): PROTOBUF}


def encoding_of(content_type: bytes) -> str | None:
    """Return which of OTLP's encodings a Content-Type names, if any."""
    return ENCODINGS.get(content_type.partition(b";")[0].strip().lower())
