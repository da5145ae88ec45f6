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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from prometheus_client.mmap_dict import MmapedDict

from cqtel_tui.collector.store import Store

from ..deliver.collectors import PATIENCE, reply, running
from ..deliver.collectors import Collector as Engine
from ..e2e.rotel_receiver import HAS_WHEEL, NO_WHEEL, running_rotel
from .served import PROTOBUF, command, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..e2e.rotel_receiver import Receiver
    from .served import Command

LOOPBACK_SHA1 = hashlib.sha1(b"127.0.0.1", usedforsecurity=False).hexdigest()
FREELY = ("--rate", "0")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as collector:
        yield collector


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


def post(edge: Command, number: int, **headers: str) -> httpx.Response:
    return edge.post(a_request(number).SerializeToString(), **PROTOBUF, **headers)


def arrived(engine: Engine) -> Counter[int]:
    """Count how often each request came to an engine."""
    return Counter(
        int.from_bytes(span.trace_id, "big")
        for body in engine.bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


def test_an_edge_hands_clean_otlp_on_to_rotel(tmp_path: Path, rotel: Receiver) -> None:
    with command(tmp_path, *FREELY, "--forward", rotel.endpoint) as edge:
        answer = post(edge, 1, x_forwarded_for="203.0.113.7")
        assert answer.status_code == 200
        assert b"host.name" in answer.content  # what was left out, and that it was
        (request,) = rotel.received()
    (resource,) = request.resource_spans
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about == {"service.name": "cloudquery", "cloudquery.ip_sha1": LOOPBACK_SHA1}
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.span_id) == ("sync", (1).to_bytes(8, "big"))


def test_an_edge_keeps_nothing_and_tells_the_engine_no_address(
    tmp_path: Path, engine: Engine
) -> None:
    trusting = ("--trusted-proxy", "127.0.0.0/8")
    with command(tmp_path, *FREELY, *trusting, "--forward", engine.url) as edge:
        forwarded = {"x_forwarded_for": "203.0.113.7", "forwarded": "for=203.0.113.7"}
        assert post(edge, 1, **forwarded).status_code == 200
        policy = edge.client.get("/v1/policy").json()
        assert (policy["forwards"], policy["keeps_data"]) == (True, False)
        cookie = {"Authorization": f"Bearer {uuid4()}"}
        for method in ("GET", "DELETE"):
            asked = edge.client.request(method, "/v1/data", headers=cookie)
            assert asked.status_code == 501
            assert "forwards everything" in asked.json()["message"]
        assert edge.stop() == 0
    (request,) = engine.requests
    sent = request.head + request.body
    assert hashlib.sha1(b"203.0.113.7", usedforsecurity=False).hexdigest().encode() in sent
    host = f"127.0.0.1:{engine.port}".encode()  # the engine's own, as HTTP asks for it
    assert sent.count(host) == 1
    for address in (b"203.0.113.7", bytes([203, 0, 113, 7]), bytes([127, 0, 0, 1]), b"127.0.0.1"):
        assert address not in sent.replace(host, b"")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "203.0.113.7" not in "".join(edge.said)


def test_what_an_engine_refuses_is_told_together_with_what_the_edge_left_out(
    tmp_path: Path, engine: Engine
) -> None:
    refused = b"\x0a\x0e\x08\x01\x12\x0atoo old \xe2\x8c"  # not UTF-8 at its end
    partial = b"\x0a\x0b\x08\x01\x12\x07too old"
    engine.replies.extend([reply(200, partial), reply(200, refused)])
    with command(tmp_path, *FREELY, "--forward", engine.url) as edge:
        body = (
            b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":'
            b'{"stringValue":"cloudquery"}},{"key":"host.name","value":{"stringValue":"x"}}]},'
            b'"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x","name":"sync",'
            b'"startTimeUnixNano":"%d","endTimeUnixNano":"%d","status":{"code":1}}]}]}]}'
            % (1, 1, time.time_ns() - 10, time.time_ns())
        )
        said = edge.post(body).json()["partialSuccess"]
        assert said["rejectedSpans"] == "1"
        assert "host.name" in said["errorMessage"]
        assert said["errorMessage"].endswith("too old")
        assert edge.post(body).status_code == 200


def test_what_an_engine_does_not_take_is_left_with_the_client(
    tmp_path: Path, engine: Engine
) -> None:
    with command(tmp_path, *FREELY, "--forward", engine.url) as edge:
        for answer, status, seconds in (
            (reply(429, Retry_After="7"), 429, "7"),
            (reply(503, Retry_After="90"), 503, "90"),
            (reply(400), 400, None),
            (reply(401), 502, "5"),
            (b"", 503, "5"),
        ):
            engine.replies.append(answer)
            refused = post(edge, 1)
            assert (refused.status_code, refused.headers.get("Retry-After")) == (status, seconds)
            assert refused.headers["Content-Type"] == "application/x-protobuf"
            assert str(engine.port) not in refused.text
            assert post(edge, 2).status_code == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="several processes cannot share a port here")
def test_several_edges_behind_one_port_lose_nothing_and_one_that_is_killed_is_replaced(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with command(tmp_path, *FREELY, "--forward", engine.url, workers=3) as edges:
        first = {one["process"] for one in events(edges, "listening")}
        assert len(first) == 3
        assert len({one["port"] for one in events(edges, "listening")}) == 1
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: _once(edges, number), range(1, 121)))
        assert answers == [200] * 120
        assert arrived(engine) == Counter(range(1, 121))
        # A request is counted only after it is answered.
        wait_for(lambda: sum(taken_by_process(tmp_path).values()) >= 120)
        shares = taken_by_process(tmp_path)
        assert sum(shares.values()) == 120
        assert set(shares) <= first
        assert len(shares) >= 2

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
        wait_for(lambda: len(events(edges, "listening")) == 4)
        assert len(events(edges, "a worker ended, and is replaced")) == 1
        assert _once(edges, 2000) == 200


def events(running: Command, name: str) -> list[dict[str, Any]]:
    return [event for event in running.events() if event["event"] == name]


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


def _once(edges: Command, number: int) -> int:
    # A connection of its own, so that the system may choose another process for it.
    connection = http.client.HTTPConnection("127.0.0.1", edges.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        body = a_request(number).SerializeToString()
        connection.request("POST", "/v1/traces", body, PROTOBUF)
        return connection.getresponse().status


def _until_taken(edges: Command, number: int, done: threading.Semaphore) -> int:
    """Post until it is acknowledged, as a client does; return how often that took."""
    for tries in range(1, 100):
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _once(edges, number) == 200:
                done.release()
                return tries
    raise AssertionError(f"{number} was never taken")


@pytest.mark.skipif(not HAS_WHEEL, reason=NO_WHEEL)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rotel_forwards_to_a_collector(tmp_path: Path, compression: str) -> None:
    cookie = str(uuid4())
    with command(tmp_path, *FREELY, "--store", str(tmp_path / "store.sqlite3")) as collector:
        exporter = (
            "--exporter=otlp",
            "--otlp-exporter-protocol=http",
            f"--otlp-exporter-endpoint={collector.url}",
            f"--otlp-exporter-compression={compression}",
            "--batch-timeout=100ms",
        )
        with running_rotel(tmp_path, *exporter) as (rotel, _):
            for number in (1, 2):
                body = a_request(number, cookie=cookie).SerializeToString()
                answer = httpx.post(rotel, content=body, headers=PROTOBUF, trust_env=False)
                assert answer.status_code == 200
            with contextlib.closing(Store(tmp_path / "store.sqlite3")) as store:
                wait_for(lambda: len(store.mine(cookie)) >= 2)
                operations = store.mine(cookie)
    spans = {span["span_id"] for one in operations for span in one["spans"]}
    assert spans == {f"{number:016x}" for number in (1, 2)}
    assert {one["service.name"] for one in operations} == {"cloudquery"}
    assert "nobodys-business" not in f"{operations}"
