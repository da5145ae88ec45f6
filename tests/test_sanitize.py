from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.sanitize import is_printable, one_line, printable, printable_bytes

UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

quick = settings(deadline=None, database=None)
plain_text = st.text()
# Chosen where the random choice would seldom go: what a hostile payload is made of.
hostile_text = st.text(
    st.sampled_from("aé日\n\r\t\0\x1b\x7f\x9b\u0301\u0e49\u200b\u202e\u2028\ufe0f\ufeff\ud800")
    | st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Mc", "Me"])
)
any_text = plain_text | hostile_text


def categories(text: str) -> set[str]:
    return {unicodedata.category(character) for character in text}


@quick
@given(any_text)
def test_nothing_that_a_terminal_acts_on_is_left(text: str) -> None:
    assert not categories(printable(text)) & UNPRINTABLE


@quick
@given(any_text)
def test_newlines_are_left_only_when_asked_for_and_nothing_else_is(text: str) -> None:
    shown = printable(text, newlines=True)
    assert shown.count("\n") == text.count("\n")
    assert not categories(shown.replace("\n", "")) & UNPRINTABLE


@quick
@given(any_text, st.booleans())
def test_doing_it_twice_changes_nothing(text: str, newlines: bool) -> None:
    shown = printable(text, newlines=newlines)
    assert printable(shown, newlines=newlines) == shown


@quick
@given(any_text)
def test_what_counts_as_printable_is_what_stays_as_it_is(text: str) -> None:
    assert is_printable(text) == (printable(text) == text)
    assert is_printable(printable(text))


@quick
@given(any_text)
def test_nothing_is_ever_removed(text: str) -> None:
    assert len(printable(text)) >= len(text)


@quick
@given(any_text, st.integers(-3, 60), st.booleans())
def test_a_limit_holds_and_what_is_cut_is_still_printable(
    text: str,
    limit: int,
    newlines: bool,
) -> None:
    shown = printable(text, limit=limit, newlines=newlines)
    assert len(shown) <= max(limit, 0)
    assert not categories(shown.replace("\n", "") if newlines else shown) & UNPRINTABLE


@quick
@given(st.binary())
def test_any_bytes_can_be_shown(data: bytes) -> None:
    assert is_printable(printable_bytes(data))


@quick
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_ascii_passes_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("attack", "shown"),
    [
        ("\x1b]52;c;cm0gLXJmIC8=\x07", "␛]52;c;cm0gLXJmIC8=␇"),
        ("\x1b]52;c;cm0gLXJmIC8=\x1b\\", "␛]52;c;cm0gLXJmIC8=␛\\"),
        ("\x1b[2J\x1b[H", "␛[2J␛[H"),
        ("\x9b31mred", r"\u{9b}31mred"),
        ("\x1b]0;not your shell\x07", "␛]0;not your shell␇"),
        ("\x9d0;title\x9c", r"\u{9d}0;title\u{9c}"),
        ("over\rwritten", "over␍written"),
        ("a\x00b\x7fc", "a␀b␡c"),
        ("col\tumn", "col␉umn"),
        ("two\nlines", "two␊lines"),
        ("access\u202egpj.exe", r"access\u{202e}gpj.exe"),
        ("\u2067isolated\u2069", r"\u{2067}isolated\u{2069}"),
        ("\u200e\u200f\u061c", r"\u{200e}\u{200f}\u{61c}"),
        ("zero\u200bwidth", r"zero\u{200b}width"),
        ("soft\xadhyphen", r"soft\u{ad}hyphen"),
        ("\ufeffbom", r"\u{feff}bom"),
        ("line\u2028paragraph\u2029", r"line\u{2028}paragraph\u{2029}"),
        ("lone \ud83d", r"lone \u{d83d}"),
        ("tag \U000e0041\U000e007f", r"tag \u{e0041}\u{e007f}"),
        ("private \ue000, no character \uffff", r"private \u{e000}, no character \u{ffff}"),
        ("not\xa0a\u3000space", r"not\u{a0}a\u{3000}space"),
        ("blank \u3164\u115f\u2800\u034f", r"blank \u{3164}\u{115f}\u{2800}\u{34f}"),
    ],
)
def test_an_attack_is_shown_instead_of_carried_out(attack: str, shown: str) -> None:
    assert printable(attack) == shown


@pytest.mark.parametrize(
    "markup", ["[/nope]", "list[int] args=[/usr/bin]", "[@click=app.quit]x[/]"]
)
def test_markup_is_text_like_any_other(markup: str) -> None:
    assert printable(markup) == markup


@pytest.mark.parametrize(
    "text",
    [
        "Zażółć gęślą jaźń",
        unicodedata.normalize("NFD", "Tiếng Việt"),
        "हिन्दी में प्रौद्योगिकी",
        "ภาษาไทย ที่นี้",
        "שָׁלוֹם",
        "العَرَبِيَّة",
        "日本語 한국어 中文",
        "🚀 ├── λ ≤ π",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_bytes_hidden_in_variation_selectors_are_seen() -> None:
    assert printable("👍\U000e0101\ufe0f") == r"👍\u{e0101}\u{fe0f}"


def test_a_flood_of_combining_marks_is_dammed_and_counted() -> None:
    assert printable("a" + "\u0301" * 6 + "b") == "a" + "\u0301" * 4 + r"\u{301}\u{301}b"


@pytest.mark.parametrize("before", ["", "\x1b", "\u200b", "\n"])
def test_a_mark_never_sits_on_what_is_not_its_letter(before: str) -> None:
    assert printable(f"{before}\u0301", newlines=True).endswith(r"\u{301}")


def test_newlines_stay_when_asked_for_and_tabs_do_not() -> None:
    assert printable("{\n\t1\r\n}", newlines=True) == "{\n␉1␍\n}"
    assert printable("é\n\té", newlines=True) == "é\n␉é"


def test_bytes_that_are_not_utf8_are_seen_as_bytes() -> None:
    assert printable_bytes(b"caf\xc3\xa9 \xff\xed\xa0\x80") == r"café \xff\xed\xa0\x80"
    assert printable_bytes(b"a\nb", newlines=True) == "a\nb"


def test_what_a_limit_cut_is_counted_in_characters_of_the_text() -> None:
    assert printable("x" * 2_000, limit=40) == "x" * 27 + "…(1,973 more)"
    assert printable_bytes(b"x" * 2_000, limit=40) == "x" * 27 + "…(1,973 more)"


def test_a_limit_never_cuts_an_escape_in_two() -> None:
    assert printable("\u202e" * 100, limit=40) == r"\u{202e}" * 3 + "…(97 more)"


def test_a_limit_with_no_room_to_count_leaves_a_bare_ellipsis() -> None:
    assert one_line("abcdefghijkl", 5) == "abcd…"
    assert one_line("abcdefghijkl", 1) == "…"
    assert one_line("abcdefghijkl", 0) == ""


def test_a_text_that_fits_is_not_cut() -> None:
    assert one_line("abcde", 5) == "abcde"


def test_one_line_is_one_line() -> None:
    assert one_line("name\n\x1b[1A", 80) == "name␊␛[1A"
