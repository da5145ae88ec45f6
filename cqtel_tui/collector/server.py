"""What a collector serves over HTTP, as an ASGI application.

`/v1/traces` is answered here without a framework, because every payload comes through it; what is
asked for seldom is Starlette's to route.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import __version__
from ..catalogue import CATALOGUE_VERSION, is_cookie
from ..encodings import TooLargeError, UndecodableError, UnknownEncodingError, decoded
from ..errors import CqtelError
from ..promises import COLLECTOR, FIELDS
from . import allowing
from .answers import JSON, PROTOBUF, Answer, done, refusal, retry_after
from .limits import Limits
from .logs import tell_error
from .metrics import CONTENT_TYPE, Metrics
from .settings import SHA1
from .sinks import BAD_GATEWAY, BusyError, Keeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future
    from typing import TypeVar

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from .addresses import Addresses, Derived
    from .allowing import Allowed
    from .settings import Settings
    from .sinks import Sink

    T = TypeVar("T")

TRACES = "/v1/traces"
MAX_BODY_BYTES = 4 << 20
"""Of a request, compressed or not."""
MAX_COMING_BYTES = 64 << 20
"""Of all bodies that are coming in parts at one time."""
BODY_SECONDS = 20.0
"""How long a request's body may take to come."""
KEEP_SECONDS = 30.0
"""How long the sink may take."""
HOUSEKEEPING_SECONDS = 3600.0
NO_ADDRESS = "the address that it came from cannot be read"
NOT_TAKEN = "what stands behind this collector did not take it"
TOO_OFTEN = "too many requests from there"
_LARGE = 1 << 16
_DRAINED_BYTES = 8 * MAX_BODY_BYTES
_CLOSE = (b"connection", b"close")
_COME_AGAIN = 5.0
_ROUTES = ("/v1/policy", "/v1/me", "/v1/data", "/healthz", "/metrics")
_FORWARDED = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "via"})


class DisconnectedError(Exception):
    """The client has gone before its request was complete."""


class Application:
    """An ASGI application that takes payloads for a sink.

    Args:
        sink: what takes them. If it is a `Keeper`, its data can be asked for and erased.
        settings: as the operator has them.
        addresses: derives and forgets.
        clock: seconds since 1970.
        tidies: whether it is this process that forgets what is older than the retention.
    """

    def __init__(
        self,
        sink: Sink,
        settings: Settings,
        addresses: Addresses,
        *,
        clock: Callable[[], float] = time.time,
        tidies: bool = True,
    ) -> None:
        self.metrics = Metrics()
        self._sink = sink
        self._keeper = sink if isinstance(sink, Keeper) else None
        self._settings = settings
        self._addresses = addresses
        self._limits = Limits(settings.rate / settings.workers)
        self._coming = 0
        self._clock = clock
        self._tidies = tidies
        self._others = Starlette(
            routes=[
                Route("/v1/policy", self._policy),
                Route("/v1/me", self._me),
                Route("/v1/data", self._data, methods=["GET", "DELETE"]),
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
            ],
            exception_handlers={HTTPException: _refused, CqtelError: _unavailable},
            lifespan=self._lifespan,
        )
        self._others.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
        elif scope["path"] == TRACES:
            await self._serve_traces(scope, receive, send)
        else:
            await self._serve_other(scope, receive, send)

    # Payloads -------------------------------------------------------------------------------------

    async def _serve_traces(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        asked = _Asked(scope, receive)
        try:
            async with asyncio.timeout(BODY_SECONDS) as deadline:
                answer = await self._take(asked, deadline)
        except TimeoutError:
            answer = _late(asked)
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001  # told without its message, which may quote
            tell_error("a request could not be answered", error)
            answer = refusal(asked.encoding or JSON, 500, "there is an error in the collector")
        await _send(send, answer)
        self.metrics.requests.labels("traces", str(answer.status)).inc()
        self.metrics.seconds.observe(time.perf_counter() - begun)

    async def _take(self, asked: _Asked, deadline: asyncio.Timeout) -> Answer:
        """Take one request for traces."""
        encoding = asked.encoding or JSON
        try:
            read = await self._read(asked, encoding)
        except TooLargeError:
            await asked.drain()
            return refusal(encoding, 413, f"it has more than {MAX_BODY_BYTES:,} bytes", _CLOSE)
        except UnknownEncodingError as error:
            return refusal(encoding, 415, f"{error}; gzip and deflate are")
        except (UndecodableError, allowing.MalformedError) as error:
            return refusal(encoding, 400, f"{error}")
        except BusyError as error:
            return refusal(encoding, 503, "busy", retry_after(error.seconds), _CLOSE)
        except CqtelError as error:
            tell_error("nothing could be derived", error)
            return refusal(encoding, 503, "busy", retry_after(_COME_AGAIN))
        if isinstance(read, Answer):
            return read
        deadline.reschedule(asyncio.get_running_loop().time() + KEEP_SECONDS)
        return await self._keep(encoding, read)

    async def _read(self, asked: _Asked, encoding: str) -> Allowed | Answer:
        """Read one request, or say why it is not read."""
        if refused := _refused_by_head(asked):
            await asked.drain()
            return refused
        address = self._addresses.sender(asked.peer, asked.forwarded)
        if address is None:
            return refusal(encoding, 400, NO_ADDRESS)
        derived = self._addresses.derive(address)
        if wait := self._limits.wait(derived.network):
            self.metrics.limited.inc()
            await asked.drain()
            return refusal(encoding, 429, TOO_OFTEN, retry_after(wait))
        body = await self._body(asked)
        self.metrics.bytes.inc(len(body))
        if asked.compression:
            body = decoded(body, asked.compression, MAX_BODY_BYTES)
        read = allowing.from_json if encoding == JSON else allowing.from_protobuf
        if len(body) < _LARGE:
            return read(body, derived.origin, self._clock())
        return await asyncio.to_thread(read, body, derived.origin, self._clock())

    async def _body(self, asked: _Asked) -> bytes:
        """Return a body, if there is room for it beside those that are coming just now.

        Raises:
            TooLargeError: it has more bytes than a request may have.
            BusyError: there is no room.
            DisconnectedError: the client has gone.
        """
        part, more = await asked.part()
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
                part, more = await asked.part()
        finally:
            self._coming -= size

    async def _keep(self, encoding: str, allowed: Allowed) -> Answer:
        """Hand arrivals on, and answer once they cannot be lost any more."""
        rejected, message = allowed.rejected, allowed.message
        if allowed.arrivals:
            try:
                kept = await _result(self._sink.keep(allowed.arrivals))
            except BusyError as error:
                words = "busy" if error.status != BAD_GATEWAY else NOT_TAKEN
                return refusal(encoding, error.status, words, retry_after(error.seconds))
            except Exception as error:  # noqa: BLE001  # the client is to come again
                tell_error("a request could not be kept", error)
                return refusal(encoding, 503, "it could not be kept", retry_after(_COME_AGAIN))
            self.metrics.new.inc(kept.new)
            if kept.duplicates:
                self.metrics.duplicates.inc(kept.duplicates)
            if kept.erased:
                self.metrics.erased.inc(kept.erased)
            rejected += kept.refused
            message = "; ".join(filter(None, (message, kept.words)))
        if rejected:
            self.metrics.refused.inc(rejected)
        return done(encoding, rejected, message)

    # All else -------------------------------------------------------------------------------------

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"cache-control", b"no-store")]
            await send(message)

        try:
            async with asyncio.timeout(KEEP_SECONDS):
                await self._others(scope, receive, counted)
        except Exception as error:  # noqa: BLE001  # told without its message, which may quote
            # Starlette has answered before it raises.
            tell_error("a request could not be answered", error)
            if not status:
                await _send(counted, refusal(JSON, 503, "busy", retry_after(_COME_AGAIN)))
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        self.metrics.requests.labels(route, str(status)).inc()

    async def _policy(self, _: Request) -> Response:
        return JSONResponse(policy(self._settings, keeps_data=self._keeper is not None))

    async def _me(self, request: Request) -> Response:
        origin = self._known(request).origin
        name = hash_field(self._settings)
        return JSONResponse(
            {
                name: origin.address_hash,
                "geo.country.iso_code": origin.country,
                "geo.region.name": origin.region,
                "geo.locality.name": origin.city,
                "ip_hash": self._settings.ip_hash,
                "stored": False,
            }
        )

    async def _data(self, request: Request) -> Response:
        self._known(request)
        if self._keeper is None:
            raise HTTPException(501, "nothing is kept here: this collector hands everything on")
        scheme, _, cookie = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_cookie(cookie):
            message = "Authorization: Bearer <the cookie of an installation> is wanted"
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        if request.method == "DELETE":
            return JSONResponse({"erased": await _result(self._keeper.erase(cookie))})
        return JSONResponse({"operations": await asyncio.to_thread(self._keeper.mine, cookie)})

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _metrics(self, request: Request) -> Response:
        peer = request.client and self._addresses.sender(request.client.host)
        if not peer or not peer.is_loopback or _FORWARDED & set(request.headers.keys()):
            raise HTTPException(403, "served to this machine only")
        page = await asyncio.to_thread(self.metrics.page)
        return Response(page, headers={"content-type": CONTENT_TYPE})

    def _known(self, request: Request) -> Derived:
        """Derive what may be known of who asks, and let nobody ask too often."""
        forwarded = request.headers.getlist("x-forwarded-for")
        peer = request.client.host if request.client else ""
        address = self._addresses.sender(peer, forwarded)
        if address is None:
            raise HTTPException(400, NO_ADDRESS)
        derived = self._addresses.derive(address)
        if wait := self._limits.wait(derived.network):
            self.metrics.limited.inc()
            name, value = retry_after(wait)
            headers = {name.decode(): value.decode()}
            raise HTTPException(429, TOO_OFTEN, headers)
        return derived

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        keeping_house = asyncio.create_task(self._keep_house())
        yield
        keeping_house.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping_house

    async def _keep_house(self) -> None:
        """Forget, now and every hour, what is to be forgotten by now."""
        while True:
            try:
                await asyncio.to_thread(self._addresses.refresh)
                if self._tidies and self._keeper is not None:
                    await asyncio.to_thread(self._keeper.expire)
            except Exception as error:  # noqa: BLE001  # told, and tried again
                tell_error("what is too old could not be forgotten", error)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


class _Asked:
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
        for name, value in scope["headers"]:
            if name == b"content-type":
                kind = value.partition(b";")[0].strip().lower()
                self.encoding = _ENCODINGS.get(kind)
            elif name == b"content-length":
                self.length = int(value) if value.isdigit() else 0
            elif name == b"content-encoding":
                self.compression = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                self.forwarded.append(value.decode("latin-1"))
            elif name == b"expect":
                self._expects = True

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


_ENCODINGS = {JSON.encode(): JSON, PROTOBUF.encode(): PROTOBUF}


def hash_field(settings: Settings) -> str:
    """Return the name under which the hash of an address is told."""
    return "cloudquery.ip_sha1" if settings.ip_hash == SHA1 else "address_hash"


def policy(settings: Settings, *, keeps_data: bool) -> dict[str, Any]:
    """Return what a collector announces of itself, as `/v1/policy` has it."""
    hows = {
        "cloudquery.ip_sha1": (
            "SHA-1 of the text of your IP address. The address itself is not kept; but whoever "
            "has the hash and tries all four billion IPv4 addresses finds yours in minutes."
            if settings.ip_hash == SHA1
            else "HMAC-SHA-256 of the text of your IP address, with a random key that is new each "
            "day and then forgotten: on another day you have another hash, and nobody can go back."
        ),
        "geo.country.iso_code": "The country that your IP address was registered for.",
        "geo.region.name": "Looked up in a city database that the operator has.",
        "geo.locality.name": "Looked up in a city database that the operator has.",
    }
    has_cities = settings.city_database is not None
    derived = [
        {
            "field": hash_field(settings) if field.promise == "ip" else field.key,
            "how": hows[field.key],
        }
        for field in FIELDS
        if field.where == COLLECTOR
        and (has_cities or field.key in {"cloudquery.ip_sha1", "geo.country.iso_code"})
    ]
    return {
        "software": f"cqtel {__version__}",
        "catalogue": CATALOGUE_VERSION,
        "ip_hash": settings.ip_hash,
        "location": "city" if has_cities else "country",
        "derived": derived,
        "retention": {"days": settings.retention_days, "error_days": settings.error_days}
        if keeps_data
        else None,
        "forwards": not keeps_data,
        "keeps_data": keeps_data,
    }


def _refused_by_head(asked: _Asked) -> Answer | None:
    """Return what is wrong with a request by its head alone, if anything."""
    if asked.method != "POST":
        return refusal(JSON, 405, "only POST is served here", (b"allow", b"POST"))
    if asked.encoding is None:
        return refusal(JSON, 415, f"its Content-Type is neither {JSON} nor {PROTOBUF}")
    if asked.length > MAX_BODY_BYTES:
        return refusal(asked.encoding, 413, f"it has more than {MAX_BODY_BYTES:,} bytes", _CLOSE)
    return None


def _late(asked: _Asked) -> Answer:
    """Answer a request whose time is over: because of the client, or because of the sink."""
    if asked.is_over:
        return refusal(asked.encoding or JSON, 503, "busy", retry_after(_COME_AGAIN))
    message = f"it did not come to its end within {BODY_SECONDS:.0f} seconds"
    return refusal(asked.encoding or JSON, 408, message, _CLOSE)


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode("ascii")),
        (b"content-length", str(len(answer.body)).encode("ascii")),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _result(future: Future[T]) -> T:
    """Wait for what another thread does; that goes on even if nobody waits any more."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not waiting.done():
            waiting.set_result(None)

    def wake(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(settle)

    future.add_done_callback(wake)
    await waiting
    return future.result()


async def _unavailable(_: Request, error: Exception) -> Response:
    """Answer that it could not be done just now: what is not the asker's doing."""
    tell_error("what was asked for could not be done", error)
    seconds = error.seconds if isinstance(error, BusyError) else _COME_AGAIN
    name, value = retry_after(seconds)
    headers = {name.decode(): value.decode()}
    return Response(refusal(JSON, 503, "busy").body, 503, headers, media_type=JSON)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # that is what it is called for
    answer = refusal(JSON, error.status_code, error.detail)
    return Response(
        answer.body, answer.status, dict(error.headers or {}), media_type=answer.content_type
    )
