"""What is kept: once, whole, for its owner alone; and what a store refuses to be."""

from __future__ import annotations

import sqlite3
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from cqtel_tui.collector import migrations, schema
from cqtel_tui.collector import store as stores
from cqtel_tui.collector.allowing import OLDEST_DAYS
from cqtel_tui.collector.keeping import MOST_DAYS_HELD
from cqtel_tui.collector.kinds import day_of
from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.settling import settle_all
from cqtel_tui.collector.sinks import BusyError, Keeper, KeepResult
from cqtel_tui.collector.store import Store, StoreBusyError

from .arriving import DAY, NOW, PLUGINS, address_hash, arrival, cookie, some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "collector" / "store.sqlite3", clock=lambda: NOW)) as opened:
        yield opened


def select(store: Store, query: str) -> list[Any]:
    with schema.connected_to_read(store.path) as connection:
        return connection.execute(query).fetchall()


def test_it_is_what_the_front_asks_for(store: Store) -> None:
    assert isinstance(store, Keeper)


def test_what_is_kept_is_given_back_by_its_cookie(store: Store) -> None:
    kept = arrival(1, plugins=PLUGINS[:2], failed=True, message="it broke", parts=1)
    assert store.keep([kept]).result() == KeepResult(2)
    (mine,) = store.mine(cookie(0))
    root, part = kept.spans
    assert mine == {
        "received": "2026-01-15T10:30:00+00:00",
        "service.name": "cloudquery",
        "service.version": "6.21.1",
        "cloudquery.build_date": "2025-12-01",
        "cloudquery.ci": False,
        "cloudquery.plugins": [*PLUGINS[:2]],
        "cloudquery.ip_sha1": address_hash(0),
        "geo.country.iso_code": "DE",
        "geo.region.name": None,
        "geo.locality.name": None,
        "spans": [
            {
                "trace_id": root.trace_id.hex(),
                "span_id": root.span_id.hex(),
                "parent_id": None,
                "name": "sync",
                "started": "2026-01-15T10:29:00+00:00",
                "duration_ns": 1_500_000_000,
                "success": False,
                "process.exit.code": 1,
                "error.type": "ValueError",
                "exception.message": "it broke",
            },
            {
                "trace_id": root.trace_id.hex(),
                "span_id": part.span_id.hex(),
                "parent_id": root.span_id.hex(),
                "name": "sync.part0",
                "started": "2026-01-15T10:29:00+00:00",
                "duration_ns": 750_000_000,
                "success": True,
                "process.exit.code": None,
                "error.type": None,
                "exception.message": None,
            },
        ],
    }
    assert store.mine(cookie(1)) == []


def test_a_key_of_the_day_is_not_called_a_sha1(store: Store) -> None:
    kept = arrival(1)
    store.keep([replace(kept, origin=replace(kept.origin, address_hash="ab" * 32))]).result()
    (mine,) = store.mine(cookie(0))
    assert mine["address_hash"] == "ab" * 32
    assert "cloudquery.ip_sha1" not in mine


def test_what_came_before_is_kept_once(store: Store) -> None:
    first, second = arrival(1), arrival(2)
    assert store.keep([first, first]).result() == KeepResult(3, duplicates=3)
    assert store.keep([first, second]).result() == KeepResult(3, duplicates=3)
    assert len(store.mine(cookie(0))) == 2
    assert store.check() == []


def test_a_request_of_which_a_part_came_before_adds_the_rest(store: Store) -> None:
    whole = arrival(1, parts=4)
    store.keep([replace(whole, spans=whole.spans[1:3])]).result()
    assert store.keep([whole]).result() == KeepResult(3, duplicates=2)
    names = [span["name"] for each in store.mine(cookie(0)) for span in each["spans"]]
    assert sorted(names) == ["sync", *(f"sync.part{part}" for part in range(4))]
    assert store.check() == []


def test_a_duplicate_of_somebody_else_leaves_nothing_of_them(store: Store) -> None:
    store.keep([arrival(1)]).result()
    other = replace(arrival(1), cookie=cookie(9), origin=arrival(1, who=9).origin)
    assert store.keep([other]).result() == KeepResult(0, duplicates=3)
    assert store.mine(cookie(9)) == []
    assert select(store, "SELECT count(*) FROM installations") == [(1,)]
    assert store.check() == []


def test_an_empty_request_is_kept_as_such(store: Store) -> None:
    assert store.keep([]).result() == KeepResult(0)
    assert store.keep([replace(arrival(1), spans=())]).result() == KeepResult(0)
    assert store.check() == []


def test_many_requests_at_once_are_each_told_of(store: Store) -> None:
    arrivals = some(600)
    kept = [store.keep([each, each]) for each in arrivals]
    assert {future.result() for future in kept} == {KeepResult(6, duplicates=6)}
    assert select(store, "SELECT count(*) FROM spans") == [(3600,)]
    assert store.check() == []


def test_what_cannot_be_written_does_not_keep_the_others_from_it(store: Store) -> None:
    bad = replace(arrival(2), received=1 << 70)
    futures = [store.keep([each]) for each in (arrival(1), bad, arrival(3))]
    assert [futures[at].result() for at in (0, 2)] == [KeepResult(3), KeepResult(3)]
    with pytest.raises(StoreError, match="Nothing was written"):
        futures[1].result()
    assert store.check() == []


@pytest.mark.parametrize(
    ("began", "day"),
    [(NOW - DAY, -1), (NOW + 9 * DAY, 0), (0, -MOST_DAYS_HELD), (NOW - 30 * DAY, -30)],
)
def test_the_day_is_that_of_the_operation_unless_its_clock_is_wrong(
    store: Store, began: int, day: int
) -> None:
    kept = arrival(1, parts=0)
    spans = tuple(replace(span, started=began * 1_000_000_000) for span in kept.spans)
    store.keep([replace(kept, spans=spans)]).result()
    assert select(store, "SELECT day FROM arrivals") == [(day_of(NOW) + day,)]


def test_the_front_and_the_store_agree_on_how_old_an_operation_may_be() -> None:
    assert OLDEST_DAYS == MOST_DAYS_HELD


def test_too_much_waiting_is_refused_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_WAITING", 50)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [store.keep([arrival(number, parts=9)]) for number in range(5)]
        with pytest.raises(StoreBusyError) as refused:
            store.keep([arrival(5, parts=9)])
        assert isinstance(refused.value, BusyError)
        assert refused.value.seconds >= 1
        other.execute("ROLLBACK")
    assert {future.result() for future in waiting} == {KeepResult(10)}
    assert store.keep([arrival(5, parts=9)]).result() == KeepResult(10)


def test_a_request_larger_than_what_may_wait_is_taken_when_nothing_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MOST_WAITING", 5)
    assert store.keep([arrival(1, parts=20)]).result() == KeepResult(21)


def test_closing_writes_what_waits_and_takes_no_more(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    futures = [store.keep([each]) for each in some(50)]
    store.close()
    assert all(future.done() for future in futures)
    for refused in (lambda: store.keep([]), lambda: store.erase(cookie(1)), store.expire):
        with pytest.raises(StoreError, match="closed"):
            refused()
    store.close()
    with closing(Store(tmp_path / "store")) as again:
        assert select(again, "SELECT count(*) FROM spans") == [(300,)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_the_files_are_their_owners_alone(store: Store) -> None:
    store.keep([arrival(1)]).result()
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert files == {store.path.name + end: 0o600 for end in ("", "-wal", "-shm", "-next", "-turn")}
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.touch(0o644)
    path.chmod(0o644)
    with closing(Store(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# What it refuses to be ----------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as refused:
        Store(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_a_store_of_a_newer_version_is_left_alone(store: Store) -> None:
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version=99")
    assert "newer version (schema 99" in refusal(store.path)
    with pytest.raises(StoreError, match="newer version"):
        store.mine(cookie(0))


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moz_places (url TEXT)")
    before = path.read_bytes()
    assert "not a collector's store" in refusal(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 1000)
    assert "not a database" in refusal(path)
    assert path.read_text() == "dear diary, " * 1000
    refusal(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "store").symlink_to(target)
    refusal(tmp_path / "store")
    assert not target.exists()


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="cannot be opened"),
        schema.connected_to_read(tmp_path / "no"),
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_an_older_store_becomes_a_newer_one_with_all_that_is_in_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.keep(some(50)).result()
    store.close()
    more = "ALTER TABLE arrivals ADD COLUMN flavour TEXT; CREATE TABLE more (id INTEGER);"
    monkeypatch.setattr(schema, "MIGRATIONS", (*migrations.MIGRATIONS, more))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match="earlier version"):
        store.mine(cookie(0))
    with closing(Store(store.path)) as migrated:
        assert select(migrated, "SELECT count(*), count(flavour) FROM arrivals") == [(50, 0)]
        assert select(migrated, "PRAGMA user_version") == [(schema.SCHEMA_VERSION,)]
        assert migrated.check() == []


def test_a_migration_that_fails_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    broken = "CREATE TABLE half (id INTEGER); CREATE TABLE half (id INTEGER);"
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*migrations.MIGRATIONS, broken))
        patched.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
        refusal(store.path)
    with closing(Store(store.path)) as again:
        assert again.check() == []
        assert select(again, "SELECT 1 FROM sqlite_schema WHERE name = 'half'") == []


# Whether it is whole ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE counts SET spans = spans + 1 WHERE bucket = -1", "counts"),
        ("UPDATE days SET failed = failed + 1", "days"),
        ("UPDATE recency SET installations = installations + 1", "recency"),
        ("UPDATE seen SET last_day = last_day + 1 WHERE trait = 1", "seen"),
        ("UPDATE arrivals SET day = day - 1 WHERE id = 1", "counts"),
        ("DELETE FROM traits WHERE kind = 'operation'", "without a name"),
        ("DELETE FROM arrivals WHERE id = 1", "traces without a request"),
        ("INSERT INTO installations (key) VALUES (x'00')", "without contexts"),
        ("INSERT INTO erased SELECT key FROM installations", "not erased"),
    ],
)
def test_what_does_not_agree_is_told(store: Store, change: str, problem: str) -> None:
    store.keep(some(30)).result()
    settle_all(store.path)
    assert store.check() == []
    with closing(sqlite3.connect(store.path)) as other:
        other.execute(change)
        other.commit()
    assert any(problem in each for each in store.check())


def test_a_damaged_file_is_told(store: Store) -> None:
    store.keep(some(300)).result()
    store.close()
    data = bytearray(store.path.read_bytes())
    for page in range(20, 60):
        data[page * 4096 + 8 : page * 4096 + 64] = b"\xee" * 56
    store.path.write_bytes(data)
    try:
        problems = store.check()
    except StoreError as error:
        problems = [str(error)]
    assert any("damaged" in each or "malformed" in each for each in problems)
