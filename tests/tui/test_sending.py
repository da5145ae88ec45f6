"""Send what is held: to a real collector on loopback, and only after a yes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.deliver.connection import REQUEST_SECONDS
from cqtel_tui.outbox.store import REJECTED, SENT, SET_ASIDE
from cqtel_tui.outbox.writing import PENDING

from ..deliver.collectors import QUICK, Collector, reply
from .driving import ids, ui

if TYPE_CHECKING:
    import socket

    from ..deliver.collectors import Request
    from .driving import Machine

keys = pytest.mark.keys


@keys("pending.send")
async def test_the_one_under_the_cursor_is_sent_byte_for_byte(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    label, payload = machine.labels()[1], machine.payloads()[1]
    async with ui() as it:
        await it.press("j", "s")
        assert "Send 1 payload?" in it.question
        assert collector.url in it.question
        await it.press("y")
        await it.told("Sent 1. The receipts are under 2.")
        assert collector.bodies == [payload]
        await it.shows("Pending 4", "Sent 1")
        assert ids(machine.labels(SENT)) == [label.id]
        await it.press("2")
        await it.shows("HTTP 200", collector.url, machine.outbox.open(SENT, label).sha256[:30])


@pytest.mark.parametrize("key", ["enter", "n", "escape"])
async def test_without_a_yes_nothing_is_sent(
    machine: Machine, collector: Collector, key: str
) -> None:
    machine.allow(collector.url)
    async with ui() as it:
        await it.press("s")
        await it.answer(key)
        await it.until(lambda: it.room == "pending")
        assert collector.connections == 0
        assert len(machine.labels()) == 5


async def test_the_marked_ones_are_sent(machine: Machine, collector: Collector) -> None:
    machine.allow(collector.url)
    payloads = machine.payloads()
    async with ui() as it:
        await it.press("space", "j", "space", "s")
        await it.answer()
        assert "Send 2 payloads?" in it.question
        await it.press("y")
        await it.told("Sent 2.")
        assert sorted(collector.bodies) == sorted([payloads[0], payloads[2]])
        assert it.box.envelopes.marked == set()


@keys("pending.send_all")
async def test_all_are_sent_whatever_the_filter_shows(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    payloads = machine.payloads()
    async with ui() as it:
        await it.press("S")
        await it.answer()
        assert "Send 5 payloads?" in it.question
        await it.press("y")
        await it.told("Sent 5.")
        assert sorted(collector.bodies) == sorted(payloads)
        await it.shows("Nothing is pending.")


async def test_undecided_the_question_is_about_consent_and_a_yes_is_saved(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    async with ui() as it:
        await it.press("s")
        await it.answer()
        assert "Send 1 payload?" in it.question
        assert f"1 payload goes to {collector.url} (your endpoint)" in it.question
        assert "You have not decided about cloudquery." in it.question
        await it.shows("no, go back", "yes, this once", "a  always, from now on")
        await it.press("n")
        await it.until(lambda: it.room == "pending")
        undecided = machine.chosen.telemetry
        assert undecided is None
        assert collector.connections == 0
        await it.press("s")
        await it.answer("a")
        await it.told("Sent 1.")
        assert machine.chosen.telemetry == "on"
        assert machine.chosen.consented > 0, "what else was held before is not part of it"
        assert len(collector.bodies) == 1
        await it.shows(" ON ")


async def test_what_is_undecided_can_be_sent_once_and_nothing_is_decided(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    async with ui() as it:
        await it.press("s")
        await it.answer("enter")
        await it.until(lambda: it.room == "pending")
        assert collector.connections == 0, "Enter by reflex sends nothing"
        await it.press("s")
        await it.answer("y")
        await it.told("Sent 1.")
        assert machine.chosen.telemetry is None
        assert len(collector.bodies) == 1
        assert not machine.cookie.exists()
        await it.shows("UNDECIDED")


async def test_a_yes_that_includes_what_is_held_sends_it(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    payloads = machine.payloads()
    async with ui() as it:
        await it.press("t")
        await it.answer("o")
        await it.answer("i")
        await it.told("Sent 5.")
        assert sorted(collector.bodies) == sorted(payloads)


@keys("pending.include")
async def test_i_lets_a_yes_cover_what_was_pending_before_it_and_nothing_else(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    async with ui() as it:
        await it.press("i")
        await it.told("Telemetry of cloudquery is not on: choose that first.")
        assert not machine.included
        await it.press("t")
        await it.answer("o")
        await it.answer("y")
        await it.until(lambda: machine.chosen.telemetry == "on")
        assert not machine.included
        first, second = (label.id for label in machine.labels()[:2])
        await it.press("i")
        await it.until(lambda: machine.included == {first})
        await it.told("ncluded in your yes: 1 payload")
        await it.press("j", "i")
        await it.until(lambda: machine.included == {first, second})
        assert collector.connections == 0, "it is sent later, or by s"
        assert len(machine.labels()) == 5


async def test_off_and_without_an_endpoint_it_is_said_why_not(
    machine: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.allow()
    async with ui(look_every=0.05) as it:
        await it.press("s")
        await it.told("no endpoint is set. 4 sets one")
        machine.choose(endpoint=collector.url, **decide_telemetry("off"))
        await it.shows(" OFF ")
        await it.press("S")
        await it.told("Nothing is sent: telemetry of cloudquery is off")
    machine.allow(collector.url)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    async with ui() as it:
        await it.press("s")
        await it.told("telemetry of cloudquery is off: DO_NOT_TRACK=1")
    assert collector.connections == 0


async def test_a_no_that_comes_meanwhile_stops_the_rest(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)

    def withdraw(_: Request, __: socket.socket) -> bytes:
        machine.choose(**decide_telemetry("off"))
        return QUICK

    collector.replies.append(withdraw)
    async with ui() as it:
        await it.press("S")
        await it.answer("y")
        await it.told("Sent 1 of 5: refused, telemetry of cloudquery is off")
        assert len(collector.bodies) == 1
        assert len(machine.labels()) == 4


@keys("sending.stop")
async def test_escape_stops(machine: Machine, collector: Collector) -> None:
    machine.allow(collector.url)
    collector.replies.extend([QUICK, collector.hang])
    async with ui() as it:
        await it.press("S")
        await it.answer("y")
        await it.until(lambda: len(collector.requests) == 2)
        await it.shows("Sending 5", "Esc stops")
        await it.press("escape")
        await it.told("Sent 1 of 5: postponed")
        await it.told("may have arrived")
        assert it.room == "pending"
        assert len(collector.requests) == 2
        assert len(machine.labels()) == 4


async def test_leaving_while_one_is_on_its_way_does_not_hang(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    collector.always = collector.hang
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.until(lambda: len(collector.requests) == 1)
        began = time.monotonic()
        await it.press("ctrl+q")
    assert time.monotonic() - began < REQUEST_SECONDS
    collector.released.set()


async def test_no_answer_postpones_and_says_when_it_is_tried_again(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    collector.always = reply(503, b"[/nope] \x1b[31mbusy", Retry_After="120")
    async with ui(size=(100, 24)) as it:
        await it.press("S")
        await it.answer("y")
        await it.told("Sent 0 of 5: postponed")
        await it.told("next attempt in")
        assert len(collector.requests) == 1, "the others wait, too"
        assert sum(label.attempt for label in machine.labels()) == 1
        assert "\x1b" not in "".join(it.toasts)


@keys("rejected.retry")
async def test_what_is_rejected_tells_why_and_can_be_held_again(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    collector.replies.append(reply(400, b"I do not like [/nope] \x1b]0;owned\x07"))
    label = machine.labels()[0]
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.told("Sent 0 of 1: rejected")
        await it.press("3")
        await it.shows("Rejected 1", "HTTP 400", "I do not like [/nope] ␛]0;owned␇")
        assert ids(machine.labels(REJECTED)) == [label.id]
        await it.press("r")
        await it.shows("Pending 5", "Nothing was rejected.")
        assert label.id in ids(machine.labels())
        await it.press("r")
        assert it.room == "rejected"


async def test_a_torn_envelope_is_set_aside_and_the_others_are_sent(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url)
    torn = machine.labels()[2]
    machine.tear(torn)
    async with ui(size=(120, 24)) as it:
        await it.press("S")
        await it.answer("y")
        await it.told("Sent 4 of 5: set aside")
        await it.shows("1 set aside")
        assert ids(machine.labels(SET_ASIDE)) == [torn.id]
        assert len(collector.bodies) == 4


async def test_a_choice_that_cannot_be_saved_sends_nothing(
    machine: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.choose(endpoint=collector.url)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with ui() as it:
        await it.press("s")
        monkeypatch.setattr("os.fsync", full)
        await it.press("y")
        await it.told("No space left on device")
        monkeypatch.undo()
        assert collector.connections == 0
        assert len(machine.labels(PENDING)) == 5
