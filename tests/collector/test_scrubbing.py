"""Overwriting touches what is unused, all of it, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.collector.scrubbing import scrub, unused

if TYPE_CHECKING:
    from pathlib import Path


def a_database(path: Path, *, size: int = 4096) -> None:
    """Make a database from which much was deleted as a store deletes, and much is there."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size={size}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
        rows = [(f"{'gone' if at % 3 else 'kept'}-{at * 7919 % 3000}-{'x' * (at % 90)}",)
                for at in range(3000)]  # fmt: skip
        connection.executemany("INSERT INTO notes (text) VALUES (?)", rows)
        connection.execute("DELETE FROM notes WHERE text LIKE 'gone-%'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rows(path: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT id, text FROM notes ORDER BY id").fetchall()


def on_disk(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_what_is_there_stays_and_what_was_deleted_goes(tmp_path: Path) -> None:
    left = 0
    for size in (512, 4096, 65536):
        path = tmp_path / str(size) / "database"
        path.parent.mkdir()
        a_database(path, size=size)
        before = rows(path)
        assert len(before) == 1000
        left += on_disk(path).count(b"gone-")
        assert scrub(path)
        assert rows(path) == before
        assert b"gone-" not in on_disk(path)
    assert left > 0  # or SQLite has overwritten it all by itself, and this module can go


def test_it_gives_way_to_whoever_writes(tmp_path: Path) -> None:
    path = tmp_path / "database"
    a_database(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = path.read_bytes()
        assert not scrub(path)
        assert path.read_bytes() == before
        other.execute("ROLLBACK")
    assert scrub(path)


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_bytes(b"\x0d dear diary" * 1000)
    assert not scrub(path)
    assert path.read_bytes() == b"\x0d dear diary" * 1000
    assert not scrub(tmp_path / "none")


@given(st.binary(min_size=512, max_size=1024), st.sampled_from([0, 100]), st.integers(0, 20))
def test_of_any_page_only_what_lies_within_it_is_unused(
    page: bytes, header: int, kind: int
) -> None:
    page = page[:header] + bytes([kind]) + page[header + 1 :]
    end = 0
    for start, stop in unused(page, header):
        assert header + 8 <= start
        assert stop <= len(page)
        end = max(end, stop)
    if kind not in {2, 5, 10, 13}:
        assert end == 0
