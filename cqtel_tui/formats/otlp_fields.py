"""The fields of OpenTelemetry's requests, as OTLP/JSON names them.

https://github.com/open-telemetry/opentelemetry-proto. Of a log record never the body: "We don't
store any logs". The order is that in which the fields are explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fields import (
    ATTRIBUTES,
    BOOLEAN,
    COUNT,
    ENUM,
    ERROR_TEXT,
    NAME,
    NANOSECONDS,
    NUMBER,
    SPAN_ID,
    STATUS,
    TRACE_ID,
    VERSION,
    Field,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESOURCE = message({"attributes": Field(ATTRIBUTES, "resource")})
_SCOPE = message({"name": Field(NAME, "scope.name"), "version": Field(VERSION)})
_EVENT = {
    "name": Field(NAME),
    "timeUnixNano": Field(NANOSECONDS),
    "attributes": Field(ATTRIBUTES),
}
_SPAN = {
    "name": Field(NAME, "name", is_operation=True),
    "startTimeUnixNano": Field(NANOSECONDS, "startTimeUnixNano"),
    "endTimeUnixNano": Field(NANOSECONDS, "endTimeUnixNano", after="startTimeUnixNano"),
    "status": message({"code": Field(STATUS, "status.code"), "message": Field(ERROR_TEXT)}),
    "attributes": Field(ATTRIBUTES, "span"),
    "kind": Field(ENUM, "kind"),
    "traceId": Field(TRACE_ID, "traceId"),
    "spanId": Field(SPAN_ID, "spanId"),
    "parentSpanId": Field(SPAN_ID, "parentSpanId"),
    "events": message(_EVENT, is_list=True),
}
_LOG_RECORD = {
    "timeUnixNano": Field(NANOSECONDS),
    "observedTimeUnixNano": Field(NANOSECONDS),
    "severityNumber": Field(ENUM),
    "severityText": Field(NAME),
    "attributes": Field(ATTRIBUTES),
    "traceId": Field(TRACE_ID),
    "spanId": Field(SPAN_ID),
}
_POINT = {
    "attributes": Field(ATTRIBUTES),
    "startTimeUnixNano": Field(NANOSECONDS),
    "timeUnixNano": Field(NANOSECONDS),
}
_NUMBERS = message({**_POINT, "asInt": Field(COUNT), "asDouble": Field(NUMBER)}, is_list=True)
_HISTOGRAM = message(
    {
        **_POINT,
        "count": Field(COUNT),
        "sum": Field(NUMBER),
        "min": Field(NUMBER),
        "max": Field(NUMBER),
        "bucketCounts": Field(COUNT, is_list=True),
        "explicitBounds": Field(NUMBER, is_list=True),
    },
    is_list=True,
)
_METRIC = {
    "name": Field(NAME),
    "unit": Field(NAME),
    "gauge": message({"dataPoints": _NUMBERS}),
    "sum": message(
        {
            "dataPoints": _NUMBERS,
            "aggregationTemporality": Field(ENUM),
            "isMonotonic": Field(BOOLEAN),
        }
    ),
    "histogram": message({"dataPoints": _HISTOGRAM, "aggregationTemporality": Field(ENUM)}),
}


def _request(root: str, scopes: str, items: str, item: Mapping[str, Field], group: str) -> Field:
    scope = message(
        {"scope": _SCOPE, items: message(item, is_list=True, group=group)}, is_list=True
    )
    return message({root: message({"resource": _RESOURCE, scopes: scope}, is_list=True)})


REQUESTS = {
    "traces": _request("resourceSpans", "scopeSpans", "spans", _SPAN, "span"),
    "logs": _request("resourceLogs", "scopeLogs", "logRecords", _LOG_RECORD, ""),
    "metrics": _request("resourceMetrics", "scopeMetrics", "metrics", _METRIC, ""),
}
"""The request of each signal."""
