from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.errors import CqtelError
from cqtel_tui.formats.strict_json import (
    JsonProblem,
    JsonValue,
    UnreadableError,
    parse,
    parse_concatenated,
)

from ..cost import at_most

MEBIBYTE = 1 << 20

quick = settings(deadline=None, database=None)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
json_tokens = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b" ", b"\n", b"-", b"1", b"1e999"),
    *(b"NaN", b"true", b'"a"', b'"a":1', b"\xff", b"\xc3", b"\xc3\xa9", b"\xef\xbb\xbf", b"\0"),
)
json_like = st.lists(st.sampled_from(json_tokens)).map(b"".join)


def problem_of(data: bytes) -> JsonProblem:
    with pytest.raises(UnreadableError) as raised:
        parse(data)
    return raised.value.problem


# One document


@quick
@given(json_values)
def test_what_json_can_say_is_read_as_the_standard_library_reads_it(value: JsonValue) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert parse(data) == json.loads(data)


@quick
@given(st.binary() | json_like)
def test_any_bytes_are_read_or_refused_with_our_own_error(data: bytes) -> None:
    problem = JsonProblem(0, 1, "none")
    try:
        parse(data)
    except UnreadableError as error:
        problem = error.problem
    assert 0 <= problem.offset <= len(data)
    assert problem.line == data.count(b"\n", 0, problem.offset) + 1


def test_a_refusal_says_what_where_and_what_to_do() -> None:
    with pytest.raises(UnreadableError) as raised:
        parse(b'{\n  "a": 1,\n  "b" 2\n}')
    assert str(raised.value) == (
        "Cannot read this as JSON, line 3 (byte 18): expecting ':' delimiter. "
        "Look at the raw bytes there, or have the file written again."
    )
    assert isinstance(raised.value, CqtelError)


def test_the_place_is_counted_in_bytes_not_in_characters() -> None:
    assert problem_of('["é" 1]'.encode()).offset == 6


@pytest.mark.parametrize("depth", [65, 900, 1_000_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")]
)
def test_nesting_too_deep_is_refused_before_anything_recurses(
    depth: int, opening: bytes, closing: bytes
) -> None:
    times = depth // (opening.count(b"[") + opening.count(b"{")) + 1
    data = opening * times + b"1" + closing * times
    with pytest.raises(UnreadableError, match=r"nested more than 64 deep|brackets, commas"):
        parse(data, max_bytes=20 * MEBIBYTE)


def test_the_bracket_that_is_too_deep_is_pointed_at() -> None:
    assert problem_of(b'["[[[", "\\"[",\n' + b"[" * 70).offset == 15 + 63
    assert problem_of(b'["[[[", "\\"[",\n' + b"[" * 70).line == 2


def test_nesting_at_the_bound_is_read() -> None:
    assert parse(b"[" * 64 + b"]" * 64) is not None
    assert parse(b"[" + b"[]," * 500 + b"[]]") == [[]] * 501


def test_brackets_in_strings_are_no_nesting() -> None:
    data = json.dumps(["[{" * 500, '\\"[' * 500, {"\\": "[" * 500}]).encode()
    assert parse(data) == json.loads(data)


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400 + ".5"]
)
def test_a_number_that_is_not_finite_is_refused_where_it_stands(literal: str) -> None:
    problem = problem_of(f'["{literal}", 1,\n {literal}]'.encode())
    assert problem.line == 2
    assert "is not a JSON number" in problem.reason


def test_a_duplicate_key_is_refused_where_its_object_ends() -> None:
    data = b'{"}": [{"a": 1}, {}],\n "b": {"k\\u001b": 1, "c": 2, "k\\u001b": 3}}'
    problem = problem_of(data)
    assert problem.reason == 'the object that ends here has the key "k␛" more than once'
    assert problem.offset == len(data) - 2


def test_the_same_key_in_different_objects_is_fine() -> None:
    assert parse(b'[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize("number", [b"9" * 4_301, b"-" + b"9" * 1_000_000, b"0." + b"1" * 5_000])
def test_a_number_that_takes_long_to_read_is_refused(number: bytes) -> None:
    problem = problem_of(b"[1, " + number + b"]")
    assert problem == JsonProblem(4, 1, "a number of more than 4,300 characters")


def test_a_large_number_and_a_long_string_of_digits_are_read() -> None:
    assert parse(b"9" * 4_300) == int("9" * 4_300)
    assert parse(b'"' + b"9" * 5_000 + b'"') == "9" * 5_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expecting value"),
        (b" \n ", "expecting value"),
        (b"{} {}", "there is more after the end of the document"),
        (b"{}\x00", "there is more after the end of the document"),
        (b"{},", "there is more after the end of the document"),
        (b'\xef\xbb\xbf{"a": 1}', "a byte order mark, which JSON does not allow"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\xc0\xaf"', "not UTF-8"),
        (b'"\x1b"', "invalid control character"),
        (b'{"a": 1', "expecting ',' delimiter"),
        (b'"abc', "unterminated string"),
        (b"{'a': 1}", "expecting property name enclosed in double quotes"),
        (b"\x0b{}", "expecting value"),
    ],
)
def test_what_is_not_strictly_json_is_refused(data: bytes, reason: str) -> None:
    assert problem_of(data).reason == reason


def test_more_bytes_than_the_bound_are_not_looked_at() -> None:
    with pytest.raises(UnreadableError, match="there are 11 bytes, and at most 10 are read"):
        parse(b"[" * 11, max_bytes=10)
    assert parse(b"[12345678]", max_bytes=10) == [12_345_678]


def test_a_narrower_bound_of_the_interpreter_is_no_surprise() -> None:
    with pytest.raises(UnreadableError, match="RecursionError"):
        parse(b"[" * 100_000 + b"]" * 100_000, max_depth=1_000_000)


# Documents one after the other


def test_documents_follow_one_another_with_or_without_whitespace() -> None:
    documents = parse_concatenated(b'{"a": 1}{"b": 2}\r\n\t{"c": 3}\n')
    assert documents.values == ({"a": 1}, {"b": 2}, {"c": 3})
    assert documents.problems == ()


def test_an_array_of_objects_is_read_as_its_items() -> None:
    documents = parse_concatenated(b'[{"a": 1}, {"b": 2}]\n{"c": 3}')
    assert documents.values == ({"a": 1}, {"b": 2}, {"c": 3})


def test_items_of_an_array_that_are_no_objects_are_told() -> None:
    documents = parse_concatenated(b'{}\n[1, {"a": 1}, null]')
    assert documents.values == ({}, {"a": 1})
    assert [str(problem) for problem in documents.problems] == [
        "line 2 (byte 3): items of this array that are not objects are left out (2)"
    ]


@pytest.mark.parametrize("data", [b"", b" \n\t", b"[]"])
def test_nothing_at_all_is_no_problem(data: bytes) -> None:
    documents = parse_concatenated(data)
    assert (documents.values, documents.problems) == ((), ())


@pytest.mark.parametrize(
    ("tail", "reason", "within"),
    [
        (b'{"b": ', "expecting value", 6),
        (b'{"b": "abc', "unterminated string", 6),
        (b'{"b": "\xff"}', "not UTF-8", 7),
        (b'{"b": NaN}', "NaN is not a JSON number", 6),
        (b'{"b":\n' + b"[" * 900, "nested more than 64 deep", 69),
        (b'{"b": ' + b"9" * 5_000 + b"}", "a number of more than 4,300 characters", 6),
        (b'{"b": 1, "b": 2}', 'the object that ends here has the key "b" more than once', 15),
        (b", {}", "expecting value", 0),
        (b"hello", "expecting value", 0),
        (b"12 13", "neither an object nor an array of them", 0),
    ],
)
def test_a_broken_tail_is_told_and_the_documents_before_it_are_kept(
    tail: bytes, reason: str, within: int
) -> None:
    good = '{"a": "é"}\n'.encode()
    documents = parse_concatenated(good + tail)
    assert documents.values == ({"a": "é"},)
    [problem] = documents.problems
    assert problem.reason == reason
    assert problem.offset == len(good) + within


def test_a_fault_that_comes_first_hides_none_behind_it() -> None:
    [problem] = parse_concatenated(b"{} ?" + b"[" * 900).problems
    assert (problem.offset, problem.reason) == (3, "expecting value")


def test_a_byte_order_mark_before_the_first_document_is_passed_over_and_told() -> None:
    documents = parse_concatenated(b'\xef\xbb\xbf{"a": 1}')
    assert documents.values == ({"a": 1},)
    assert "byte order mark" in str(documents.problems[0])


@pytest.mark.parametrize(
    "data", [b"{}\n" * 12, b"[" + b"{}," * 11 + b"{}]", b"{}[{},{},{},{},{},{},{},{},{},{},{},{}]"]
)
def test_only_so_many_documents_are_read_and_the_rest_is_told(data: bytes) -> None:
    documents = parse_concatenated(data, max_documents=10)
    assert len(documents.values) == 10
    assert "only the first 10 documents are read" in str(documents.problems[-1])


def test_exactly_as_many_documents_as_the_bound_are_no_problem() -> None:
    assert parse_concatenated(b"{}\n" * 10, max_documents=10).problems == ()


def test_a_file_larger_than_the_bound_is_read_up_to_it() -> None:
    data = b'{"a": 1}\n' * 3
    [problem] = parse_concatenated(data, max_bytes=20).problems
    assert parse_concatenated(data, max_bytes=20).values == ({"a": 1}, {"a": 1})
    assert problem == JsonProblem(20, 3, "there are 27 bytes, and only the first 20 are read")


def test_a_character_that_the_bound_cuts_in_two_is_no_fault_of_the_file() -> None:
    [problem] = parse_concatenated('{}"é"'.encode(), max_bytes=4).problems
    assert "only the first 4 are read" in problem.reason


@quick
@given(st.binary() | json_like, st.integers(0, 30))
def test_any_bytes_are_read_as_documents_without_an_error(data: bytes, max_bytes: int) -> None:
    parse_concatenated(data)
    parse_concatenated(data, max_bytes=max_bytes, max_documents=2, max_depth=2)


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        (b"", b"["),
        (b"", b"[]"),
        (b"", b"1"),
        (b"", b" \n"),
        (b"", b"[1]\n"),
        (b"[", b"[],"),
        (b"[", b"1.1,"),
        (b'{"a":"', b"\\"),
    ],
)
def test_five_hostile_megabytes_take_no_time_to_speak_of(before: bytes, unit: bytes) -> None:
    data = before + unit * (5 * MEBIBYTE // len(unit) - len(before))
    with at_most(3):  # a fraction of it: the bound tells that from what grows with the square
        parse_concatenated(data)
