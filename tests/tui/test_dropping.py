"""Delete what is held or kept, after a question; what was deleted can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.store import SENT
from cqtel_tui.outbox.writing import PENDING

from .driving import ui

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .driving import Machine

keys = pytest.mark.keys


def contents(machine: Machine) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (machine.outbox.folder / PENDING).iterdir()}


@keys("pending.drop", "app.undo")
async def test_what_is_dropped_comes_back_byte_for_byte(machine: Machine) -> None:
    before = contents(machine)
    async with ui() as it:
        await it.press("j", "x")
        assert "Delete 1 payload, unsent?" in it.question
        await it.press("y")
        await it.told("Deleted 1 payload. u undoes it.")
        assert len(contents(machine)) == 4
        assert it.operations == ["tables", "sync", "validate-config", "init"]
        await it.press("space", "delete", "y")
        await it.until(lambda: len(contents(machine)) == 3)
        await it.press("u", "u")
        await it.until(lambda: len(contents(machine)) == 5)
        assert contents(machine) == before
        await it.shows("Pending 5")


@pytest.mark.parametrize("key", ["enter", "n", "escape"])
async def test_without_a_yes_nothing_is_dropped(machine: Machine, key: str) -> None:
    async with ui() as it:
        await it.press("X", key)
        await it.until(lambda: it.room == "pending")
        assert len(machine.labels()) == 5


@keys("pending.drop_all")
async def test_all_are_dropped_and_come_back(machine: Machine) -> None:
    before = contents(machine)
    async with ui() as it:
        await it.press("X")
        assert "Delete 5 payloads, unsent?" in it.question
        await it.press("y")
        await it.shows("Nothing is pending.")
        assert contents(machine) == {}
        await it.press("u")
        await it.until(lambda: contents(machine) == before)


async def test_a_torn_envelope_is_dropped_and_comes_back_as_torn_as_it_was(
    machine: Machine,
) -> None:
    machine.tear(machine.labels()[0])
    before = contents(machine)
    async with ui() as it:
        await it.press("x")
        await it.answer("y")
        await it.until(lambda: len(contents(machine)) == 4)
        await it.press("u")
        await it.until(lambda: contents(machine) == before)


async def test_what_cannot_even_be_read_can_be_dropped(machine: Machine) -> None:
    path = machine.outbox.path(PENDING, machine.labels()[0])
    path.unlink()
    path.symlink_to("/dev/zero")
    async with ui() as it:
        await it.shows("it cannot be read")
        await it.press("X")
        await it.answer("y")
        await it.until(lambda: list((machine.outbox.folder / PENDING).iterdir()) == [])


async def test_what_is_gone_already_does_not_stop_the_others(machine: Machine) -> None:
    async with ui() as it:
        await it.press("a", "x")
        machine.outbox.drop(PENDING, machine.labels()[2])
        await it.press("y")
        await it.until(lambda: contents(machine) == {})


@keys("sent.drop")
async def test_what_was_sent_can_be_forgotten_with_its_receipt(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.told("Sent 1.")
        await it.press("2", "x")
        assert "and what is known of their delivery" in it.question
        await it.press("y")
        await it.shows("Nothing was sent.")
        assert list((machine.outbox.folder / SENT).iterdir()) == []
        await it.press("u")
        await it.shows("HTTP 200", "Sent 1")
