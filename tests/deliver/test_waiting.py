from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.deliver.waiting import pause, retry_after

NOW = 784_111_000.0  # 777 s before the date of RFC 9110's examples


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 777),
        ("Sun Nov  6 08:49:37 1994", 777),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("\u0661\u0662", None),
        ("120, 240", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_read_as_http_has_it(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
def test_no_retry_after_is_an_obstacle(value: str) -> None:
    assert (retry_after(value, NOW) or 0.0) >= 0


@given(
    st.integers(0, 10**12),
    st.floats(0, 1),
    st.none() | st.floats(0, 1e12),
)
def test_a_pause_is_never_longer_than_a_day_nor_shorter_than_fifteen_seconds(
    attempts: int, jitter: float, asked: float | None
) -> None:
    seconds = pause(attempts, jitter, asked)
    assert 15 <= seconds <= 24 * 3600
    assert seconds >= min(asked or 0, 24 * 3600)


@given(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1))
def test_jitter_takes_off_at_most_a_half(attempts: int, one: float, other: float) -> None:
    shorter, longer = sorted((pause(attempts, one, None), pause(attempts, other, None)))
    assert shorter >= longer / 2
    assert math.isclose(pause(attempts, 0, None) * 2, pause(attempts, 1, None))
