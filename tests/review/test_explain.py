from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.catalogue import MAX_PLUGINS, RECORDED
from cqtel_tui.formats.json_paths import path_text, paths_at
from cqtel_tui.outbox.envelope import read_label
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.record import SCOPE
from cqtel_tui.record.telemetry import Telemetry
from cqtel_tui.review import field_facts
from cqtel_tui.review.durations import duration
from cqtel_tui.review.explain import MAX_ROWS, Explanation, FieldRow, explain
from cqtel_tui.review.promises import BY_KEY, COLLECTOR, DEBUG_SENTENCE
from cqtel_tui.sanitize import is_printable

from ..cost import at_most
from .payloads import COOKIE, RESOURCE, START, document, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEBIBYTE = 1 << 20

quick = settings(deadline=None, database=None)


def own_document() -> Any:
    """Give a document with everything the recorder may write."""
    return document(
        RESOURCE,
        span("sync", 1, nanoseconds=2_500_000_000, failed=True, process_exit_code=1),
        span("sync.aws", 2, 1, failed=True, error_type="Timeout", exception_message="no answer"),
        span("sync.gcp", 3, 1, nanoseconds=0),
    )


def explained(document: object) -> Explanation:
    return explain(json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def only_row(document: object) -> FieldRow:
    [row] = explained(document).rows
    return row


def with_attributes(*attributes: object, **more: object) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {"attributes": [*attributes], **more}}]}


def with_span(**span: object) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def attribute(key: object, **value: object) -> dict[str, object]:
    return {"key": key, "value": value}


# What the recorder writes


def test_every_field_that_is_recorded_is_known_and_is_told_of_in_words() -> None:
    explanation = explained(own_document())
    assert explanation.unknown == explanation.left_out == 0
    assert explanation.unreadable == ""
    assert {row.problem for row in explanation.rows} == {""}
    told = {row.field.key for row in explanation.rows if row.field}
    assert told == {key for key, field in BY_KEY.items() if field.where != COLLECTOR}
    assert [row.group for row in explanation.rows if row.key == "name"] == [
        "span 1: sync",
        "span 2: sync.aws",
        "span 3: sync.gcp",
    ]
    values = {(row.group, row.key): row.value for row in explanation.rows}
    assert values["program", "cloudquery.ci"] == "false"
    assert values["program", "cloudquery.plugins"] == (
        "source/cloudquery/aws@v1.2.3-rc.beta, provider/acme/x@1.2.3.4"
    )
    first = "span 1: sync"
    assert values[first, "startTimeUnixNano"] == "2023-11-14 22:13:20.123456789 UTC"
    assert values[first, "endTimeUnixNano"] == "2.500 s later, 2023-11-14 22:13:22.623456789 UTC"
    assert values[first, "status.code"] == "2 (failure)"
    assert values["span 3: sync.gcp", "status.code"] == "1 (success)"
    assert values["span 3: sync.gcp", "endTimeUnixNano"].startswith("0 s later")


def test_an_error_text_is_told_of_as_what_debug_mode_sends() -> None:
    [row] = [r for r in explained(own_document()).rows if r.key == "exception.message"]
    assert row.field is not None
    assert row.field.sentence == DEBUG_SENTENCE
    assert row.value == "no answer"


@pytest.mark.usefixtures("scrubbed")
def test_what_the_real_client_holds_is_wholly_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    telemetry = Telemetry("cloudquery", version="0.20.0", build_date="2021-12-09")
    with telemetry.operation("fetch") as operation:
        for _ in range(600):
            with operation.span("fetch.aws"):
                pass
    assert operation.held is not None
    label = read_label(operation.held)
    assert label is not None
    explanation = explain(Outbox(str(tmp_path)).open(PENDING, label).payload)
    assert explanation.unknown == explanation.left_out == 0
    assert sum(row.key == "name" for row in explanation.rows) == 512


def test_the_longest_list_of_plugins_is_told_of_to_its_end() -> None:
    plugins = [f"destination/{'o' * 40}/{n:0>40}@{n:0>32}" for n in range(MAX_PLUGINS)]
    long = document({"cloudquery.plugins": plugins})
    [row] = [r for r in explained(long).rows if r.key == "cloudquery.plugins"]
    assert row.field is not None
    assert row.value == ", ".join(plugins)


def test_the_scope_is_the_recorders() -> None:
    assert field_facts._SCOPE == SCOPE


# What should not be there


@pytest.mark.parametrize(
    ("document", "key", "value"),
    [
        (None, "the document", "null"),
        ([], "the document", "[]"),
        ({}, "the document", "{}"),
        (5, "the document", "5"),
        ({"resourceSpans": None}, "resourceSpans", "null"),
        ({"resourceSpans": []}, "resourceSpans", "[]"),
        ({"resourceSpans": {}}, "resourceSpans", "{}"),
        ({"resourceSpans": "all"}, "resourceSpans", "all"),
        ({"resourceSpans": [None]}, "resourceSpans[0]", "null"),
        ({"resourceSpans": [{}]}, "resourceSpans[0]", "{}"),
        ({"resourceSpans": [[]]}, "resourceSpans[0]", "[]"),
        ({"resourceSpans": [{"resource": []}]}, "resourceSpans[0].resource", "[]"),
        ({"resourceSpans": [{"resource": None}]}, "resourceSpans[0].resource", "null"),
        ({"resourceSpans": [{"schemaUrl": ""}]}, "resourceSpans[0].schemaUrl", ""),
        ({"resourceSpans": [{"scopeSpans": []}]}, "resourceSpans[0].scopeSpans", "[]"),
        (with_attributes(), "resourceSpans[0].resource.attributes", "[]"),
        (with_attributes(None), "resourceSpans[0].resource.attributes[0]", "null"),
        (with_span(), "resourceSpans[0].scopeSpans[0].spans[0]", "{}"),
        (with_span(status={}), "resourceSpans[0].scopeSpans[0].spans[0].status", "{}"),
        (
            with_span(status={"message": "no"}),
            "resourceSpans[0].scopeSpans[0].spans[0].status.message",
            "no",
        ),
        (with_span(traceState="a=b"), "resourceSpans[0].scopeSpans[0].spans[0].traceState", "a=b"),
        (
            with_span(droppedAttributesCount=0),
            "resourceSpans[0].scopeSpans[0].spans[0].droppedAttributesCount",
            "0",
        ),
        (with_span(events=[]), "resourceSpans[0].scopeSpans[0].spans[0].events", "[]"),
        (
            with_span(events=[{"name": "exception"}]),
            "resourceSpans[0].scopeSpans[0].spans[0].events[0].name",
            "exception",
        ),
        (
            with_span(links=[{"traceId": "a" * 32}]),
            "resourceSpans[0].scopeSpans[0].spans[0].links[0].traceId",
            "a" * 32,
        ),
        ({"a.b": {"c d": 1}}, '["a.b"]["c d"]', "1"),
    ],
)
def test_what_is_not_one_of_our_fields_is_told_of_by_its_path(
    document: object, key: str, value: str
) -> None:
    row = only_row(document)
    assert (row.key, row.path, row.value) == (key, "" if key == "the document" else key, value)
    assert row.field is None
    assert row.problem
    assert explained(document).unknown == 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("name", bad) for bad in (None, "", "a b", "/home/x", "x" * 41, 5, True)),
        *(("kind", bad) for bad in (0, 2, True, 1.0, "1", None, "SPAN_KIND_INTERNAL")),
        *(("traceId", bad) for bad in ("", "a" * 31, "A" * 32, 5, None)),
        *(("spanId", bad) for bad in ("", "x" * 16, "a" * 32)),
        *(("parentSpanId", bad) for bad in ("", "a" * 15)),
        *(("startTimeUnixNano", bad) for bad in (0, "0", -1, "-1", "01", "1.5", 1.5, True, None)),
        *(("endTimeUnixNano", bad) for bad in (1 << 64, str(1 << 64), "9" * 4000, "", "later")),
    ],
)
def test_a_field_of_a_span_with_another_shape_is_loud(member: str, value: object) -> None:
    row = only_row(with_span(**{member: value}))
    assert (row.key, row.field, row.problem) == (member, None, "not a value that it may have")


@pytest.mark.parametrize("code", [0, 3, "2", True, 2.0, None, "STATUS_CODE_ERROR"])
def test_a_status_that_is_neither_success_nor_failure_is_loud(code: object) -> None:
    row = only_row(with_span(status={"code": code}))
    assert (row.key, row.field) == ("status.code", None)


def test_an_end_before_the_start_is_loud() -> None:
    document = with_span(startTimeUnixNano=str(START), endTimeUnixNano=str(START - 1))
    start, end = explained(document).rows
    assert start.field is not None
    assert (end.field, end.problem) == (None, "it ends before it starts")


def test_times_may_be_numbers_as_some_exporters_write_them() -> None:
    document = with_span(startTimeUnixNano=START, endTimeUnixNano=START + 1)
    assert explained(document).unknown == 0


def test_the_end_is_explained_without_a_start() -> None:
    row = only_row(with_span(endTimeUnixNano=str(START)))
    assert row.value == "2023-11-14 22:13:20.123456789 UTC"


# Attributes


@pytest.mark.parametrize(
    ("wrong", "value", "problem"),
    [
        (attribute("host.name", stringValue="x"), "x", "not in the catalogue"),
        (attribute("name", stringValue="fetch"), "fetch", "not in the catalogue"),
        (attribute("host.id", intValue="7"), "7", "not in the catalogue"),
        (attribute("k", kvlistValue={"values": []}), None, "not in the catalogue"),
        (attribute("k", bytesValue="AAAA"), '{"bytesValue":"AAAA"}', "not in the catalogue"),
        (attribute("k"), "{}", "not in the catalogue"),
        (attribute("service.name", stringValue="a b"), "a b", "not a value that it may have"),
        (attribute("service.name", intValue="1"), "1", "not a value that it may have"),
        (attribute("cloudquery.ci", intValue=True), None, "not a value that it may have"),
        (attribute("cloudquery.ci", boolValue=1), None, "not a value that it may have"),
        (attribute("cloudquery.ci", stringValue=True), None, "not a value that it may have"),
        (
            attribute("cloudquery.ci", boolValue=True, stringValue="x"),
            '{"boolValue":true,"stringValue":"x"}',
            "not a value that it may have",
        ),
        (
            attribute("cloudquery.plugins", arrayValue={"values": [], "more": "x"}),
            '{"arrayValue":{"values":[],"more":"x"}}',
            "not a value that it may have",
        ),
        (
            attribute("cloudquery.plugins", arrayValue={"values": [{"intValue": "1"}]}),
            '{"arrayValue":{"values":[{"intValue":"1"}]}}',
            "not a value that it may have",
        ),
        (attribute("process.exit.code", intValue="1"), "1", "not where it belongs"),
        (attribute("exception.message", stringValue="no"), "no", "not where it belongs"),
        (
            attribute("cloudquery.ip_sha1", stringValue="a" * 40),
            "a" * 40,
            "only the collector may add it",
        ),
    ],
)
def test_an_attribute_that_may_not_be_there_is_loud(
    wrong: dict[str, Any], value: str | None, problem: str
) -> None:
    row = only_row(with_attributes(wrong))
    assert (row.group, row.key, row.field, row.problem) == ("program", wrong["key"], None, problem)
    assert value is None or row.value == value
    assert row.path == "resourceSpans[0].resource.attributes[0]"


@pytest.mark.parametrize("key", ["service.instance.id", "cloudquery.ci", "service.name"])
def test_what_belongs_to_the_program_is_loud_on_a_span(key: str) -> None:
    values = {"service.instance.id": COOKIE, "service.name": "cloudquery"}
    value = {"stringValue": values[key]} if key in values else {"boolValue": True}
    row = only_row(with_span(attributes=[attribute(key, **value)]))
    assert (row.group, row.key, row.problem) == ("span 1", key, "not where it belongs")


def test_a_key_that_stands_twice_is_told_of_twice_and_is_loud_the_second_time() -> None:
    twice = attribute("service.name", stringValue="a"), attribute("service.name", stringValue="b")
    first, second = explained(with_attributes(*twice)).rows
    assert (first.value, first.problem) == ("a", "")
    assert (second.value, second.field, second.problem) == ("b", None, "duplicate key")


def test_what_stands_beside_key_and_value_is_told_of() -> None:
    document = with_attributes({**attribute("service.name", stringValue="a"), "x": [1, {}]}, y=None)
    rows = [(row.key, row.value) for row in explained(document).rows]
    path = "resourceSpans[0].resource"
    assert rows == [
        ("service.name", "a"),
        (f"{path}.attributes[0].x[0]", "1"),
        (f"{path}.attributes[0].x[1]", "{}"),
        (f"{path}.y", "null"),
    ]


@pytest.mark.parametrize("broken", [{"key": "a"}, {"value": {"stringValue": "a"}}, {"key": 1}])
def test_half_an_attribute_is_told_of_by_path(broken: dict[str, Any]) -> None:
    row = only_row(with_attributes(broken))
    assert row.key.startswith("resourceSpans[0].resource.attributes[0].")


def test_an_attribute_that_is_too_much_for_a_row_is_told_of_in_many() -> None:
    values = [{"stringValue": f"value {n}"} for n in range(200)]
    document = with_attributes(attribute("k", arrayValue={"values": values}))
    rows = explained(document).rows
    assert [row.value for row in rows] == ["k", *(f"value {n}" for n in range(200))]
    assert rows[-1].key == (
        "resourceSpans[0].resource.attributes[0].value.arrayValue.values[199].stringValue"
    )


# Every value is told of exactly once


class Marks:
    """Texts that the catalogue allows nowhere but in an error text, each one only once."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def another(self) -> str:
        self.made.append(f"<{len(self.made)}>")
        return self.made[-1]


otlp_names = st.sampled_from(
    [
        *("resourceSpans", "resource", "scopeSpans", "scope", "spans", "attributes", "status"),
        *("key", "value", "values", "stringValue", "arrayValue", "code", "events", "message"),
        *(BY_KEY.keys() - RECORDED.keys()),
    ]
)
json_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
shapes = st.recursive(
    json_leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(otlp_names | st.text(), inner),
    max_leaves=30,
)


def nested_like_otlp(inner: Any) -> dict[str, Any]:
    resource = {"resource": inner, "scopeSpans": [{"scope": inner, "spans": [inner, inner]}]}
    return {"resourceSpans": [resource, inner], "more": inner}


def marked(value: Any, marks: Marks) -> Any:
    """Put a mark in the place of every value that holds no others, empty containers too."""
    if isinstance(value, dict) and value:
        return {key: marked(inner, marks) for key, inner in value.items()}
    if isinstance(value, list) and value:
        return [marked(inner, marks) for inner in value]
    return marks.another()


@quick
@given(shapes | shapes.map(nested_like_otlp))
def test_every_value_of_any_document_is_told_of_exactly_once(shape: Any) -> None:
    marks = Marks()
    document = marked(shape, marks)
    explanation = explained(document)
    told = "\n".join(f"{row.key}\n{row.value}" for row in explanation.rows)
    assert [mark for mark in marks.made if told.count(mark) != 1] == []
    assert all(row.field is None and row.problem for row in explanation.rows)
    assert explanation.left_out == 0


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each container with each key or index in it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places_in(inner)


def replace_it(holder: Any, key: Any) -> None:
    holder[key] = "<planted>"


def wrap_it(holder: Any, key: Any) -> None:
    holder[key] = {"planted": ["<planted>", holder[key]]}


def add_beside_it(holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder["planted"] = "<planted>"
    else:
        holder.insert(key, "<planted>")


@pytest.mark.parametrize("plant", [replace_it, wrap_it, add_beside_it])
def test_whatever_is_planted_in_a_real_payload_is_told_of_once_and_loudly(
    plant: Callable[[Any, Any], None],
) -> None:
    for number in range(len(list(places_in(own_document())))):
        document = own_document()
        holder, key = list(places_in(document))[number]
        before = json.dumps(holder)
        plant(holder, key)
        rows = [r for r in explained(document).rows if "<planted>" in f"{r.group}{r.key}{r.value}"]
        rows = [row for row in rows if "<planted>" in f"{row.key}{row.value}"]
        assert len(rows) == 1, (before, key)
        if rows[0].key != "exception.message":  # the one field that may hold any text
            assert (rows[0].field, bool(rows[0].problem)) == (None, True), (before, key)


@quick
@given(shapes | shapes.map(nested_like_otlp))
def test_any_json_is_explained_in_printable_bounded_rows(document: Any) -> None:
    before = copy.deepcopy(document)
    explanation = explained(document)
    assert document == before
    for row in explanation.rows:
        for text, limit in ((row.group, 80), (row.key, 200), (row.value, 10_000), (row.path, 600)):
            assert is_printable(text)
            assert len(text) <= limit
        assert (row.field is None) == bool(row.problem)


@quick
@given(st.binary())
def test_any_bytes_are_explained_or_said_to_be_unreadable(data: bytes) -> None:
    explanation = explain(data)
    assert bool(explanation.rows) != bool(explanation.unreadable)
    assert is_printable(explanation.unreadable)


# Hostile ones


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":"' + b"\x1b]52;c;" * (5 * MEBIBYTE // 7) + b'"}', id="5 MB"),
        pytest.param(b"[" * (5 * MEBIBYTE), id="5 MB of brackets"),
        pytest.param(b"[" * 900 + b"]" * 900, id="900 deep"),
        pytest.param(b"[" + b"NaN," * 100_000 + b"0]", id="NaN"),
        pytest.param(b'{"\x1b[2J":1,"\x1b[2J":2}', id="a key twice"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_hostile_payload_is_unreadable_at_once(data: bytes) -> None:
    with at_most(0.2):
        explanation = explain(data)
    assert explanation.rows == ()
    assert explanation.unreadable
    assert is_printable(explanation.unreadable)


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"0," * 250_000 + b"0]",
        b'{"resourceSpans":[' + b"[]," * 140_000 + b"0]}",
        b'{"' + b"k" * 500_000 + b'":[' + b"{}," * 140_000 + b"0]}",
        b'{"k":' * 60 + b"[" + b"0," * 250_000 + b"0]" + b"}" * 60,
    ],
)
def test_a_payload_of_countless_values_is_explained_up_to_a_bound_and_the_rest_counted(
    data: bytes,
) -> None:
    with at_most(2):
        explanation = explain(data)
    assert len(explanation.rows) == MAX_ROWS
    assert explanation.left_out == data.count(b",") + 1 - MAX_ROWS
    assert explanation.unknown == data.count(b",") + 1


def test_a_hostile_name_stays_in_its_group_and_cannot_pass_for_the_program() -> None:
    row = only_row(with_span(name="program"))
    assert row.group == "span 1: program"
    row = only_row(with_span(name="\x1b]0;title\x07[/bold]"))
    assert row.group == "span 1: ␛]0;title␇[/bold]"


# Durations


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (0, "0 s"),
        (1, "0.0 µs"),
        (8_900, "8.9 µs"),
        (999_949, "999.9 µs"),
        (999_950, "1.0 ms"),
        (56_700_000, "56.7 ms"),
        (999_949_999, "999.9 ms"),
        (999_950_000, "1.000 s"),
        (1_234_000_000, "1.234 s"),
        (59_999_499_999, "59.999 s"),
        (59_999_500_000, "1 min 0 s"),
        (3_599_499_999_999, "59 min 59 s"),
        (3_600_000_000_000, "1 h 0 min"),
        (-1_500_000, "-1.5 ms"),
        (1 << 64, "5,124,095 h 34 min"),
    ],
)
def test_durations_are_told_in_the_unit_that_suits_them(nanoseconds: int, words: str) -> None:
    assert duration(nanoseconds) == words


# Places


def test_an_offset_is_found_where_its_value_stands() -> None:
    data = b'{"a": [1, {"b\\u0041": "x"}, []], "c": {"d": tru'
    paths = {number: path_text(path) for number, path in paths_at(data, range(len(data))).items()}
    places = {b"1": "a[0]", b"b\\": "a[1].bA", b'x"': "a[1].bA", b'"c"': "c", b"tru": "c.d"}
    for text, path in places.items():
        assert paths[data.index(text)] == path
    assert paths_at(b"", [0, 5]) == {0: None, 5: None}


@quick
@given(st.binary(), st.lists(st.integers(0, 50)))
def test_offsets_of_any_bytes_are_looked_up(data: bytes, offsets: list[int]) -> None:
    assert paths_at(data, offsets).keys() == set(offsets)


def test_the_path_of_every_row_is_the_one_that_its_place_in_the_bytes_has() -> None:
    data = json.dumps(own_document(), indent=1).encode()
    offset = data.index(b'"Timeout"')
    [row] = [row for row in explain(data).rows if row.key == "error.type"]
    assert path_text(paths_at(data, [offset])[offset]).startswith(row.path + ".")
