"""The report of a collector: each table, period and k by its key; nothing, errors, odd names."""

from __future__ import annotations

import re
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from cqtel_tui import __main__ as entry
from cqtel_tui.collector.report import source_of
from cqtel_tui.collector.store import Store
from cqtel_tui.tui import reporting
from cqtel_tui.tui.reporting import ReportApp
from cqtel_tui.tui.screens.help import Help
from cqtel_tui.tui.screens.report import PERIODS, SORTS, TABLES, ReportScreen
from cqtel_tui.tui.widgets.bars import Picker
from cqtel_tui.tui.widgets.lines import Lines

from ..collector.arriving import DAY, NOW, arrival, odd, some
from ..collector.clickhouses import insert, make, needs_clickhouse, running
from ..collector.own import with_own
from .driving import PATIENCE
from .terminal import terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from cqtel_tui.collector.arrivals import Arrival
    from cqtel_tui.collector.clickhouse_asking import DatabasePlace

keys = pytest.mark.keys


@pytest.fixture(autouse=True)
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReportScreen, "clock", staticmethod(lambda: float(NOW)))


def store_of(tmp_path: Path, arrivals: list[Arrival]) -> Path:
    with closing(Store(tmp_path / "store")) as store:
        store.keep(arrivals).result()
    return store.path


@asynccontextmanager
async def reporting_on(
    source: Path | DatabasePlace, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    app = ReportApp(source)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await read(pilot)
        yield pilot


async def read(pilot: Pilot[None]) -> None:
    """Wait until what was asked for is read and shown."""
    await pilot.pause()
    deadline = time.monotonic() + PATIENCE
    while not all(worker.is_finished for worker in pilot.app.workers):
        assert time.monotonic() < deadline
        await pilot.pause(0.01)
    await pilot.pause()


def screen(pilot: Pilot[None]) -> ReportScreen:
    found = pilot.app.screen
    assert isinstance(found, ReportScreen)
    return found


def shown(pilot: Pilot[None]) -> str:
    return screen(pilot).query_one("#report-text", Lines).text


def head(pilot: Pilot[None]) -> str:
    return str(screen(pilot).query_one("#report-head").render())


def words(pilot: Pilot[None]) -> list[str]:
    """Return what each row is of, as the lines with a rate begin."""
    lines = [line for line in shown(pilot).splitlines() if re.search(r"\d%  ", line)]
    return [re.split(r"  +", line)[0] for line in lines]


@keys("report.days", "report.operations", "report.spans")
@keys("report.versions", "report.providers", "report.ci", "report.countries", "report.fields")
async def test_each_table_has_a_key(tmp_path: Path) -> None:
    expected = {
        "days": "2026-01-15",
        "operations": "cloudquery sync",
        "spans": "cloudquery sync.part4",
        "versions": "cloudquery 6.21.0",
        "providers": "source/cloudquery/aws 22.1.0",
        "ci": "yes",
        "countries": "(not given)",
        "fields": "shop shop.name light",
    }
    arrivals = some(900, installations=60)
    arrivals = [*arrivals[:600], *with_own(arrivals[600:])]
    async with reporting_on(store_of(tmp_path, arrivals), (140, 40)) as pilot:
        assert "900 operations · " in head(pilot)
        for at, table in reversed([*enumerate(TABLES, 1)]):
            await pilot.press(str(at))
            assert screen(pilot).query_one("#tables", Picker).current == table
            assert expected[table] in words(pilot), table
        assert "█" in shown(pilot)


@keys("report.next", "report.previous")
async def test_tables_go_round(tmp_path: Path) -> None:
    async with reporting_on(store_of(tmp_path, some(50))) as pilot:
        await pilot.press("left_square_bracket")
        assert screen(pilot).table == "fields"
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert screen(pilot).table == "operations"


async def test_a_click_goes_to_a_table(tmp_path: Path) -> None:
    async with reporting_on(store_of(tmp_path, some(50))) as pilot:
        await pilot.click("#tables", offset=(10, 0))
        assert screen(pilot).table == "operations"


@keys("report.period")
async def test_the_period_is_taken_and_told(tmp_path: Path) -> None:
    arrivals = [
        arrival(who + 100 * days, who=who, received=NOW - days * DAY)
        for who in range(5)
        for days in (0, 20, 80, 300)
    ]
    async with reporting_on(store_of(tmp_path, arrivals)) as pilot:
        told = {}
        for _ in PERIODS:
            found = screen(pilot)
            assert found.report is not None
            assert found.report.total is not None
            assert f" {found.days} days " in head(pilot)
            told[found.days] = found.report.total.count
            await pilot.press("p")
            await read(pilot)
        assert told == {7: 5, 30: 10, 90: 15, 396: 20}
        assert screen(pilot).days == 30


@keys("report.more", "report.fewer")
async def test_k_is_raised_and_lowered_but_never_to_one(tmp_path: Path) -> None:
    arrivals = [arrival(who, who=who, country="DE" if who < 6 else "FR") for who in range(9)]
    async with reporting_on(store_of(tmp_path, arrivals)) as pilot:
        await pilot.press("7")
        assert words(pilot) == ["(other)"]  # three in France: what is left of six and three
        await pilot.press("minus", "minus")
        await read(pilot)
        assert words(pilot) == ["DE", "FR"]
        await pilot.press("minus", "minus", "minus")
        await read(pilot)
        assert "k = 2" in head(pilot)
        await pilot.press(*["plus"] * 8)
        await read(pilot)
        assert "k = 10" in head(pilot)
        assert "Fewer than 10 installations" in shown(pilot)


@keys("report.sort")
async def test_rows_are_sorted_by_what_is_asked_for_with_the_others_last(tmp_path: Path) -> None:
    arrivals = [
        arrival(
            number * 10 + at, who=number, operation=name, milliseconds=took,
            failed=name == "fetch", parts=0,
        )
        for at, (name, took) in enumerate([("sync", 100), ("fetch", 900), ("policy", 5_000)])
        for number in range(9 - at)
    ]  # fmt: skip
    arrivals += [arrival(1000 + who, who=who, operation=f"odd{who}") for who in range(6)]
    async with reporting_on(store_of(tmp_path, arrivals)) as pilot:
        await pilot.press("2")
        found = {}
        for _ in SORTS:
            found[screen(pilot).sort] = [word.rpartition(" ")[2] for word in words(pilot)]
            await pilot.press("s")
        assert found == {
            "largest": ["sync", "fetch", "policy", "(other)"],
            "name": ["fetch", "policy", "sync", "(other)"],
            "failures": ["fetch", "sync", "policy", "(other)"],
            "slowest": ["policy", "fetch", "sync", "(other)"],
        }


@keys("report.read")
async def test_what_came_since_is_read_when_asked_for(tmp_path: Path) -> None:
    path = store_of(tmp_path, some(50))
    async with reporting_on(path) as pilot:
        assert "50 operations" in head(pilot)
        store_of(tmp_path, some(20, seed=2))
        await pilot.press("r")
        await read(pilot)
        assert "70 operations" in head(pilot)


@keys("report.help")
async def test_help_tells_all_keys(tmp_path: Path) -> None:
    async with reporting_on(store_of(tmp_path, some(50)), (80, 40)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, Help)
        text = pilot.app.screen.query_one("#keys", Lines).text
        for binding in ReportScreen.BINDINGS:
            is_there = binding.id != "report.leave"  # type: ignore[union-attr]  # nothing is below
            assert (binding.tooltip in text) is is_there  # type: ignore[union-attr]
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, ReportScreen)


@keys("report.quit")
@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_q_leaves(tmp_path: Path, key: str) -> None:
    async with reporting_on(store_of(tmp_path, some(50))) as pilot:
        await pilot.press(key)
    assert pilot.app.return_code == 0


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (140, 40)])
async def test_a_day_of_too_few_looks_like_no_day_that_is_told(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    arrivals = [
        arrival(day * 100 + who, who=who, received=NOW - day * DAY)
        for day, installations in ((3, 8), (2, 2), (0, 8))
        for who in range(installations)
    ]
    async with reporting_on(store_of(tmp_path, arrivals), size) as pilot:
        lines = shown(pilot).splitlines()
        chart = [line for line in lines if "┤" in line or "│" in line]
        assert all("░" in line for line in chart), "as high as the chart, whatever the value"
        assert "░ fewer than 5 installations: not told, and not zero" in shown(pilot)
        assert lines[2].split() == ["operations", "per", "day"], "the unit"
        assert chart[0].split()[0] == "8"
        assert chart[-1].split()[0] == "0"
        assert any(line.strip().startswith("└──") for line in lines), "the axis"


async def test_a_column_of_several_days_says_of_how_many(tmp_path: Path) -> None:
    arrivals = [
        arrival(day * 100 + who, who=who, received=NOW - day * DAY)
        for day in range(0, 58, 2)
        for who in range(6)
    ]
    async with reporting_on(store_of(tmp_path, arrivals), (60, 20)) as pilot:
        await pilot.press("p")
        await read(pilot)
        assert "operations in 2 days" in shown(pilot)


async def test_bars_and_spreads_have_an_axis_with_its_unit(tmp_path: Path) -> None:
    async with reporting_on(store_of(tmp_path, some(300, installations=60)), (140, 40)) as pilot:
        assert re.search(r"share  0 +operations +\d+$", shown(pilot), re.MULTILINE)
        await pilot.press("2")
        assert re.search(r"share  [\d.]+ m?s +log scale +[\d.]+ s$", shown(pilot), re.MULTILINE)


async def test_a_store_of_too_few_tells_nothing_but_that(tmp_path: Path) -> None:
    path = store_of(tmp_path, [arrival(who, who=who) for who in range(4)])
    async with reporting_on(path) as pilot:
        assert "Fewer than 5 installations reported from 2025-12-17 to 2026-01-15" in shown(pilot)
        assert "nothing to tell" in head(pilot)
        await pilot.press("2", "s", "3")
        assert "Fewer than 5" in shown(pilot)


async def test_a_store_that_is_not_there_is_said_and_can_be_read_later(tmp_path: Path) -> None:
    async with reporting_on(tmp_path / "store") as pilot:
        assert "!! The store" in shown(pilot)
        assert "cannot be opened" in shown(pilot)
        store_of(tmp_path, some(50))
        await pilot.press("r")
        await read(pilot)
        assert "50 operations" in head(pilot)


async def test_a_hostile_name_is_printed_and_not_obeyed(tmp_path: Path) -> None:
    name = "\x1b]52;c;aGk=\x07[/nope]\u202e"
    arrivals = []
    for who in range(6):
        made = arrival(who, who=who, parts=0)
        spans = (replace(made.spans[0], name=name),)
        arrivals.append(replace(made, spans=spans))
    async with reporting_on(store_of(tmp_path, arrivals), (140, 40)) as pilot:
        await pilot.press("2")
        assert "cloudquery ␛]52;c;aGk=␇[/nope]\\u{202e}" in shown(pilot)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (140, 40)])
async def test_nothing_is_wider_than_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    arrivals = some(600, installations=60)
    arrivals = [*arrivals[:300], *with_own(arrivals[300:])]
    async with reporting_on(store_of(tmp_path, arrivals), size) as pilot:
        for table in TABLES:
            await pilot.press(str([*TABLES].index(table) + 1))
            text = screen(pilot).query_one("#report-text", Lines)
            width = text.scrollable_content_region.width
            rows = [line for line in shown(pilot).splitlines() if "%  " in line or "█" in line]
            assert rows
            assert max(map(len, rows)) <= width, table


def test_the_command_shows_the_store_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []

    def run(path: Path) -> int:
        ran.append(path)
        return 0

    monkeypatch.setattr(entry, "is_drawable", lambda *, plain: not plain)
    monkeypatch.setattr(reporting, "run", run)
    assert entry.main(["--collector", str(tmp_path / "store")]) == 0
    assert ran == [tmp_path / "store"]


# Behind the edges ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabasePlace]:
    with running(tmp_path_factory.mktemp("clickhouse")) as (place, _):
        yield place


async def all_that_is_shown(source: Path | DatabasePlace) -> dict[tuple[str, str], str]:
    """Return what is on the screen in each period, and for two k, in each table."""
    found = {}
    async with reporting_on(source_of(str(source)), (140, 40)) as pilot:
        for key in ("p", "p", "p", "p", "minus"):
            await pilot.press(key)
            await read(pilot)
            [facts] = re.findall(r"\d+ days · .*", head(pilot))
            for table in TABLES:
                screen(pilot).action_table(table)
                found[facts, table] = shown(pilot)
    return found


@needs_clickhouse
async def test_clickhouse_looks_like_a_store_of_the_same_payloads(
    tmp_path: Path, clickhouse: DatabasePlace
) -> None:
    arrivals = odd() + some(300, installations=40, days=60)
    place = make(clickhouse, database="alike")
    insert(place, arrivals)
    insert(place, arrivals[::2])  # delivered twice
    expected = await all_that_is_shown(store_of(tmp_path, arrivals))
    assert len(expected) == (len(PERIODS) + 1) * len(TABLES)
    assert await all_that_is_shown(place) == expected


@needs_clickhouse
def test_the_command_shows_clickhouse(clickhouse: DatabasePlace) -> None:
    place = make(clickhouse, database="shown")
    insert(place, some(60, days=3, now=int(time.time())))
    with terminal("--collector", str(place)) as it:
        it.shows("60 operations", "k = 5", "per day")
        it.type(b"2")
        it.shows("cloudquery sync")
        it.type(b"q")
        assert it.end() == 0
