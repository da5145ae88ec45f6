"""How many keys it takes, from the start of the UI, until a question is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.writing import PENDING

from .driving import ui

if TYPE_CHECKING:
    from cqtel_tui.outbox.envelope import Label

    from .driving import Machine, Session

keys = pytest.mark.keys
ENDPOINT = "https://collector.example/v1/traces"


PLUGINS = {
    "key": "cloudquery.plugins",
    "value": {"arrayValue": {"values": [{"stringValue": "source/cloudquery/aws@v33.4.0"}]}},
}


def hold_with_plugins(machine: Machine) -> Label:
    """Hold a real payload with a set of plugins in it."""
    document = json.loads(machine.payloads()[0])
    document["resourceSpans"][0]["resource"]["attributes"].append(PLUGINS)
    return machine.hold(json.dumps(document).encode())


async def press(it: Session, keys: tuple[str, ...], most: int) -> None:
    assert len(keys) <= most
    for key in keys:
        await it.press(key)


async def test_what_would_leave_about_me_and_to_whom_takes_no_key(machine: Machine) -> None:
    machine.choose(endpoint=ENDPOINT)
    label = hold_with_plugins(machine)
    async with ui() as it:
        await it.looks_at(label)
        await it.shows("Nothing identifies you but", f"→ {ENDPOINT}", "Exposure", "risk medium")
        await it.shows("collector.exam", "cloudquery.plugins")


@keys("pending.lower")
async def test_removing_the_riskiest_field_takes_two(machine: Machine) -> None:
    label = hold_with_plugins(machine)
    assert b"cloudquery.plugins" in machine.payloads()[0]
    async with ui() as it:
        await it.looks_at(label)
        await it.press("minus")
        await it.until(lambda: it.question, "a question")
        assert "Remove the plugin set from this payload?" in it.question
        assert "Exposure before: 10, risk medium" in it.question
        assert "Exposure after: 6, risk medium" in it.question
        await it.press("y")
        await it.told("u undoes it")
        assert b"cloudquery.plugins" not in machine.payloads()[0]
        await it.press("u")
        await it.until(lambda: b"cloudquery.plugins" in machine.payloads()[0])


async def test_the_exact_bytes_take_two(machine: Machine) -> None:
    payload = machine.payloads()[0]
    async with ui(size=(140, 40)) as it:
        await it.looks_at(machine.labels()[0])
        await press(it, ("right_square_bracket", "v"), 2)
        await it.shows("Byte for byte what would be sent.")
        assert json.loads(payload)
        assert payload.decode() in it.box.detail.lines.text


async def test_where_nothing_identifies_there_is_nothing_to_lower(machine: Machine) -> None:
    machine.outbox.clear(PENDING)
    machine.hold(b'{"resourceSpans":[]}')
    async with ui() as it:
        await it.press("minus")
        await it.until(lambda: it.toasts, "a word")
        assert not it.question
