"""Which envelopes are asked for, by both faces."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.errors import CqtelError
from cqtel_tui.outbox import FIELDS, file_name
from cqtel_tui.outbox.filters import Word, matching, since, words_of

NOW = 1_800_000_000.0
SECOND = 1_000_000


def name(**different: object) -> str:
    """Return the file name of an envelope."""
    usual = {
        "created": int(NOW) * SECOND, "id": "00000000000000aa", "attempt": 0, "size": 7,
        "origin": "record", "app": "shop", "version": "1.2.3", "operation": "sync",
        "outcome": "ok", "duration": 5,
    }  # fmt: skip
    return file_name([{**usual, **different}[field] for field in FIELDS])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("2W", 1_209_600), ("0d", 0)],
)
def test_an_age_is_counted_from_now(text: str, seconds: int) -> None:
    assert since(text, NOW) == (int(NOW) - seconds) * SECOND


def test_a_date_is_this_machines() -> None:
    midnight = datetime.fromisoformat("2026-01-31").astimezone()
    assert since("2026-01-31", NOW) == int(midnight.timestamp()) * SECOND


@pytest.mark.parametrize(
    "text", ["", "d", "7", "7 d", "-7d", "7y", "yesterday", "2026-13-01", "\u0667d"]
)
def test_what_is_no_time_says_what_would_be_one(text: str) -> None:
    with pytest.raises(CqtelError, match="7d, or a date"):
        since(text, NOW)


def test_a_word_looks_at_what_a_list_shows_and_no_further() -> None:
    one = name(size=4242, duration=777)
    assert matching([one], words_of("shop", NOW), str) == [one]
    for unseen in ("4242", "777", str(int(NOW)), "envelope", "k,s"):
        assert matching([one], words_of(unseen, NOW), str) == []


def test_the_command_line_means_whole_names_and_a_person_types_parts() -> None:
    names = [name(app="shop"), name(app="workshop")]
    assert matching(names, [Word("app", "shop", is_whole=True)], str) == names[:1]
    assert matching(names, words_of("program:shop", NOW), str) == names


def test_a_destination_is_asked_for_last_and_only_where_a_word_is_about_it() -> None:
    names = [name(operation="sync"), name(operation="init")]
    asked: list[str] = []

    def destination(each: str) -> str:
        asked.append(each)
        return "https://Example.com"

    assert matching(names, words_of("op:sync", NOW), destination) == names[:1]
    assert asked == []
    assert matching(names, words_of("to:example op:sync", NOW), destination) == names[:1]
    assert asked == names[:1]


@given(st.text(max_size=60), st.lists(st.text(max_size=80), max_size=5))
def test_no_filter_and_no_file_name_raises(text: str, names: list[str]) -> None:
    found = matching([*names, name()], words_of(text, NOW), lambda _: "")
    assert set(found) <= {*names, name()}
