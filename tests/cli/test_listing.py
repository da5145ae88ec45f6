"""`pending`, `sent`, `rejected` and `runs`: all of them, or those that are asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.runs import Run, write_run

if TYPE_CHECKING:
    from .conftest import Here

SECOND = 1_000_000


def ids(cq: Here, *arguments: str) -> list[str]:
    ended = cq(*arguments, "--json")
    assert ended.code == 0, ended.said
    return [row["id"] for row in ended.json]


def test_pending_can_be_asked_for_by_program_operation_time_and_destination(cq: Here) -> None:
    old = cq.hold(app="shop", operation="fetch", created=(int(time.time()) - 3 * 86_400) * SECOND)
    sync = cq.record("sync")
    init = cq.record("init")
    assert ids(cq, "pending") == [init, sync, old]
    assert ids(cq, "pending", "--program", "shop") == [old]
    assert ids(cq, "pending", "--program", "sho") == []
    assert ids(cq, "pending", "--operation", "SYNC") == [sync]
    assert ids(cq, "pending", "--since", "2d") == [init, sync]
    assert ids(cq, "pending", "--since", "2d", "--operation", "fetch") == []
    assert ids(cq, "pending", "--to", "no destination") == [init, sync, old]
    assert ids(cq, "pending", "--to", "elsewhere.example") == []


def test_nothing_that_matches_is_told_apart_from_nothing_at_all(cq: Here) -> None:
    assert "nothing is pending" in cq("pending", "--program", "shop").said
    cq.record()
    assert "nothing pending matches" in cq("pending", "--program", "shop").said


@pytest.mark.parametrize("command", ["pending", "sent", "rejected", "runs"])
def test_what_is_no_time_is_refused_with_an_example(cq: Here, command: str) -> None:
    ended = cq(command, "--since", "soon")
    assert ended.code == 1
    assert "'soon' is no time. Give an age, such as 30m, 12h or 7d" in ended.said


def test_sent_can_be_asked_for_by_where_it_went(cq: Here) -> None:
    here, there = cq.record(), cq.record()
    cq.answer(here, url="http://127.0.0.1:4318/v1/traces")
    cq.answer(there, url="https://collector.example/v1/traces")
    assert set(ids(cq, "sent")) == {here, there}
    assert ids(cq, "sent", "--to", "collector.example") == [there]


def test_runs_are_listed_the_newest_first_and_by_what_they_left(cq: Here) -> None:
    assert "nothing was run through cq-telemetry yet" in cq("runs").said
    operation = cq.record("sync")
    now = int(time.time() * SECOND)
    older = Run(
        operation, now - 86_400 * SECOND * 3, "cloudquery", "6.21.1", (), 0, (), id="a" * 16
    )
    newer = Run("", now, "shop", "", ("b" * 16,), 2, (), id="c" * 16)
    for run in (older, newer):
        write_run(str(cq.outbox.folder.parent), run)
    assert ids(cq, "runs") == ["c" * 16, "a" * 16]
    assert ids(cq, "runs", "--program", "cloudquery") == ["a" * 16]
    assert ids(cq, "runs", "--since", "1d") == ["c" * 16]
    assert ids(cq, "runs", "--operation", "sync") == ["a" * 16]
    assert ids(cq, "runs", "--to", "no destination") == ["a" * 16]
    [line, _] = cq("runs").lines
    assert line.startswith("c" * 16)
    assert line.endswith("shop                  1 request intercepted, 2 lost")
    assert "no run matches" in cq("runs", "--program", "other").said
