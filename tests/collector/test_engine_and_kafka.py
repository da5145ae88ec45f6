"""What the engine does with records that nobody can read, and with the room of its queue."""

from __future__ import annotations

import contextlib
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.catalogue import MAX_STRING_BYTES
from cqtel_tui.collector.clickhouse import OLDEST_DAYS_HERE
from cqtel_tui.collector.clickhouse_asking import ClickHouse, read_place

from ..kafka_broker import Kafka, free_port, why_no_kafka
from ..otel_engine import why_no_engine
from .clickhouses import make, needs_clickhouse, running
from .engines import Engine, is_answered, until
from .requests import as_json, as_protobuf, request, span
from .served import PROTOBUF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHY_NOT = "; ".join(filter(None, (why_no_engine(), why_no_kafka())))
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

NAMED = {"service.name": "cloudquery"}
UNREADABLE = "otelcol_kafka_receiver_unmarshal_failed_spans"
DELIVERED = "otelcol_exporter_sent_spans"
MIB = 1 << 20


@pytest.fixture
def parts() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as parts:
        yield parts


def good(name: str) -> bytes:
    return as_protobuf(request(span(name), program=NAMED))


def long_ago(months: int) -> bytes:
    """Return a record of spans from so many months, none of which an edge would accept."""
    month = 31 * 24 * 3600 * 10**9
    starts = [time.time_ns() - number * month for number in range(4, 4 + months)]
    spans = [
        span("long_ago", startTimeUnixNano=str(start), endTimeUnixNano=str(start + 1))
        for start in starts
    ]
    return as_protobuf(request(*spans, program=NAMED))


@needs_clickhouse
def test_a_record_that_is_no_otlp_is_counted_and_keeps_nothing_back(
    tmp_path: Path, parts: contextlib.ExitStack
) -> None:
    kafka = Kafka(tmp_path / "kafka", partitions=1)  # one record is behind the other
    parts.callback(kafka.close)
    (tmp_path / "clickhouse").mkdir()
    place, _ = parts.enter_context(running(tmp_path / "clickhouse"))
    place = make(place, oldest_days=OLDEST_DAYS_HERE)
    engine = Engine(tmp_path, kafka, place)
    parts.callback(engine.kill)
    asked = parts.enter_context(closing(ClickHouse(place)))

    def names(table: str) -> set[str]:
        rows = asked.rows(f"SELECT DISTINCT name FROM {{database}}.{table}")  # noqa: S608  # ours
        return {name for (name,) in rows}

    no_otlp = [
        *(b"hello", b"PK\x03\x04\x0a\x00", bytes(range(256)), good("cut")[:-5]),
        as_json(request(span("as_json"), program=NAMED)),
    ]
    engine.put_into_kafka([good("first"), *no_otlp, long_ago(150), good("last")])
    until(lambda: names("spans") >= {"last"})
    assert names("spans") == {"first", "last"}
    assert names("dead_letters") == {"long_ago"}
    assert engine.counted(UNREADABLE) == len(no_otlp)

    engine.stop()
    engine.start()
    engine.put_into_kafka([good("next")])
    until(lambda: names("spans") >= {"next"})
    assert engine.counted(UNREADABLE) == 0, "they are read again"


def test_a_queue_that_has_drained_gives_back_its_room_while_clickhouse_is_down(
    tmp_path: Path, parts: contextlib.ExitStack
) -> None:
    kafka = Kafka(tmp_path / "kafka")
    kafka.kill()
    nowhere = read_place(f"clickhouse://127.0.0.1:{free_port()}/cqtel")
    engine = Engine(tmp_path, kafka, nowhere)
    parts.callback(engine.kill)
    said = [{"key": "exception.message", "value": {"stringValue": "x" * MAX_STRING_BYTES}}]
    spans = [span("sync", attributes=said) for _ in range(600)]
    payload = as_protobuf(request(*spans, program={**NAMED, "cloudquery.debug": True}))
    url = f"{engine.url}/v1/traces"

    def size() -> int:
        return max((path.stat().st_size for path in engine.queue.iterdir()), default=0)

    until(lambda: is_answered(url, payload, PROTOBUF))
    posted = 1
    while posted * len(payload) < 17 * MIB:
        assert is_answered(url, payload, PROTOBUF)
        posted += 1
    assert size() > 16 * MIB
    assert engine.counted(DELIVERED) == 0

    kafka.start()
    parts.callback(kafka.close)
    # The file is twice as long as what was in it when it was compacted, 4 MiB at most.
    until(lambda: size() <= 8 * MIB)
    until(lambda: engine.counted(DELIVERED) == posted * len(spans))  # nothing was lost by it
