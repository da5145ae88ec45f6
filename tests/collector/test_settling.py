"""What a report reads is counted in batches, after the answer and before any report."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from cqtel_tui.collector import keeping, migrations, report, schema, settling
from cqtel_tui.collector import store as stores
from cqtel_tui.collector.settling import settle_all
from cqtel_tui.collector.sinks import KeepResult
from cqtel_tui.collector.store import Store, StoreError

from .arriving import NOW, arrival, cookie, some
from .served import wait_for
from .writing import processes, told, write_for_ever

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "store", clock=lambda: NOW)) as opened:
        yield opened


def unsettled(path: Path) -> int:
    with schema.connected_to_read(path) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM arrivals WHERE id > (SELECT arrival FROM settled)"
        ).fetchone()
    return int(count)


@pytest.fixture
def _never_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_IDLE_SECONDS", 3600.0)
    monkeypatch.setattr(stores, "MOST_UNSETTLED", 1 << 60)


def test_a_store_that_is_idle_counts_what_it_has(store: Store) -> None:
    store.keep(some(1_000)).result()
    wait_for(lambda: unsettled(store.path) == 0)
    assert store.check() == []


@pytest.mark.usefixtures("_never_idle")
def test_a_report_counts_what_nobody_has_counted(store: Store) -> None:
    first = some(900)
    store.keep(first).result()
    assert unsettled(store.path) == 900
    found = report.read(store.path, now=NOW, days=60)
    assert found.total is not None
    assert found.total.count == 900
    assert unsettled(store.path) == 0
    store.keep(some(100, seed=2)).result()
    found = report.read(store.path, now=NOW, days=60)
    assert found.total is not None
    assert found.total.count == 1000
    assert store.check() == []


@pytest.mark.usefixtures("_never_idle")
def test_counted_before_or_after_it_is_the_same(store: Store, tmp_path: Path) -> None:
    arrivals = some(1_200, days=20)
    store.keep(arrivals).result()
    with closing(Store(tmp_path / "other", clock=lambda: NOW)) as other:
        for at in range(0, len(arrivals), 77):
            other.keep(arrivals[at : at + 77]).result()
            settle_all(other.path)
        assert other.check() == []
        assert report.read(other.path, now=NOW) == report.read(store.path, now=NOW)


@pytest.mark.usefixtures("_never_idle")
def test_what_is_removed_before_it_was_counted_is_never_counted(store: Store) -> None:
    store.keep([arrival(number, who=number % 3) for number in range(30)]).result()
    settle_all(store.path)
    store.keep([arrival(number, who=number % 3) for number in range(30, 60)]).result()
    assert store.erase(cookie(1)).result() == 60
    assert store.check() == []
    settle_all(store.path)
    assert store.check() == []
    with schema.connected_to_read(store.path) as connection:
        assert connection.execute("SELECT sum(operations) FROM days").fetchone() == (40,)


@pytest.mark.usefixtures("_never_idle")
def test_no_row_is_numbered_as_one_that_was_counted_and_removed(store: Store) -> None:
    store.keep([arrival(1, who=1)]).result()
    settle_all(store.path)
    assert store.erase(cookie(1)).result() == 3
    store.keep([arrival(2, who=2)]).result()
    assert unsettled(store.path) == 1


def test_no_more_than_a_bound_waits_to_be_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_IDLE_SECONDS", 3600.0)
    monkeypatch.setattr(stores, "MOST_UNSETTLED", 100)
    for number in range(1_000):
        store.keep([arrival(number)]).result()
    assert unsettled(store.path) <= 100 + settling.ARRIVALS_AT_ONCE


def _wait_for_more(log: Path, count: int) -> None:
    """Wait until a process has written down so many more."""
    before = len(told(log))
    wait_for(lambda: len(told(log)) > before + count)


@posix
def test_killed_while_counting_it_has_counted_each_once(tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "acknowledged"
    for _ in range(8):
        first = max(told(log), default=0) + 1
        writer = processes().Process(target=write_for_ever, args=(str(store), str(log), first))
        writer.start()
        _wait_for_more(log, 50)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    settle_all(store)
    with closing(Store(store)) as opened:
        assert opened.check() == []
    with schema.connected_to_read(store) as connection:
        (counted,) = connection.execute("SELECT sum(operations) FROM days").fetchone()
        (there,) = connection.execute("SELECT count(*) FROM arrivals").fetchone()
    assert counted == there >= len(told(log))


def test_spans_of_a_trace_that_comes_in_parts_are_each_kept_once(store: Store) -> None:
    whole = arrival(1, parts=5)
    for spans in ([1, 2], [0], [2, 3, 3], [0, 1, 2, 3, 4, 5], [5, 4]):
        store.keep([replace(whole, spans=tuple(whole.spans[at] for at in spans))]).result()
    assert store.keep([whole, whole]).result() == KeepResult(0, duplicates=12)
    found = [span for row in store.mine(cookie(0)) for span in row["spans"]]
    assert sorted(span["span_id"] for span in found) == sorted(
        span.span_id.hex() for span in whole.spans
    )
    parents = {span["span_id"]: span["parent_id"] for span in found}
    assert parents == {span.span_id.hex(): span.parent_id.hex() or None for span in whole.spans}
    wait_for(lambda: unsettled(store.path) == 0)
    assert store.check() == []


def test_what_is_known_of_one_trace_is_not_taken_for_all_of_another(store: Store) -> None:
    one, two = arrival(1, parts=0).spans[0], arrival(2, parts=1).spans
    both = replace(arrival(1), spans=(one, two[0]))
    rest = replace(arrival(2), spans=(two[1],))
    assert store.keep([both]).result() == KeepResult(2)
    assert store.keep([rest]).result() == KeepResult(1)
    store._known.forget()  # as when another process has written
    assert store.keep([replace(arrival(1), spans=(one,))]).result() == KeepResult(0, duplicates=1)
    assert store.keep([rest]).result() == KeepResult(0, duplicates=1)


def test_a_trace_may_come_in_many_parts_and_not_in_any_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_PARTS", 5)
    whole = arrival(1, parts=20)
    for at, expected in enumerate([KeepResult(1)] * 5):
        assert store.keep([replace(whole, spans=(whole.spans[at],))]).result() == expected
    store._known.forget()  # as when another process has written
    late = store.keep([replace(whole, spans=(whole.spans[9],)), arrival(2, parts=0)]).result()
    assert (late.new, late.refused) == (1, 1)
    assert "its trace came in more than" in late.words


@pytest.mark.usefixtures("_never_idle")
def test_traces_that_begin_alike_cost_nothing(store: Store) -> None:
    one = arrival(1, parts=0)
    same = [
        replace(one, spans=(replace(one.spans[0], trace_id=bytes(8) + number.to_bytes(8, "big")),))
        for number in range(1, 2_000)
    ]
    assert store.keep(same).result() == KeepResult(len(same))
    store._known.forget()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store._connection.set_progress_handler(count, 100)
    assert store.keep([arrival(1)]).result() == KeepResult(3)
    assert steps < 100


# From the versions before -------------------------------------------------------------------------


BEFORE = """
INSERT INTO installations VALUES (1, x'aa'), (2, x'bb');
INSERT INTO traits VALUES (1, 'operation', 'cloudquery sync'), (2, 'span', 'cloudquery part'),
    (3, 'total', ''), (4, 'country', 'DE');
INSERT INTO contexts VALUES (1, 1, x'01', '{"service.name":"cloudquery"}'),
    (2, 2, x'02', '{"service.name":"cloudquery"}');
INSERT INTO context_traits VALUES (1, 3), (1, 4), (2, 3);
INSERT INTO arrivals VALUES (1, 1, 20000, 1728000060), (2, 2, 20001, 1728086460);
INSERT INTO spans VALUES
    (1, 0, 1, 20000, x'11111111111111111111111111111111', x'1111111111111111', NULL, 1,
     1728000000000000000, 1500000000, 1070, 1, 3, 'ValueError'),
    (1, 1, 1, 20000, x'11111111111111111111111111111111', x'1111111111111112',
     x'1111111111111111', 2, 1728000000000000007, 500, 315, 0, NULL, NULL),
    (1, 2, 1, 20000, x'22222222222222222222222222222222', x'1111111111111113',
     x'9999999999999999', 2, 1728000000000000009, 500, 315, 0, NULL, NULL),
    (2, 0, 2, 20001, x'33333333333333333333333333333333', x'3333333333333333', NULL, 1,
     1728086400000000000, 1500000000, 1070, 0, 0, NULL);
INSERT INTO messages VALUES (1, 0, 20000, 'no such file');
"""


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_a_version_before_has_all_that_was_in_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for script in migrations.MIGRATIONS[:version]:
            connection.executescript(script)
        connection.executescript(BEFORE)
        columns = (
            "lower(hex(trace_id)), lower(hex(span_id)), lower(hex(parent_id)), name, started,"
            " duration, bucket, failed, exit_code, error_type, day, installation"
        )
        before = connection.execute(f"SELECT {columns} FROM spans ORDER BY 2").fetchall()  # noqa: S608
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
    path.chmod(0o600)
    with pytest.raises(StoreError, match="earlier version"):
        report.read(path, now=1728100000)
    with closing(Store(path, clock=lambda: 1728100000)) as opened:
        assert opened.check() == []
        assert opened._connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert opened.keep([arrival(1, who=1, received=1728100000)]).result() == KeepResult(3)
        again = arrival(2, received=1728100000)
        known = replace(again.spans[0], trace_id=b"\x11" * 16, span_id=b"\x11" * 8)
        assert opened.keep([replace(again, spans=(known,))]).result() == KeepResult(0, duplicates=1)
        with schema.connected_to_read(path) as connection:
            columns = (
                "trace_id, span_id, parent_id, name, started, duration, bucket, failed,"
                " exit_code, error_type, day, installation"
            )
            after = connection.execute(
                f"SELECT {columns} FROM spans WHERE arrival < 3 ORDER BY 2"  # noqa: S608
            ).fetchall()
            messages = connection.execute("SELECT * FROM messages").fetchall()
        assert after == [tuple(None if each == "" else each for each in row) for row in before]
        assert messages == [(1, 0, 20000, "no such file")]
