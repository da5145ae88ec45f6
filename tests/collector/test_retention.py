"""What is too old goes by itself: error texts first, then all; what is not, stays."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import schema
from cqtel_tui.collector import store as stores
from cqtel_tui.collector.sinks import Kept
from cqtel_tui.collector.store import Store, StoreError

from .arriving import DAY, NOW, address_hash, arrival, cookie, some

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _overwritten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_OVERWRITE_SHARE", 0)


class Clock:
    """What time it is said to be."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def opened(tmp_path: Path, clock: Clock, **settings: int) -> closing[Store]:
    return closing(Store(tmp_path / "collector" / "store", clock=clock, **settings))


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
    monkeypatch.setattr(stores, "_EXPIRED_AT_ONCE", 7)
    clock = Clock()
    with opened(tmp_path, clock, retention_days=60) as store:
        store.keep(some(300, days=30)).result()
        clock.now = NOW + 45 * DAY
        late = store.keep([arrival(1, who=99, received=int(clock.now))])
        expired = store.expire()
        assert late.result() == Kept(3)
        assert 0 < expired < 1800
        assert expired % 6 == 0
        assert store.check() == []
        with schema.connected_to_read(store.path) as connection:
            (count, first) = connection.execute("SELECT count(*), min(day) FROM spans").fetchone()
        assert count == 1800 - expired + 3
        assert first >= int(clock.now // DAY) - 60


def test_an_erased_cookie_stays_erased_however_old(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock) as store:
        store.erase(cookie(1)).result()
        clock.now = NOW + 4_000 * DAY
        store.expire()
        late = arrival(1, who=1, received=int(clock.now))
        assert store.keep([late]).result() == Kept(0, erased=3)


def test_what_cannot_be_expired_is_said(tmp_path: Path) -> None:
    with opened(tmp_path, Clock()) as store:
        store._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(StoreError, match="readonly"):
            store.expire()
