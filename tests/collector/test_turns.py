"""Whoever waits to write a store is next, however busy the others are."""

from __future__ import annotations

import errno
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import turns
from cqtel_tui.collector.turns import turn
from cqtel_tui.files import locked

from ..deliver.collectors import PATIENCE
from .served import wait_for

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="a lock there is tried once a second")


def somebody_is_next(store: Path) -> bool:
    try:
        with locked(store.with_name(f"{store.name}-next"), wait=False):
            return False
    except BlockingIOError:
        return True


@posix
def test_who_has_written_comes_after_who_waits(tmp_path: Path) -> None:
    store = tmp_path / "store"
    order: list[str] = []

    def other() -> None:
        with turn(store):
            order.append("other")

    for _ in range(20):
        waiting = threading.Thread(target=other)
        with turn(store):
            order.append("busy")
            waiting.start()
            wait_for(lambda: somebody_is_next(store))
        with turn(store):  # at once, as a writer does that has more to write
            order.append("busy again")
        waiting.join(PATIENCE)
    assert order == ["busy", "other", "busy again"] * 20


@posix
def test_only_one_has_the_turn(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def write() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turn(tmp_path / "store"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE)
    assert most == 1


def test_a_file_system_without_locks_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(turns, "locked", no_locks)
    with turn(tmp_path / "store"):
        pass


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), turn(tmp_path / "gone" / "store"):
        pass
