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
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_FILE_HEADER_BYTES = 100
_PAGES_AT_ONCE = 256
_MOST_PAGES = 1 << 24
"""Beyond it, the first byte of an overflow page could be that of a B-tree page."""

_HEADER_BYTES = {0x02: 12, 0x05: 12, 0x0A: 8, 0x0D: 8}
"""Of each kind of B-tree page: inner and leaf, of an index and of a table."""

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
    """As `scrub`, in this process; it must have no other connection to the store."""
    journal = path.with_name(path.name + "-wal")
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        for _ in range(_TRIES):
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                continue
            if not journal.exists() or journal.stat().st_size == 0:
                break
            connection.execute("ROLLBACK")
        else:
            return False
        with path.open("r+b", buffering=0) as file:
            _overwrite(file)
            os.fsync(file.fileno())
    return True


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


def _overwrite(file: BinaryIO) -> None:
    header = file.read(_FILE_HEADER_BYTES)
    size = int.from_bytes(header[16:18], "big")
    size = 1 << 16 if size == 1 else size
    pages = int.from_bytes(header[28:32], "big")
    if not 512 <= size <= 1 << 16 or pages > _MOST_PAGES:  # noqa: PLR2004  # as SQLite has them
        raise ValueError("This is no file that can be scrubbed.")
    for first in range(0, pages, _PAGES_AT_ONCE):
        file.seek(first * size)
        chunk = file.read(size * min(_PAGES_AT_ONCE, pages - first))
        for at in range(0, len(chunk), size):
            page = chunk[at : at + size]
            begins = _FILE_HEADER_BYTES if first == at == 0 else 0
            for start, end in unused(page, begins):
                if page[start:end].strip(b"\0"):
                    file.seek(first * size + at + start)
                    file.write(bytes(end - start))


if __name__ == "__main__":
    sys.exit(0 if scrub_here(Path(sys.argv[1])) else 1)
