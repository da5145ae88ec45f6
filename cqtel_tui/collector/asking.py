"""One request for traces: what its head says, and its body as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats import MAX_BODY_BYTES
from .answers import JSON, PROTOBUF

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

_DRAINED_BYTES = 8 * MAX_BODY_BYTES


class DisconnectedError(Exception):
    """The client has gone before its request was complete."""


class Asked:
    """One request for traces: what its head says, and its body as it comes."""

    __slots__ = (
        "_expects",
        "_receive",
        "compression",
        "encoding",
        "forwarded",
        "is_over",
        "length",
        "method",
        "origin",
        "peer",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False
        self._expects = False
        self.method: str = scope["method"]
        self.peer: str = scope["client"][0] if scope["client"] else ""
        self.encoding: str | None = None
        self.compression = ""
        self.length = 0
        self.forwarded: list[str] = []
        self.origin = b""
        for name, value in scope["headers"]:
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

    async def drain(self) -> None:
        """Read on without keeping anything: most clients read no answer before they have sent."""
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
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        more: bool = message.get("more_body", False)
        self.is_over = not more
        return message.get("body", b""), more


ENCODINGS = {JSON.encode(): JSON, PROTOBUF.encode(): PROTOBUF}


def encoding_of(content_type: bytes) -> str | None:
    """Return which of OTLP's encodings a Content-Type names, if any."""
    return ENCODINGS.get(content_type.partition(b";")[0].strip().lower())
