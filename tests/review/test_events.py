from __future__ import annotations

import json
from typing import Any

import pytest

from cqtel_tui.formats.documents import RUDDERSTACK
from cqtel_tui.formats.values import is_utc_time
from cqtel_tui.review.events import EVENT_FIELDS, PROPERTY_SHAPES
from cqtel_tui.review.explain import Explanation, explain
from cqtel_tui.review.promises import DEBUG_SENTENCE, UNPROMISED_SENTENCE

TIME = "2026-11-22T08:30:03.568622768Z"
MESSAGE: dict[str, Any] = {
    "type": "track",
    "messageId": "7bd27354-6cf0-46f3-88eb-82a1abe62038",
    "anonymousId": "e027be13-57ef-4595-9bce-9cb1843bcb81",
    "event": "sync_run_completed",
    "timestamp": TIME,
    "originalTimestamp": TIME,
    "sentAt": TIME,
    "context": {"library": {"name": "analytics-go", "version": "4.2.1"}},
    "properties": {
        "status": "error",
        "duration": 12,
        "source": "cloudquery/aws",
        "source_path": "cloudquery/aws",
        "destination": "cloudquery/s3",
        "destination_paths": ["cloudquery/s3", "cloudquery/postgresql"],
        "total_rows": 7,
        "errors": 1,
        "warnings": 0,
        "aborted_due_to_error": True,
        "error": "no such host",
    },
    "channel": "server",
}


def explained(document: object) -> Explanation:
    return explain(json.dumps(document).encode(), RUDDERSTACK)


def test_every_field_that_an_event_may_have_is_known_and_told_of_in_words() -> None:
    found = explained({"batch": [MESSAGE]})
    assert {row.problem for row in found.rows} == {""}
    assert (found.unknown, found.left_out) == (0, 0)
    assert {row.field.key for row in found.rows if row.field} == EVENT_FIELDS.keys()
    assert {row.group for row in found.rows} == {"event 1: sync_run_completed"}
    assert {f"properties.{key}" for key in PROPERTY_SHAPES} <= EVENT_FIELDS.keys()


def test_a_single_message_is_explained_as_one_of_a_batch() -> None:
    alone, in_batch = explained(MESSAGE), explained({"batch": [MESSAGE], "sentAt": TIME})
    assert [row.key for row in alone.rows] == [row.key for row in in_batch.rows][:-1]
    assert in_batch.rows[-1].group == "program"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user_email", "alice@example.com"),
        ("source_path", "acme/secret"),
        ("status", "two words"),
        ("duration", -1),
        ("duration", True),
        ("destination_paths", ["cloudquery/s3", "/home/alice"]),
        ("destination_paths", "cloudquery/s3"),
        ("error", "x" * 2000),
        ("aborted_due_to_error", "yes"),
    ],
)
def test_what_is_unknown_or_of_another_shape_is_marked(key: str, value: object) -> None:
    found = explained({"batch": [{"event": "x", "properties": {key: value}}]})
    marked = [row for row in found.rows if row.field is None]
    assert len(marked) == found.unknown == 1
    assert marked[0].problem


@pytest.mark.parametrize(
    "document", [[], "x", None, {}, {"batch": []}, {"batch": {}}, {"batch": [1]}, {"event": {}}]
)
def test_whatever_a_document_is_each_value_is_told_of(document: object) -> None:
    found = explained(document)
    assert found.rows
    assert found.left_out == 0


def test_the_words_come_from_the_documentation_where_it_has_any() -> None:
    assert EVENT_FIELDS["properties.error"].sentence == DEBUG_SENTENCE
    assert EVENT_FIELDS["properties.error"].quoted == f"“{DEBUG_SENTENCE}”"
    assert EVENT_FIELDS["channel"].quoted == f"{UNPROMISED_SENTENCE}."


@pytest.mark.parametrize(
    ("text", "is_one"),
    [(TIME, True), ("2026-11-22T08:30:03+01:00", False), ("2026-11-22", False), ("TZ", False)],
)
def test_a_time_is_one_in_utc(text: str, *, is_one: bool) -> None:
    assert is_utc_time(text) is is_one
