"""A large outbox: it is listed beside the start, or while the screen says that it is being read."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui import ahead as listing
from cqtel_tui.tui import snapshot as moments
from cqtel_tui.tui.ahead import Ahead, look_ahead

from .driving import ids, ui

if TYPE_CHECKING:
    from .driving import Machine

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memfd_create is Linux's alone")


@pytest.fixture
def large(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Let every outbox count as a large one."""
    monkeypatch.setattr(listing, "SMALL_FOLDER", -1)
    monkeypatch.setattr(moments, "SMALL_FOLDER", -1)
    return machine


def begun(machine: Machine) -> Ahead:
    ahead = look_ahead(machine.places.state)
    assert ahead is not None
    return ahead


def wait(ahead: Ahead) -> None:
    end = time.monotonic() + 20
    while not ahead.is_ready:
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_a_large_outbox_is_read_once_the_screen_stands(large: Machine) -> None:
    async with ui() as it:
        await it.shows("1 Pending 5", "cloudquery")
        assert ids(large.labels()) == [name.split(",")[1] for name in it.box.envelopes.names]
        await it.until(lambda: "eading…" not in it.text)


async def test_while_it_is_read_nothing_is_said_of_what_is_in_it(large: Machine) -> None:
    async with ui() as it:
        await it.shows("1 Pending 5")
        it.app.snapshot = moments.glance(large.places, str(large.project))
        await it.shows("reading…", "Reading…")
        assert "Nothing is pending" not in it.text
        assert "Pending 5" not in it.text
        await it.press("t")
        await it.answer("o")
        await it.answer("escape")
        assert large.chosen.telemetry is None, "what is held was asked about all the same"


@LINUX
async def test_what_another_process_listed_is_shown_at_once(large: Machine) -> None:
    ahead = begun(large)
    wait(ahead)
    async with ui(ahead=ahead) as it:
        assert it.app.snapshot is not None
        assert not it.app.snapshot.is_being_read
        assert len(it.box.envelopes.names) == len(large.labels()) == 5


@LINUX
def test_another_process_lists_them_as_we_do(large: Machine) -> None:
    assert begun(large).names() == large.outbox.names(PENDING)
    large.outbox.clear(PENDING)
    assert begun(large).names() == []


@LINUX
def test_what_changed_meanwhile_is_listed_again(large: Machine) -> None:
    ahead = begun(large)
    wait(ahead)
    large.hold(b"{}")
    assert ahead.names() is None


@LINUX
def test_a_process_that_failed_is_not_believed(large: Machine) -> None:
    ahead = begun(large)
    pending = large.outbox.folder / PENDING
    os.kill(ahead.process, 9)
    assert ahead.names() is None
    assert pending.is_dir()


def test_a_small_outbox_needs_no_other_process(machine: Machine) -> None:
    assert look_ahead(machine.places.state) is None
