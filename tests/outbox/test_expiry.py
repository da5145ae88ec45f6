"""Nothing grows old faster than time passes: clocks that are wrong take nothing that is pending."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.outbox.expiry import EXPIRY, MAX_AGE, horizon, moved, retention_clock
from cqtel_tui.outbox.writing import PENDING

from .conftest import DAY, NOW

if TYPE_CHECKING:
    from .conftest import Box

YEAR = 365 * DAY
ONE_START = "one start"


def sweep(box: Box, now: int, start: str = "", running: int = 0) -> None:
    box.outbox.sweep(now / 1e6, (start, running))


@pytest.mark.parametrize("ahead", [DAY * 40, YEAR, 50 * YEAR])
def test_a_clock_that_is_ahead_takes_nothing_that_is_pending(box: Box, ahead: int) -> None:
    kept = [box.hold(created=NOW - at * DAY) for at in (20, 10, 0)]
    sweep(box, NOW)
    for _ in range(3):
        sweep(box, NOW + ahead)
        sweep(box, NOW)
    assert {label.id for label in box.outbox.labels(PENDING)} == {label.id for label in kept}
    assert box.outbox.losses() == 0


def test_a_clock_that_is_ahead_when_it_is_first_asked_takes_nothing(box: Box) -> None:
    label = box.hold(created=NOW)
    sweep(box, NOW + 10 * YEAR)
    box.hold(created=NOW + 10 * YEAR, look=True)
    assert label in box.outbox.labels(PENDING)


def test_a_clock_that_stays_ahead_takes_no_more_in_a_day_than_was_recorded_in_one(
    box: Box,
) -> None:
    for at in range(30):
        box.hold(created=NOW - (29 - at) * DAY)
    sweep(box, NOW)
    left = [len(box.outbox.labels(PENDING))]
    for day in range(40):
        for hour in range(0, 24, 6):
            sweep(box, NOW + 5 * YEAR + day * DAY + hour * DAY // 24)
        left.append(len(box.outbox.labels(PENDING)))
    assert all(before - after <= 1 for before, after in pairwise(left))
    assert left[-1] == 0


def test_a_clock_that_jumps_to_and_fro_within_one_start_of_the_machine_moves_nothing(
    box: Box,
) -> None:
    label = box.hold(created=NOW - 29 * DAY)
    sweep(box, NOW, ONE_START, 0)
    for minute in range(100):
        sweep(box, NOW + (5 * YEAR if minute % 2 else 0), ONE_START, minute * 60 * 1_000_000)
    assert box.outbox.labels(PENDING) == [label]


def test_days_that_truly_passed_count_in_full_while_the_machine_runs(box: Box) -> None:
    box.hold(created=NOW)
    sweep(box, NOW, ONE_START, 0)
    sweep(box, NOW + 31 * DAY, ONE_START, 31 * DAY)
    assert box.outbox.labels(PENDING) == []
    assert box.outbox.losses() == 1


def test_a_clock_that_was_never_set_changes_nothing(box: Box) -> None:
    box.hold(created=NOW - 29 * DAY)
    sweep(box, NOW, "first")
    sweep(box, DAY, "second")
    sweep(box, NOW + DAY, "third")
    sweep(box, NOW + 2 * DAY + 1, "fourth")
    assert box.outbox.labels(PENDING) == []


def test_a_payload_from_the_future_is_as_old_as_its_file(box: Box) -> None:
    ahead = box.hold(created=NOW + 5 * YEAR)
    path = box.outbox.path(PENDING, ahead)
    os.utime(path, (NOW / 1e6 - 31 * 86400,) * 2)
    (box.outbox.folder / EXPIRY).write_text(f"{NOW}\n{NOW}\n\n0")
    sweep(box, NOW)
    assert box.outbox.labels(PENDING) == []


def test_payloads_from_the_future_are_the_first_to_make_room(box: Box) -> None:
    ahead = box.hold(created=NOW + 5 * YEAR)
    box.fill(1000, created=NOW - DAY)
    newest = box.hold(look=True, created=NOW)
    labels = box.outbox.labels(PENDING)
    assert ahead not in labels
    assert newest in labels


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff" * 300, b"1\n2\n3", b"9" * 5000, b"a\nb\nc\nd"]
)
def test_a_clock_that_cannot_be_read_begins_anew_and_takes_nothing(
    box: Box, content: bytes
) -> None:
    label = box.hold(created=NOW - 40 * DAY)
    (box.outbox.folder / EXPIRY).write_bytes(content)
    sweep(box, NOW)
    assert box.outbox.labels(PENDING) == [label]


def test_a_clock_that_cannot_be_written_stands_still(box: Box) -> None:
    label = box.hold(created=NOW - 29 * DAY)
    (box.outbox.folder / EXPIRY).mkdir()
    for day in range(5):
        sweep(box, NOW + day * DAY)
    assert box.outbox.labels(PENDING) == [label]
    assert retention_clock(str(box.state), NOW, None) == 0


def test_what_is_too_old_is_less_than_the_horizon() -> None:
    assert horizon(NOW) == f"{NOW - MAX_AGE:016d}"
    assert horizon(0) == "0" * 16


@given(
    st.integers(0, 4 * 10**15),
    st.lists(st.tuples(st.integers(0, 4 * 10**15), st.sampled_from(["", "a", "b"])), max_size=20),
)
def test_without_a_running_time_no_step_is_longer_than_a_day(
    begins: int, steps: list[tuple[int, str]]
) -> None:
    state = moved(None, begins, ("", 0), None)
    for now, start in steps:
        after = moved(state, now, (start, 0), None)
        assert after[0] - state[0] <= DAY
        state = after
