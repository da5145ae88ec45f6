"""The meter: what a payload tells about somebody, and what would lower that; and its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.review.destination import UNREAD
from cqtel_tui.review.explain import Explanation, FieldRow, explain
from cqtel_tui.review.exposure import POINTS, RISKS, UNKNOWN, exposure
from cqtel_tui.review.promises import FIELDS
from cqtel_tui.review.sentences import sentences

from ..tui.conftest import empty, machine

if TYPE_CHECKING:
    from ..tui.driving import Machine

__all__ = ["empty", "machine"]


def row(key: str, value: str = "x") -> FieldRow:
    field = next((field for field in FIELDS if field.key == key), None)
    return FieldRow("program", key, value, field)


def test_more_points_for_a_greater_risk() -> None:
    points = [POINTS[risk] for risk in RISKS]
    assert points == sorted(set(points))
    assert points[0] == 0


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.key)
def test_every_field_of_the_catalogue_is_measured(field: Any) -> None:
    assert exposure([row(field.key)]).points == POINTS[field.risk]


def test_the_same_trait_counts_once_however_often_it_stands_there() -> None:
    once = exposure([row("cloudquery.plugins")])
    often = exposure([row("cloudquery.plugins"), row("cloudquery.plugins", "y")])
    assert once.points == often.points
    assert len(often.traits[0].rows) == 2


def test_what_the_catalogue_does_not_know_is_taken_for_a_high_risk() -> None:
    found = exposure([row("cloudquery.ci"), row("no.such.field")])
    assert found.risk == "high"
    assert found.traits[0].name == UNKNOWN


def test_without_the_riskiest_it_is_lower_and_a_time_is_taken_out_last() -> None:
    rows = [row("startTimeUnixNano"), row("cloudquery.plugins"), row("service.version")]
    found = exposure(rows)
    assert found.riskiest is not None
    assert found.riskiest.name == "the plugin set"
    assert found.without([found.riskiest.name]).points < found.points


def test_nothing_tells_nothing() -> None:
    assert exposure([]).points == 0
    assert exposure([row("service.name")]).riskiest is None


def told(machine: Machine, operation: str) -> str:
    label = next(each for each in machine.labels() if each.operation == operation)
    envelope = machine.outbox.open(PENDING, label)
    return sentences(envelope, explain(envelope.payload))


def test_a_payload_is_told_in_plain_sentences(machine: Machine) -> None:
    assert told(machine, "sync") == (
        "A sync by cloudquery 6.21.1 failed after 8.8 s, not in CI. "
        "Nothing identifies you but the time."
    )
    assert told(machine, "init").startswith("An init by cloudquery 6.21.1 succeeded after 1.84 s, ")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Nothing in it identifies you."),
        ({"cloudquery.plugins": "a, b"}, "with 2 plugins. Nothing identifies you but the plugin"),
        ({"service.instance.id": "x"}, "The installation ID identifies you."),
        (
            {"service.instance.id": "x", "exception.message": "y"},
            "and the error text identify you.",
        ),
        ({"cloudquery.ci": "true"}, ", in CI."),
    ],
)
def test_what_identifies_somebody_is_named(
    machine: Machine, fields: dict[str, str], words: str
) -> None:
    envelope = machine.outbox.open(PENDING, machine.labels()[0])
    rows = tuple(row(key, value) for key, value in fields.items())
    assert words in sentences(envelope, Explanation(rows))


def test_what_nobody_can_read_is_said_so(machine: Machine) -> None:
    label = machine.hold(b"\x00\xff", kind=UNREAD)
    envelope = machine.outbox.open(PENDING, label)
    assert "nobody can read here" in sentences(envelope, explain(b"{}"))
    label = machine.hold(b"{")
    envelope = machine.outbox.open(PENDING, label)
    assert "cannot be read" in sentences(envelope, explain(b"{"))
