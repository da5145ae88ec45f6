"""Payloads as the recorder writes them, made here so that a test can choose every value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

START = 1_700_000_000_123_456_789
COOKIE = "3f2b8c1e-9d47-4a6b-8e21-5c0d7f9a1b34"

RESOURCE: dict[str, Any] = {
    "service.name": "cloudquery",
    "service.version": "6.21.1",
    "cloudquery.build_date": "2026-01-02T03:04:05Z",
    "cloudquery.ci": False,
    "cloudquery.debug": True,
    "cloudquery.plugins": ["source/cloudquery/aws@v1.2.3-rc.beta", "provider/acme/x@1.2.3.4"],
    "service.instance.id": COOKIE,
}


def document(resource: Mapping[str, Any], *spans: Mapping[str, Any]) -> dict[str, Any]:
    """Give an OTLP document of one program with these spans."""
    scope = {"scope": {"name": "cqtel"}, "spans": list(spans)}
    about = {"attributes": attributes(resource)}
    return {"resourceSpans": [{"resource": about, "scopeSpans": [scope]}]}


def span(  # noqa: PLR0913  # what a span has
    name: str,
    number: int = 1,
    parent: int | None = None,
    *,
    start: int = START,
    nanoseconds: int = 1_500_000,
    failed: bool = False,
    **said: Any,
) -> dict[str, Any]:
    """Give a span; an underscore in the name of an attribute stands for a dot."""
    within = {} if parent is None else {"parentSpanId": f"{parent:016x}"}
    values = {key.replace("_", "."): value for key, value in said.items()}
    return {
        "traceId": "c7" * 16,
        "spanId": f"{number:016x}",
        **within,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + nanoseconds),
        **({"attributes": attributes(values)} if values else {}),
        "status": {"code": 2 if failed else 1},
    }


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    return {"stringValue": value}


def encoded(value: object) -> bytes:
    """Write a document as the recorder does: without blanks, in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode()
