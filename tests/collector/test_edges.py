"""Edges as processes: in front of rotel, several on one port; and rotel in front of a collector."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import threading
import time
import urllib.parse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client.mmap_dict import MmapedDict

from cqtel_tui.collector.serving import _TOO_SOON_SECONDS
from cqtel_tui.collector.store import Store

from ..deliver.collectors import Collector as Engine
from ..deliver.collectors import reply, running
from ..e2e.rotel_receiver import HAS_WHEEL, NO_WHEEL, running_rotel
from .processes import PATIENCE, collecting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..e2e.rotel_receiver import Receiver
    from .processes import Collector

LOOPBACK_SHA1 = hashlib.sha1(b"127.0.0.1", usedforsecurity=False).hexdigest()
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as collector:
        yield collector


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as one:
        yield one


def a_request(number: int, *, cookie: str = "", error: str = "") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    about = resource.resource.attributes
    about.add(key="service.name").value.string_value = "cloudquery"
    about.add(key="host.name").value.string_value = "nobodys-business"
    if cookie:
        about.add(key="service.instance.id").value.string_value = cookie
    span = resource.scope_spans.add().spans.add(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name="sync",
        start_time_unix_nano=time.time_ns() - 1_000_000,
        end_time_unix_nano=time.time_ns(),
    )
    span.status.code = Status.STATUS_CODE_OK
    if error:
        span.attributes.add(key="exception.message").value.string_value = error
    return request


def post(client: httpx.Client, url: str, number: int, **headers: str) -> httpx.Response:
    body = a_request(number).SerializeToString()
    return client.post(url, content=body, headers=PROTOBUF | headers)


def arrived(engine: Engine) -> Counter[int]:
    """Count how often each request came to an engine."""
    return Counter(
        int.from_bytes(span.trace_id, "big")
        for body in engine.bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


def test_an_edge_hands_clean_otlp_on_to_rotel(
    tmp_path: Path, rotel: Receiver, client: httpx.Client
) -> None:
    with collecting(tmp_path, "--forward", rotel.endpoint) as edge:
        answer = post(client, edge.url, 1, **{"X-Forwarded-For": "203.0.113.7"})
        assert answer.status_code == 200
        assert b"host.name" in answer.content  # what was left out, and that it was
        (request,) = rotel.received()
    (resource,) = request.resource_spans
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about == {"service.name": "cloudquery", "cloudquery.ip_sha1": LOOPBACK_SHA1}
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.span_id) == ("sync", (1).to_bytes(8, "big"))


def test_an_edge_keeps_nothing_and_tells_the_engine_no_address(
    tmp_path: Path, engine: Engine, client: httpx.Client
) -> None:
    with collecting(tmp_path, "--forward", engine.url, "--trusted-proxy", "127.0.0.0/8") as edge:
        forwarded = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}
        assert post(client, edge.url, 1, **forwarded).status_code == 200
        policy = client.get(edge.beside("/v1/policy")).json()
        assert (policy["forwards"], policy["keeps_data"]) == (True, False)
        cookie = {"Authorization": f"Bearer {uuid4()}"}
        for method in ("GET", "DELETE"):
            asked = client.request(method, edge.beside("/v1/data"), headers=cookie)
            assert asked.status_code == 501
            assert "hands everything on" in asked.json()["message"]
    (request,) = engine.requests
    sent = request.head + request.body
    assert hashlib.sha1(b"203.0.113.7", usedforsecurity=False).hexdigest().encode() in sent
    host = f"127.0.0.1:{engine.port}".encode()  # the engine's own, as HTTP asks for it
    assert sent.count(host) == 1
    for address in (b"203.0.113.7", bytes([203, 0, 113, 7]), bytes([127, 0, 0, 1]), b"127.0.0.1"):
        assert address not in sent.replace(host, b"")
    assert [path for path in edge.home.rglob("*") if path.is_file()] == []
    assert "203.0.113.7" not in (tmp_path / "collector.log").read_text()


def test_what_an_engine_refuses_is_told_together_with_what_the_edge_left_out(
    tmp_path: Path, engine: Engine, client: httpx.Client
) -> None:
    refused = b"\x0a\x0e\x08\x01\x12\x0atoo old \xe2\x8c"  # not UTF-8 at its end
    partial = b"\x0a\x0b\x08\x01\x12\x07too old"
    engine.replies.extend([reply(200, partial), reply(200, refused)])
    with collecting(tmp_path, "--forward", engine.url) as edge:
        body = (
            b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":'
            b'{"stringValue":"cloudquery"}},{"key":"host.name","value":{"stringValue":"x"}}]},'
            b'"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x","name":"sync",'
            b'"startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":1}}]}]}]}'
            % (1, 1, time.time_ns() - 10, time.time_ns())
        )
        said = client.post(edge.url, content=body, headers=JSON).json()["partialSuccess"]
        assert said["rejectedSpans"] == "1"
        assert "host.name" in said["errorMessage"]
        assert said["errorMessage"].endswith("too old")
        assert client.post(edge.url, content=body, headers=JSON).status_code == 200


def test_what_an_engine_does_not_take_is_left_with_the_client(
    tmp_path: Path, engine: Engine, client: httpx.Client
) -> None:
    with collecting(tmp_path, "--forward", engine.url) as edge:
        for answer, status, seconds in (
            (reply(429, Retry_After="7"), 429, "7"),
            (reply(503, Retry_After="90"), 503, "90"),
            (reply(400), 502, "5"),
            (b"", 503, "5"),
        ):
            engine.replies.append(answer)
            refused = post(client, edge.url, 1)
            assert (refused.status_code, refused.headers["Retry-After"]) == (status, seconds)
            assert refused.headers["Content-Type"] == "application/x-protobuf"
            assert str(engine.port) not in refused.text
            assert post(client, edge.url, 2).status_code == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="several processes cannot share a port here")
def test_several_edges_behind_one_port_lose_nothing_and_one_that_is_killed_is_replaced(
    tmp_path: Path, engine: Engine
) -> None:
    with collecting(tmp_path, "--forward", engine.url, workers=3) as edges:
        first = {one["process"] for one in edges.said("listening")}
        assert len(first) == 3
        assert len({one["port"] for one in edges.said("listening")}) == 1
        begun = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: _once(edges, number), range(1, 121)))
        assert answers == [200] * 120
        assert arrived(engine) == Counter(range(1, 121))
        until = time.monotonic() + PATIENCE
        # A request is counted only after it is answered.
        while sum((shares := taken_by_process(tmp_path)).values()) < 120:
            assert time.monotonic() < until, shares
            time.sleep(0.01)
        assert sum(shares.values()) == 120
        assert set(shares) <= first
        assert len(shares) >= 2

        # A worker that ends as soon as it began would only end again, and is not replaced.
        time.sleep(max(0.0, begun + _TOO_SOON_SECONDS - time.monotonic()))
        victim = min(first)
        half = threading.Semaphore(0)
        with ThreadPoolExecutor(8) as pool:
            tried = pool.map(lambda number: _until_taken(edges, number, half), range(1001, 1241))
            for _ in range(60):
                assert half.acquire(timeout=PATIENCE)
            os.kill(victim, signal.SIGKILL)
            tries = dict(zip(range(1001, 1241), tried, strict=True))
        came = arrived(engine)
        assert [number for number in tries if not 1 <= came[number] <= tries[number]] == []
        edges.wait_for("a worker ended, and is replaced")
        assert len(edges.wait_for("listening", 4)) == 4
        assert _once(edges, 2000) == 200


def taken_by_process(folder: Path) -> dict[int, int]:
    """Return how many requests for traces each worker has counted as taken."""
    counted: dict[int, int] = {}
    for path in folder.rglob("counter_*.db"):
        values = MmapedDict.read_all_values_from_file(  # type: ignore[no-untyped-call]
            str(path)
        )
        for key, value, *_ in values:
            _, name, labels, _ = json.loads(key)
            if labels == {"route": "traces", "status": "200"} and value:
                assert name == "cqtel_collector_requests_total"
                counted[int(path.stem.removeprefix("counter_"))] = int(value)
    return counted


def _once(edges: Collector, number: int) -> int:
    # A connection of its own, so that the system may choose another process for it.
    where = urllib.parse.urlsplit(edges.url)
    connection = http.client.HTTPConnection(where.netloc, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", where.path, a_request(number).SerializeToString(), PROTOBUF)
        return connection.getresponse().status


def _until_taken(edges: Collector, number: int, done: threading.Semaphore) -> int:
    """Post until it is acknowledged, as a client does; return how often that took."""
    for tries in range(1, 100):
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _once(edges, number) == 200:
                done.release()
                return tries
    raise AssertionError(f"{number} was never taken")


@pytest.mark.skipif(not HAS_WHEEL, reason=NO_WHEEL)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rotel_forwards_to_a_collector(
    tmp_path: Path, client: httpx.Client, compression: str
) -> None:
    cookie = str(uuid4())
    with collecting(tmp_path) as collector:
        exporter = (
            "--exporter=otlp",
            "--otlp-exporter-protocol=http",
            f"--otlp-exporter-endpoint={collector.beside('')}",
            f"--otlp-exporter-compression={compression}",
            "--batch-timeout=100ms",
        )
        with running_rotel(tmp_path, *exporter) as (rotel, _):
            for number in (1, 2):
                body = a_request(number, cookie=cookie).SerializeToString()
                assert client.post(rotel, content=body, headers=PROTOBUF).status_code == 200
            with contextlib.closing(Store(collector.store)) as store:
                operations = _wait_for(store, cookie, 2)
    spans = {span["span_id"] for one in operations for span in one["spans"]}
    assert spans == {f"{number:016x}" for number in (1, 2)}
    assert {one["service.name"] for one in operations} == {"cloudquery"}
    assert "nobodys-business" not in f"{operations}"


def _wait_for(store: Store, cookie: str, count: int) -> list[dict[str, Any]]:
    until = time.monotonic() + PATIENCE
    while len(operations := store.mine(cookie)) < count:
        assert time.monotonic() < until, operations
        time.sleep(0.01)
    return operations
