from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox import runs
from cqtel_tui.outbox.runs import (
    MAX_RUNS,
    BlockedChannel,
    Run,
    clear_runs,
    read_runs,
    run_of,
    sweep_runs,
    write_run,
)

from .conftest import DAY, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Box

BLOCKED = (BlockedChannel("reports", "nobody can hold them", None), BlockedChannel("others", "", 5))
RUN = Run("a" * 16, NOW, "cloudquery", "6.21.1", ("b" * 16, "c" * 16), 1, BLOCKED)


@pytest.fixture
def state(box: Box) -> str:
    return str(box.state)


def folder(box: Box) -> Path:
    return box.outbox.folder / runs.RUNS


def test_a_run_is_read_as_it_was_written_the_newest_first(box: Box, state: str) -> None:
    assert read_runs(state) == []
    assert not box.state.exists()
    older = replace(RUN, operation="d" * 16, created=NOW - 1, intercepted=())
    for run in (RUN, older):
        write_run(state, run)
    assert read_runs(state) == [RUN, older]
    assert read_runs(state, 1) == [RUN]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder(box).iterdir()} == {0o600}
    assert stat.S_IMODE(folder(box).stat().st_mode) == 0o700


def test_each_payload_leads_to_its_run() -> None:
    other = replace(RUN, operation="d" * 16, intercepted=())
    assert RUN.payloads == ("a" * 16, "b" * 16, "c" * 16)
    for identity in RUN.payloads:
        assert run_of([other, RUN], identity) == RUN
    assert run_of([other, RUN], "e" * 16) is None


def test_what_cannot_be_read_hides_no_other_run(box: Box, state: str) -> None:
    write_run(state, RUN)
    for at, damaged in enumerate((b"", b"{}", b"[1]", b'{"operation": 1}', b"\xff", b"[" * 9999)):
        (folder(box) / f"{NOW + at:016d},{at:016x}.json").write_bytes(damaged)
    (folder(box) / f"{NOW:016d},link.json").symlink_to("/etc/passwd")
    (folder(box) / f"{NOW:016d},folder.json").mkdir()
    assert read_runs(state) == [RUN]


def test_the_oldest_make_room(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_RUNS >= 100
    monkeypatch.setattr(runs, "MAX_RUNS", 3)
    for at in range(5):
        write_run(state, replace(RUN, created=NOW + at))
    assert [run.created - NOW for run in read_runs(state)] == [4, 3, 2]


def test_a_run_is_forgotten_as_late_as_its_payloads(box: Box, state: str) -> None:
    write_run(state, replace(RUN, created=NOW - 31 * DAY))
    write_run(state, RUN)
    sweep_runs(state, NOW)
    assert read_runs(state) == [RUN]
    box.outbox.sweep((NOW + 31 * DAY) / 1_000_000)
    assert read_runs(state) == [], "its payloads are gone, so that nothing is kept for them"


def test_all_can_be_forgotten(state: str) -> None:
    clear_runs(state)
    write_run(state, RUN)
    clear_runs(state)
    assert read_runs(state) == []
