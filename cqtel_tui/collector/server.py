"""What a collector serves over HTTP, as an ASGI application.

`/v1/traces` is answered here without a framework, because every payload comes through it; what is
asked for seldom is Starlette's to route (`pages`).
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..formats import MAX_BODY_BYTES
from ..formats.encodings import TooLargeError, UndecodableError, UnknownEncodingError
from .allowing import MalformedError, own_fields
from .bodies import SMALL_BYTES, Body, Reader, read
from .limits import Limits
from .logs import tell_error
from .metrics import Metrics
from .otlp_requests import DisconnectedError, OtlpRequest
from .otlp_responses import JSON, PROTOBUF, OtlpResponse, done, refusal, retry_after, send_response
from .pages import COME_AGAIN, KEEP_SECONDS, NO_ADDRESS, TOO_OFTEN, Pages
from .settings import TRACES_PATH
from .sinks import BAD_GATEWAY, BusyError, KeepResult, RefusedError
from .waiting import done_of, when_done

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from .addresses import Addresses, Derived
    from .allowing import Allowed
    from .otlp_responses import Header
    from .settings import Settings
    from .sinks import Sink
    from .waiting import Awaited

MAX_COMING_BYTES = 64 << 20
"""Bytes of all bodies that are arriving in parts at one time."""
BODY_SECONDS = 20.0
"""How long a request's body may take to come."""
NOT_TAKEN = "the server behind this collector did not accept it"
CHARGED_BYTES = 1 << 16
"""Uncompressed bytes that count as one request of a network's rate; more count as several."""
_TAKEN = 200
_CLOSE = (b"connection", b"close")
_PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type, content-encoding"),
    (b"access-control-max-age", b"7200"),
)


class Application:
    """An ASGI application that takes payloads for a sink.

    Args:
        sink: what takes them. If it is a `Keeper`, its data can be asked for and erased.
        settings: the operator's.
        addresses: derives what may be kept of an address.
        limits: how often a network may come; by default as the settings have it.
        clock: seconds since 1970.
        tidies: whether it is this process that forgets what is older than the retention.
    """

    def __init__(  # noqa: PLR0913  # all but the first by keyword
        self,
        sink: Sink,
        settings: Settings,
        addresses: Addresses,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        tidies: bool = True,
    ) -> None:
        self.metrics = Metrics()
        self._sink = sink
        self._addresses = addresses
        self._limits = limits or Limits(settings.rate)
        self._own = own_fields(settings.contracts)
        self._reader = Reader(self._own)
        self._coming = 0
        self._clock = clock
        self._cors = frozenset(origin.encode("ascii") for origin in settings.cors)
        self._pages = Pages(
            sink, settings, addresses, self._limits, self.metrics, self._reader, tidies=tidies
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._pages.application(scope, receive, send)
        elif scope["path"] == TRACES_PATH or _without_extra_slashes(scope["path"]) == TRACES_PATH:
            await self._serve_traces(scope, receive, send)
        else:
            await self._pages.serve(
                {**scope, "path": _without_extra_slashes(scope["path"])}, receive, send
            )

    # Payloads -------------------------------------------------------------------------------------

    async def _serve_traces(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        request = OtlpRequest.of(scope, receive)
        try:
            async with asyncio.timeout(BODY_SECONDS) as deadline:
                response = await self._take(request, deadline)
        except TimeoutError:
            response = _timeout_response(request)
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001  # logged without its message, which may quote
            response = _fault_response(request.encoding or JSON, error)
        if self._cors:
            response = response._replace(headers=(*response.headers, *self._cors_headers(request)))
        await send_response(send, response)
        self._count(response, begun)

    def take_at_once(
        self, request: OtlpRequest, data: bytes, reply: Callable[[OtlpResponse], None]
    ) -> bool:
        """Take a request that came whole, if it is small and as simple as most are.

        Args:
            request: its head.
            data: its body.
            reply: called with the response: before this returns, or later in this loop.

        Returns:
            whether it is taken: if it is not, nothing was done.
        """
        encoding = request.encoding
        if encoding is None or request.compression or request.origin or len(data) > SMALL_BYTES:
            return False
        begun = time.perf_counter()

        def end(response: OtlpResponse) -> None:
            reply(response)
            self._count(response, begun)

        try:
            derived = self._derived(request)
            if isinstance(derived, OtlpResponse):
                end(derived)
                return True
            self.metrics.bytes.inc(len(data))
            allowed = read(Body(data, "", encoding), derived.origin, self._clock(), self._own)
        except Exception as error:  # noqa: BLE001  # logged without its message, which may quote
            end(_unreadable_response(encoding, error) or _fault_response(encoding, error))
            return True
        self._keep_at_once(encoding, allowed, end)
        return True

    def _keep_at_once(
        self, encoding: str, allowed: Allowed, end: Callable[[OtlpResponse], None]
    ) -> None:
        """Hand arrivals on, and give the answer once they cannot be lost any more."""
        kept = self._hand_on(encoding, allowed)
        if isinstance(kept, OtlpResponse):
            end(kept)
        elif kept.done():
            end(self._kept(encoding, allowed, kept))
        else:
            limit = asyncio.get_running_loop().call_later(
                KEEP_SECONDS, lambda: end(_busy_response(encoding))
            )

            def ended() -> None:
                limit.cancel()
                end(self._kept(encoding, allowed, kept))

            when_done(kept, ended)

    async def _take(self, request: OtlpRequest, deadline: asyncio.Timeout) -> OtlpResponse:
        """Take one request for traces."""
        encoding = request.encoding or JSON
        try:
            allowed = await self._read(request, encoding)
        except TooLargeError as error:
            await request.drain()
            return refusal(encoding, 413, f"{error}", _CLOSE)
        except (CqtelError, ValueError) as error:
            response = _unreadable_response(encoding, error)
            if response is None:
                raise
            return response
        if isinstance(allowed, OtlpResponse):
            return allowed
        deadline.reschedule(asyncio.get_running_loop().time() + KEEP_SECONDS)
        kept = self._hand_on(encoding, allowed)
        if isinstance(kept, OtlpResponse):
            return kept
        await done_of(kept)
        return self._kept(encoding, allowed, kept)

    async def _read(self, request: OtlpRequest, encoding: str) -> Allowed | OtlpResponse:
        """Read one request, or say why it is not read."""
        if request.method == "OPTIONS" and self._cors_headers(request):
            return OtlpResponse(204, JSON, b"", _PREFLIGHT)
        derived = self._derived(request)
        if isinstance(derived, OtlpResponse):
            await request.drain()
            return derived
        data = await self._body(request)
        self.metrics.bytes.inc(len(data))
        body = Body(data, request.compression, encoding)

        def charge(size: int) -> None:
            if size > CHARGED_BYTES:
                self._limits.charge(size / CHARGED_BYTES - 1, *derived.networks)

        return await self._reader.read(body, derived.origin, self._clock(), charge)

    def _derived(self, request: OtlpRequest) -> Derived | OtlpResponse:
        """Derive what may be kept of who sent a request, or say why it is not read."""
        if refused := _head_refusal(request):
            return refused
        encoding = request.encoding or JSON
        derived = self._addresses.again(request.peer, request.forwarded, request.memory)
        if derived is None:
            return refusal(encoding, 400, NO_ADDRESS)
        if wait := self._limits.wait(*derived.networks):
            self.metrics.limited.inc()
            return refusal(encoding, 429, TOO_OFTEN, retry_after(wait))
        return derived

    def _cors_headers(self, request: OtlpRequest) -> tuple[Header, ...]:
        """Return what lets a page of an origin that the operator named read the answer."""
        if not request.origin or not self._cors & {request.origin, b"*"}:
            return ()
        return (b"access-control-allow-origin", request.origin), (b"vary", b"Origin")

    async def _body(self, request: OtlpRequest) -> bytes:
        """Return a body, if there is room for it beside those that are coming just now.

        Raises:
            TooLargeError: it has more bytes than a request may have.
            BusyError: there is no room.
            DisconnectedError: the client has gone.
        """
        part, more = await request.part()
        if not more and len(part) <= MAX_BODY_BYTES:
            return part
        parts = []
        size = 0
        try:
            while True:
                size += len(part)
                self._coming += len(part)
                parts.append(part)
                if size > MAX_BODY_BYTES:
                    raise TooLargeError(f"it has more than {MAX_BODY_BYTES:,} bytes")
                if self._coming > MAX_COMING_BYTES:
                    raise BusyError("too many large bodies are coming at once")
                if not more:
                    return b"".join(parts)
                part, more = await request.part()
        finally:
            self._coming -= size

    def _hand_on(self, encoding: str, allowed: Allowed) -> Awaited[KeepResult] | OtlpResponse:
        """Hand arrivals on; return what is done once they cannot be lost any more, or an answer."""
        if not allowed.arrivals:
            return self._done(encoding, allowed, KeepResult(0))
        try:
            return self._sink.keep(allowed.arrivals)
        except Exception as error:  # noqa: BLE001  # the client is to come again
            return _not_kept_response(encoding, error)

    def _kept(self, encoding: str, allowed: Allowed, future: Awaited[KeepResult]) -> OtlpResponse:
        """Say what became of what was handed on."""
        try:
            kept = future.result()
        except Exception as error:  # noqa: BLE001  # the client is to come again
            return _not_kept_response(encoding, error)
        self.metrics.new.inc(kept.new)
        if kept.duplicates:
            self.metrics.duplicates.inc(kept.duplicates)
        if kept.erased:
            self.metrics.erased.inc(kept.erased)
        return self._done(encoding, allowed, kept)

    def _done(self, encoding: str, allowed: Allowed, kept: KeepResult) -> OtlpResponse:
        """Say that all was read, and what was left out or refused of it."""
        rejected, message = allowed.rejected + kept.refused, allowed.message
        if rejected:
            self.metrics.refused.inc(rejected)
        if kept.words:
            message = f"{message}; {kept.words}" if message else kept.words
        return done(encoding, rejected, message)

    def _count(self, response: OtlpResponse, begun: float) -> None:
        """Count a request for traces."""
        if response.status == _TAKEN:
            self.metrics.taken.inc()
        else:
            self.metrics.requests.labels("traces", str(response.status)).inc()
        self.metrics.seconds.observe(time.perf_counter() - begun)


def _head_refusal(request: OtlpRequest) -> OtlpResponse | None:
    """Return what is wrong with a request by its head alone, if anything."""
    if request.method != "POST":
        allow = (b"allow", b"POST")
        return refusal(request.encoding or JSON, 405, "only POST is served here", allow)
    if request.encoding is None:
        return refusal(JSON, 415, f"its Content-Type is neither {JSON} nor {PROTOBUF}")
    if request.length > MAX_BODY_BYTES:
        return refusal(request.encoding, 413, f"it has more than {MAX_BODY_BYTES:,} bytes", _CLOSE)
    return None


def _unreadable_response(encoding: str, error: Exception) -> OtlpResponse | None:
    """Say why a request was not read; None if that is this collector's fault."""
    match error:
        case TooLargeError():
            return refusal(encoding, 413, f"{error}", _CLOSE)
        case UnknownEncodingError():
            return refusal(encoding, 415, f"{error}; gzip, deflate and zstd are")
        case UndecodableError() | MalformedError():
            return refusal(encoding, 400, f"{error}")
        case BusyError():
            return refusal(encoding, 503, "busy", retry_after(error.seconds), _CLOSE)
        case CqtelError():
            tell_error("nothing could be derived", error)
            return _busy_response(encoding)
    return None


def _not_kept_response(encoding: str, error: Exception) -> OtlpResponse:
    """Say that a request was not kept, and whether it is to come again."""
    match error:
        case RefusedError():
            return refusal(encoding, error.status, f"{error}")
        case BusyError():
            words = "busy" if error.status != BAD_GATEWAY else NOT_TAKEN
            return refusal(encoding, error.status, words, retry_after(error.seconds))
    tell_error("a request could not be stored", error)
    return refusal(encoding, 503, "it could not be stored", retry_after(COME_AGAIN))


def _fault_response(encoding: str, error: Exception) -> OtlpResponse:
    """Say that the collector is at fault, but not how: that may quote the request."""
    tell_error("a request could not be answered", error)
    return refusal(encoding, 500, "there is an error in the collector")


def _busy_response(encoding: str) -> OtlpResponse:
    return refusal(encoding, 503, "busy", retry_after(COME_AGAIN))


def _timeout_response(request: OtlpRequest) -> OtlpResponse:
    """Answer a request whose time is over: because of the client, or because of the sink."""
    encoding = request.encoding or JSON
    if request.is_over:
        return _busy_response(encoding)
    message = f"it did not come to its end within {BODY_SECONDS:.0f} seconds"
    return refusal(encoding, 408, message, _CLOSE)


def _without_extra_slashes(path: str) -> str:
    """Return a path without slashes that clients put there once too often."""
    return re.sub("//+", "/", path).rstrip("/") or "/"
