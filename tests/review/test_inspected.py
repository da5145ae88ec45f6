"""All that a 2021 release wrote into its inspection file is shown and explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.formats.inspection import read_inspection
from cqtel_tui.formats.strict_json import parse_concatenated
from cqtel_tui.review.inspected import explain_inspection
from cqtel_tui.review.promises import NOT_STORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cqtel_tui.formats.strict_json import JsonValue
    from cqtel_tui.review.inspected import InspectedRow

FILES = sorted((Path(__file__).parent / "inspections").glob("*.txt"))


def leaves(value: JsonValue) -> Iterator[str]:
    """Give every text and number of a document that says something."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str) and value.strip("0"):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)


def explained(path: Path) -> list[InspectedRow]:
    return explain_inspection(read_inspection(path.read_bytes()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_everything_in_the_file_is_shown(path: Path) -> None:
    words = json.dumps("\n".join(f"{row.name}\n{row.text}" for row in explained(path)))
    lower = words.replace("\\\\", "\\").lower()
    types = {"STRING", "BOOL", "STRINGSLICE", "INT64"}
    for document in parse_concatenated(path.read_bytes()).values:
        for leaf in set(leaves(document)) - types:
            for line in leaf.splitlines():
                assert json.dumps(line)[1:-1].lower() in lower, leaf


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_thing_is_explained_once(path: Path) -> None:
    rows = explained(path)
    facts = {"a span's name" if row.kind == "span" else row.name for row in rows if row.name}
    explanations = [row.text for row in rows if row.kind == "explanation"]
    assert len(explanations) == len(facts)
    assert all("“" in text or "Not in the documentation" in text for text in explanations)


def test_an_error_text_stands_out_and_names_the_promise_that_it_breaks() -> None:
    (path,) = (path for path in FILES if "failed" in path.name)
    rows = explained(path)
    breaches = {row.name for row in rows if row.kind == "breach"}
    assert {"status description", "exception.message", "host.name"} <= breaches
    assert not {"ci", "command", "service.version", "exception.type"} & breaches
    quoted = f"Breaks “{NOT_STORED['errors']}”"
    assert sum(quoted in row.text for row in rows) == 2


def test_a_name_that_nobody_knows_is_told_of() -> None:
    span = {
        "Name": "x",
        "SpanContext": {"TraceID": "1" * 32, "SpanID": "1" * 16, "TraceState": "a=b"},
        "Attributes": [
            {"Key": "secret", "Value": {"Type": "STRING", "Value": "one\ntwo\x1b[31m"}},
            {"Key": "status description", "Value": {"Type": "STRING", "Value": "not a status"}},
        ],
        "Links": [{"SpanContext": {"TraceID": "f" * 32}}],
    }
    rows = explain_inspection(read_inspection(json.dumps(span).encode()))
    told = [(row.kind, row.name, row.text) for row in rows]
    at = told.index(("breach", "secret", "one"))
    assert "two" in rows[at + 1].text
    assert "\x1b" not in "".join(row.text for row in rows)
    assert rows[at + 2].text == "Its purpose is unknown. Not in the documentation."
    assert any("a=b" in row.text and "f" * 32 in row.text for row in rows)
    assert not any("Breaks" in row.text for row in rows)
