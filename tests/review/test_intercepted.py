from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.review.intercepted import (
    ADDED,
    DROPPED_BY_USER,
    KEPT,
    MAX_ROWS,
    MAX_VALUE,
    REMOVED,
    REPLACED,
    Comparison,
    compare,
)
from cqtel_tui.sanitize import is_printable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Taken:
    path: str
    why: str
    what: str = "a text"


def fates(found: Comparison) -> dict[str, str]:
    return {row.path: row.fate for row in found.rows}


def reasons(found: Comparison) -> dict[str, str]:
    return {row.path: row.why for row in found.rows if row.why}


def test_each_value_is_kept_removed_or_replaced_and_each_change_has_its_reason() -> None:
    message = {"event": "x", "anonymousId": "a", "properties": {"error": "no", "n": 1}}
    intercepted: Any = {"batch": [message]}
    sent: Any = {"batch": [{"event": "x", "anonymousId": "b", "properties": {"n": 1}}]}
    found = compare(
        intercepted,
        sent,
        [
            Taken("batch[0].anonymousId", "replaced by a random one"),
            Taken("batch[0].properties.error", "error texts leave in debug mode only"),
        ],
    )
    assert fates(found) == {
        "batch[0].event": KEPT,
        "batch[0].anonymousId": REPLACED,
        "batch[0].properties.error": REMOVED,
        "batch[0].properties.n": KEPT,
    }
    assert reasons(found) == {
        "batch[0].anonymousId": "replaced by a random one",
        "batch[0].properties.error": "error texts leave in debug mode only",
    }
    replaced = found.rows[1]
    assert (replaced.within, replaced.name) == ("batch[0]", "anonymousId")
    assert (replaced.intercepted, replaced.sent) == ("a", "b")
    assert (found.kept, found.removed, found.replaced, found.added) == (2, 1, 1, 0)


def test_what_is_in_something_that_was_removed_has_its_reason() -> None:
    found = compare({"device": {"id": 1, "os": {"name": "x"}}}, {}, [Taken("device", "never")])
    assert reasons(found) == {"device.id": "never", "device.os.name": "never"}


def test_what_nobody_removed_was_dropped_by_the_user() -> None:
    found = compare({"a": 1, "b": 2}, {"b": 2})
    assert reasons(found) == {"a": DROPPED_BY_USER}


def test_where_not_all_reasons_are_kept_nobody_is_said_to_have_dropped_it() -> None:
    found = compare({"a": 1}, {}, more=1)
    assert reasons(found)["a"] != DROPPED_BY_USER
    assert "too many" in reasons(found)["a"]


def test_the_items_of_a_list_are_found_again_after_others_were_taken_out() -> None:
    intercepted: Any = {"paths": ["a", "secret", "b", "other", "c"]}
    found = compare(
        intercepted, {"paths": ["a", "b", "c"]}, [Taken("paths[1]", "no"), Taken("paths[3]", "no")]
    )
    assert list(fates(found).values()) == [KEPT, REMOVED, KEPT, REMOVED, KEPT]


def test_messages_are_found_again_though_their_ids_are_replaced() -> None:
    intercepted: Any = {"batch": [{"event": "one", "id": "1"}, {"event": "two", "id": "2", "x": 0}]}
    found = compare(
        intercepted,
        {"batch": [{"event": "two", "id": "9"}]},
        [Taken("batch[1].id", "random"), Taken("batch[1].x", "no")],
    )
    assert fates(found) == {
        "batch[0].event": REMOVED,
        "batch[0].id": REMOVED,
        "batch[1].event": KEPT,
        "batch[1].id": REPLACED,
        "batch[1].x": REMOVED,
    }


def attribute(key: str, **value: Any) -> Mapping[str, Any]:
    return {"key": key, "value": value}


def test_an_attribute_of_otlp_is_one_value_under_its_key() -> None:
    listed = {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}
    intercepted: Any = {
        "attributes": [
            attribute("host.name", stringValue="alice"),
            attribute("service.name", stringValue="x"),
            attribute("n", intValue="7"),
            attribute("list", arrayValue=listed),
            attribute("odd", kvlistValue={"values": []}),
        ]
    }
    found = compare(intercepted, {"attributes": intercepted["attributes"][1:4]}, [])
    assert [(row.path, row.intercepted, row.fate) for row in found.rows] == [
        ('attributes["host.name"]', "alice", REMOVED),
        ('attributes["service.name"]', "x", KEPT),
        ("attributes.n", "7", KEPT),
        ("attributes.list[0]", "a", KEPT),
        ("attributes.list[1]", "b", KEPT),
        ("attributes.odd.kvlistValue.values", "[]", REMOVED),
    ]


def test_what_was_never_intercepted_is_told_of() -> None:
    found = compare({"a": 1}, {"a": 1, "b": {"c": 2}})
    assert fates(found) == {"a": KEPT, "b.c": ADDED}
    assert found.added == 1
    assert reasons(found)["b.c"]


def test_values_that_only_look_the_same_are_not_the_same() -> None:
    found = compare({"a": 1, "b": True, "c": ""}, {"a": True, "b": 1, "c": None})
    assert set(fates(found).values()) == {REPLACED}


@pytest.mark.parametrize(
    ("intercepted", "sent"), [([], {}), ({}, []), ("x", {}), (None, {"a": 1}), ([[]], [])]
)
def test_documents_of_other_kinds_are_compared_all_the_same(intercepted: Any, sent: Any) -> None:
    assert compare(intercepted, sent).rows


def test_a_hostile_document_has_no_more_rows_than_the_bound_and_the_rest_is_counted() -> None:
    intercepted: Any = {"x": [f"\x1b[31m{'a' * 5000}"] * 10, "y": [0] * (MAX_ROWS + 100)}
    found = compare(intercepted, {})
    assert len(found.rows) == MAX_ROWS
    assert found.left_out == 110
    assert all(is_printable(row.intercepted) for row in found.rows)
    assert max(len(row.intercepted) for row in found.rows) <= MAX_VALUE


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


def _leaves(value: Any) -> int:
    if isinstance(value, dict) and value:
        return sum(map(_leaves, value.values()))
    if isinstance(value, list) and value:
        return sum(map(_leaves, value))
    return 1


@settings(deadline=None)
@given(_JSON, _JSON)
def test_every_value_that_was_intercepted_is_told_of_whatever_would_be_sent(
    intercepted: Any, sent: Any
) -> None:
    found = compare(intercepted, sent)
    told = sum(row.fate != ADDED for row in found.rows)
    assert told <= _leaves(intercepted)
    assert told or not _leaves(intercepted)
    assert all(is_printable(f"{r.path}{r.name}{r.intercepted}{r.sent}{r.why}") for r in found.rows)


@settings(deadline=None)
@given(_JSON)
def test_a_document_is_the_same_as_itself(document: Any) -> None:
    found = compare(document, json.loads(json.dumps(document)))
    assert found.kept == len(found.rows) > 0
