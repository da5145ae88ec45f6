from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.catalogue import RECORDED, is_plugins
from cqtel_tui.cli import main
from cqtel_tui.collector import engine
from cqtel_tui.review.promises import COLLECTOR, FIELDS

from ..deliver.collectors import PATIENCE
from ..otel_engine import BINARY, why_no_engine
from .own import OWN, UNFIT, contract, request_of
from .requests import as_json, attributes, request, span
from .served import JSON, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHIPPED = Path(engine.__file__).with_name("packaging") / "otel-collector.yaml"
DERIVED = {field.key for field in FIELDS if field.where == COLLECTOR}
PROCESSORS = ["memory_limiter", "redaction", "transform", "filter"]


@pytest.fixture
def read() -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(engine.configuration())
    return configuration


def test_the_shipped_copy_is_what_the_catalogue_says_today() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == engine.configuration(), (
        f"stale: cq-telemetry collector engine-config > {SHIPPED}"
    )


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collector", "engine-config"]) == 0
    assert capsys.readouterr().out == engine.configuration()


def test_nothing_passes_but_what_the_catalogue_allows_and_the_collector_derives(
    read: dict[str, Any],
) -> None:
    redaction = read["processors"]["redaction"]
    assert redaction["allow_all_keys"] is False
    assert set(redaction["allowed_keys"]) == {
        *(set(RECORDED) - {engine.COOKIE}),
        *DERIVED,
        engine.ADDRESS_HASH,
        engine.INSTALLATION,
    }
    assert redaction["summary"] == "silent"


def test_a_payload_is_in_a_queue_on_disk_before_it_is_answered(read: dict[str, Any]) -> None:
    traces = read["service"]["pipelines"]["traces/edges"]
    assert traces["receivers"] == ["otlp"]
    # A `batch` processor here would answer first, and lose what it holds when it is killed.
    assert traces["processors"] == PROCESSORS
    assert traces["exporters"] == ["kafka"]
    kafka = read["exporters"]["kafka"]
    assert kafka["sending_queue"]["storage"] == "file_storage"
    assert kafka["sending_queue"]["batch"]["flush_timeout"]
    assert "wait_for_result" not in kafka["sending_queue"]
    assert kafka["retry_on_failure"] == {"max_elapsed_time": "0s"}
    assert read["extensions"]["file_storage"]["fsync"] is True
    assert read["service"]["extensions"] == ["file_storage"]


def test_clickhouse_is_fed_from_kafka_alone_and_marks_what_is_written(
    read: dict[str, Any],
) -> None:
    traces = read["service"]["pipelines"]["traces/kafka"]
    assert (traces["receivers"], traces["exporters"]) == (["kafka"], ["clickhouse"])
    assert traces["processors"] == PROCESSORS
    kafka = read["receivers"]["kafka"]
    assert kafka["message_marking"] == {
        "after": True,
        "on_error": False,
        "on_permanent_error": True,
    }
    assert kafka["error_backoff"]["max_elapsed_time"] == "0s"  # for as long as it is down
    # What was written to a queue here would be marked before it is in ClickHouse.
    assert read["exporters"]["clickhouse"]["sending_queue"] == {"enabled": False}


def test_every_part_that_a_pipeline_names_is_there(read: dict[str, Any]) -> None:
    pipelines = read["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for traces in pipelines for name in traces[kind]} == set(read[kind])


def test_it_keeps_no_header_of_an_edge_and_listens_on_loopback(read: dict[str, Any]) -> None:
    http = read["receivers"]["otlp"]["protocols"]["http"]
    assert http == {"endpoint": "${env:CQTEL_ENGINE_LISTEN:-127.0.0.1:4319}"}


def test_a_regular_expression_is_the_catalogues_own_shape() -> None:
    accepted = {accepts for accepts, _, _ in RECORDED.values()}
    assert set(engine.SHAPES) <= accepted
    for accepts, shape in engine.SHAPES.items():
        _agree(accepts, re.compile(f"(?:{shape})\\Z"))


def _agree(accepts: Callable[[object], bool], shape: re.Pattern[str]) -> None:
    @given(st.from_regex(shape) | st.text(max_size=90) | st.sampled_from(SAMPLES))
    def agree(text: str) -> None:
        assert bool(shape.match(text)) is accepts(text), text

    agree()


SAMPLES = [
    *("cloudquery", "6.21.1", "v6.21.1", "v0.20.0-rc.1", "latest", "2026-01-02", "1.0", "v", ""),
    *("2026-01-02T03:04:05Z", "2026-01-02T03:04:05", "0b2d6f3e-7c4a-4f57-9d0e-1a2b3c4d5e6f"),
    *("0b2d6f3e-7c4a-1f57-9d0e-1a2b3c4d5e6f", "0B2D6F3E-7C4A-4F57-9D0E-1A2B3C4D5E6F", "a" * 40),
    *("a" * 41, "9" * 32, "9" * 33, f"v{'9' * 31}", f"v{'9' * 32}", "OSError", "_x.y", "x" * 81),
    *("198.51.100.77", "name 198.51.100.77", "a\n", "a b", "a/b", "a@b", ".a", "-a"),
]


@given(
    st.lists(
        st.from_regex(engine.PLUGIN_SHAPE, fullmatch=True)
        | st.sampled_from(
            [*SAMPLES, "source/cloudquery/aws@v1.2.3", "source/cloudquery/aws@latest"]
        ),
        max_size=3,
    )
)
def test_a_list_of_plugins_is_the_catalogues_own_shape(plugins: list[str]) -> None:
    written = json.dumps(plugins, separators=(",", ":"), ensure_ascii=False)
    found = re.fullmatch(engine.PLUGINS_SHAPE, written)
    assert bool(found) is is_plugins(plugins)


# The real thing -----------------------------------------------------------------------------------

PRIVATE = "198.51.100.77"


def everywhere() -> dict[str, Any]:
    """Return a request around the edge that says something private wherever it can."""
    said = {"stringValue": f"said {PRIVATE}"}
    attribute = [{"key": "client.address", "value": said}]
    values = {
        key: {"key": key, "value": said}
        for key in engine.allowed_keys()
        if key not in {"service.name", "exception.message"}
    }
    trace = os.urandom(16).hex()
    span = {
        "traceId": trace,
        "spanId": os.urandom(8).hex(),
        "traceState": f"ip={PRIVATE}",
        "name": f"name {PRIVATE}",
        "kind": 3,
        "startTimeUnixNano": "1795723610620308088",
        "endTimeUnixNano": "1795723611620308088",
        "status": {"code": 2, "message": f"status {PRIVATE}"},
        "attributes": [
            *attribute,
            *(values[key] for key in ("process.exit.code", "error.type")),
            {"key": "exception.message", "value": {"stringValue": "no debug flag"}},
        ],
        "events": [{"name": f"event {PRIVATE}", "attributes": attribute}],
    }
    link = {"traceId": trace, "spanId": "1" * 16, "traceState": PRIVATE, "attributes": attribute}
    scope = {
        "scope": {"name": f"scope {PRIVATE}", "version": PRIVATE, "attributes": attribute},
        "schemaUrl": f"https://x/{PRIVATE}",
        "spans": [span, {**span, "spanId": "2" * 16, "links": [link]}],
    }
    name = {"key": "service.name", "value": {"stringValue": "cloudquery"}}
    about = [name, *attribute, *values.values(), {"key": f"key.{PRIVATE}", "value": said}]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": about},
                "scopeSpans": [scope],
                "schemaUrl": f"https://x/{PRIVATE}",
            }
        ]
    }


@pytest.fixture
def written(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[bytes], dict[str, Any]]]:
    """Run the engine as it is configured, but that it writes to a file; post, and read that."""
    configuration = yaml.safe_load(engine.configuration(getattr(request, "param", ())))
    out = tmp_path / "out.json"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration["exporters"] = {"file": {"path": str(out)}}
    configuration["receivers"]["otlp"]["protocols"]["http"]["endpoint"] = f"127.0.0.1:{port}"
    configuration["service"]["telemetry"] = {"metrics": {"level": "none"}}
    traces = configuration["service"]["pipelines"]["traces/edges"]
    configuration["service"]["pipelines"] = {"traces": traces | {"exporters": ["file"]}}
    del configuration["receivers"]["kafka"]
    del configuration["service"]["extensions"], configuration["extensions"]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(configuration, width=100_000))
    log = (tmp_path / "log").open("wb")
    command = [str(BINARY), "--config", f"file:{tmp_path / 'c.yaml'}"]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/v1/traces"

    def post(body: bytes) -> dict[str, Any]:
        wait_for(lambda: _answers(url))
        answer = httpx.post(url, content=body, headers=JSON, timeout=PATIENCE, trust_env=False)
        assert answer.status_code == 200, answer.text
        wait_for(lambda: out.exists() and out.read_text().endswith("\n"))
        found: dict[str, Any] = json.loads(out.read_text())
        return found

    try:
        yield post
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
def test_what_gets_around_the_edge_meets_the_same_list(
    written: Callable[[bytes], dict[str, Any]],
) -> None:
    found = written(as_json(everywhere()))
    assert PRIVATE not in json.dumps(found)
    [resource] = found["resourceSpans"]
    assert resource["resource"] == {
        "attributes": [{"key": "service.name", "value": {"stringValue": "cloudquery"}}]
    }
    [scope] = resource["scopeSpans"]
    assert scope["scope"] == {"name": "cqtel"}
    [one] = scope["spans"]
    ids = {"traceId", "spanId", "startTimeUnixNano", "endTimeUnixNano"}
    assert {key: value for key, value in one.items() if key not in ids} == {
        "name": "unnamed",
        "kind": 1,
        "status": {"code": 2},
    }


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
def test_a_second_value_of_a_key_meets_the_same_list(
    written: Callable[[bytes], dict[str, Any]],
) -> None:
    private = f"said {PRIVATE}"
    sent = request(
        span(
            attributes=attributes({"error.type": "OSError"}) + attributes({"error.type": private})
        ),
        span(
            attributes=attributes({"error.type": private}) + attributes({"error.type": "OSError"})
        ),
        span(),
        program={"service.name": "cloudquery", "service.version": "6.21.1"},
    )
    [resource] = sent["resourceSpans"]
    resource["resource"]["attributes"] += attributes({"service.version": private})
    sent["resourceSpans"] += request(program={"service.name": "cloudquery"})["resourceSpans"]

    found = written(as_json(sent))
    assert PRIVATE not in json.dumps(found)
    named = attributes({"service.name": "cloudquery"})
    assert [each["resource"]["attributes"] for each in found["resourceSpans"]] == [named, named]
    first, second, third = found["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert "attributes" not in first
    assert second["attributes"] == attributes({"error.type": "OSError"})
    assert "attributes" not in third, "nothing of another span"


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
def test_what_an_edge_hands_on_passes_unchanged(
    written: Callable[[bytes], dict[str, Any]],
) -> None:
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from cqtel_tui.collector.otlp_writing import encode

    from .test_edge import FULL

    handed = MessageToDict(ExportTraceServiceRequest.FromString(encode([FULL])))
    sent = {"resourceSpans": handed["resourceSpans"]}
    for each in sent["resourceSpans"]:
        for scope in each["scopeSpans"]:
            for one in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    one[key] = base64.b64decode(one[key]).hex()
                one["kind"], one["status"] = 1, {"code": 2}
    assert written(as_json(sent)) == sent


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("written", [(contract(),)], indirect=True)
def test_a_programs_own_fields_pass_as_its_contract_has_them_and_no_others(
    written: Callable[[bytes], dict[str, Any]],
) -> None:
    asked = [request_of("shop", OWN), request_of("shop", UNFIT), request_of("cloudquery", OWN)]
    whole = {"resourceSpans": [one for each in asked for one in each["resourceSpans"]]}
    found = written(as_json(whole))["resourceSpans"]
    kept = [one["scopeSpans"][0]["spans"][0].get("attributes", []) for one in found]
    assert sorted(map(len, kept)) == [0, 0, len(OWN)]
    assert {one["key"] for each in kept for one in each} == OWN.keys()
