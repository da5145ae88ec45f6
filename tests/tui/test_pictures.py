"""The pictures are of the program as it is: `CQTEL_PICTURES=write` takes them anew.

Each scenario is drawn on a stopped clock, with ids that are always the same. All are compared as
text with `snapshots/`; those with a picture also as SVG, with colours and all, with `screenshots/`.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual.screen import ModalScreen
from textual.widgets import Input

from cqtel_tui.tui.app import TelemetryApp
from cqtel_tui.tui.first_run import latest
from cqtel_tui.tui.prompt import Prompt
from cqtel_tui.tui.reporting import ReportApp
from cqtel_tui.tui.screens.boxes import Box
from cqtel_tui.tui.screens.cookie import CookieScreen
from cqtel_tui.tui.screens.report import ReportScreen
from cqtel_tui.tui.screens.requesting import Requesting
from cqtel_tui.tui.widgets.envelopes import Envelopes

from .scenarios import ALL, NOW, SCENARIOS, Scenario, home, same_everywhere, store

if TYPE_CHECKING:
    from textual.app import App
    from textual.pilot import Pilot

    from .driving import Machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the path of the temporary folder is in the pictures"
)

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SNAPSHOTS = Path(__file__).parent / "snapshots"
WRITING = os.environ.get("CQTEL_PICTURES") == "write"
HOW = "CQTEL_PICTURES=write python -m pytest tests/tui/test_pictures.py"
PROMPT = Scenario("prompt", picture=(80, 16), has_png=True)
_HEADER_BYTES = 33
"""A PNG's signature and its first chunk."""


@pytest.fixture(autouse=True)
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clocks, and the blinking of cursors."""
    for owner in (Envelopes, CookieScreen, ReportScreen):
        monkeypatch.setattr(owner, "clock", staticmethod(lambda: NOW / 1e9))
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr(Prompt, "ANSWERS_AFTER_SECONDS", 0.001)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
async def test_a_screen_is_drawn_as_it_was(scenario: Scenario) -> None:
    with home(scenario) as machine:
        app = shown(scenario, machine)
        app.theme = scenario.theme
        sizes = [*scenario.sizes, *([scenario.picture] if scenario.picture else [])]
        async with still(app).run_test(size=sizes[0], notifications=True) as pilot:
            await settle(pilot)
            for key in scenario.keys:
                await pilot.press(key)
                await settle(pilot)
            for columns, lines in sizes:
                await pilot.resize_terminal(columns, lines)
                await settle(pilot)
                if (columns, lines) in scenario.sizes:
                    name = f"{scenario.name}-{columns}x{lines}.txt"
                    compare(SNAPSHOTS / name, same_everywhere(text(app), machine))
            if scenario.picture:
                compare_picture(scenario, same_everywhere(svg(app), machine))


async def test_the_prompt_is_drawn_as_it_was() -> None:
    with home(PROMPT) as machine:
        question = latest(machine.places)
        assert question is not None
        for size in ((60, 16), (80, 16)):
            app = Prompt(question)
            async with still(app).run_test(size=size) as pilot:
                await settle(pilot)
                compare(SNAPSHOTS / f"prompt-{size[0]}x{size[1]}.txt", text(app))
                if size == PROMPT.picture:
                    compare_picture(PROMPT, same_everywhere(svg(app), machine))


def test_there_are_no_pictures_of_what_is_no_more() -> None:
    pictured = [each for each in (*SCENARIOS, PROMPT) if each.picture]
    wanted = {f"{each.name}.svg" for each in pictured}
    wanted |= {f"{each.name}.png" for each in pictured if each.has_png}
    assert {path.name for path in SCREENSHOTS.iterdir()} == wanted
    names = {f"{s.name}-{w}x{h}.txt" for s in SCENARIOS for w, h in s.sizes}
    names |= {"prompt-60x16.txt", "prompt-80x16.txt"}
    assert {path.name for path in SNAPSHOTS.iterdir()} == names


def test_every_screen_is_pictured_at_every_size() -> None:
    for room in TelemetryApp.MODES:
        assert any(each.name == room and set(each.sizes) >= set(ALL) for each in SCENARIOS)


def still(app: App[Any]) -> App[Any]:
    app.animation_level = "none"
    return app


def shown(scenario: Scenario, machine: Machine) -> App[Any]:
    """Return the program of a scenario: the one of this machine, or a collector's report."""
    if scenario.operations is None:
        return TelemetryApp()
    return ReportApp(store(scenario, machine))


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until what was begun is done: what works in a thread, and what is to be drawn."""
    await pilot.pause()
    while is_at_work(pilot.app):
        await pilot.pause(0.01)
    await pilot.pause()


def is_at_work(app: App[Any]) -> bool:
    """Tell whether something works; what changes something may wait for an answer."""
    groups = {worker.group for worker in app.workers if not worker.is_finished}
    waits = isinstance(app.screen, ModalScreen) and not isinstance(app.screen, Requesting)
    if groups - {"change"} or (groups and not waits):
        return True
    if isinstance(app, Prompt):
        return not app.query("#prompt-answers Button")
    return any(isinstance(screen, Box) and screen.is_to_look for screen in app.screen_stack)


def text(app: App[Any]) -> str:
    strips = app.screen._compositor.render_strips()
    return "".join(f"{strip.text.rstrip()}\n" for strip in strips)


def svg(app: App[Any]) -> str:
    drawn = app.export_screenshot(title="cqtel", simplify=True)
    return re.sub(r"terminal-\d+", "terminal", drawn)  # a checksum of all, the random part included


def compare(path: Path, drawn: str) -> None:
    """Compare what was drawn with what is in a file, or write it there."""
    if WRITING:
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
        return
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if drawn != before:
        lines = difflib.unified_diff(before.splitlines(), drawn.splitlines(), "then", "now", n=0)
        different = "\n".join(line[:200] for line in [*lines][:40])
        pytest.fail(f"{path.name} is stale. To look at it anew: {HOW}\n{different}", pytrace=False)


def compare_picture(scenario: Scenario, drawn: str) -> None:
    compare(SCREENSHOTS / f"{scenario.name}.svg", drawn)
    if not scenario.has_png:
        return
    png = SCREENSHOTS / f"{scenario.name}.png"
    mark = b"svg-sha256\0" + hashlib.sha256(drawn.encode()).hexdigest().encode()
    if WRITING:
        png.write_bytes(marked(rendered(drawn), mark))
    assert png.is_file(), f"{png.name} is missing: {HOW}"
    assert mark in png.read_bytes()[:200], f"{png.name} is of another SVG: {HOW}"


def rendered(svg: str) -> bytes:
    """Return an SVG as PNG."""
    import fontpkg_fira_code
    import resvg_py

    fonts = Path(fontpkg_fira_code.__file__).parent
    folders = [str(folder) for folder in (fonts, *fonts.rglob("*")) if folder.is_dir()]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg, font_dirs=folders, font_family="Fira Code", monospace_family="Fira Code"
        )
    )


def marked(png: bytes, words: bytes) -> bytes:
    """Return a PNG with a tEXt chunk (PNG specification, 11.3.3.2) that says what it is of."""
    chunk = b"tEXt" + words
    chunk = struct.pack(">I", len(words)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:_HEADER_BYTES] + chunk + png[_HEADER_BYTES:]
