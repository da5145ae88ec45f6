"""Bound what one connection may cost: how long a head may take to arrive, and its size.

uvicorn bounds neither before the first request of a connection is complete. How long a body may
take is the application's to say. And no offer to change the protocol costs a request its body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from .exchanges import DirectConnection as _Protocol
except ImportError:  # slower, and in Python; it declines by itself
    from uvicorn.protocols.http.h11_impl import (  # type: ignore[assignment]
        H11Protocol as _Protocol,
    )

if TYPE_CHECKING:
    import asyncio

    from .server import Application

MAX_CONNECTIONS = 1000
HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 1 << 16
MAX_PIPELINED = 32
"""Requests that may wait on one connection for the answer to the one before."""
UNREAD_SECONDS = 30.0
IDLE_SECONDS = 30
_LOOK_SECONDS = 2.0
_FULL_BODY = b'{"code": 14, "message": "too many connections"}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
) % (len(_FULL_BODY), _FULL_BODY)


def bounded(application: Application) -> type[asyncio.Protocol]:
    """Return the protocol of an application's server."""
    return type("Served", (BoundedConnection,), {"application": application})


class BoundedConnection(_Protocol):
    """A connection with bounds."""

    application: Application

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.metrics = self.application.metrics
        self.take = self.application.take_at_once
        super().__init__(*arguments, **named)
        self._since: float | None = None
        self._head = 0
        self._unread = 0
        self._unread_since: float | None = None
        self._look_again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or turn the client away where there are too many."""
        super().connection_made(transport)
        self.metrics.connections.inc()
        if len(self.connections) > MAX_CONNECTIONS:
            self.metrics.turned_away.inc()
            transport.write(_FULL)
            transport.close()
            return
        self._since = self.loop.time()
        self._look_again = self.loop.call_later(_LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._look_again is not None:
            self._look_again.cancel()
        self.metrics.connections.dec()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, and count it while it is a head's."""
        if self.transport.is_closing():
            return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._since = None
            self._head = 0
        elif before is None or before.response_complete:  # type: ignore[redundant-expr]  # it is
            if self._since is None:
                self._since = self.loop.time()
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self.transport.close()
        if len(getattr(self, "pipeline", ())) > MAX_PIPELINED:
            self.transport.abort()

    def _look(self) -> None:
        now = self.loop.time()
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._unread_since = None
        elif self._unread_since is None or unread < self._unread:
            self._unread_since = now  # some of it was read since the last look
        self._unread = unread
        if _is_past(self._since, HEAD_SECONDS, now) or _is_past(
            self._unread_since, UNREAD_SECONDS, now
        ):
            self.transport.abort()
        elif _is_past(getattr(self, "idle_since", None), IDLE_SECONDS, now):
            self.transport.close()
        else:
            self._look_again = self.loop.call_later(_LOOK_SECONDS, self._look)


def _is_past(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
