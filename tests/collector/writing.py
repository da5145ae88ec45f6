"""What other processes do to a store: run by name, in a process of their own."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.store import Store

from .arriving import arrival

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cqtel_tui.collector.sinks import KeepResult
    from cqtel_tui.collector.waiting import Awaited

PARTS = 2
AT_ONCE = 24
_SMALL = 1_500_000


def processes() -> multiprocessing.context.ForkServerContext:
    """Return how to start processes: forked from one that has imported all, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def told(path: Path) -> list[int]:
    """Return the numbers that a process has written down; one that was cut off does not count."""
    text = path.read_text() if path.exists() else ""
    return [int(line) for line in text[: text.rfind("\n") + 1].split()]


def write_on(store: str, acknowledged: str, numbers: Iterator[int] | range) -> None:
    """Keep operations of these numbers, many at once; write down each that was acknowledged."""
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with closing(Store(Path(store))) as opened:
        waiting: list[tuple[int, Awaited[KeepResult]]] = []
        for number in numbers:
            waiting.append((number, opened.keep([arrival(number, who=number % 9, parts=PARTS)])))
            if len(waiting) >= AT_ONCE:
                _acknowledge(log, waiting)
        _acknowledge(log, waiting)


def write_for_ever(store: str, acknowledged: str, first: int) -> None:
    """As `write_on`, until killed."""
    write_on(store, acknowledged, itertools.count(first))


def fill_the_disk(store: str, acknowledged: str, refused: str) -> None:
    """Keep operations until the disk has no room, then with room again."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with closing(Store(Path(store))) as opened:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, hard))
        for number in itertools.count():
            try:
                opened.keep([arrival(number, who=number % 9, parts=PARTS)]).result()
            except StoreError as error:
                cause = error.__cause__
                assert isinstance(cause, sqlite3.OperationalError), cause
                Path(refused).write_text(f"{number}\n")
                break
            os.write(log, b"%d\n" % number)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        opened.keep([arrival(1_000_000, parts=PARTS)]).result()
        os.write(log, b"1000000\n")


def _acknowledge(log: int, waiting: list[tuple[int, Awaited[KeepResult]]]) -> None:
    for number, future in waiting:
        future.result()
        os.write(log, b"%d\n" % number)
    waiting.clear()
