"""Overwrite what SQLite leaves of deleted rows: `python -m cqtel_tui.collector.scrubbing STORE`.

`secure_delete` zeroes a row that is deleted. But where a full page was split before, a copy of its
rows may stand in the unused middle of a page, and no deletion ever reaches it. VACUUM would write
the whole file twice for that; here each page is read, and its unused bytes are zeroed.

The file's format is SQLite's (https://sqlite.org/fileformat2.html, 1.6). While this process holds
the write lock, and the journal is empty, nobody else writes to the file; nobody reads what is
unused. It is a process of its own, because a process that closes a file loses all its locks on it,
SQLite's too (POSIX; https://sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_FILE_HEADER_BYTES = 100
_PAGES_AT_ONCE = 64
_STEP_SECONDS = 0.03
"""How long others may not write."""
_MOST_PAGES = 1 << 24
"""Beyond it, the first byte of an overflow page could be that of a B-tree page."""

_HEADER_BYTES = {0x02: 12, 0x05: 12, 0x0A: 8, 0x0D: 8}
"""Of each kind of B-tree page: inner and leaf, of an index and of a table."""

_MAP_ENTRY_BYTES = 5
_LOCKED_BYTE = 1 << 30
"""Where SQLite locks: the page that has it holds nothing."""

_TRIES = 4
_BUSY_SECONDS = 0.25
_LONGEST_SECONDS = 600


def scrub(path: Path) -> bool:
    """Overwrite what is unused in a store, in a process of its own; False if others were busy."""
    code = [sys.executable, "-P", "-m", __name__, str(path)]
    try:
        done = subprocess.run(
            code, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def scrub_here(path: Path) -> bool:
    """As `scrub`, in this process; it must have no other connection to the store.

    Others write between one part of the file and the next.
    """
    journal = path.with_name(path.name + "-wal")
    # Closed last: that ends the locks of this process.
    with (
        path.open("r+b", buffering=0) as file,
        closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection,
    ):
        first: int | None = 0
        while first is not None:
            with turn(path):
                if not _is_alone(connection, journal):
                    return False
                first = _overwrite(file, first)
                os.fsync(file.fileno())
                connection.execute("ROLLBACK")
    return True


def _is_alone(connection: sqlite3.Connection, journal: Path) -> bool:
    """Lock out whoever writes, with all that was written in the file."""
    for _ in range(_TRIES):
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            continue
        if not journal.exists() or journal.stat().st_size == 0:
            return True
        connection.execute("ROLLBACK")
    return False


def unused(page: bytes, header: int) -> Iterator[tuple[int, int]]:
    """Yield where a B-tree page holds nothing: from each first offset to before the second.

    Args:
        page: the bytes of a page.
        header: where its header begins.
    """
    size = _HEADER_BYTES.get(page[header])
    if size is None:
        return
    cells = int.from_bytes(page[header + 3 : header + 5], "big")
    content = int.from_bytes(page[header + 5 : header + 7], "big") or 1 << 16
    gap = header + size + 2 * cells
    if not gap <= content <= len(page):
        return
    yield gap, content
    block = int.from_bytes(page[header + 1 : header + 3], "big")
    while content <= block <= len(page) - 4:
        end = block + int.from_bytes(page[block + 2 : block + 4], "big")
        if end > len(page):
            return
        yield block + 4, end
        following = int.from_bytes(page[block : block + 2], "big")
        if following <= block:
            return
        block = following


def _overwrite(file: BinaryIO, first: int) -> int | None:
    """Overwrite what is unused in some pages; return the page to go on with, None at the end."""
    file.seek(0)
    header = file.read(_FILE_HEADER_BYTES)
    size = int.from_bytes(header[16:18], "big")
    size = 1 << 16 if size == 1 else size
    pages = int.from_bytes(header[28:32], "big")
    if not 512 <= size <= 1 << 16 or pages > _MOST_PAGES:  # noqa: PLR2004  # as SQLite has them
        raise ValueError("This is no file that can be scrubbed.")
    entries = (size - header[20]) // _MAP_ENTRY_BYTES if any(header[52:56]) else 0
    ends = time.perf_counter() + _STEP_SECONDS
    while first < pages and time.perf_counter() < ends:
        file.seek(first * size)
        chunk = file.read(size * min(_PAGES_AT_ONCE, pages - first))
        for at in range(0, len(chunk), size):
            if entries and _is_map(first + at // size + 1, entries, size):
                continue
            page = chunk[at : at + size]
            begins = _FILE_HEADER_BYTES if first == at == 0 else 0
            for start, end in unused(page, begins):
                if page[start:end].strip(b"\0"):
                    file.seek(first * size + at + start)
                    file.write(bytes(end - start))
        first += _PAGES_AT_ONCE
    return first if first < pages else None


def _is_map(number: int, entries: int, size: int) -> bool:
    """Tell whether a page, counted from one, says where pages belong (1.8): all of it is used.

    Args:
        number: of the page.
        entries: how many one such page has; it stands before the pages that they are of.
        size: of a page.
    """
    expected = (number - 2) // (entries + 1) * (entries + 1) + 2
    locked = _LOCKED_BYTE // size + 1
    return number == (expected + 1 if expected == locked else expected)


if __name__ == "__main__":
    sys.exit(0 if scrub_here(Path(sys.argv[1])) else 1)
