"""What was acknowledged is there, once: after kills, beside other processes, on a full disk."""

from __future__ import annotations

import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import schema
from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.sinks import KeepResult
from cqtel_tui.collector.store import Store

from .arriving import arrival, cookie
from .served import wait_for
from .writing import PARTS, fill_the_disk, processes, told, write_for_ever, write_on

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 100
LONGEST_SECONDS = 60

posix = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed")


def kept(path: Path) -> Counter[bytes]:
    """Return how many spans there are of each operation."""
    with schema.connected_to_read(path) as connection:
        return Counter(
            bytes.fromhex(trace) for (trace,) in connection.execute("SELECT trace_id FROM spans")
        )


def trace(number: int) -> bytes:
    return arrival(number).spans[0].trace_id


def _wait_for_more(log: Path, before: int) -> None:
    wait_for(lambda: len(told(log)) > before)


@posix
def test_killed_a_hundred_times_it_has_all_that_was_acknowledged_once(tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "acknowledged"
    moment = random.Random(5)  # noqa: S311  # any moments will do
    context = processes()
    first = killed_after_some = 0
    for number in range(KILLS):
        before = len(told(log))
        writer = context.Process(target=write_for_ever, args=(str(store), str(log), first))
        writer.start()
        if number % 4 == 0:  # however slow the machine is, some are killed at work
            _wait_for_more(log, before)
        writer.join(moment.uniform(0.0, 0.09))
        writer.kill()
        writer.join(LONGEST_SECONDS)
        assert writer.exitcode == -9
        writer.close()
        acknowledged = told(log)
        killed_after_some += len(acknowledged) > before
        # The next one begins with what this one may have sent without an answer.
        first = max(acknowledged, default=0) - 10
        first = max(first, 0)
    with closing(Store(store)) as opened:
        assert opened.check() == []
    found = kept(store)
    assert [number for number in told(log) if found[trace(number)] != 1 + PARTS] == []
    assert set(found.values()) == {1 + PARTS}  # nothing by halves, acknowledged or not
    assert killed_after_some >= KILLS // 4


@posix
def test_processes_that_write_at_once_keep_all_of_it_once(tmp_path: Path) -> None:
    store = tmp_path / "new" / "store"  # made by all of them, too
    context = processes()
    ranges = [range(200), range(100, 300), range(200, 400)]
    logs = [tmp_path / f"acknowledged-{at}" for at in range(len(ranges))]
    writers = [
        context.Process(target=write_on, args=(str(store), str(log), numbers))
        for log, numbers in zip(logs, ranges, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(LONGEST_SECONDS)
        assert writer.exitcode == 0
    assert [told(log) for log in logs] == [list(numbers) for numbers in ranges]
    assert kept(store) == Counter({trace(number): 1 + PARTS for number in range(400)})
    with closing(Store(store)) as opened:
        assert opened.check() == []


@posix
def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_lost(tmp_path: Path) -> None:
    store, log, refused = (tmp_path / name for name in ("store", "acknowledged", "refused"))
    writer = processes().Process(target=fill_the_disk, args=(str(store), str(log), str(refused)))
    writer.start()
    writer.join(LONGEST_SECONDS)
    assert writer.exitcode == 0
    assert len(told(log)) > 10
    (number,) = told(refused)
    assert number not in told(log)
    assert kept(store) == Counter({trace(number): 1 + PARTS for number in told(log)})
    with closing(Store(store)) as opened:
        assert opened.check() == []


def test_a_store_that_stays_locked_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    with closing(Store(tmp_path / "store")) as store:
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            futures = [store.keep([arrival(number)]) for number in range(3)]
            for future in futures:
                with pytest.raises(StoreError, match="locked"):
                    future.result()
            with pytest.raises(StoreError, match="locked"):
                store.erase(cookie(0)).result()
            other.execute("ROLLBACK")
        assert store.mine(cookie(0)) == []
        assert store.keep([arrival(1)]).result() == KeepResult(3)


def test_an_answer_means_a_commit_that_waited_for_the_disk(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store")) as store:
        connection = store._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        seen = []
        future = store.keep([arrival(1)])
        future.add_done_callback(lambda _: seen.append(kept(store.path)[trace(1)]))
        future.result()
        store.close()
        assert seen == [3]
