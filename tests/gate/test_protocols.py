from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.catalogue import is_cookie
from cqtel_tui.formats import MAX_BODY_BYTES
from cqtel_tui.formats.documents import as_document
from cqtel_tui.formats.encodings import UndecodableError, decoded
from cqtel_tui.gate.channels import CLOUDQUERY
from cqtel_tui.gate.names import Names
from cqtel_tui.gate.profile_files import SHIPPED, read_profile
from cqtel_tui.gate.protocols import Understood, understand
from cqtel_tui.gate.protocols.described import Description
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import MAX_ITEMS, Rules
from cqtel_tui.gate.requests import Request
from cqtel_tui.gate.responses import response_to
from cqtel_tui.gate.variables import held

from ..javascript_sdk import JAVASCRIPT, why_no_javascript
from .served import ServedGate

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0  # seconds, for a machine under load; nothing here takes so long by design
UUID = "e027be13-57ef-4595-9bce-9cb1843bcb81"
SECRETS = ("alice", "hunter2", "/home", "acme", UUID)
OPENTELEMETRY = read_profile(SHIPPED).channels


def intercepted(
    path: str, body: bytes, content_type: str = "application/json", **headers: str
) -> Request:
    pairs = [("content-type", content_type)]
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("POST", path, tuple(pairs), body, 0)


def rules(*, debug: bool = False, channels: Any = CLOUDQUERY) -> Rules:
    return Rules(
        channels.fields,
        Pseudonyms(b"key"),
        debug=debug,
        never=channels.never,
        duration_unit=channels.duration_unit,
        names=Names(channels.words),
        published=frozenset({"cloudquery/postgresql", "cloudquery/hackernews"}),
    )


def event(name: str = "init_completed", **properties: Any) -> dict[str, Any]:
    """Return a message as CloudQuery 6.21.1 sends it."""
    return {
        "type": "track",
        "messageId": "7bd27354-6cf0-46f3-88eb-82a1abe62038",
        "anonymousId": UUID,
        "event": name,
        "originalTimestamp": "2026-11-22T08:30:03.568622768Z",
        "sentAt": "2026-11-22T08:30:03.568804087Z",
        "context": {"library": {"name": "analytics-go", "version": "4.2.1"}},
        "properties": properties,
        "channel": "server",
    }


def batch(*messages: dict[str, Any]) -> bytes:
    return json.dumps({"batch": messages}).encode()


INIT = event(
    accept_defaults=True,
    destination="cloudquery/postgresql",
    error="dial tcp: lookup db.acme on 192.0.2.53:53, password hunter2",
    invocation_uuid=UUID,
    source="cloudquery/hackernews",
    spec_path="/home/alice/spec.yml",
    status="error",
)
SYNC = event(
    "sync_run_completed",
    **{"$groups": {"team": "acme"}},
    aborted_due_to_error={"Message": "hunter2"},
    destination_paths=["cloudquery/postgresql", "/home/alice/plugin", "acme/private"],
    duration=90_500_000_000,
    environment="cli",
    errors=2,
    source_path="acme/private",
    status="success",
    sync_name="alice's sync",
    sync_run_id=UUID,
    team="acme",
    total_rows=1234,
    user_email="alice@acme.example",
    user_id=UUID,
    warnings=0,
)
del SYNC["anonymousId"]
SYNC["userId"] = UUID


# RudderStack --------------------------------------------------------------------------------------


def test_an_event_is_described_and_redacted() -> None:
    found = understand(intercepted("/v1/batch", batch(INIT)), rules())
    assert found.kind == "rudderstack"
    assert found.description == Description("init_completed", "failed", 0)
    sent = json.loads(found.redaction.sent)["batch"][0]
    assert sent["properties"] == {
        "destination": "cloudquery/postgresql",
        "source": "cloudquery/hackernews",
        "status": "error",
    }
    kept = ("type", "event", "originalTimestamp", "sentAt", "context", "channel")
    assert {key: sent[key] for key in kept} == {key: INIT[key] for key in kept}
    assert not any(secret.encode() in found.redaction.sent for secret in SECRETS)


def test_its_error_text_is_sent_in_debug_mode_only() -> None:
    found = understand(intercepted("/v1/batch", batch(INIT)), rules(debug=True))
    sent = json.loads(found.redaction.sent)["batch"][0]
    assert sent["properties"]["error"] == INIT["properties"]["error"]


def test_of_a_users_sync_only_counts_and_published_names_are_sent() -> None:
    found = understand(intercepted("/v1/batch", batch(SYNC)), rules())
    assert found.description == Description("sync_run_completed", "ok", 90_500)
    sent = json.loads(found.redaction.sent)["batch"][0]
    assert sent["properties"] == {
        "destination_paths": ["cloudquery/postgresql"],
        "duration": 90_500_000_000,
        "errors": 2,
        "status": "success",
        "total_rows": 1234,
        "warnings": 0,
    }
    assert not any(secret.encode() in found.redaction.sent for secret in SECRETS)
    why = {one.path: one.why for one in found.redaction.removals}
    assert why["batch[0].properties.user_email"] == "it says who you are"


def test_a_user_is_replaced_by_a_random_id_as_no_message_is_taken_without_one() -> None:
    own = rules()
    first = json.loads(understand(intercepted("/v1/batch", batch(SYNC)), own).redaction.sent)
    again = json.loads(
        understand(intercepted("/v1/track", json.dumps(SYNC).encode()), own).redaction.sent
    )
    assert "userId" not in first["batch"][0]
    assert first["batch"][0]["anonymousId"] == again["anonymousId"] != UUID


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"anonymousId": 12345, "userId": "u1"},
        {"anonymousId": "alice" * 1000},
        *({"userId": 0}, {"userId": "0"}, {"userId": ""}, {"userId": None}, {"userId": [1]}),
        *({"anonymousId": nothing, "userId": "u1"} for nothing in ("", " ", None, False)),
        {"anonymousId": [], "userId": "u1"},
        {"anonymousId": {}, "userId": "u1"},
        {"anonymousId": "00000000-0000-0000-0000-000000000000", "userId": "u1"},
        *({"anonymousId": odd} for odd in (0, True, 1.5, {"alice": 1}, ["alice"], "x")),
    ],
)
def test_a_message_with_an_odd_identity_is_one_that_the_server_takes(
    identity: dict[str, Any],
) -> None:
    message = {"type": "track", "event": "Sync Completed", "messageId": 7, **identity}
    found = understand(intercepted("/v1/batch", batch(message)), rules())
    [sent] = json.loads(found.redaction.sent)["batch"]
    assert sent.keys() == {"type", "event", "messageId", "anonymousId"}
    assert sent["event"] == "Sync Completed"
    assert all(is_cookie(sent[key]) for key in ("anonymousId", "messageId"))
    assert found.description.operation == "Sync_Completed"
    assert not any(secret.encode() in found.redaction.sent for secret in SECRETS)


def test_a_name_shaped_value_of_a_known_program_is_one_of_its_own() -> None:
    message = event("jane-doe.internal", status="acme-prod")
    message |= {"type": "acme", "channel": "acme-laptop"}
    message["context"] = {"library": {"name": "acme.hunter2.com", "version": "4.2.1"}}
    found = understand(intercepted("/v1/batch", batch(message)), rules())
    [sent] = json.loads(found.redaction.sent)["batch"]
    assert sent["event"] == "other"
    assert sent["context"] == {"library": {"version": "4.2.1"}}
    assert not {"type", "channel"} & sent.keys()
    assert sent["properties"] == {}
    assert found.description == Description("other", "", 0)


@pytest.mark.parametrize("call", ["track", "identify", "page", "screen", "group", "alias"])
def test_a_message_of_each_kind_is_read_alone(call: str) -> None:
    message = {**event(), "type": call, "traits": {"email": "alice@acme.example"}}
    message |= {"previousId": "alice", "groupId": "acme", "userId": "alice"}
    found = understand(intercepted(f"/v1/{call}", json.dumps(message).encode()), rules())
    assert found.kind == "rudderstack"
    assert not any(secret.encode() in found.redaction.sent for secret in SECRETS)
    assert response_to(f"/v1/{call}?x=y", "application/json").body == b"OK"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(batch(INIT), mtime=0), {"content_encoding": "gzip"}),
        (
            gzip.compress(batch(INIT)[:9], mtime=0) + gzip.compress(batch(INIT)[9:], mtime=0),
            {"content_encoding": "x-gzip"},
        ),
        (zlib.compress(batch(INIT)), {"content_encoding": "deflate"}),
        (zlib.compress(batch(INIT))[2:-4], {"content_encoding": "DEFLATE"}),
        (batch(INIT), {"content_encoding": "identity"}),
    ],
)
def test_it_may_come_compressed(body: bytes, headers: dict[str, str]) -> None:
    found = understand(intercepted("/v1/batch", body, **headers), rules())
    assert found.description.operation == "init_completed"
    assert (
        found.redaction.sent
        == understand(intercepted("/v1/batch", batch(INIT)), rules()).redaction.sent
    )


# What cannot be read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/batch", b"not json", {}),
        ("/v1/batch", b"[]", {}),
        ("/v1/batch", b'{"batch":{}}', {}),
        ("/v1/batch", b'{"batch":[],"batch":[]}', {}),
        ("/v1/track", b'"text"', {}),
        ("/v1/batch", b"[" * 100_000, {}),
        ("/v1/batch", gzip.compress(bytes(200_000_000), mtime=0), {"content_encoding": "gzip"}),
        ("/v1/batch", gzip.compress(b"{}", mtime=0)[:-3], {"content_encoding": "gzip"}),
        ("/v1/batch", b"\x00" * 50, {"content_encoding": "gzip"}),
        ("/v1/batch", b"{}", {"content_encoding": "br"}),
        ("/v1/batch", b"{}", {"content_encoding": "gzip, gzip"}),
        ("/v1/traces", b'{"resourceSpans":[],"more":1}', {}),
        ("/sourceConfig", b"", {}),
        ("/v2/anything", b"\xff\x00", {}),
    ],
)
def test_what_no_protocol_reads_is_held_as_it_came(
    path: str, body: bytes, headers: dict[str, str]
) -> None:
    found = understand(intercepted(path, body, **headers), rules())
    assert (found.kind, found.redaction.sent) == ("unknown", body)
    assert found.description == Description()


def test_a_body_is_never_decompressed_beyond_the_bound() -> None:
    for encoding, body in {
        "gzip": gzip.compress(bytes(50_000_000)),
        "deflate": zlib.compress(bytes(50_000_000)),
        "identity": bytes(MAX_BODY_BYTES + 1),
    }.items():
        with pytest.raises(UndecodableError):
            decoded(body, encoding)
    assert len(decoded(gzip.compress(bytes(MAX_BODY_BYTES)), "gzip")) == MAX_BODY_BYTES


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "", "br", "gzip,deflate"]))
def test_no_body_raises_anything_else(body: bytes, encoding: str) -> None:
    with contextlib.suppress(UndecodableError):
        decoded(body, encoding)


@given(
    st.sampled_from(["/v1/batch", "/v1/traces", "/v1/logs", "/v1/metrics", "/"]),
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/x-protobuf", ""]),
)
def test_no_request_raises_anything(path: str, body: bytes, content_type: str) -> None:
    understand(intercepted(path, body, content_type), rules())


# OTLP ---------------------------------------------------------------------------------------------

TRACE_ID, SPAN_ID, CHILD_ID = (
    "0af7651916cd43dd8448eb211c80319c",
    "b7ad6b7169203331",
    "00f067aa0ba902b7",
)


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


TRACES: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [
                    text("service.name", "shop"),
                    text("host.name", "laptop-of-alice"),
                    text("process.command_line", "shop --password hunter2"),
                ]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "tracer", "version": "1.0"},
                    "spans": [
                        {
                            "traceId": TRACE_ID,
                            "spanId": CHILD_ID,
                            "parentSpanId": SPAN_ID,
                            "name": "GET /home/alice",
                            "kind": 3,
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000000100000000",
                            "attributes": [text("http.url", "https://acme/?token=hunter2")],
                        },
                        {
                            "traceId": TRACE_ID,
                            "spanId": SPAN_ID,
                            "name": "checkout",
                            "kind": 1,
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000002000000000",
                            "events": [
                                {
                                    "name": "exception",
                                    "timeUnixNano": "1700000001000000000",
                                    "attributes": [
                                        text("exception.type", "ValueError"),
                                        text("exception.message", "hunter2"),
                                        text("exception.stacktrace", "/home/alice/x.py"),
                                    ],
                                }
                            ],
                            "status": {"code": 2, "message": "hunter2 is wrong"},
                        },
                    ],
                }
            ],
        }
    ]
}
LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": "1700000000000000000",
                            "severityNumber": 9,
                            "severityText": "INFO",
                            "body": {"stringValue": "alice logged in with hunter2"},
                        }
                    ]
                }
            ]
        }
    ]
}
METRICS: dict[str, Any] = {
    "resourceMetrics": [
        {
            "scopeMetrics": [
                {
                    "metrics": [
                        {
                            "name": "requests",
                            "description": "of alice",
                            "unit": "1",
                            "sum": {
                                "dataPoints": [
                                    {
                                        "timeUnixNano": "1700000000000000000",
                                        "asInt": "5",
                                        "attributes": [text("user.email", "alice@acme.example")],
                                    }
                                ],
                                "aggregationTemporality": 2,
                                "isMonotonic": True,
                            },
                        }
                    ]
                }
            ]
        }
    ]
}
MESSAGES: dict[str, tuple[dict[str, Any], Any]] = {
    "traces": (TRACES, ExportTraceServiceRequest),
    "logs": (LOGS, ExportLogsServiceRequest),
    "metrics": (METRICS, ExportMetricsServiceRequest),
}


def as_protobuf(signal: str) -> bytes:
    from google.protobuf.json_format import ParseDict

    from cqtel_tui.formats.otlp_protobuf import to_base64, with_ids

    document, message = MESSAGES[signal]
    return bytes(ParseDict(with_ids(document, to_base64), message()).SerializeToString())


def otlp(signal: str, encoding: str, *, debug: bool = False) -> Understood:
    own = rules(debug=debug, channels=OPENTELEMETRY)
    if encoding == "json":
        return understand(
            intercepted(f"/v1/{signal}", json.dumps(MESSAGES[signal][0]).encode()), own
        )
    body = gzip.compress(as_protobuf(signal))
    return understand(
        intercepted(f"/v1/{signal}", body, "application/x-protobuf", content_encoding="gzip"), own
    )


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_spans_are_described_and_redacted(encoding: str) -> None:
    found = otlp("traces", encoding)
    assert found.kind == f"otlp-traces-{encoding}"
    assert found.description == Description("checkout", "failed", 2000)
    spans = spans_of(found)
    assert [span.name for span in spans] == ["", "checkout"]
    assert spans[0].parent_span_id == spans[1].span_id != bytes.fromhex(SPAN_ID)
    assert spans[0].trace_id == spans[1].trace_id != bytes.fromhex(TRACE_ID)
    assert (len(spans[0].trace_id), len(spans[0].span_id)) == (16, 8)
    assert [pair.key for pair in spans[1].events[0].attributes] == ["exception.type"]
    assert spans[1].end_time_unix_nano - spans[1].start_time_unix_nano == 2_000_000_000


@pytest.mark.parametrize(
    "code", ["ERROR", "STATUS_CODE_ERROR", "error", "2", 3, -1, True, "whatever", {}, 1.5]
)
def test_a_status_that_is_not_plainly_a_success_is_none(code: Any) -> None:
    span = {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "sync", "status": {"code": code}}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    found = understand(intercepted("/v1/traces", json.dumps(document).encode()), rules())
    assert found.description == Description("sync", "failed", 0)
    assert spans_of(found)[0].status.code == 2


@pytest.mark.parametrize("parent", ["", "0" * 16, None, 0])
def test_a_parent_of_nothing_but_zeros_is_none(parent: Any) -> None:
    ids = {"traceId": TRACE_ID, "spanId": SPAN_ID}
    child = {**ids, "name": "child", "parentSpanId": SPAN_ID}
    root = {**ids, "name": "root", "parentSpanId": parent}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [child, root]}]}]}
    found = understand(
        intercepted("/v1/traces", json.dumps(document).encode()), rules(channels=OPENTELEMETRY)
    )
    assert found.description.operation == "root"
    assert not spans_of(found)[1].parent_span_id.strip(b"\0")


def spans_of(found: Understood) -> Any:
    from google.protobuf.json_format import ParseDict

    from cqtel_tui.formats.otlp_protobuf import to_base64, with_ids

    message = ExportTraceServiceRequest()
    if found.kind.endswith("json"):
        ParseDict(with_ids(json.loads(found.redaction.sent), to_base64), message)
    else:
        message.ParseFromString(found.redaction.sent)
    return message.resource_spans[0].scope_spans[0].spans


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_nothing_that_is_not_listed_is_sent(signal: str, encoding: str) -> None:
    found = otlp(signal, encoding)
    assert found.kind == f"otlp-{signal}-{encoding}"
    assert found.redaction.removals
    assert not any(secret.encode() in found.redaction.sent for secret in SECRETS)
    if encoding == "protobuf":
        MESSAGES[signal][1].FromString(found.redaction.sent)


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_error_texts_of_spans_are_sent_in_debug_mode_only(encoding: str) -> None:
    sent = otlp("traces", encoding, debug=True).redaction.sent
    assert sent.count(b"hunter2") == 2
    assert b"/home/alice" not in sent


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_logs_never_leave_not_even_in_debug_mode(encoding: str) -> None:
    assert b"logged in" not in otlp("logs", encoding, debug=True).redaction.sent


def test_both_encodings_say_the_same() -> None:
    assert [str(span) for span in spans_of(otlp("traces", "json"))] == [
        str(span) for span in spans_of(otlp("traces", "protobuf"))
    ]


def test_fields_of_a_later_release_are_not_sent_and_told() -> None:
    later = as_protobuf("traces") + b"\xfa\x3f\x05alice"
    found = understand(intercepted("/v1/traces", later, "application/x-protobuf"), rules())
    assert b"alice" not in found.redaction.sent
    assert "does not have" in found.redaction.removals[0].what


def test_without_opentelemetrys_package_protobuf_is_held_as_it_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for signal in ("trace", "logs", "metrics"):
        monkeypatch.setitem(sys.modules, f"opentelemetry.proto.collector.{signal}.v1", None)
        monkeypatch.setitem(
            sys.modules,
            f"opentelemetry.proto.collector.{signal}.v1.{signal}_service_pb2",
            None,
        )
    assert otlp("traces", "json").kind == "otlp-traces-json"
    for signal in MESSAGES:
        found = understand(
            intercepted(f"/v1/{signal}", as_protobuf(signal), "application/x-protobuf"), rules()
        )
        assert found.kind == "unknown"


# Real clients -------------------------------------------------------------------------------------

PYTHON_CLIENT = """
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("tracer", "1.0")
with tracer.start_as_current_span("checkout", attributes={"user.email": "alice@acme.example"}):
    with tracer.start_as_current_span("pay") as span:
        span.record_exception(ValueError("hunter2"))
provider.shutdown()
"""
JAVASCRIPT_CLIENT = """
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-%s");
const processor = new BatchSpanProcessor(new OTLPTraceExporter());
const provider = new BasicTracerProvider({ spanProcessors: [processor] });
const span = provider.getTracer("tracer", "1.0").startSpan("checkout");
span.setAttribute("user.email", "alice@acme.example");
span.recordException(new Error("hunter2"));
span.end();
provider.shutdown();
"""


def run_under_gate(command: list[str], folder: Path, **more: str) -> list[Understood]:
    gate = ServedGate()
    try:
        inherited = {"PATH": os.environ["PATH"], "HOME": str(folder), **more}
        opened = held([read_profile(SHIPPED)], inherited, gate)
        gate.begin()
        subprocess.run(
            command,
            cwd=folder,
            env=dict(opened.variables),
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        seen = gate.end()
    own = rules(channels=OPENTELEMETRY)
    return [understand(one, own) for one in seen.intercepted]


def check_spans(found: list[Understood], kind: str) -> None:
    assert [one.kind for one in found] == [kind]
    assert found[0].description.operation == "checkout"
    assert "checkout" in {span.name for span in spans_of(found[0])}
    assert not any(secret.encode() in found[0].redaction.sent for secret in SECRETS)
    assert found[0].redaction.removals


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_the_official_python_sdk_is_intercepted(
    tmp_path: Path, compression: str, proxy: str
) -> None:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="the OTLP/HTTP exporter is not installed"
    )
    more = {"OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    found = run_under_gate(
        [sys.executable, "-c", PYTHON_CLIENT],
        tmp_path,
        **more,
        **({"http_proxy": proxy} if proxy else {}),
    )
    check_spans(found, "otlp-traces-protobuf")


@pytest.mark.skipif(bool(why_no_javascript()), reason=why_no_javascript())
@pytest.mark.parametrize(("package", "encoding"), [("http", "json"), ("proto", "protobuf")])
def test_the_official_javascript_sdk_is_intercepted(package: str, encoding: str) -> None:
    node = shutil.which("node") or "node"
    found = run_under_gate([node, "-e", JAVASCRIPT_CLIENT % package], JAVASCRIPT)
    check_spans(found, f"otlp-traces-{encoding}")


# Dense documents ----------------------------------------------------------------------------------


def _filled(before: bytes, unit: bytes, after: bytes) -> bytes:
    number = (MAX_BODY_BYTES - len(before) - len(after)) // (len(unit) + 1)
    return before + b",".join([unit] * number) + after


def _nested(body: bytes, *numbers: int) -> bytes:
    for number in reversed(numbers):
        length, left = b"", len(body)
        while left > 127:
            length += bytes([left & 127 | 128])
            left >>= 7
        body = bytes([number << 3 | 2]) + length + bytes([left]) + body
    return body


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/v1/traces", "application/json", _filled(b'{"resourceSpans":[', b"{}", b"]}")),
        ("/v1/batch", "application/json", _filled(b'{"batch":[', b"{}", b"]}")),
        ("/v1/batch", "application/json", _filled(b'{"batch":[', b"0", b"]}")),
        ("/v1/traces", "application/x-protobuf", b"\x0a\x00" * (MAX_BODY_BYTES // 2)),
        ("/v1/logs", "application/x-protobuf", b"\x0a\x00" * (MAX_BODY_BYTES // 2)),
        (
            "/v1/metrics",
            "application/x-protobuf",
            _nested(b"\x12\x00" * (MAX_BODY_BYTES // 2 - 10), 1, 2),
        ),
    ],
)
def test_what_has_countless_elements_is_not_read_before_they_are_counted(
    path: str, content_type: str, body: bytes
) -> None:
    packed = gzip.compress(body, mtime=0)
    assert len(packed) < 8192
    found = understand(intercepted(path, packed, content_type, content_encoding="gzip"), rules())
    assert found.kind == "unknown"
    assert found.redaction.sent == packed
    assert as_document(f"otlp{path.removeprefix('/v1').replace('/', '-')}-protobuf", body) is None


def test_a_batch_of_too_many_messages_is_cut_before_it_is_looked_at() -> None:
    messages = [{"type": "track"}] * (MAX_ITEMS + 1)
    found = understand(intercepted("/v1/batch", json.dumps({"batch": messages}).encode()), rules())
    assert len(json.loads(found.redaction.sent)["batch"]) == MAX_ITEMS
    # Each that stays is given an id, and the one that does not is told of once.
    assert len(found.redaction.removals) + found.redaction.more == MAX_ITEMS + 1


def test_a_genuine_message_of_many_spans_is_read() -> None:
    from google.protobuf.json_format import ParseDict

    from cqtel_tui.formats.otlp_protobuf import to_base64, with_ids

    span = TRACES["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span] * 2048}]}]}
    body = ParseDict(with_ids(document, to_base64), ExportTraceServiceRequest())
    found = understand(
        intercepted("/v1/traces", body.SerializeToString(), "application/x-protobuf"), rules()
    )
    assert found.kind == "otlp-traces-protobuf"
