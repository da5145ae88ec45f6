"""Overwriting touches what is unused, all of it, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.collector import scrubbing
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


def test_a_page_that_says_where_pages_belong_is_left_alone(tmp_path: Path) -> None:
    # https://sqlite.org/fileformat2.html, 1.8: pages of 4096 bytes have a map of 819 before them.
    maps = [number for number in range(1, 2_000) if scrubbing._is_map(number, 819, 4096)]
    assert maps == [2, 822, 1642]
    # Where one would be the page that SQLite locks, it is the next one.
    around = range(262_140, 262_150)
    assert [number for number in around if scrubbing._is_map(number, 262_142, 4096)] == [262_146]


def test_a_file_that_can_shrink_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("CREATE INDEX by_text ON texts (text)")
        rows = [(f"{number * 7919 % 20_011:05} {'x' * 300}",) for number in range(20_000)]
        connection.executemany("INSERT INTO texts (text) VALUES (?)", rows)
        connection.execute("DELETE FROM texts WHERE id % 3")
    assert scrub(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA page_count").fetchone()[0] > 2_000
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM texts").fetchone() == (6_666,)
