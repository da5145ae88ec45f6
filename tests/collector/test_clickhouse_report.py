"""ClickHouse behind the edges tells what a store of the same payloads tells, and gives it back."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.cli import main
from cqtel_tui.collector import report
from cqtel_tui.collector.allowing import own_fields
from cqtel_tui.collector.arrivals import digest_of
from cqtel_tui.collector.clickhouse_asking import (
    ClickHouse,
    DatabasePlace,
    is_place,
    read_place,
)
from cqtel_tui.collector.clickhouse_rights import Rights
from cqtel_tui.collector.store import Store, StoreError
from cqtel_tui.errors import WrongUsageError

from .arriving import DAY, NOW, arrival, cookie, odd, some
from .clickhouses import insert, make, needs_clickhouse, needs_client, running
from .own import contract, with_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cqtel_tui.collector.arrivals import Arrival


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabasePlace]:
    with running(tmp_path_factory.mktemp("clickhouse")) as (place, _):
        yield place


@pytest.fixture
def place(clickhouse: DatabasePlace, request: pytest.FixtureRequest) -> DatabasePlace:
    """Tables of the test's own."""
    return make(clickhouse, database=f"of_{abs(hash(request.node.nodeid))}")


CASES: dict[str, Callable[[], list[Arrival]]] = {
    "many": lambda: some(1_500, installations=60, days=40),
    "few": lambda: some(40, installations=6, days=3),
    "fewer than k": lambda: some(5, installations=3, days=3),
    "odd ones": lambda: odd() + some(200, installations=30, days=5, seed=3),
    "fields of its own": lambda: with_own(some(300, installations=30)),
    "nothing": list,
}


@needs_clickhouse
@pytest.mark.parametrize("name", CASES)
def test_the_report_has_the_same_rows_as_a_stores(
    name: str, place: DatabasePlace, tmp_path: Path
) -> None:
    arrivals = CASES[name]()
    with closing(Store(tmp_path / "store", clock=lambda: NOW)) as store:
        if arrivals:
            store.keep(arrivals).result()
            insert(place, arrivals)
            insert(place, arrivals[::2])  # delivered twice
        for days, k in ((30, 5), (7, 2), (60, 10)):
            told = report.read(store.path, now=NOW, days=days, k=k)
            assert report.read(place, now=NOW, days=days, k=k) == told


@needs_clickhouse
def test_the_command_tells_it(place: DatabasePlace, capsys: pytest.CaptureFixture[str]) -> None:
    import time

    today = int(time.time())
    insert(place, some(60, days=3, now=today))
    assert main(["collector", "report", "--clickhouse", str(place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["count"] == 60
    assert {row["operation"] for row in found["operations"]} >= {"sync", "fetch"}


@needs_client
def test_one_that_does_not_answer_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collector", "report", "--clickhouse", "clickhouse://127.0.0.1:1/cqtel"]) == 1
    assert "clickhouse://127.0.0.1:1/cqtel did not do" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        *("http://u:p@127.0.0.1/x", "clickhouse://", "ftp://h/x", "clickhouse://h:0/x"),
        *("clickhouse://h/a;b", "clickhouse://h/x?y=1", "clickhouse://h:x/y"),
    ],
)
def test_what_is_nowhere_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsageError):
        read_place(text)


def test_a_file_is_no_clickhouse() -> None:
    assert not is_place("store.sqlite3")
    assert report.source_of("/x/store.sqlite3") == Path("/x/store.sqlite3")
    assert str(report.source_of("clickhouse://h")) == "clickhouse://h:8123/cqtel"
    assert str(report.source_of("https://[::1]/other")) == "clickhouses://[::1]:8443/other"


@needs_clickhouse
def test_everybody_is_given_what_a_store_gives_back(place: DatabasePlace, tmp_path: Path) -> None:
    arrivals = [
        arrival(1, who=1, received=NOW - DAY),
        arrival(2, who=1, failed=True, message="no such file", version=None, ci=None),
        arrival(3, who=2),
        *with_own([arrival(4, who=1)]),
    ]
    insert(place, arrivals)
    with closing(Store(tmp_path / "store", clock=lambda: NOW)) as store:
        store.keep(arrivals).result()
        expected = store.mine(cookie(1))
    with closing(Rights(place, own_fields([contract()]))) as rights:
        found = [row for page in rights.pages(cookie(1)) for row in page]
        assert [row for page in rights.pages(cookie(9)) for row in page] == []
    assert found == [_as_behind_the_edges(row) for row in expected]


def _as_behind_the_edges(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what an edge does not hand on."""
    return {key: value for key, value in row.items() if key != "received"}


def counts(place: DatabasePlace, who: str) -> list[int]:
    """Return how many rows each table has of a cookie."""
    query = "SELECT count() FROM {database}.%s WHERE installation = {who:String}"
    with closing(ClickHouse(place)) as asked:
        digest = digest_of(who).hex()
        return [asked.rows(query % table, who=digest)[0][0] for table in ("spans", "errors")]


@needs_clickhouse
def test_what_is_erased_is_gone_from_every_table_and_stays_gone(place: DatabasePlace) -> None:
    mine = [arrival(1, who=1), arrival(2, who=1, failed=True, message="no such file")]
    insert(place, [*mine, arrival(3, who=2)])
    assert counts(place, cookie(1)) == [6, 1]
    with closing(Rights(place)) as rights:
        assert rights.erase(cookie(1)).result() == 6
        assert counts(place, cookie(1)) == [0, 0]
        insert(place, [*mine, arrival(4, who=1)])  # what was still on its way
        assert counts(place, cookie(1)) == [0, 0]
        assert counts(place, cookie(2)) == [3, 0]
        assert rights.erased() == {digest_of(cookie(1)).hex()}
        assert rights.erase_late() == 0
        assert rights.trouble() == ""


@needs_clickhouse
def test_what_came_past_while_it_was_erased_is_erased_later(place: DatabasePlace) -> None:
    insert(place, [arrival(1, who=1, failed=True, message="no such file")])
    with closing(ClickHouse(place)) as asked:
        asked.do(
            "INSERT INTO {database}.erased VALUES ({who:String}, true, now64(3))",
            who=digest_of(cookie(1)).hex(),
        )
    with closing(Rights(place)) as rights:
        assert rights.erase_late() == 1
    assert counts(place, cookie(1)) == [0, 0]


@needs_clickhouse
def test_an_erased_cookie_is_known_to_every_edge(place: DatabasePlace) -> None:
    with closing(Rights(place)) as one, closing(Rights(place)) as other:
        assert other.erased() == set()
        one.erase(cookie(7)).result()
        assert other.erased() == one.erased() == {digest_of(cookie(7)).hex()}


@needs_client
def test_rights_that_cannot_be_had_are_told_of_without_a_place() -> None:
    with closing(Rights(read_place("clickhouse://127.0.0.1:1"))) as rights:
        assert rights.trouble() == "ClickHouse does not answer"
        assert rights.erased() == set()
        with pytest.raises(StoreError):
            next(rights.pages(cookie(1)))
