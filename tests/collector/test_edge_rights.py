"""Edges give people their data from ClickHouse behind them, and erase it for all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli import main

from ..deliver.collectors import running as running_engine
from .arriving import arrival, cookie
from .clickhouses import insert, make, needs_clickhouse, running
from .requests import PROGRAM, as_json, request
from .served import Command, command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.collector.clickhouse_asking import DatabasePlace

    from ..deliver.collectors import Collector

pytestmark = needs_clickhouse


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabasePlace]:
    with running(tmp_path_factory.mktemp("clickhouse")) as (found, _):
        yield make(found)


@pytest.fixture
def engine() -> Iterator[Collector]:
    with running_engine() as collector:
        yield collector


@pytest.fixture
def edges(
    tmp_path: Path, engine: Collector, place: DatabasePlace
) -> Iterator[tuple[Command, Command]]:
    options = ("--forward", engine.url.removesuffix("/v1/traces"), "--clickhouse", str(place))
    with command(tmp_path / "1", *options) as one, command(tmp_path / "2", *options) as other:
        yield one, other


def bearer(number: int) -> dict[str, str]:
    return {"authorization": f"Bearer {cookie(number)}"}


def payload(number: int) -> bytes:
    return as_json(request(program=PROGRAM | {"service.instance.id": cookie(number)}))


def test_one_edge_erases_and_the_other_hands_on_no_more(
    edges: tuple[Command, Command], engine: Collector, place: DatabasePlace
) -> None:
    one, other = edges
    now = int(time.time())
    insert(place, [arrival(1, who=1, received=now), arrival(2, who=2, received=now)])
    assert other.post(payload(1)).content == b"{}"
    sent = len(engine.requests)
    assert sent == 1
    [operation] = one.client.get("/v1/data", headers=bearer(1)).json()["operations"]
    assert operation["service.name"] == "cloudquery"
    assert len(operation["spans"]) == 3
    assert one.client.delete("/v1/data", headers=bearer(1)).json() == {"erased": 3}
    assert other.client.get("/v1/data", headers=bearer(1)).json() == {"operations": []}
    assert other.post(payload(1)).content == b"{}"
    assert len(engine.requests) == sent  # nothing of it went on
    assert other.post(payload(2)).content == b"{}"
    assert len(engine.requests) == sent + 1
    assert len(one.client.get("/v1/data", headers=bearer(2)).json()["operations"]) == 1


def test_it_says_where_else_something_may_be(edges: tuple[Command, Command]) -> None:
    policy = edges[0].client.get("/v1/policy").json()
    assert (policy["forwards"], policy["keeps_data"]) == (True, True)
    assert policy["retention"] == {"days": 396, "error_days": 30}
    assert policy["on_its_way"]["days"] == 30
    assert "Kafka" in policy["on_its_way"]["what"]


def test_an_edge_takes_payloads_while_clickhouse_is_down(tmp_path: Path, engine: Collector) -> None:
    options = ("--forward", engine.url.removesuffix("/v1/traces"))
    with command(tmp_path, *options, "--clickhouse", "clickhouse://127.0.0.1:1") as edge:
        assert edge.post(payload(1)).content == b"{}"
        assert edge.client.get("/v1/data", headers=bearer(1)).status_code == 503
        assert edge.client.get("/healthz").status_code == 200


def test_it_is_for_an_edge_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collector", "--clickhouse", "clickhouse://127.0.0.1"]) == 2
    assert "--forward" in capsys.readouterr().err
