"""A demonstration shows what becomes of what is sent, as far as the report of its collector."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.actions.demo import throw_away_home
from cqtel_tui.collector.demonstration import receiving
from cqtel_tui.tui.screens.report import ReportScreen
from cqtel_tui.tui.screens.stored import Stored

from .driving import ui

if TYPE_CHECKING:
    from pathlib import Path

    from .driving import Machine

keys = pytest.mark.keys
PATIENCE = 60.0


@keys("stored.report", "report.leave")
async def test_r_shows_the_report_of_its_collector_and_esc_leads_back(tmp_path: Path) -> None:
    with throw_away_home(within=str(tmp_path), receiving=receiving):
        async with ui("stored", size=(100, 30), demo=True) as it:
            await it.press("r")
            # A collector is started first, which takes as long as a program takes to start.
            end = time.monotonic() + PATIENCE
            while not isinstance(it.app.screen, ReportScreen):
                assert time.monotonic() < end, it.text
                await it.pilot.pause(0.05)
            await it.shows("Operations per day", "inst.")
            await it.press("2")
            await it.shows("cloudquery sync", "82")
            await it.press("t")
            assert isinstance(it.app.screen, ReportScreen), "a key of the screens below"
            await it.press("escape")
            await it.until(lambda: isinstance(it.app.screen, Stored))
            await it.shows("hashed by")


async def test_there_is_no_report_outside_of_a_demonstration(empty: Machine) -> None:
    del empty
    async with ui("stored") as it:
        assert "Report" not in it.text.split("\n")[-1]
        await it.press("r")
        assert isinstance(it.app.screen, Stored)
