from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cqtel_tui.catalogue import RECORDED
from cqtel_tui.cli import main
from cqtel_tui.collector import engine
from cqtel_tui.review.promises import COLLECTOR, FIELDS

SHIPPED = Path(engine.__file__).with_name("packaging") / "otel-collector.yaml"
DERIVED = {field.key for field in FIELDS if field.where == COLLECTOR}
QUEUED = ("kafka", "clickhouse")


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
    assert set(redaction["allowed_keys"]) == {*RECORDED, *DERIVED, engine.ADDRESS_HASH}
    assert redaction["summary"] == "silent"


def test_a_payload_is_in_a_queue_on_disk_before_it_is_answered(read: dict[str, Any]) -> None:
    traces = read["service"]["pipelines"]["traces"]
    assert traces["receivers"] == ["otlp"]
    # A `batch` processor here would answer first, and lose what it holds when it is killed.
    assert traces["processors"] == ["memory_limiter", "redaction"]
    assert traces["exporters"] == list(QUEUED)
    for name in QUEUED:
        queue = read["exporters"][name]["sending_queue"]
        assert queue["storage"] == "file_storage"
        assert queue["batch"]["flush_timeout"]
        assert "wait_for_result" not in queue
        assert read["exporters"][name]["retry_on_failure"] == {"max_elapsed_time": "0s"}
    assert read["extensions"]["file_storage"]["fsync"] is True
    assert read["service"]["extensions"] == ["file_storage"]


def test_every_part_that_a_pipeline_names_is_there(read: dict[str, Any]) -> None:
    traces = read["service"]["pipelines"]["traces"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(traces[kind]) == set(read[kind])


def test_it_keeps_no_header_of_an_edge_and_listens_on_loopback(read: dict[str, Any]) -> None:
    http = read["receivers"]["otlp"]["protocols"]["http"]
    assert http == {"endpoint": "${env:CQTEL_ENGINE_LISTEN:-127.0.0.1:4319}"}


def test_clickhouse_keeps_spans_as_long_as_the_collector_would(
    read: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert read["exporters"]["clickhouse"]["ttl"] == f"{396 * 24}h"
    assert main(["collector", "--retention", "90", "engine-config"]) == 0
    shorter = yaml.safe_load(capsys.readouterr().out)
    assert shorter["exporters"]["clickhouse"]["ttl"] == f"{90 * 24}h"
