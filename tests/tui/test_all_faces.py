"""The command line, the terminal UI, `--plain` and the prompt do the same: the same files after."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input

from cqtel_tui.outbox.receipts import Receipt
from cqtel_tui.outbox.store import BOXES, REJECTED
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.paths import HOME_VARIABLE, places

from .driving import Machine, environment, ui
from .terminal import terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..deliver.collectors import Collector

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

URL = "https://collector.example/v1/traces"
COOKIE = "01234567-89ab-4cde-8f01-23456789abcd"
PAYLOAD = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cloudquery"}}]}}]}'  # noqa: E501
MOMENT = 1_790_000_000_000_000
PROMPT = (
    "from cqtel_tui.tui import first_run; from cqtel_tui.paths import places; "
    "first_run.put(places(), first_run.latest(places()), plain=True)"
)
_OWN = {"telemetry": "on", "catalogue": 1, "consented": 1, "yes": "0123456789abcdef"}


@dataclass(frozen=True)
class Case:
    """An action, as somebody does it at each face.

    Attributes:
        command: of `cq-telemetry`, and of a session of `--plain`.
        keys: pressed in the UI; each group but the first one answers a question.
        room: where the UI begins.
        letter: the answer at the first-run prompt; empty where it does not offer that.
        chosen: what was chosen before.
        has_cookie: whether there is a cookie.
        is_rejected: whether the newest payload was rejected.
    """

    command: str
    keys: tuple[tuple[str, ...], ...]
    room: str = "pending"
    letter: str = ""
    chosen: dict[str, Any] = field(default_factory=dict)
    has_cookie: bool = False
    is_rejected: bool = False


CASES = {
    "a yes": Case("on", (("t",), ("o",), ("y",)), letter="a"),
    "a yes for what is pending": Case("on --include-held", (("t",), ("o",), ("i",)), letter="s"),
    "a no": Case("off", (("t",), ("f",), ("n",)), letter="n"),
    "a no that takes all back": Case("off --discard", (("t",), ("f",), ("y",)), has_cookie=True),
    "undecided again": Case("undecide", (("t",), ("u",)), chosen=_OWN),
    "a no for one project": Case(
        "off --project", (("up", "right", "enter", "down", "right", "enter"), ("n",)), "choices"
    ),
    "debug mode": Case("debug on", (("d",), ("y",))),
    "no debug mode": Case("debug off", (("d",),), chosen={"debug": True}),
    "a payload dropped": Case("drop 0000000000000003", (("x",), ("y",))),
    "all dropped": Case("drop --all", (("X",), ("y",))),
    "a field dropped": Case(
        'trim 0000000000000003 resourceSpans[0].resource.attributes["service.name"]',
        (("f",), ("space", "x"), ("y",)),
    ),
    "a rejected one tried again": Case(
        "retry 0000000000000003", (("r",),), "rejected", is_rejected=True
    ),
    "the cookie reset": Case("cookie reset", (("r",), ("y",)), "cookie", has_cookie=True),
    "the cookie locked": Case("cookie lock", (("l",), ("y",)), "cookie", has_cookie=True),
}


class Faces:
    """The same machine again and again, each time as new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def machine(self, case: Case) -> Machine:
        for path in self.folder.iterdir():
            shutil.rmtree(path)
        project = self.folder / "project"
        project.mkdir()
        (self.folder / "home").mkdir()
        machine = Machine(places(), project)
        machine.clock = lambda: MOMENT
        if case.chosen:
            machine.choose(**case.chosen)
        labels = [machine.hold(PAYLOAD, consent="") for _ in range(3)]
        if case.is_rejected:
            receipt = Receipt(labels[-1].id, "0" * 64, 1, URL, 400, MOMENT, "no")
            machine.outbox.close(labels[-1], REJECTED, receipt)
        if case.has_cookie:
            machine.make_cookie(COOKIE)
        return machine


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faces:
    folder = tmp_path / "here"
    (folder / "project").mkdir(parents=True)
    monkeypatch.setenv(HOME_VARIABLE, str(folder / "cqtel"))
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "policy"))
    return Faces(folder)


def files(machine: Machine) -> dict[str, object]:
    """Return what is on the machine, but for what is another each time: ids and times of a yes."""
    found: dict[str, object] = {}
    if machine.choices.exists():
        content = json.loads(machine.choices.read_text())
        scopes = [content, *content.get("programs", {}).values()]
        chosen_in = [one for scope in scopes for one in scope.get("projects", {}).values()]
        for chosen in (*(scope.get("all", {}) for scope in scopes), *chosen_in):
            chosen |= {key: True for key in ("consented", "yes") if key in chosen}
        found["choices"] = content
    for box in BOXES:
        for path in sorted((machine.outbox.folder / box).glob("*")):
            is_receipt = path.suffix != ".envelope"
            found[f"{box}/{path.name}"] = _receipt(path) if is_receipt else path.read_bytes()
    found["included"] = sorted(
        path.read_bytes() for path in (machine.outbox.folder / "included").glob("*")
    )
    for path in machine.project.rglob("*"):
        name = str(path.relative_to(machine.project))
        found[name] = path.read_bytes() if path.is_file() else "a folder"
    return found


def _receipt(path: Path) -> object:
    return {**json.loads(path.read_bytes()), "time": 0}


def at_the_command_line(machine: Machine, case: Case) -> None:
    subprocess.run(
        [sys.executable, "-P", "-m", "cqtel_tui.cli", *case.command.split()],
        cwd=machine.project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


def in_a_plain_session(machine: Machine, case: Case) -> None:
    with terminal("--plain", size=(200, 60), TERM="dumb") as it:
        it.shows("cqtel>")
        it.type(f"{case.command.replace(chr(34), chr(92) + chr(34))}\n".encode())
        it.shows("are you sure?")
        it.type(b"y\n")
        if case.has_cookie:  # whether it is to be erased elsewhere is asked where there is such
            it.shows("cqtel>")
        it.type(b"quit\n")
        assert it.end() == 0


def at_the_prompt(machine: Machine, case: Case) -> None:
    with terminal(sys.executable, "-P", "-c", PROMPT, size=(200, 60)) as it:
        it.shows("Your answer, one letter")
        it.type(f"{case.letter}\n".encode())
        assert it.end() == 0


async def in_the_ui(machine: Machine, case: Case) -> None:
    async with ui(case.room) as it:
        for at, keys in enumerate(case.keys):
            if at:
                await it.until(lambda: len(it.app.screen_stack) > 1, f"a question before {keys}")
            asked = it.app.screen
            await it.press(*keys)
            if at:
                await it.until(lambda asked=asked: it.app.screen is not asked, "an answer")  # type: ignore[misc]
        await it.until(lambda: not any(w.group == "change" for w in it.app.workers), "the change")


@pytest.mark.parametrize("name", CASES)
async def test_each_face_leaves_the_same_files(
    faces: Faces, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    monkeypatch.chdir(faces.folder.parent)
    machine = faces.machine(case)
    before = files(machine)
    at_the_command_line(machine, case)
    expected = files(machine)
    assert expected != before, "it changes something"
    others: list[Callable[[Machine, Case], None]] = [in_a_plain_session]
    if case.letter:
        others.append(at_the_prompt)
    for face in others:
        monkeypatch.chdir(faces.folder.parent)
        machine = faces.machine(case)
        monkeypatch.chdir(machine.project)
        face(machine, case)
        assert files(machine) == expected, face.__name__
    monkeypatch.chdir(faces.folder.parent)
    machine = faces.machine(case)
    monkeypatch.chdir(machine.project)
    await in_the_ui(machine, case)
    assert files(machine) == expected, "in the UI"


async def test_an_endpoint_is_saved_alike(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(f"endpoint {URL}", ())
    monkeypatch.chdir(faces.folder.parent)
    machine = faces.machine(case)
    at_the_command_line(machine, case)
    expected = files(machine)
    machine = faces.machine(case)
    monkeypatch.chdir(machine.project)
    async with ui("choices") as it:
        it.app.screen.query_one("#endpoint").focus()
        await it.pilot.pause()
        it.app.screen.query_one("#endpoint", Input).value = URL
        await it.press("enter")
        await it.until(lambda: machine.chosen.endpoint == URL, "the endpoint")
    assert files(machine) == expected


async def test_what_is_sent_leaves_the_same_receipt(
    faces: Faces, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {**_OWN, "endpoint": collector.url}
    case = Case("send 0000000000000003", (("s",), ("y",), ()), chosen=chosen)
    monkeypatch.chdir(faces.folder.parent)
    machine = faces.machine(case)
    at_the_command_line(machine, case)
    expected = files(machine)
    assert len(machine.labels()) == 2
    machine = faces.machine(case)
    monkeypatch.chdir(machine.project)
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.told("Sent 1.")
    assert files(machine) == expected
    assert collector.bodies == [PAYLOAD, PAYLOAD]
    assert len(machine.labels(PENDING)) == 2
