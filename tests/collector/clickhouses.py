"""A real ClickHouse to ask over HTTP, and spans in it as the exporter of an engine writes them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.collector import clickhouse
from cqtel_tui.collector.clickhouse_asking import ClickHouse, DatabasePlace, read_place
from cqtel_tui.collector.otlp_writing import encode

from .own import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    from cqtel_tui.collector.arrivals import Arrival

SHIM = Path(__file__).with_name("clickhouse_shim.py")
NO_CHDB = "ClickHouse's engine is not installed: pip install chdb clickhouse-connect"


def why_no_clickhouse() -> str:
    """Return why its tests cannot run here; empty if they can."""
    is_there = importlib.util.find_spec("chdb") and importlib.util.find_spec("clickhouse_connect")
    return "" if is_there else NO_CHDB


HAS_CLIENT = importlib.util.find_spec("clickhouse_connect") is not None
needs_client = pytest.mark.skipif(not HAS_CLIENT, reason="clickhouse-connect is not installed")
needs_clickhouse = pytest.mark.skipif(bool(why_no_clickhouse()), reason=why_no_clickhouse())
_CODES = {0: "Unset", 1: "Ok", 2: "Error"}
PATIENCE = 120
_LONG = 10_000  # days: the clock of arrivals stands still, and the engine's own goes on


@contextlib.contextmanager
def running(folder: Path, port: int = 0) -> Iterator[tuple[DatabasePlace, subprocess.Popen[str]]]:
    """Run it in a process of its own, killed at the end."""
    with (folder / "clickhouse.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(SHIM), str(folder), str(port)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        heard = process.stdout.readline()
        assert heard, (folder / "clickhouse.log").read_text(encoding="utf-8")
        yield read_place(f"clickhouse://127.0.0.1:{heard.strip()}/cqtel"), process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def make(
    place: DatabasePlace, *, database: str = "cqtel", oldest_days: int = _LONG
) -> DatabasePlace:
    """Make the tables, in a database of that name."""
    with contextlib.closing(ClickHouse(place)) as asked:
        made = clickhouse.schema(
            database=database,
            retention_days=_LONG,
            error_days=_LONG,
            oldest_days=oldest_days,
            contracts=[contract()],
        )
        for statement in made.split(";"):
            if statement.strip():
                asked.do(statement)
    return place._replace(database=database)


def insert(place: DatabasePlace, arrivals: Sequence[Arrival]) -> None:
    """Insert arrivals, handed on by an edge, as an engine's exporter does."""
    rows = "\n".join(map(json.dumps, exported(arrivals)))
    with contextlib.closing(ClickHouse(place)) as asked:
        asked.do(f"INSERT INTO {{database}}.otel_traces FORMAT JSONEachRow\n{rows}")


def exported(arrivals: Sequence[Arrival]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `otel_traces` (clickhouseexporter 0.165)."""
    for resource in ExportTraceServiceRequest.FromString(encode(arrivals)).resource_spans:
        said = {one.key: _text(one.value) for one in resource.resource.attributes}
        for span in resource.scope_spans[0].spans:
            seconds, rest = divmod(span.start_time_unix_nano, 10**9)
            yield {
                "Timestamp": f"{seconds}.{rest:09}",
                "TraceId": span.trace_id.hex(),
                "SpanId": span.span_id.hex(),
                "ParentSpanId": span.parent_span_id.hex(),
                "SpanName": span.name,
                "SpanKind": "Internal",
                "ServiceName": said["service.name"],
                "ResourceAttributes": said,
                "ScopeName": "cqtel",
                "SpanAttributes": {one.key: _text(one.value) for one in span.attributes},
                "Duration": span.end_time_unix_nano - span.start_time_unix_nano,
                "StatusCode": _CODES[span.status.code],
            }


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        texts = [one.string_value for one in value.array_value.values]
        return json.dumps(texts, separators=(",", ":"))
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    return str(getattr(value, str(kind)))
