"""JSON by its C parts alone reads and writes what `json` does, and is as strict as we want it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.consent.choice_file import plain_object
from cqtel_tui.formats.bare_json import parse, quote

VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
BROKEN = [
    *("", " ", "{", "[", '"', '{"a"', '{"a":', '{"a":1,}', "[1,]", "nul", "-", "01", "1 2"),
    *("{} x", "{}{}", "'a'", '"\x01"', '"\\x"', '"\\u12"', "{1: 2}", "\ufeff{}"),
    *("NaN", "Infinity", "-Infinity", '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 1}}'),
    *("[" * 100_000, '{"a":' * 100_000),
]


@given(VALUES)
def test_what_json_writes_is_read(value: object) -> None:
    assert parse(json.dumps(value)) == value
    assert parse("\r\n\t " + json.dumps(value, indent=2, ensure_ascii=False) + " \n") == value


@given(
    st.text('{}[]":,01a-. \\\n\t\r\xa0\x0b٣')
    | st.lists(
        st.sampled_from(['{"a"', ":", ",", "}", "{", '"b"', "1", "07", "true", "null", " ", "\n"])
    ).map("".join)
    | st.builds(json.dumps, VALUES, ensure_ascii=st.booleans())
)
def test_what_is_read_as_plain_is_read_no_other_way_at_length(text: str) -> None:
    if (plain := plain_object(text)) is not None:
        assert plain == parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0) | st.from_regex(r"[a-zß/:. -]*", fullmatch=True),
        lambda inner: st.dictionaries(st.from_regex(r"[a-zß/]*", fullmatch=True), inner),
        max_leaves=9,
    ).filter(lambda value: value is not None)
)
def test_what_saving_writes_is_plain(value: object) -> None:
    assert plain_object(json.dumps(value, indent=2, ensure_ascii=False) + "\n") == value


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_is_not_plain(text: str) -> None:
    assert plain_object(text) is None


@given(st.text())
def test_what_is_quoted_is_read_by_json(text: str) -> None:
    assert json.loads(quote(text)) == text
    assert quote(text).isascii()


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_or_doubtful_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # json's words or ours
        parse(text)


def test_it_is_as_strict_where_json_was_never_imported() -> None:
    program = """
import sys
from cqtel_tui.formats.bare_json import parse
for text in eval(sys.stdin.read()):
    loaded = "json" in sys.modules
    try:
        parse(text)
    except ValueError:
        pass
    else:
        print("accepted", ascii(text))
    if not loaded:  # where it was needed for the error, it goes again
        for name in [name for name in sys.modules if name.partition(".")[0] == "json"]:
            del sys.modules[name]
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=repr(BROKEN),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_it_reads_and_writes_the_same_without_the_c_parts() -> None:
    program = """
import sys
sys.modules["_json"] = None
from cqtel_tui.formats.bare_json import parse, quote
assert parse('{"a": [1, true, null, "\\u00fc"]}') == {"a": [1, True, None, "\\u00fc"]}
assert quote('a"\\u00fc') == '"a\\\\"\\\\u00fc"'
for text in ("{", "NaN", '{"a": 1, "a": 2}'):
    try:
        parse(text)
    except ValueError:
        continue
    raise SystemExit(text)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
