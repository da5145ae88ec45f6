"""Requests for traces as clients send them, in both encodings."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

COOKIE = "0b2d6f3e-7c4a-4f57-9d0e-1a2b3c4d5e6f"
PROGRAM: dict[str, Any] = {
    "service.name": "cloudquery",
    "service.version": "6.21.1",
    "cloudquery.build_date": "2026-01-02",
    "cloudquery.ci": True,
    "cloudquery.plugins": ["source/cloudquery/aws@v1.2.3"],
    "service.instance.id": COOKIE,
}
_numbers = itertools.count(1)


def span(name: str = "sync", **members: Any) -> dict[str, Any]:
    """Return a span that took 1.5 s and has just ended."""
    number = next(_numbers)
    end = time.time_ns()
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(end - 1_500_000_000),
        "endTimeUnixNano": str(end),
        "status": {"code": 1},
    } | members


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return OTLP's list of keys and values."""
    return [{"key": key, "value": _any(value)} for key, value in values.items()]


def _any(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any(one) for one in value]}}
    return {"stringValue": value}


def request(*spans: dict[str, Any], program: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a request; of one span if none is given."""
    about = PROGRAM if program is None else program
    scope = {"scope": {"name": "cqtel"}, "spans": list(spans) or [span()]}
    return {
        "resourceSpans": [{"resource": {"attributes": attributes(about)}, "scopeSpans": [scope]}]
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_protobuf(value: dict[str, Any]) -> bytes:
    """Write a request as protobuf; by hand, so that nothing under test says what it is."""
    message = ExportTraceServiceRequest()
    for each in value["resourceSpans"]:
        resource = message.resource_spans.add()
        resource.resource.attributes.extend(map(_key_value, each["resource"]["attributes"]))
        for scope in each["scopeSpans"]:
            scoped = resource.scope_spans.add()
            scoped.scope.name = scope["scope"]["name"]
            for one in scope["spans"]:
                written = scoped.spans.add()
                written.trace_id = bytes.fromhex(one["traceId"])
                written.span_id = bytes.fromhex(one["spanId"])
                written.parent_span_id = bytes.fromhex(one.get("parentSpanId", ""))
                written.name = one["name"]
                written.kind = one["kind"]
                written.start_time_unix_nano = int(one["startTimeUnixNano"])
                written.end_time_unix_nano = int(one["endTimeUnixNano"])
                written.status.code = one["status"]["code"]
                written.status.message = one["status"].get("message", "")
                written.attributes.extend(map(_key_value, one.get("attributes", [])))
                for event in one.get("events", []):
                    written.events.add().name = event["name"]
                for _ in one.get("links", []):
                    written.links.add()
                written.trace_state = one.get("traceState", "")
                written.flags = one.get("flags", 0)
    return message.SerializeToString()


def _key_value(pair: dict[str, Any]) -> KeyValue:
    return KeyValue(key=pair["key"], value=_value(pair["value"]))


def _value(value: dict[str, Any]) -> AnyValue:
    [(kind, inner)] = value.items()
    if kind == "arrayValue":
        return AnyValue(array_value=ArrayValue(values=map(_value, inner["values"])))
    if kind == "intValue":
        return AnyValue(int_value=int(inner))
    if kind == "boolValue":
        return AnyValue(bool_value=inner)
    if kind == "doubleValue":
        return AnyValue(double_value=inner)
    return AnyValue(string_value=inner)
