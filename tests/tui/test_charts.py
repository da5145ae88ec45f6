"""Charts are as long, as high and as far as what they show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.tui.charts import bar, columns, spread


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(0, ""), (1, "▏"), (40, "████"), (45, "████▌"), (80, "████████"), (79, "███████▉")],
)
def test_a_bar_is_as_long_as_its_value(value: int, drawn: str) -> None:
    assert bar(value, 80, 8) == drawn


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(0, 200))
def test_a_bar_fits(value: float, most: float, width: int) -> None:
    assert len(bar(min(value, most), most, width)) <= width


def test_columns_stand_side_by_side() -> None:
    assert columns([0, 1, 8, 16], height=2, width=4) == ["   █", " ▁██"]
    assert columns([8, 16], height=2, width=8) == ["    ███", "███ ███"]


def test_columns_that_have_no_room_are_added_up() -> None:
    assert columns([4, 4, 8, 8], height=1, width=2) == ["▄█"]


def test_nothing_has_no_columns() -> None:
    assert columns([], height=3, width=10) == []
    assert columns([0, 0], height=1, width=2) == ["  "]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=400), st.integers(1, 150))
def test_columns_fit(values: list[int], width: int) -> None:
    drawn = columns(values, height=7, width=width)
    assert len(drawn) == 7
    assert all(len(line) <= width for line in drawn)


def test_a_spread_is_logarithmic() -> None:
    assert spread([10, 100, 1000], 1, 10_000, 9) == "  ●─┼─┤  "
    assert spread([1, 1, 1], 1, 10, 5) == "●    "


def test_a_spread_of_nothing_is_blank() -> None:
    assert spread([1, 2, 3], 0, 10, 4) == "    "
    assert spread([1, 1, 1], 1, 1, 4) == "    "


@given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3), st.integers(1, 80))
def test_a_spread_fits(marks: list[float], width: int) -> None:
    assert len(spread(sorted(marks), 1e-6, 1e6, width)) == width


def test_a_value_that_is_not_told_looks_like_no_value_that_is() -> None:
    assert columns([8, None, 0], height=2, width=3) == ["█░ ", "█░ "]
    assert columns([8, None], height=2, width=4) == ["█ ░", "█ ░"]


def test_what_shares_a_column_with_something_not_told_is_marked_above() -> None:
    assert columns([4, None, 8, 8], height=4, width=2) == ["░█", " █", " █", "██"]
    assert columns([None, None, 8, 8], height=2, width=2) == ["░█", "░█"]
