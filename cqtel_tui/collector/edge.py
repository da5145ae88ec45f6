"""Make a collector an edge: it keeps nothing, and hands clean OTLP on to an engine behind it.

An engine is any OTLP/HTTP receiver, such as an OpenTelemetry Collector with the configuration of
`engine`. A client is answered only after the engine has answered. Nothing is passed on but the
arrivals, with the digest of a cookie in its place: no header of a request, and so no address.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from .arrivals import digest_of
from .logs import tell, tell_error
from .otlp_writing import encode
from .sinks import BAD_GATEWAY, RETRY_SECONDS, UNAVAILABLE, BusyError, KeepResult, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .arrivals import Arrival
    from .clickhouse_rights import Rights

REQUEST_SECONDS = 10.0
MAX_WAITING_BYTES = 16 * 1024 * 1024
MAX_REQUEST_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 64 * 1024
MAX_WORDS = 500
MAX_RETRY_SECONDS = 3600
_LANES = 4
_SUCCESS = range(200, 300)
_TOO_MANY = 429
_REFUSALS = {400, 413, 415, 422}
"""The statuses that refuse a request itself, not how this edge asks (401, 403, 404 …)."""
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Accept-Encoding": "identity",
    "User-Agent": "cqtel-edge",
}
_AGAIN = "Try again later."


class _Waiting(NamedTuple):
    """The arrivals of one request, on their way.

    Attributes:
        body: what is handed on of them.
        spans: how many these are.
        kept: what came of them.
        parts: where somebody may have erased something: whose each is, its body and spans.
        erased: how many spans were left out for that.
    """

    body: bytes
    spans: int
    kept: Future[KeepResult]
    parts: tuple[tuple[str, bytes, int], ...] = ()
    erased: int = 0


class Edge:
    """A sink that hands arrivals on.

    Requests that come while others are under way are handed on together, as a store would commit
    them together: an engine that writes to disk before it answers does so once for all of them.

    Args:
        url: where the engine takes traces.
        seconds: how long it may take to answer.
        rights: tells who has erased what they sent.
    """

    def __init__(
        self, url: str, *, seconds: float = REQUEST_SECONDS, rights: Rights | None = None
    ) -> None:
        self._rights = rights
        self._url = url
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._is_closed = False
        self._is_idle = False
        self._loop = asyncio.new_event_loop()
        self._has_more = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)
        self._thread.start()

    def keep(self, arrivals: Sequence[Arrival]) -> Future[KeepResult]:
        """Hand arrivals on; the future is done once the engine has answered for them.

        Raises:
            BusyError: too much waits already. The future raises it where the engine did not take
                them: with its own status and time for 429 and 503, else with 502 or 503; and
                RefusedError where the engine refuses them.
        """
        parts: tuple[tuple[str, bytes, int], ...] = ()
        if self._rights is None:
            body = encode(arrivals)
        else:  # messages that follow each other are one
            parts = tuple(
                (_cookie_digest(each), encode([each]), len(each.spans)) for each in arrivals
            )
            body = b"".join(part for _, part, _ in parts)
        spans = sum(len(arrival.spans) for arrival in arrivals)
        waiting = _Waiting(body, spans, Future(), parts)
        with self._lock:
            if self._is_closed:
                raise BusyError(f"This collector is about to stop. {_AGAIN}")
            if self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
                raise BusyError(
                    f"Too many requests wait for the server behind this collector. {_AGAIN}"
                )
            self._waiting.append(waiting)
            self._waiting_bytes += len(body)
            # To wake a thread costs more than all else here; one that is busy looks by itself.
            wakes, self._is_idle = self._is_idle, False
        if wakes:
            self._loop.call_soon_threadsafe(self._has_more.set)
        return waiting.kept

    def trouble(self) -> str:  # as a sink has it
        """Say nothing: each client is told what the engine answered."""
        return ""

    def close(self) -> None:
        """Hand on what waits, and take no more."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._loop.call_soon_threadsafe(self._has_more.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._hand_on())

    async def _hand_on(self) -> None:
        # Without trust_env no proxy is used, and no .netrc read, that nobody named here. The
        # certificates of SSL_CERT_FILE are an operator's own.
        async with httpx.AsyncClient(
            trust_env=False,
            verify=httpx.create_ssl_context(trust_env=True),
            follow_redirects=False,
            timeout=self._seconds,
            limits=httpx.Limits(max_connections=_LANES, max_keepalive_connections=_LANES),
        ) as client:
            await asyncio.gather(*(self._lane(client) for _ in range(_LANES)))

    async def _lane(self, client: httpx.AsyncClient) -> None:
        """Post one request after the other until the edge is closed and nothing waits."""
        while True:
            batch = self._take()
            if batch:
                batch = await self._without_erased(batch)
            if batch:
                await self._deliver(client, batch)
            elif self._is_closed and not self._waiting:
                return
            else:
                self._has_more.clear()
                with self._lock:
                    self._is_idle = True
                    has_more = self._waiting or self._is_closed
                if not has_more:
                    await self._has_more.wait()

    def _take(self) -> list[_Waiting]:
        """Take as much as one request may hold of what waits."""
        taken: list[_Waiting] = []
        size = 0
        with self._lock:
            while self._waiting:
                if taken and size + len(self._waiting[0].body) > MAX_REQUEST_BYTES:
                    break
                waiting = self._waiting.popleft()
                self._waiting_bytes -= len(waiting.body)
                # Whoever hung up meanwhile was promised nothing.
                if waiting.kept.set_running_or_notify_cancel():
                    taken.append(waiting)
                    size += len(waiting.body)
        return taken

    async def _without_erased(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Return what is left of some requests without what comes of erased cookies."""
        if self._rights is None:
            return [*batch]
        erased = await asyncio.to_thread(self._rights.erased)
        left = []
        for waiting in batch:
            parts = tuple(part for part in waiting.parts if part[0] not in erased)
            spans = sum(count for _, _, count in parts)
            gone = waiting.spans - spans
            if not parts:
                waiting.kept.set_result(KeepResult(0, erased=gone))
            elif gone:
                body = b"".join(part for _, part, _ in parts)
                left.append(_Waiting(body, spans, waiting.kept, parts, gone))
            else:
                left.append(waiting)
        return left

    async def _deliver(self, client: httpx.AsyncClient, batch: Sequence[_Waiting]) -> None:
        # Protobuf messages that follow each other are one message with the lists of all.
        body = b"".join(waiting.body for waiting in batch)
        try:
            async with asyncio.timeout(self._seconds):
                refused, words = await self._post(client, body)
        except RefusedError as error:
            if len(batch) == 1:
                _fail(batch, error)
            for waiting in batch if len(batch) > 1 else ():
                await self._deliver(client, [waiting])  # one of them is what it refuses
        except BusyError as error:
            _fail(batch, error)
        except (httpx.HTTPError, TimeoutError) as error:
            tell("the engine did not respond", why=type(error).__name__)
            _fail(batch, BusyError(f"The server behind this collector does not respond. {_AGAIN}"))
        except Exception as error:  # noqa: BLE001  # passed to whoever waits; the next request may succeed
            tell_error("nothing could be handed on", error)
            _fail(batch, BusyError(f"This collector could not hand it on. {_AGAIN}"))
        else:
            _succeed(batch, refused, words)

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> tuple[int, str]:
        """Post a body; return how many spans the engine refused, and why.

        Raises:
            RefusedError: it takes nothing like it, however often it comes.
            BusyError: it did not take them.
        """
        request = client.build_request("POST", self._url, headers=_HEADERS, content=body)
        response = await client.send(request, stream=True)
        try:
            status = response.status_code
            if status in _SUCCESS:
                return _partial_success(await _beginning(response))
            tell("the engine did not accept it", status=status)
            if status in {_TOO_MANY, UNAVAILABLE}:
                raise BusyError(
                    f"The server behind this collector is overloaded. {_AGAIN}",
                    _retry_seconds(response.headers.get("Retry-After", "")),
                    status,
                )
            if status in _REFUSALS:
                raise RefusedError("the server behind this collector rejected it", status)
            raise BusyError(
                f"The server behind this collector responded {status}. {_AGAIN}",
                status=BAD_GATEWAY,
            )
        finally:
            await response.aclose()


class KeepingEdge(Edge):
    """An edge that gives people their data from ClickHouse behind it, and erases it there.

    Args:
        url: where the engine takes traces.
        rights: what is kept behind it.
        seconds: how long the engine may take to answer.
    """

    def __init__(self, url: str, rights: Rights, *, seconds: float = REQUEST_SECONDS) -> None:
        self._keeper = rights
        super().__init__(url, seconds=seconds, rights=rights)

    def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:
        """Yield everything that is kept of a cookie, some operations at a time."""
        return self._keeper.pages(cookie)

    def erase(self, cookie: str) -> Future[int]:
        """Erase all spans of a cookie, those to come included; resolves to how many there were."""
        return self._keeper.erase(cookie)

    def expire(self) -> int:
        """Erase what came past while its cookie was erased; ClickHouse forgets by itself."""
        return self._keeper.erase_late()

    def close(self) -> None:
        """Hand on what waits, and take no more."""
        super().close()
        self._keeper.close()


def _cookie_digest(arrival: Arrival) -> str:
    """Return the digest of an arrival's cookie; empty if it has none."""
    return "" if arrival.cookie is None else digest_of(arrival.cookie).hex()


async def _beginning(response: httpx.Response) -> bytes:
    """Return an answer's body as it came over the wire, as far as anything is read of it."""
    body = b""
    # Once the status is known, nothing that goes wrong with the rest of the answer undoes it.
    with contextlib.suppress(httpx.HTTPError):
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                break
    return body


def _partial_success(body: bytes) -> tuple[int, str]:
    """Return how many spans an engine says it refused, and its words."""
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        # It has taken the spans; what else it says is no reason to send them again.
        return 0, ""
    return max(partial.rejected_spans, 0), partial.error_message[:MAX_WORDS]


def _retry_seconds(header: str) -> int:
    if header.isascii() and header.isdigit():
        return min(max(int(header[:9]), 1), MAX_RETRY_SECONDS)
    return RETRY_SECONDS


def _succeed(batch: Sequence[_Waiting], refused: int, words: str) -> None:
    """Tell each request what became of it.

    An engine does not say whose spans it refused: where requests were handed on together, each is
    told that so many of them may be its own.
    """
    for waiting in batch:
        of_these = min(refused, waiting.spans)
        waiting.kept.set_result(
            KeepResult(
                waiting.spans - of_these, erased=waiting.erased, refused=of_these, words=words
            )
        )


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        waiting.kept.set_exception(error)
