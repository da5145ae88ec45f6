"""The pictures are of the program as it is: `CQTEL_PICTURES=write` takes them anew.

Each scenario is drawn over the demonstration's home, on a stopped clock and with ids that are
always the same. Those with a picture stand in screenshots/, as SVG and as PNG; all of them are
compared as text, at three sizes, with tests/tui/snapshots/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import demo
from cqtel_tui.first_run import latest
from cqtel_tui.paths import HOME_VARIABLE, places
from cqtel_tui.tui.app import TelemetryApp
from cqtel_tui.tui.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

pytestmark = pytest.mark.skipif(os.name != "posix", reason="paths in the pictures are POSIX's")

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SNAPSHOTS = Path(__file__).parent / "snapshots"
WRITING = os.environ.get("CQTEL_PICTURES") == "write"
HOW = "CQTEL_PICTURES=write python -m pytest tests/tui/test_pictures.py"
PLACE = Path("/tmp/cqtel-pictures")  # noqa: S108  # the path is in the pictures
NOW = 1_768_473_000_000_000_000  # 2026-01-15 10:30 UTC
SMALL, USUAL, LARGE = (60, 20), (80, 24), (140, 40)


@dataclass(frozen=True)
class Scenario:
    """What is pressed, and what is drawn then."""

    name: str
    keys: tuple[str, ...] = ()
    picture: tuple[int, int] | None = None
    theme: str = "textual-dark"


SCENARIOS = (
    Scenario("pending", ("down",), LARGE),
    Scenario("raw", ("down", "right_square_bracket"), (100, 30)),
    Scenario("trace", ("down", "down", *["right_square_bracket"] * 2), (100, 30)),
    Scenario("leaks", ("down", *["right_square_bracket"] * 3)),
    Scenario("changes", ("down", *["right_square_bracket"] * 4)),
    Scenario("sent", ("2",)),
    Scenario("rejected", ("3",)),
    Scenario("choices", ("4",), (100, 30)),
    Scenario("cookie", ("5",), (100, 30)),
    Scenario("stored", ("6",), (100, 30)),
    Scenario("files", ("7",)),
    Scenario("telemetry", ("t",)),
    Scenario("help", ("question_mark",)),
    Scenario("light", (), USUAL, "textual-light"),
    Scenario("ansi", (), USUAL, "ansi-dark"),
)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set up the demonstration where and when it always is."""
    shutil.rmtree(PLACE, ignore_errors=True)
    project = PLACE / "project"
    for plugin in demo._PLUGINS:
        (project / ".cq" / "plugins" / plugin).mkdir(parents=True)
    monkeypatch.setenv(HOME_VARIABLE, str(PLACE / "cqtel"))
    monkeypatch.setenv("HOME", str(PLACE))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(PLACE / "policy"))
    monkeypatch.chdir(project)
    counted = iter(range(1_000_000))

    def same(number: int) -> bytes:
        seed = str(next(counted)).encode()
        return hashlib.shake_256(seed).digest(number)

    demo.record(NOW, same)
    yield
    monkeypatch.chdir("/")
    shutil.rmtree(PLACE, ignore_errors=True)


async def draw(app: App[object], size: tuple[int, int], keys: tuple[str, ...]) -> tuple[str, str]:
    """Return what is on the screen after these keys: as SVG, and as text."""
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await pilot.pause(0.1)
        lines = app.screen._compositor.render_strips()
        text = "\n".join(strip.text.rstrip() for strip in lines)
        return app.export_screenshot(title="cqtel"), text + "\n"


def compare(path: Path, drawn: str) -> None:
    if WRITING:
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert path.is_file(), f"missing: {HOW}"
    assert path.read_text(encoding="utf-8") == drawn, f"stale: {HOW}"


def write_png(path: Path, svg: str) -> None:
    import fontpkg_fira_code
    import resvg_py

    fonts = str(Path(fontpkg_fira_code.__file__).parent)
    folders = [fonts, *(str(folder) for folder in Path(fonts).rglob("*") if folder.is_dir())]
    png = resvg_py.svg_to_bytes(
        svg_string=svg, font_dirs=folders, font_family="Fira Code", monospace_family="Fira Code"
    )
    path.write_bytes(bytes(png))


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("size", [SMALL, USUAL, LARGE], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
async def test_a_screen_is_as_it_was(scenario: Scenario, size: tuple[int, int]) -> None:
    app = TelemetryApp()
    app.theme = scenario.theme
    _, text = await draw(app, size, scenario.keys)
    compare(SNAPSHOTS / f"{scenario.name}-{size[0]}x{size[1]}.txt", text)


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if each.picture], ids=lambda s: s.name
)
async def test_a_picture_is_of_the_program_as_it_is(scenario: Scenario) -> None:
    assert scenario.picture
    app = TelemetryApp()
    app.theme = scenario.theme
    svg, _ = await draw(app, scenario.picture, scenario.keys)
    compare(SCREENSHOTS / f"{scenario.name}.svg", svg)
    if WRITING and scenario.theme == "textual-dark":
        write_png(SCREENSHOTS / f"{scenario.name}.png", svg)


@pytest.mark.usefixtures("stage")
async def test_the_picture_of_the_prompt_is_of_the_prompt_as_it_is() -> None:
    question = latest(places())
    assert question
    svg, text = await draw(Prompt(question), (100, 16), ())
    compare(SCREENSHOTS / "prompt.svg", svg)
    compare(SNAPSHOTS / "prompt.txt", text)
    if WRITING:
        write_png(SCREENSHOTS / "prompt.png", svg)
