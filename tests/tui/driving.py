"""Drive the UI as somebody at a keyboard would, and read what it shows."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events
from textual.keys import _character_to_key
from textual.widgets import Button

from cqtel_tui.consent.choices import read_user
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.saving import decide_telemetry, save
from cqtel_tui.outbox.included import include, included
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING, hold
from cqtel_tui.record.ending import HEADERS
from cqtel_tui.tui import app as application
from cqtel_tui.tui.app import TelemetryApp
from cqtel_tui.tui.screens.asking import Ask
from cqtel_tui.tui.screens.boxes import Box
from cqtel_tui.tui.screens.room import Room

from ..cookies import record_cookie

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from textual.pilot import Pilot

    from cqtel_tui.consent.choices import Choice
    from cqtel_tui.outbox.envelope import Label
    from cqtel_tui.paths import Places
    from cqtel_tui.tui.ahead import Ahead

PROGRAM = "cloudquery"
"""Whose payloads these are, and whose choices."""
SETTLED = 2.0  # seconds, for what a test holds up by design
PATIENCE = 20.0  # seconds, for a machine under load; nothing here takes so long by design


class Machine:
    """One user's machine: choices, an outbox, and the project we are in."""

    def __init__(self, places: Places, project: Path) -> None:
        self.places = places
        self.project = project
        self.outbox = Outbox(places.state)
        self.choices = Path(places.config, "choices.json")
        self.cookie = project / ".cq" / "telemetry-cookie"
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1000
        self._held = 0

    def choose(self, *, project: bool = False, **change: Any) -> None:
        where = str(self.project) if project else None
        save(self.places.config, change, program=PROGRAM, project=where)

    def allow(self, endpoint: str | None = None) -> None:
        """Say yes, to what is held already as well."""
        change = decide_telemetry("on")
        ids = [label.id for label in self.labels()]
        include(self.places.state, change["yes"], endpoint, ids)
        self.choose(**change, endpoint=endpoint)

    @property
    def chosen(self) -> Choice:
        """What is on disk for the program, in all projects."""
        return read_user(self.places.config).choice(PROGRAM)

    @property
    def included(self) -> frozenset[str]:
        """The ids of what was pending before the yes that holds, and is covered by it."""
        decision = ask(self.places, directory=str(self.project), program=PROGRAM)
        return included(self.places.state, decision)

    @property
    def chosen_here(self) -> Choice | None:
        """What is on disk for the program in this project."""
        programs = read_user(self.places.config).programs
        return programs[PROGRAM][1].get(str(self.project)) if PROGRAM in programs else None

    def write_choices(self, content: object) -> None:
        self.choices.parent.mkdir(mode=0o700, exist_ok=True)
        self.choices.write_text(json.dumps(content))
        self.choices.chmod(0o600)

    def hold(self, payload: bytes, **other: Any) -> Label:
        """Hold a payload as it is, and return its label."""
        self._held += 1
        decision = ask(self.places, directory=str(self.project), program=PROGRAM)
        is_intercepted = other.get("origin") == "gate"
        given: dict[str, Any] = {
            "app": PROGRAM,
            "version": "6.21.1",
            "operation": "sync",
            "outcome": "ok",
            "duration": 1,
            "headers": HEADERS,
            "project": str(self.project),
            "has_error_text": False,
            "consent": decision.mark(None if is_intercepted else decision.endpoint),
        }
        name = hold(
            self.places.state,
            payload,
            self.clock(),
            f"{self._held:016x}",
            **{**given, **other},
        )
        return next(label for label in self.labels() if label.file_name == name)

    def labels(self, box: str = PENDING) -> list[Label]:
        """What is in a box, the newest first: as the UI lists it."""
        return self.outbox.labels(box)[::-1]

    def payloads(self, box: str = PENDING) -> list[bytes]:
        return [self.outbox.open(box, label).payload for label in self.labels(box)]

    def tear(self, label: Label, box: str = PENDING) -> None:
        """Cut the end of an envelope off."""
        path = self.outbox.path(box, label)
        path.write_bytes(path.read_bytes()[:-20])

    def make_cookie(self, value: str = "01234567-89ab-4cde-8f01-23456789abcd") -> None:
        self.cookie.parent.mkdir(exist_ok=True)
        self.cookie.write_text(f"{value}\n")
        record_cookie(Path(self.places.state), value, self.project)


class Session:
    """The running UI, and somebody who uses it."""

    def __init__(self, app: TelemetryApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self._toasts: list[str] = []
        notify = app.notify

        def note(message: str, **given: Any) -> None:
            self._toasts.append(message)
            notify(message, **given)

        app.notify = note  # type: ignore[method-assign]
        self._waited = 0
        app.clock = lambda: time.monotonic() + self._waited

    async def press(self, *keys: str) -> None:
        # As Pilot.press does it, but that waits for an idle processor after each single key.
        for key in keys:
            self._waited += 1  # nobody presses one key after another as fast as this
            name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
            character = " " if key == "space" else key if len(key) == 1 else None
            self.app.post_message(events.Key(name, character))
            await self.pilot.pause(0)
            await self.pilot.pause(0)
        await self._settle()

    def let_pass(self) -> None:
        """Let the time pass that somebody takes to read a question before they answer."""
        self._waited += 1

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def click(self, selector: str, column: int = 0, row: int = 0, **keys: bool) -> None:
        assert await self.pilot.click(selector, offset=(column, row), **keys)
        await self._settle()

    async def click_key(self, word: str) -> None:
        """Click a key in the last line, by the word beside it."""
        await self.until(lambda: word in self.text.split("\n")[-1], f"the key {word}")
        await self.click("#keys-bar", self.text.split("\n")[-1].index(word))

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait until something is so; what is shown tells why it is not."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if self.app._exception is not None:
                raise self.app._exception
            assert time.monotonic() < end, f"{what or 'it'} did not come about:\n{self.text}"
            await self.pilot.pause(0.01)
        await self._settle()

    async def _settle(self) -> None:
        """Wait for what was begun, unless it waits for us: what is shown is what came of it."""
        await self.pilot.pause()
        end = time.monotonic() + SETTLED
        while self._is_busy and time.monotonic() < end and self.app._exception is None:
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    @property
    def _is_busy(self) -> bool:
        waits = not isinstance(self.app.screen, Room)
        return any(
            not worker.is_finished and not (waits and worker.group == "change")
            for worker in self.app.workers
        )

    async def answer(self, *keys: str) -> None:
        """Wait for a question, and answer it."""
        await self.until(lambda: isinstance(self.app.screen, Ask), "a question")
        await self.press(*keys)

    async def shows(self, *texts: str) -> None:
        """Wait until all these texts are on the screen."""
        await self.until(lambda: all(text in self.text for text in texts), " and ".join(texts))

    async def looks_at(self, label: Label) -> None:
        """Wait until the detail shows this envelope; it follows the cursor when that rests."""
        detail = self.box.detail
        await self.until(lambda: detail.envelope and detail.envelope.id == label.id, label.id)

    async def told(self, text: str) -> None:
        """Wait until something was said in a toast."""
        await self.until(lambda: any(text in toast for toast in self.toasts), f"the toast {text!r}")

    @property
    def text(self) -> str:
        """What the terminal would show, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def words(self) -> str:
        """What the terminal would show, without borders and line breaks."""
        return " ".join(self.text.translate(_BORDERS).split())

    @property
    def toasts(self) -> list[str]:
        """All that was said in toasts, those that are gone by now as well."""
        return self._toasts

    @property
    def room(self) -> str:
        """The screen one is in; empty while something lies over it."""
        return self.app.screen.NAME if isinstance(self.app.screen, Room) else ""

    @property
    def box(self) -> Box:
        assert isinstance(self.app.screen, Box), self.app.screen
        return self.app.screen

    @property
    def question(self) -> str:
        """What the dialog asks, with its details and answers; empty while there is none."""
        asked = self.app.screen
        if not isinstance(asked, Ask):
            return ""
        labels = [str(button.label) for button in asked.query(Button)]
        return "\n".join([asked.question, *asked.details, *labels])

    @property
    def operations(self) -> list[str]:
        """The operations that are listed, from above."""
        return [name.split(",")[7] for name in self.box.envelopes.names]


_BORDERS = str.maketrans(dict.fromkeys("│╭╮╰╯─┃", " "))


@contextlib.asynccontextmanager
async def ui(
    room: str = "pending",
    *,
    size: tuple[int, int] = (80, 24),
    look_every: float = 3600.0,
    ahead: Ahead | None = None,
    **given: bool,
) -> AsyncIterator[Session]:
    """Run the UI without a terminal; whatever it raises, the test raises."""
    before = application.LOOK_EVERY_SECONDS
    application.LOOK_EVERY_SECONDS = look_every
    try:
        app = TelemetryApp(room=room, ahead=ahead, **given)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True) as pilot:
            session = Session(app, pilot)
            await session.until(lambda: isinstance(app.screen, Room), "a screen")
            yield session
    finally:
        application.LOOK_EVERY_SECONDS = before


def program(folder: Path, name: str, *lines: str) -> Path:
    """Make a shell script that can be run by its path."""
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def environment(**other: str) -> dict[str, str]:
    """Return this process's environment with some more in it."""
    return {**os.environ, **other}


def column_of(text: str, word: str, line: int = 0) -> int:
    """Return the column in which a word begins."""
    return text.split("\n")[line].index(word)


def ids(labels: Sequence[Label]) -> list[str]:
    return [label.id for label in labels]
