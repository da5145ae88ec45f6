from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from cqtel_tui import Telemetry
from cqtel_tui.formats import sha256
from cqtel_tui.formats.documents import as_document, as_payload
from cqtel_tui.gate.trimming import UntrimmableError, fields, without
from cqtel_tui.outbox.envelope import Envelope
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.paths import places

if TYPE_CHECKING:
    from pathlib import Path

quick = settings(deadline=None, database=None)
BATCH = {
    "batch": [
        {"event": "init", "properties": {"source": "cloudquery/aws", "errors": 3}},
        {"event": "sync", "properties": {}, "odd key": None},
    ],
    "sentAt": "2026-11-22T12:00:00Z",
}
TRACE = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": "shop"}},
                    {"key": "service.version", "value": {"stringValue": "1.2.3"}},
                ]
            },
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "0123456789abcdef0123456789abcdef",
                            "spanId": "0123456789abcdef",
                            "name": "pay",
                            "startTimeUnixNano": "1800000000000000001",
                        }
                    ]
                }
            ],
        }
    ]
}


def envelope(payload: bytes, kind: str = "rudderstack") -> Envelope:
    return Envelope(
        id="0123456789abcdef",
        kind=kind,
        created=0,
        origin="gate",
        app="shop",
        version="",
        operation="track",
        outcome="",
        duration=0,
        target=None,
        headers={},
        project="f" * 16,
        consent="",
        has_error_text=False,
        dropped=0,
        sha256=sha256(payload),
        payload=payload,
    )


def of(document: Any, kind: str = "rudderstack") -> Envelope:
    return envelope(json.dumps(document).encode(), kind)


def test_every_value_is_listed_by_where_it_stands() -> None:
    assert [(one.path, one.value) for one in fields(of(BATCH))] == [
        ("batch[0].event", "init"),
        ("batch[0].properties.source", "cloudquery/aws"),
        ("batch[0].properties.errors", 3),
        ("batch[1].event", "sync"),
        ('batch[1]["odd key"]', None),
        ("sentAt", "2026-11-22T12:00:00Z"),
    ]


def test_what_is_taken_out_is_gone_and_the_rest_says_what_it_said() -> None:
    paths = ["batch[0].properties.source", 'batch[1]["odd key"]', "sentAt"]
    assert json.loads(without(of(BATCH), paths)) == {
        "batch": [
            {"event": "init", "properties": {"errors": 3}},
            {"event": "sync", "properties": {}},
        ]
    }


def test_what_is_around_values_can_be_taken_out_at_once() -> None:
    assert json.loads(without(of(BATCH), ["batch[0]", "sentAt"])) == {"batch": [BATCH["batch"][1]]}
    assert json.loads(without(of(BATCH), ["batch"])) == {"sentAt": BATCH["sentAt"]}


def test_an_attribute_is_found_by_its_key_and_goes_with_it() -> None:
    listed = [one.path for one in fields(of(TRACE, "otlp-traces"))]
    path = 'resourceSpans[0].resource.attributes["service.version"]'
    assert path in listed
    left = json.loads(without(of(TRACE, "otlp-traces"), [path]))
    assert left["resourceSpans"][0]["resource"]["attributes"] == [
        {"key": "service.name", "value": {"stringValue": "shop"}}
    ]
    assert left["resourceSpans"][0]["scopeSpans"] == TRACE["resourceSpans"][0]["scopeSpans"]


def test_protobuf_is_trimmed_as_json_is() -> None:
    kind = "otlp-traces-protobuf"
    whole = envelope(as_payload(kind, TRACE), kind)  # type: ignore[arg-type]
    assert as_document(kind, whole.payload) == TRACE
    assert [one.path for one in fields(whole)] == [one.path for one in fields(of(TRACE))]
    path = 'resourceSpans[0].resource.attributes["service.version"]'
    message = trace_service_pb2.ExportTraceServiceRequest()
    message.ParseFromString(without(whole, [path]))
    [resource] = message.resource_spans
    assert [one.key for one in resource.resource.attributes] == ["service.name"]
    [span] = resource.scope_spans[0].spans
    assert span.trace_id.hex() == "0123456789abcdef0123456789abcdef"
    assert span.start_time_unix_nano == 1800000000000000001


def test_a_payload_that_was_recorded_here_can_be_trimmed(scrubbed: Path) -> None:
    with Telemetry("shop", version="1.2.3").operation("sync") as operation:
        operation.exit(1)
    outbox = Outbox(places().state)
    [label] = outbox.labels(PENDING)
    recorded = outbox.open(PENDING, label)
    paths = [one.path for one in fields(recorded)]
    assert without(recorded, []) == recorded.payload
    path = 'resourceSpans[0].resource.attributes["service.version"]'
    assert path in paths
    label = outbox.replace(label, without(recorded, [path]))
    after = outbox.open(PENDING, label)
    assert [one.path for one in fields(after)] == [one for one in paths if one != path]
    assert b"1.2.3" not in after.payload


@pytest.mark.parametrize("paths", [["nope"], ["batch[0].event", "batch[7]"], [""], ["batch[2]"]])
def test_a_path_that_leads_nowhere_is_told_and_nothing_is_taken_out(paths: list[str]) -> None:
    with pytest.raises(UntrimmableError, match="has nothing at"):
        without(of(BATCH), paths)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"anything", "unknown"),
        (b"{}", "unknown"),
        (b"no JSON", "rudderstack"),
        (b"\xff\xff", "otlp-traces-protobuf"),
        (b'{"a":1,"a":2}', "otlp-traces-json"),
        (b"", "-protobuf"),
    ],
)
def test_what_nobody_can_read_goes_whole_or_not_at_all(payload: bytes, kind: str) -> None:
    odd = envelope(payload, kind)
    if kind == "-protobuf":  # an empty message of any signal
        assert fields(odd) == []
        return
    for look in (lambda: fields(odd), lambda: without(odd, ["a"])):
        with pytest.raises(UntrimmableError, match="cq-telemetry drop 0123456789abcdef"):
            look()


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        | st.lists(st.fixed_dictionaries({"key": st.text(max_size=4), "value": inner}), max_size=3)
    ),
    max_leaves=20,
)


@quick
@given(documents, st.data())
def test_of_any_document_any_field_can_be_taken_out(document: Any, data: st.DataObject) -> None:
    whole = of({"document": document})
    assert json.loads(without(whole, [])) == {"document": document}
    paths = [one.path for one in fields(whole)]
    for path in dict.fromkeys(paths):
        assert len(fields(envelope(without(whole, [path])))) < len(paths) or not paths
    if paths:
        chosen = data.draw(st.lists(st.sampled_from(paths), unique=True, min_size=1))
        assert len(fields(envelope(without(whole, chosen)))) <= len(paths) - len(chosen)
    assert json.loads(without(whole, ["document"])) == {}
