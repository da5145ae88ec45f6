"""The edge alone: what it hands on, and what it makes of an engine's answers."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from cqtel_tui.collector.arrivals import Arrival, ArrivedSpan, Origin
from cqtel_tui.collector.edge import MAX_REQUEST_BYTES, MAX_WAITING_BYTES, Edge
from cqtel_tui.collector.engine import ADDRESS_HASH, allowed_keys
from cqtel_tui.collector.otlp_writing import encode
from cqtel_tui.collector.settings import read_forward
from cqtel_tui.collector.sinks import RETRY_SECONDS, BusyError, KeepResult, RefusedError
from cqtel_tui.errors import WrongUsageError

from ..deliver.collectors import PATIENCE, Collector, reply, running
from .requests import as_json, request
from .served import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from ..deliver.collectors import Request
    from ..e2e.rotel_receiver import Receiver

SHA1 = "2f6a4cd83187b4c4aaf9d8ad0bd2d6a2a7ee1a26"
COOKIE = "0b1f7e06-5f0c-4b5c-8f3f-2f0b8a6f1c11"


def a_span(number: int = 1, *, name: str = "sync", message: str | None = None) -> ArrivedSpan:
    return ArrivedSpan(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_id=b"",
        name=name,
        started=1_800_000_000_000_000_000,
        duration=1_500_000_000,
        failed=False,
        message=message,
    )


def an_arrival(*spans: ArrivedSpan) -> Arrival:
    return Arrival(
        received=1_800_000_002,
        origin=Origin(SHA1, "DE"),
        app="cloudquery",
        version="6.21.1",
        build_date=None,
        ci=False,
        plugins=(),
        cookie=None,
        spans=spans or (a_span(),),
    )


FULL = Arrival(
    received=1_800_000_002,
    origin=Origin(SHA1, "DE", "Hessen", "Frankfurt"),
    app="cloudquery",
    version="6.21.1",
    build_date="2026-01-02",
    ci=True,
    plugins=("source/cloudquery/aws@v27.1.0", "destination/cloudquery/postgresql@v8.0.0"),
    cookie=COOKIE,
    spans=(
        ArrivedSpan(
            trace_id=b"\x01" * 16,
            span_id=b"\x02" * 8,
            parent_id=b"\x03" * 8,
            name="sync.aws",
            started=1_800_000_000_000_000_000,
            duration=1_500_000_001,
            failed=True,
            exit_code=1,
            error_type="TimeoutError",
            message="no route",
        ),
    ),
)


@pytest.fixture
def engine() -> Iterator[Collector]:
    with running() as collector:
        yield collector


@contextlib.contextmanager
def an_edge(url: str, seconds: float = PATIENCE) -> Iterator[Edge]:
    edge = Edge(url, seconds=seconds)
    try:
        yield edge
    finally:
        edge.close()


@pytest.fixture
def edge(engine: Collector) -> Iterator[Edge]:
    with an_edge(engine.url) as running_edge:
        yield running_edge


def partial(rejected: int, words: str) -> bytes:
    answer = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=words)
    )
    return reply(200, answer.SerializeToString(), Content_Type="application/x-protobuf")


def when_released(engine: Collector) -> Callable[[Request, socket.socket], bytes]:
    def answer(_: Request, __: socket.socket) -> bytes:
        engine.released.wait(PATIENCE)
        return reply(200)

    return answer


def refusal(edge: Edge) -> BusyError:
    with pytest.raises(BusyError) as raised:
        edge.keep([an_arrival()]).result(PATIENCE)
    return raised.value


def names(requests: list[Request]) -> list[str]:
    return [
        span.name
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_everything_that_an_arrival_has_is_said_in_opentelemetrys_words() -> None:
    said = MessageToDict(ExportTraceServiceRequest.FromString(encode([FULL])))
    (resource,) = said["resourceSpans"]
    attributes = {each["key"]: each["value"] for each in resource["resource"]["attributes"]}
    assert attributes == {
        "service.name": {"stringValue": "cloudquery"},
        "service.version": {"stringValue": "6.21.1"},
        "cloudquery.build_date": {"stringValue": "2026-01-02"},
        "cloudquery.installation": {"stringValue": hashlib.sha256(COOKIE.encode()).hexdigest()},
        "cloudquery.ip_sha1": {"stringValue": SHA1},
        "geo.country.iso_code": {"stringValue": "DE"},
        "geo.region.name": {"stringValue": "Hessen"},
        "geo.locality.name": {"stringValue": "Frankfurt"},
        "cloudquery.ci": {"boolValue": True},
        "cloudquery.plugins": {
            "arrayValue": {"values": [{"stringValue": plugin} for plugin in FULL.plugins]}
        },
        "cloudquery.debug": {"boolValue": True},
    }
    (scope,) = resource["scopeSpans"]
    assert scope["scope"] == {"name": "cqtel"}
    (span,) = scope["spans"]
    inside = {each["key"]: each["value"] for each in span.pop("attributes")}
    assert inside == {
        "process.exit.code": {"intValue": "1"},
        "error.type": {"stringValue": "TimeoutError"},
        "exception.message": {"stringValue": "no route"},
    }
    assert {*attributes, *inside} == {*allowed_keys()} - {ADDRESS_HASH}
    assert span == {
        "traceId": "AQEBAQEBAQEBAQEBAQEBAQ==",
        "spanId": "AgICAgICAgI=",
        "parentSpanId": "AwMDAwMDAwM=",
        "name": "sync.aws",
        "kind": "SPAN_KIND_INTERNAL",
        "startTimeUnixNano": "1800000000000000000",
        "endTimeUnixNano": "1800000001500000001",
        "status": {"code": "STATUS_CODE_ERROR"},
    }


def test_what_is_not_known_is_not_said_and_no_error_text_means_no_debug() -> None:
    said = ExportTraceServiceRequest.FromString(encode([an_arrival()]))
    attributes = {each.key for each in said.resource_spans[0].resource.attributes}
    assert attributes == {
        "service.name",
        "service.version",
        "cloudquery.ci",
        "cloudquery.ip_sha1",
        "geo.country.iso_code",
    }


def test_a_hash_of_the_day_is_not_called_a_sha1() -> None:
    arrival = an_arrival()
    hashed = Arrival(
        arrival.received,
        Origin("ab" * 32),
        arrival.app,
        None,
        None,
        None,
        (),
        None,
        arrival.spans,
    )
    said = ExportTraceServiceRequest.FromString(encode([hashed]))
    attributes = {
        each.key: each.value.string_value for each in said.resource_spans[0].resource.attributes
    }
    assert attributes == {"service.name": "cloudquery", ADDRESS_HASH: "ab" * 32}


def test_an_answer_means_that_the_engine_has_answered(engine: Collector, edge: Edge) -> None:
    engine.always = when_released(engine)
    kept = edge.keep([an_arrival(a_span(1), a_span(2))])
    engine.wait_for_request()
    assert not kept.done()
    engine.released.set()
    assert kept.result(PATIENCE) == KeepResult(new=2)


def test_nothing_is_passed_on_that_tells_who_sent_it(engine: Collector, edge: Edge) -> None:
    edge.keep([an_arrival()]).result(PATIENCE)
    (request,) = engine.requests
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert {name.lower() for name, _ in request.headers} == {
        "host",
        "content-type",
        "content-length",
        "accept-encoding",
        "user-agent",
        "accept",
        "connection",
    }


def test_no_proxy_of_the_environment_is_used(
    engine: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with an_edge(engine.url) as edge:
        assert edge.keep([an_arrival()]).result(PATIENCE).new == 1


def test_connections_are_used_again(engine: Collector, edge: Edge) -> None:
    for _ in range(20):
        edge.keep([an_arrival()]).result(PATIENCE)
    assert len(engine.requests) == 20
    assert engine.connections <= 4


def test_what_comes_while_the_engine_is_busy_is_handed_on_together(
    engine: Collector, edge: Edge
) -> None:
    engine.always = when_released(engine)
    first = []
    for number in range(4):  # as many as are posted at once
        first.append(edge.keep([an_arrival(a_span(name=f"first.{number}"))]))
        engine.wait_for_request()
    later = [edge.keep([an_arrival(a_span(name=f"later.{number}"))]) for number in range(50)]
    engine.released.set()
    assert [each.result(PATIENCE) for each in first + later] == [KeepResult(new=1)] * 54
    assert len(engine.requests) < 10
    came = names(engine.requests)
    assert sorted(came[4:]) == sorted(f"later.{number}" for number in range(50))
    assert sorted(came[:4]) == [f"first.{number}" for number in range(4)]


def test_no_request_to_the_engine_grows_beyond_its_bound(engine: Collector, edge: Edge) -> None:
    engine.always = when_released(engine)
    large = an_arrival(*(a_span(message="x" * 1000) for _ in range(200)))
    kept = [edge.keep([large]) for _ in range(30)]
    engine.released.set()
    assert sum(each.result(PATIENCE).new for each in kept) == 6000
    assert max(map(len, engine.bodies)) <= MAX_REQUEST_BYTES
    assert len(engine.requests) < 30


def test_the_engines_partial_success_is_passed_on(engine: Collector, edge: Edge) -> None:
    engine.replies.append(partial(1, "the second has no name"))
    kept = edge.keep([an_arrival(a_span(1), a_span(2))]).result(PATIENCE)
    assert kept == KeepResult(new=1, refused=1, words="the second has no name")


@pytest.mark.parametrize(
    "answer",
    [b"", b"{}", b"\xff\xff\xff", b"<html>", b"x" * 1_000_000, gzip.compress(b"x", mtime=0)],
)
def test_what_else_the_engine_says_with_a_200_changes_nothing(
    engine: Collector, edge: Edge, answer: bytes
) -> None:
    engine.replies.append(reply(200, answer))
    assert edge.keep([an_arrival()]).result(PATIENCE).refused == 0
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7),
        (503, "120", 120),
        (503, "0", 1),
        (429, "9" * 400, 3600),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", RETRY_SECONDS),
        (503, "-4", RETRY_SECONDS),
        (503, "٣", RETRY_SECONDS),
        (429, None, RETRY_SECONDS),
    ],
)
def test_an_engine_with_too_much_to_do_is_passed_on_with_its_time(
    engine: Collector, edge: Edge, status: int, header: str | None, seconds: int
) -> None:
    head = b"" if header is None else b"Retry-After: " + header.encode() + b"\r\n"
    answer = f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n".encode()
    engine.replies.append(answer + head + b"\r\n")
    error = refusal(edge)
    assert (error.status, error.seconds) == (status, seconds)
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refusal_reaches_whom_it_is_for_and_nobody_else(
    engine: Collector, edge: Edge, status: int
) -> None:
    def answer(request: Request, _: socket.socket) -> bytes:
        engine.released.wait(PATIENCE)
        return reply(status if "bad" in names([request]) else 200)

    engine.always = answer
    first = []
    for _ in range(4):  # as many as are posted at once
        first.append(edge.keep([an_arrival(a_span(name="first"))]))
        engine.wait_for_request()
    later = {
        number: edge.keep([an_arrival(a_span(name="bad" if number in {3, 17} else "good"))])
        for number in range(30)
    }
    engine.released.set()
    for number, kept in later.items():
        if number in {3, 17}:
            with pytest.raises(RefusedError) as raised:
                kept.result(PATIENCE)
            assert raised.value.status == status
        else:
            assert kept.result(PATIENCE) == KeepResult(new=1)
    assert [each.result(PATIENCE) for each in first] == [KeepResult(new=1)] * 4


def test_a_client_is_answered_with_the_engines_refusal(engine: Collector, tmp_path: Path) -> None:
    engine.replies.append(reply(400, b"secret words"))
    with an_edge(engine.url) as edge, served(tmp_path, edge) as collector:
        answer = collector.post(as_json(request()))
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        assert "secret" not in answer.text
        assert collector.is_well()


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 500, 504])
def test_any_other_answer_is_a_bad_gateway(engine: Collector, edge: Edge, status: int) -> None:
    engine.replies.append(reply(status, Location="http://127.0.0.1:9/v1/traces"))
    assert refusal(edge).status == 502
    assert len(engine.requests) == 1
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)


def _hang_up(_: Request, connection: socket.socket) -> bytes:
    connection.shutdown(socket.SHUT_RDWR)
    return b""


def _hang_up_within(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    connection.shutdown(socket.SHUT_RDWR)
    return b""


def test_an_answer_that_breaks_off_after_its_status_has_been_given(
    engine: Collector, edge: Edge
) -> None:
    engine.replies.append(_hang_up_within)
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)
    assert len(engine.requests) == 2


@pytest.mark.parametrize("answer", [_hang_up, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])
def test_an_engine_that_answers_no_http_is_silent(
    engine: Collector, edge: Edge, answer: bytes | Callable[[Request, socket.socket], bytes]
) -> None:
    engine.replies.append(answer)
    assert refusal(edge).status == 503
    assert edge.keep([an_arrival()]).result(PATIENCE) == KeepResult(new=1)


def test_an_engine_that_is_not_there_is_silent_and_may_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with an_edge(f"http://127.0.0.1:{port}/v1/traces") as edge:
        error = refusal(edge)
        assert error.status == 503
        assert str(port) not in str(error)


def test_an_engine_that_hangs_is_waited_for_no_longer_than_was_said(engine: Collector) -> None:
    engine.always = engine.hang
    with an_edge(engine.url, seconds=0.2) as edge:
        error = refusal(edge)
        assert (error.status, error.seconds) == (503, RETRY_SECONDS)


def test_too_much_that_waits_is_refused_at_once_and_what_waits_still_arrives(
    engine: Collector, edge: Edge
) -> None:
    engine.always = when_released(engine)
    large = [an_arrival(*(a_span(message="x" * 1000) for _ in range(500)))]
    size = len(encode(large))
    most = (MAX_WAITING_BYTES + 5 * MAX_REQUEST_BYTES) // size
    kept: list[Future[KeepResult]] = []
    with pytest.raises(BusyError) as raised:
        kept.extend(edge.keep(large) for _ in range(most))
    assert raised.value.status == 503
    engine.released.set()
    assert {each.result(PATIENCE).new for each in kept} == {500}


def test_what_waits_when_it_is_closed_is_handed_on_and_no_more_is_taken(
    engine: Collector,
) -> None:
    edge = Edge(engine.url, seconds=PATIENCE)
    engine.always = when_released(engine)
    kept = [edge.keep([an_arrival()]) for _ in range(9)]
    engine.wait_for_request()
    closing = threading.Thread(target=edge.close)
    closing.start()
    engine.released.set()
    closing.join(PATIENCE)
    assert [each.result(0).new for each in kept] == [1] * 9
    with pytest.raises(BusyError):
        edge.keep([an_arrival()])


def test_a_request_that_was_given_up_before_its_turn_harms_no_other(
    engine: Collector, edge: Edge
) -> None:
    engine.always = when_released(engine)
    first = []
    for _ in range(4):
        first.append(edge.keep([an_arrival()]))
        engine.wait_for_request()
    given_up = edge.keep([an_arrival(a_span(name="given.up"))])
    stays = edge.keep([an_arrival(a_span(name="stays"))])
    assert given_up.cancel()
    assert not first[0].cancel()
    engine.released.set()
    assert stays.result(PATIENCE) == KeepResult(new=1)
    assert "given.up" not in names(engine.requests)


def test_rotel_understands_what_is_handed_on(rotel: Receiver) -> None:
    with an_edge(rotel.endpoint) as edge:
        assert edge.keep([FULL, an_arrival()]).result(PATIENCE) == KeepResult(new=2)
    (request,) = rotel.received()
    came = [MessageToDict(resource) for resource in request.resource_spans]
    sent = ExportTraceServiceRequest.FromString(encode([FULL, an_arrival()]))
    assert came == [MessageToDict(resource) for resource in sent.resource_spans]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("http://127.0.0.1:4319", "http://127.0.0.1:4319/v1/traces"),
        ("http://engine:4319/", "http://engine:4319/v1/traces"),
        ("http://engine:4319/v1/traces", "http://engine:4319/v1/traces"),
        ("https://engine.example/otel/", "https://engine.example/otel/v1/traces"),
        ("http://[::1]:4319", "http://[::1]:4319/v1/traces"),
    ],
)
def test_a_base_url_gets_the_path_of_the_specification(given: str, read: str) -> None:
    assert read_forward(given) == read


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4319",
        "engine",
        "ftp://engine",
        "http://",
        "http://engine:port",
        "http://engine:99999",
        "http://user:secret@engine",
        "http://engine/?key=1",
        "http://engine/#here",
        "http://en gine/",
        "http://engine\n/",
        "http://[::1",
    ],
)
def test_what_is_no_url_to_forward_to_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsageError) as raised:
        read_forward(text)
    assert "secret" not in str(raised.value)
