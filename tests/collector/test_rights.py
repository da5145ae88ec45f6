"""Erasing: all of a cookie goes, to the last byte; nobody else loses a thing."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import overwriting, schema
from cqtel_tui.collector import store as stores
from cqtel_tui.collector.arrivals import digest_of
from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.scrubbing import scrub
from cqtel_tui.collector.sinks import KeepResult
from cqtel_tui.collector.store import Store

from .arriving import NOW, address_hash, arrival, cookie, some
from .writing import processes, told, write_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.collector.arrivals import Arrival


@pytest.fixture(autouse=True)
def _overwritten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overwriting, "SHARE", 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "collector" / "store.sqlite3", clock=lambda: NOW)) as opened:
        yield opened


def on_disk(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(store.path.parent.iterdir()))


def marked(who: int) -> list[Arrival]:
    """Return arrivals that are nobody else's: every text of them names the installation."""
    return [
        arrival(
            who * 100 + number,
            who=who,
            operation=f"operation-{who}-",
            version=f"9.{who}.0",
            plugins=(f"source/acme/plugin-{who}-@1.0.0",),
            country="DE",
            failed=True,
            message=f"message-{who}-" + "x" * (who * 37 % 900),
        )
        for number in range(3)
    ]


def marks(who: int) -> list[bytes]:
    texts = [f"operation-{who}-", f"9.{who}.0", f"plugin-{who}-", f"message-{who}-"]
    traces = [each.spans[0].trace_id.hex().encode() for each in marked(who)]
    return [*(text.encode() for text in texts), address_hash(who).encode(), *traces]


def test_the_cookie_itself_is_never_on_the_disk(store: Store) -> None:
    store.keep(marked(1)).result()
    kept = on_disk(store)
    assert all(mark in kept for mark in marks(1))
    assert digest_of(cookie(1)) in kept
    store.erase(cookie(1)).result()
    for text in (kept, on_disk(store)):
        assert cookie(1).encode() not in text
        assert bytes.fromhex(cookie(1).replace("-", "")) not in text


def test_what_is_erased_is_gone_to_the_last_byte_and_nothing_else_is(store: Store) -> None:
    people = range(1, 31)
    for who in people:
        store.keep(marked(who)).result()
    for who in people:
        if who % 2:
            assert store.erase(cookie(who)).result() == 9
    assert store.check() == []
    kept = on_disk(store)
    left = {who: [mark for mark in marks(who) if mark in kept] for who in people}
    assert {who: found for who, found in left.items() if who % 2 and found} == {}
    assert {who for who, found in left.items() if len(found) == len(marks(who))} == {
        who for who in people if who % 2 == 0
    }
    assert all(len(store.mine(cookie(who))) == (0 if who % 2 else 3) for who in people)


def test_what_comes_late_is_dropped(store: Store) -> None:
    first, *late = marked(1)
    store.keep([first]).result()
    assert store.erase(cookie(1)).result() == 3
    assert store.keep([*late, arrival(1, who=2)]).result() == KeepResult(3, erased=6)
    assert store.keep([first]).result() == KeepResult(0, erased=3)
    assert store.mine(cookie(1)) == []
    assert store.check() == []
    assert not any(mark in on_disk(store) for mark in marks(1))


def test_what_waits_is_erased_in_its_turn(store: Store) -> None:
    early, erased = store.keep(marked(1)), store.erase(cookie(1))
    late = store.keep(marked(1))
    assert early.result() == KeepResult(9)
    assert erased.result() == 9
    assert late.result() == KeepResult(0, erased=9)


def test_erasing_again_or_somebody_unknown_erases_nothing(store: Store) -> None:
    store.keep(marked(1)).result()
    assert [store.erase(cookie(1)).result() for _ in range(2)] == [9, 0]
    assert store.erase(cookie(2)).result() == 0
    assert store.keep(marked(1)).result() == KeepResult(0, erased=9)


def test_somebody_unknown_leaves_nothing_behind(store: Store) -> None:
    for who in range(50):
        assert store.erase(cookie(who)).result() == 0
    with schema.connected_to_read(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM erased").fetchone() == (0,)


def test_another_process_knows_of_an_erasure(store: Store) -> None:
    with closing(Store(store.path)) as other:
        assert store.keep([arrival(1), arrival(2, who=1)]).result() == KeepResult(6)
        assert other.erase(cookie(0)).result() == 3
        assert store.keep([arrival(3), arrival(4, who=1)]).result() == KeepResult(3, erased=3)
        assert store.check() == []


def test_who_has_no_cookie_is_not_erased_with_the_address(store: Store) -> None:
    store.keep([arrival(1, who=7), arrival(2, who=7, with_cookie=False)]).result()
    assert store.erase(cookie(7)).result() == 3
    assert store.check() == []
    with schema.connected_to_read(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (3,)


def test_many_erasures_leave_counts_that_agree(store: Store) -> None:
    store.keep(some(400)).result()
    for who in range(0, 20, 3):
        store.erase(cookie(who)).result()
    assert store.check() == []


def test_bytes_that_a_reader_holds_up_go_when_it_has_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overwriting, "AGAIN_SECONDS", 0.05)
    store.keep(marked(1)).result()
    with schema.connected_to_read(store.path) as connection:
        connection.execute("SELECT count(*) FROM spans").fetchone()
        assert store.erase(cookie(1)).result() == 9
        assert any(mark in on_disk(store) for mark in marks(1))  # it still reads as it was
    while store._overwriter.is_due:
        time.sleep(0.01)
    assert not any(mark in on_disk(store) for mark in marks(1))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_overwriting_while_others_write_loses_nothing(tmp_path: Path) -> None:
    path, log = tmp_path / "store", tmp_path / "acknowledged"
    writer = processes().Process(target=write_on, args=(str(path), str(log), range(600)))
    writer.start()
    scrubbed = 0
    while writer.is_alive():
        scrubbed += path.exists() and scrub(path)
    writer.join()
    assert writer.exitcode == 0
    assert scrubbed + scrub(path) > 0
    assert told(log) == list(range(600))
    with closing(Store(path)) as opened:
        assert opened.check() == []
        assert sum(len(opened.mine(cookie(who))) for who in range(9)) == 600


def test_a_heavy_cookie_is_erased_in_small_steps(store: Store) -> None:
    heavy = [arrival(number, who=1, parts=9) for number in range(3_000)]
    for at in range(0, len(heavy), 500):
        store.keep(heavy[at : at + 500]).result()
    began = time.monotonic()
    erased = store.erase(cookie(1))
    waits: list[float] = []
    while not erased.done():
        asked = time.monotonic()
        assert store.keep([arrival(10_000 + len(waits), who=2)]).result() == KeepResult(3)
        waits.append(time.monotonic() - asked)
    took = time.monotonic() - began
    assert erased.result() == 30_000
    assert len(waits) > 5
    assert sorted(waits)[len(waits) // 2] < took / 4
    assert store.mine(cookie(1)) == []
    assert len(store.mine(cookie(2))) == len(waits)
    assert store.check() == []


def test_an_erasure_that_broke_off_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep([arrival(number, who=1) for number in range(500)]).result()
    monkeypatch.setattr(stores, "STEP_SECONDS", 0.0)
    erased = store.erase(cookie(1))
    store.close()
    with pytest.raises(StoreError, match="closed"):
        erased.result()
    monkeypatch.undo()
    with closing(Store(store.path, clock=lambda: NOW)) as again:
        assert 0 < len(again.mine(cookie(1))) <= 500
        assert again.keep([arrival(501, who=1)]).result() == KeepResult(0, erased=3)
        again.expire()
        assert again.mine(cookie(1)) == []
        assert again.check() == []


def test_a_lot_is_given_back_some_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_ROWS_AT_ONCE", 7)
    same = [arrival(number, who=1, received=NOW + number // 20) for number in range(100)]
    store.keep(same).result()
    pages = list(store.pages(cookie(1)))
    assert [len(page) for page in pages] == [7] * 14 + [2]
    traces = [row["spans"][0]["trace_id"] for page in pages for row in page]
    assert traces == [each.spans[0].trace_id.hex() for each in same]
