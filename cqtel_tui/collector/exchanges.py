"""Take a payload that arrives whole, as nearly all do, without a task and a scope of its own.

Whatever comes in parts, is pipelined, or waits for 100 Continue goes uvicorn's way through the
application, and so does all that the application does not take at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from .otlp_requests import OtlpRequest
from .settings import TRACES_PATH
from .upgrades import DecliningConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from .otlp_responses import Header, OtlpResponse

_PATH = TRACES_PATH.encode("ascii")


class _Nobody:
    """The event of uvicorn's cycle that nobody waits for."""

    def set(self) -> None:
        """Wake nobody."""


class Exchange:
    """One payload and its answer, in the place of uvicorn's cycle of a request.

    Attributes:
        keep_alive: whether the connection stays open afterwards.
        response_complete: whether it was answered.
        disconnected: whether the client has gone.
    """

    __slots__ = ("disconnected", "keep_alive", "response_complete")
    message_event = _Nobody()

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False


class DirectConnection(DecliningConnection):
    """A connection whose payloads are taken at once where that can be.

    Attributes:
        take: takes a request and its body, and calls what it is given with the response, at once
            or later; false if it does not take the request.
        idle_since: when the last answer was sent, if nothing came since.
    """

    take: Callable[[OtlpRequest, bytes, Callable[[OtlpResponse], None]], bool]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.idle_since: float | None = None
        self._parts: list[bytes] | None = None
        self._memory: dict[str, Any] = {}
        self._heads: tuple[list[Header], bytes] = ([], b"")

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self.idle_since = None
        super().data_received(data)
        if self._parts is not None:
            parts, self._parts = self._parts, None
            if not self.transport.is_closing():
                self._pass_to_uvicorn(parts)

    def on_message_begin(self) -> None:
        """Begin a request; what uvicorn needs is made only where it goes uvicorn's way."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Wait for the rest of what may come whole; begin to serve all else."""
        if self.parser.should_upgrade():
            return  # it is read once more
        if (
            self.url == _PATH
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]
            and not self.flow.write_paused
        ):
            self._parts = []
        else:
            self._pass_to_uvicorn([])

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._parts is not None:
            self._parts.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Serve what came whole."""
        if self._parts is None:
            super().on_message_complete()
            return
        parts, self._parts = self._parts, None
        parser = self.parser
        peer = self.client[0] if self.client else ""
        request = OtlpRequest(
            parser.get_method().decode("ascii"), peer, self.headers, memory=self._memory
        )
        alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        before, exchange = self.cycle, Exchange(keep_alive=alive)
        self.cycle = exchange  # type: ignore[assignment]  # it has what uvicorn asks of one
        if not self.take(
            request, b"".join(parts), lambda response: self._respond(exchange, response)
        ):
            self.cycle = before
            self._pass_to_uvicorn(parts)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Serve what was pipelined, or wait for more; idle time is checked now and then."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.idle_since = self.loop.time()

    def _pass_to_uvicorn(self, parts: list[bytes]) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        for part in parts:
            super().on_body(part)

    def _respond(self, exchange: Exchange, response: OtlpResponse) -> None:
        if exchange.response_complete or exchange.disconnected:
            return
        exchange.response_complete = True
        common = self.server_state.default_headers
        if self._heads[0] is not common:
            self._heads = (common, b"".join(b"%b: %b\r\n" % each for each in common))
        closes = b"" if exchange.keep_alive else b"connection: close\r\n"
        for name, value in response.headers:
            closes += b"%b: %b\r\n" % (name, value)
        self.transport.write(
            b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b"
            % (
                STATUS_LINE[response.status],
                self._heads[1],
                response.content_type.encode("ascii"),
                len(response.body),
                closes,
                response.body,
            )
        )
        if not exchange.keep_alive or (b"connection", b"close") in response.headers:
            self.transport.close()
        self.on_response_complete()
