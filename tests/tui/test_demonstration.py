"""A demonstration shows what becomes of what is sent, as far as the report of its collector."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.collector.demonstration import store_in
from cqtel_tui.collector.store import Store
from cqtel_tui.tui.screens.report import ReportScreen
from cqtel_tui.tui.screens.stored import Stored

from ..collector.arriving import NOW, some
from ..rights.test_announced import URL, announcement
from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys


@keys("stored.report", "report.leave")
async def test_r_shows_the_report_of_its_collector_and_esc_leads_back(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Store(store_in(Path(empty.places.state).parent), clock=lambda: NOW)) as store:
        store.keep(some(200, installations=40)).result()
    empty.choose(endpoint=URL)
    monkeypatch.setattr(ReportScreen, "clock", staticmethod(lambda: float(NOW)))
    async with ui("stored", size=(100, 30), demo=True) as it:
        screen: Any = it.app.screen
        screen._asked, screen._answer = URL, announcement()
        await it.press("r")
        await it.until(lambda: isinstance(it.app.screen, ReportScreen))
        await it.shows("Operations per day", "inst.")
        await it.press("2")
        await it.shows("cloudquery sync")
        await it.press("t")
        assert isinstance(it.app.screen, ReportScreen), "a key of the screens below"
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Stored))


async def test_there_is_no_report_outside_of_a_demonstration(empty: Machine) -> None:
    del empty
    async with ui("stored") as it:
        assert "Report" not in it.text.split("\n")[-1]
        await it.press("r")
        assert isinstance(it.app.screen, Stored)
