"""What one run left stands together, folds, and days are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.outbox.runs import Run, write_run
from cqtel_tui.tui.grouping import grouped, histogram, per_day

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys
DAY = 86_400_000_000
NOON = 1_768_478_400_000_000
"""2026-01-15 12:00 UTC, in microseconds since 1970."""


def name(created: int, identity: str) -> str:
    return f"{created:016d},{identity},0,1,record,app,1,op,ok,1.envelope"


def test_a_run_stands_together_headed_by_its_operation() -> None:
    names = [name(5, "e"), name(4, "d"), name(3, "c"), name(2, "b"), name(1, "a")]
    runs = {"d": "r", "b": "r", "a": "r"}
    shown, branches = grouped(names, runs, {"d"}, ())
    assert [each.split(",")[1] for each in shown] == ["e", "d", "a", "b", "c"]
    assert [branches[each].sign for each in shown[1:4]] == ["", "├ ", "└ "]
    assert branches[shown[1]].number == 3
    folded, branches = grouped(names, runs, {"d"}, {"r"})
    assert [each.split(",")[1] for each in folded] == ["e", "d", "c"]
    assert branches[folded[1]].is_folded


@given(st.lists(st.integers(0, 5), max_size=30))
def test_grouping_loses_nothing(of_run: list[int]) -> None:
    names = [name(1000 - at, f"{at:x}") for at in range(len(of_run))]
    runs = {f"{at:x}": str(run) for at, run in enumerate(of_run) if run}
    shown, _ = grouped(names, runs, (), ())
    assert sorted(shown) == sorted(names)


def test_days_are_counted_from_midnight_to_midnight() -> None:
    names = [name(NOON, "a"), name(NOON - DAY // 2, "b"), name(NOON - DAY // 2 - 1, "c")]
    names.append(name(NOON - 20 * DAY, "d"))
    assert per_day(names, NOON / 1e6)[-3:] == [0, 1, 2]
    assert len(per_day(names, NOON / 1e6)) == 14
    assert histogram([0, 1, 2, 0]) == "·▁▅·"
    assert histogram([0, 0]) == ""


@keys("list.fold")
async def test_a_run_is_folded_and_has_a_page_of_its_own(machine: Machine) -> None:
    label = next(each for each in machine.labels() if each.operation == "init")
    others = [
        machine.hold(b"{}", origin="gate", operation=f"init_{at}") for at in ("started", "ended")
    ]
    write_run(
        machine.places.state,
        Run(
            label.id,
            label.created,
            "cloudquery",
            "6.21.1",
            tuple(o.id for o in others),
            0,
            (),
            late=2,
        ),
    )
    async with ui(size=(140, 40)) as it:
        assert it.operations[:3] == ["init", "init_started", "init_ended"]
        await it.shows("├ init_started", "└ init_ended")
        await it.press("z")
        await it.shows("init +2")
        assert "init_started" not in it.operations
        await it.looks_at(label)
        await it.press("left_square_bracket")
        await it.shows(
            "A run of cloudquery 6.21.1.", "3 payloads", "2 requests after the program's end"
        )
        await it.press("z")
        assert len(it.operations) == 7
