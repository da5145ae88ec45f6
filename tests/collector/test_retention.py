"""What is too old goes by itself: error texts first, then all; what is not, stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.collector import overwriting, schema
from cqtel_tui.collector import store as stores
from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.sinks import KeepResult
from cqtel_tui.collector.store import Store

from .arriving import DAY, NOW, address_hash, arrival, cookie, some

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _overwritten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overwriting, "SHARE", 0)


class Clock:
    """What time it is said to be, and how much has gone by."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.error = 0.0

    def __call__(self) -> float:
        return self.now + self.error

    def monotonic(self) -> float:
        return self.now


def opened(tmp_path: Path, clock: Clock, **settings: Any) -> closing[Store]:
    path = tmp_path / "collector" / "store"
    opened = Store(path, clock=clock, monotonic=clock.monotonic, **settings)
    opened.expire()
    return closing(opened)


def on_disk(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def test_thirteen_months_are_kept_and_not_a_day_more(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as store:
        store.keep([arrival(1, who=1)]).result()
        store.keep([arrival(2, who=2, received=NOW + DAY)]).result()
        clock.now = NOW + 396 * DAY
        assert store.expire() == 0
        clock.now += DAY
        assert store.expire() == 3
        assert store.mine(cookie(1)) == []
        assert len(store.mine(cookie(2))) == 1
        assert address_hash(1).encode() not in on_disk(store)
        assert address_hash(2).encode() in on_disk(store)
        clock.now += DAY
        assert store.expire() == 3
        assert store.check() == []
        with schema.connected_to_read(store.path) as connection:
            for table in ("installations", "traits", "contexts", "counts", "seen", "days"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


def test_an_installation_that_is_still_seen_keeps_what_is_newer(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, retention_days=10) as store:
        store.keep(
            [arrival(day, received=NOW + day * DAY, version=f"1.0.{day}") for day in range(20)]
        ).result()
        clock.now = NOW + 19 * DAY
        assert store.expire() == 9 * 3
        versions = [each["service.version"] for each in store.mine(cookie(0))]
        assert versions == [f"1.0.{day}" for day in range(9, 20)]
        assert store.check() == []
        assert b"1.0.8" not in on_disk(store)


def test_error_texts_go_after_thirty_days_and_their_spans_stay(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as store:
        store.keep([arrival(1, failed=True, message="secret words")]).result()
        clock.now = NOW + 30 * DAY
        assert store.expire() == 0
        assert b"secret words" in on_disk(store)
        clock.now += DAY
        assert store.expire() == 1
        (mine,) = store.mine(cookie(0))
        assert mine["spans"][0]["exception.message"] is None
        assert mine["spans"][0]["error.type"] == "ValueError"
        assert b"secret words" not in on_disk(store)
        assert store.check() == []


def test_much_expires_in_small_steps_between_which_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "STEP_SECONDS", 0.001)
    clock = Clock()
    with opened(tmp_path, clock, retention_days=60) as store:
        store.keep(some(300, days=30)).result()
        clock.now = NOW + 45 * DAY
        late = store.keep([arrival(1, who=99, received=int(clock.now))])
        expired = store.expire()
        assert late.result() == KeepResult(3)
        assert 0 < expired < 1800
        assert store.check() == []
        with schema.connected_to_read(store.path) as connection:
            (count, first) = connection.execute("SELECT count(*), min(day) FROM spans").fetchone()
        assert count == 1800 - expired + 3
        assert first >= int(clock.now // DAY) - 60


def test_an_erased_cookie_stays_erased_however_old(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as store:
        store.keep([arrival(1, who=1)]).result()
        store.erase(cookie(1)).result()
        clock.now = NOW + 4_000 * DAY
        store.expire()
        late = arrival(1, who=1, received=int(clock.now))
        assert store.keep([late]).result() == KeepResult(0, erased=3)


def test_what_cannot_be_expired_is_said(tmp_path: Path) -> None:
    with opened(tmp_path, Clock()) as store:
        store._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(StoreError, match="readonly"):
            store.expire()


def test_a_clock_that_jumps_ahead_forgets_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, retention_days=396) as store:
        store.keep([arrival(1, failed=True, message="words")]).result()
        for days in (20, 31, 400, 36_500):
            clock.error = days * DAY
            assert store.expire() == 0
        clock.now += DAY  # a day goes by, and the clock is still wrong
        assert store.expire() == 0
        assert store.mine(cookie(0))[0]["spans"][0]["exception.message"] == "words"
        clock.error = 0.0
        clock.now = NOW + 397 * DAY
        assert store.expire() == 1 + 3


def test_starting_again_makes_no_more_than_a_day_of_a_wrong_clock(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, retention_days=10) as store:
        store.keep([arrival(1)]).result()
    clock.error = 400 * DAY
    for _ in range(10):
        with opened(tmp_path, clock, retention_days=10) as store:
            assert len(store.mine(cookie(0))) == 1


def test_a_clock_that_was_ahead_is_not_believed_for_long(tmp_path: Path) -> None:
    clock = Clock()
    clock.error = 400 * DAY
    with opened(tmp_path, clock, retention_days=10) as store:
        clock.error = 0.0
        assert store.expire() == 0
        store.keep([arrival(1)]).result()
        clock.now += 11 * DAY
        assert store.expire() == 3


def test_a_clock_that_an_operator_believes_counts_at_once(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, retention_days=10) as store:
        store.keep([arrival(1)]).result()
    clock.now += 40 * DAY
    path = tmp_path / "collector" / "store"
    with closing(Store(path, clock=clock, retention_days=10, believes_clock=True)) as store:
        assert store.expire() == 3


def test_the_file_shrinks_as_its_rows_go(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock, retention_days=60) as store:
        store.keep(some(1_500, days=20)).result()
        with schema.connected_to_read(store.path) as connection:
            before = connection.execute("PRAGMA page_count").fetchone()[0]
        clock.now = NOW + 81 * DAY
        assert store.expire() > 0
        with schema.connected_to_read(store.path) as connection:
            assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
            assert connection.execute("PRAGMA page_count").fetchone()[0] < before / 5
        assert store.check() == []
        assert store.trouble() == ""
