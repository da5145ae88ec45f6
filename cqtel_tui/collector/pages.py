"""Serve what is asked for rarely: the announcement, a person's rights, the state."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..catalogue import is_cookie
from ..errors import CqtelError
from .announcing import hash_field, policy
from .logs import tell_error
from .metrics import CONTENT_TYPE
from .otlp_requests import encoding_of
from .otlp_responses import JSON, refusal, retry_after, send_response
from .sinks import BusyError, Keeper
from .waiting import result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from .addresses import Addresses, Derived
    from .bodies import Reader
    from .limits import Limits
    from .metrics import Metrics
    from .settings import Settings
    from .sinks import Sink

KEEP_SECONDS = 30.0
"""How long the sink may take."""
ERASE_SECONDS = 600.0
"""How long it may take to erase: in small steps, between which others are served."""
HOUSEKEEPING_SECONDS = 3600.0
COME_AGAIN = 5.0
NO_ADDRESS = "the address that it came from cannot be read"
TOO_OFTEN = "too many requests from there"
ELSEWHERE = "this is no name of this collector; its operator can add it with --host"
_ROUTES = ("/v1/policy", "/v1/me", "/v1/data", "/healthz", "/metrics")
_FORWARDED = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "via"})


class Pages:
    """Serves every request that is not for traces.

    Args:
        sink: what takes payloads. If it is a `Keeper`, its data can be asked for and erased.
        settings: the operator's.
        addresses: derives what may be kept of an address.
        limits: how often a network may come.
        metrics: counts.
        reader: reads bodies; closed at the end.
        tidies: whether it is this process that forgets what is older than the retention.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of the application
        self,
        sink: Sink,
        settings: Settings,
        addresses: Addresses,
        limits: Limits,
        metrics: Metrics,
        reader: Reader,
        *,
        tidies: bool,
    ) -> None:
        self._sink = sink
        self._keeper = sink if isinstance(sink, Keeper) else None
        self._settings = settings
        self._addresses = addresses
        self._limits = limits
        self._metrics = metrics
        self._reader = reader
        self._tidies = tidies
        self.application = Starlette(
            routes=[
                Route("/v1/policy", self._policy),
                Route("/v1/me", self._me),
                Route("/v1/data", self._data, methods=["GET", "DELETE"]),
                Route("/healthz", self._health),
                Route("/metrics", self._page),
            ],
            exception_handlers={HTTPException: _refused, CqtelError: _unavailable},
            lifespan=self._lifespan,
        )
        self.application.router.redirect_slashes = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        status = 0

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"cache-control", b"no-store")]
            await send(message)

        seconds = ERASE_SECONDS if scope["path"] == "/v1/data" else KEEP_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self.application(scope, receive, counted)
        except Exception as error:  # noqa: BLE001  # logged without its message, which may quote
            # Starlette has answered before it raises.
            tell_error("a request could not be answered", error)
            if not status:
                await send_response(counted, refusal(JSON, 503, "busy", retry_after(COME_AGAIN)))
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        self._metrics.requests.labels(route, str(status)).inc()

    async def _policy(self, _: Request) -> Response:
        return JSONResponse(policy(self._settings, keeps_data=self._keeper is not None))

    async def _me(self, request: Request) -> Response:
        self._check_host(request)
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
        self._check_host(request)
        self._known(request)
        if self._keeper is None:
            raise HTTPException(501, "nothing is stored here: this collector forwards everything")
        scheme, _, cookie = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_cookie(cookie):
            message = "Authorization: Bearer <installation ID> is required"
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        if request.method == "DELETE":
            return JSONResponse({"erased": await result(self._keeper.erase(cookie))})
        pages = self._keeper.pages(cookie)
        first = await asyncio.to_thread(next, pages, None)  # an error still decides the status
        return StreamingResponse(_operations(first, pages), media_type=JSON)

    async def _health(self, _: Request) -> Response:
        trouble = await asyncio.to_thread(self._sink.trouble)
        if trouble:
            return JSONResponse({"status": "failing", "reason": trouble}, 503)
        return JSONResponse({"status": "ok"})

    async def _page(self, request: Request) -> Response:
        self._check_host(request)
        peer = request.client and self._addresses.sender(request.client.host)
        if not peer or not peer.is_loopback or _FORWARDED & set(request.headers.keys()):
            raise HTTPException(403, "served to this machine only")
        page = await asyncio.to_thread(self._metrics.page)
        return Response(page, headers={"content-type": CONTENT_TYPE})

    def _check_host(self, request: Request) -> None:
        """Refuse a page of another site whose name now resolves to this collector (DNS rebinding).

        What a trusted proxy hands on, it has looked at itself.
        """
        hosts = request.headers.getlist("host")
        peer = request.client.host if request.client else ""
        if hosts and not self._addresses.is_proxy(peer):
            name = _name(hosts[0]).lower()
            if len(hosts) > 1 or not (_is_ours(name) or name in self._settings.hosts):
                raise HTTPException(421, ELSEWHERE)

    def _known(self, request: Request) -> Derived:
        """Derive what may be known of the client, and let nobody ask too often."""
        forwarded = request.headers.getlist("x-forwarded-for")
        peer = request.client.host if request.client else ""
        address = self._addresses.sender(peer, forwarded)
        if address is None:
            raise HTTPException(400, NO_ADDRESS)
        derived = self._addresses.derive(address)
        if wait := self._limits.wait(*derived.networks):
            self._metrics.limited.inc()
            name, value = retry_after(wait)
            headers = {name.decode(): value.decode()}
            raise HTTPException(429, TOO_OFTEN, headers)
        return derived

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        keeping_house = asyncio.create_task(self._expire_hourly())
        yield
        self._reader.close()
        keeping_house.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping_house

    async def _expire_hourly(self) -> None:
        """Remove what is older than the retention, now and every hour."""
        while True:
            try:
                await asyncio.to_thread(self._addresses.refresh)
                if self._tidies and self._keeper is not None:
                    await asyncio.to_thread(self._keeper.expire)
            except Exception as error:  # noqa: BLE001  # logged, and tried again
                tell_error("what is too old could not be forgotten", error)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


def _name(host: str) -> str:
    """Return the name or address of a Host, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_ours(name: str) -> bool:
    """Tell whether a name is safe by itself: an address, or the loopback's name."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return name.rstrip(".").rpartition(".")[2] == "localhost"


async def _operations(
    first: list[dict[str, Any]] | None, pages: Iterator[list[dict[str, Any]]]
) -> AsyncIterator[bytes]:
    """Write `{"operations": [...]}` as it is read."""
    comma = b'{"operations": ['
    page = first
    while page is not None:
        for row in page:
            yield comma + json.dumps(row, ensure_ascii=False).encode()
            comma = b", "
        page = await asyncio.to_thread(next, pages, None)
    yield b"]}" if comma == b", " else comma + b"]}"


async def _unavailable(_: Request, error: Exception) -> Response:
    """Respond 503: it could not be done just now, through no fault of the client."""
    tell_error("what was asked for could not be done", error)
    seconds = error.seconds if isinstance(error, BusyError) else COME_AGAIN
    name, value = retry_after(seconds)
    headers = {name.decode(): value.decode()}
    return Response(refusal(JSON, 503, "busy").body, 503, headers, media_type=JSON)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # Starlette calls it for nothing else
    kind = request.headers.get("content-type", "").encode("latin-1")
    response = refusal(encoding_of(kind) or JSON, error.status_code, error.detail)
    return Response(
        response.body, response.status, dict(error.headers or {}), media_type=response.content_type
    )
