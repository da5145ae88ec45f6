"""What every screen of the application knows: how things stand, and how they are changed."""

from __future__ import annotations

import asyncio
import os
from functools import cached_property
from typing import TYPE_CHECKING

from textual import work
from textual.reactive import reactive

from ..actions.results import number
from ..catalogue import CATALOGUE_VERSION
from ..errors import CqtelError
from ..outbox.envelope import identity_of, read_label
from ..outbox.runs import RUNS, read_runs, run_of
from ..outbox.store import BOXES, Outbox
from ..paths import places
from ..review.destination import bound_for
from ..sanitize import printable
from . import snapshot as moments
from .base import OwnApp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from textual.geometry import Size

    from ..actions.results import Message, Result, Undo
    from ..consent import Program
    from ..consent.decision import Decision
    from ..outbox.envelope import Envelope, Label
    from ..outbox.runs import Run
    from ..review.needles import Surroundings
    from .ahead import Ahead
    from .snapshot import Snapshot

MAX_COPIED = 100_000
MAX_TOLD = 800
SMALLEST = (60, 20)
"""Columns and lines, below which nothing is decided."""


def is_too_small(size: Size) -> bool:
    """Tell whether a terminal has no room for what is to be decided in it."""
    return size.width < SMALLEST[0] or size.height < SMALLEST[1]


class Home(OwnApp[None]):
    """Knows how things stand on this machine, and has changes made in a thread.

    Args:
        readonly: change nothing and send nothing.
        demo: say that this is a demonstration.
        ahead: what is pending, where another process lists it already.

    Raises:
        CqtelError: the current directory cannot be read.
    """

    snapshot: reactive[Snapshot | None] = reactive(None, always_update=True)

    def __init__(
        self, *, readonly: bool = False, demo: bool = False, ahead: Ahead | None = None
    ) -> None:
        super().__init__()
        self.readonly = readonly
        self.demo = demo
        self.places = places()
        self.outbox = Outbox(self.places.state)
        try:
            self.directory = os.path.realpath(".")
        except OSError as error:
            raise CqtelError(
                f"The current directory cannot be read: {error.strerror}. Go to another one."
            ) from None
        self._stamp: tuple[int, ...] = ()
        self._runs: tuple[int, Sequence[Run]] = (0, ())
        self._is_looking = False
        self._ahead = ahead
        self._undo: list[Undo] = []
        self._program: Program = ""

    # How things stand ----------------------------------------------------------------------------

    def _look(self) -> None:
        """Look for news in a thread, one at a time: a large outbox may take longer than a turn."""
        if not self._is_looking:
            self._is_looking = True
            self._look_around()

    @work(thread=True, group="look")
    def _look_around(self) -> None:
        from ..gate.recovering import recover

        try:
            if not self.readonly:
                recover(self.places.state)
            if moments.stamp(self.places, self.directory) != self._stamp:
                self.call_from_thread(self._show, *self._read())
        finally:
            self._is_looking = False

    def _read(self) -> tuple[tuple[int, ...], Snapshot]:
        stamp = moments.stamp(self.places, self.directory)
        ahead, self._ahead = self._ahead, None
        pending = ahead.names() if ahead else None
        return stamp, moments.take(
            self.places, self.directory, pending=pending, program=self._program
        )

    def _show(self, stamp: tuple[int, ...], snapshot: Snapshot) -> None:
        self._stamp = stamp
        self.snapshot = snapshot

    @property
    def program(self) -> Program:
        """The program that choices are made for; None for all programs."""
        if self._program == "" and self.snapshot is not None:
            return self.snapshot.status.program
        return self._program

    async def choose_for(self, program: Program) -> None:
        """Show and make the choices of another program; None for those of all programs."""
        self._program = program
        await self.read_anew()

    def decision_of(self, program: str) -> Decision | None:
        """Return what holds for a program; None as long as nothing is known of it."""
        return self.snapshot.status.decisions.get(program) if self.snapshot else None

    def endpoint_of(self, program: Program) -> str | None:
        """Return where the payloads go that a program records; None for nowhere."""
        decision = self.decision_of(program) if program is not None else None
        return decision.endpoint if decision is not None else self.endpoint

    def agreed_catalogue(self, program: str) -> int:
        """Return the catalogue version whose fields a program may record."""
        decision = self.decision_of(program)
        return CATALOGUE_VERSION if decision is None else decision.catalogue

    @cached_property
    def surroundings(self) -> Surroundings:
        """What is around this program that must not be in a payload; gathered once."""
        from ..gate.surroundings import surroundings_here

        return surroundings_here()

    def run_of(self, identity: str) -> Run | None:
        """Return the run of a program under the gate that a payload comes from, if it is known."""
        folder = self.outbox.folder / RUNS
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return None
        if changed != self._runs[0]:
            self._runs = changed, read_runs(self.places.state)
        return run_of(self._runs[1], identity)

    def groups(self) -> tuple[Mapping[str, str], Collection[str]]:
        """Return for each payload's id the run it comes from, and the ids of their operations."""
        self.run_of("")  # reads them anew where they have changed
        runs = [run for run in self._runs[1] if len(run.payloads) > 1]
        of_run = {identity: run.file_name for run in runs for identity in run.payloads}
        return of_run, {run.operation for run in runs}

    def payloads_of(self, run: Run) -> list[tuple[str, Label]]:
        """Return the payloads of a run that are still here, each with its box, in their order."""
        wanted = {identity: at for at, identity in enumerate(run.payloads)}
        payloads = [
            (box, label)
            for box, names in (self.snapshot.names.items() if self.snapshot else ())
            for name in names
            if box in BOXES
            and identity_of(name) in wanted
            and (label := read_label(name)) is not None
        ]
        return sorted(payloads, key=lambda each: wanted[each[1].id])

    # What is told --------------------------------------------------------------------------------

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Say something, literally, for a while."""
        severity = "error" if wrong else "information"
        self.notify(printable(text, limit=MAX_TOLD), severity=severity, markup=False)  # type: ignore[arg-type]

    def tell_messages(self, messages: Sequence[Message]) -> None:
        """Say what happened, and which keys do something about it."""
        if messages:
            words = " ".join(map(_sentence, messages))
            self.tell(words, wrong=any(message.is_warning for message in messages))

    def copy_text(self, text: str) -> None:
        """Copy to the clipboard (OSC 52), capped."""
        self.copy_to_clipboard(printable(text[:MAX_COPIED], newlines=True))
        self.tell(f"Copied {number(min(len(text), MAX_COPIED), 'character')}.")

    @property
    def may_change(self) -> bool:
        """Whether anything may be changed or sent: not read-only, and nobody answers unseen."""
        return not self.readonly and not is_too_small(self.size)

    def may_do(self) -> bool | None:
        """Tell, as `check_action` does, whether an action may be done that changes or sends."""
        return False if self.readonly else True if self.may_change else None

    # What is changed -----------------------------------------------------------------------------

    async def perform(self, action: Callable[[], Result]) -> Result | None:
        """Do something in a thread, tell what came of it, and remember how to take it back.

        Returns:
            what it changed; None if it failed, or was stopped halfway.
        """
        try:
            result = await asyncio.to_thread(action)
        except (CqtelError, OSError) as error:
            self.tell(str(error), wrong=True)
            return None
        finally:
            await self.read_anew()
        if result.undo is not None:
            self._undo.append(result.undo)
        self.tell_messages(result.messages)
        if result.problem is not None:
            self.tell(str(result.problem), wrong=True)
            return None
        return result

    async def read_anew(self) -> None:
        """Show how things stand now."""
        self._show(*await asyncio.to_thread(self._read))

    def forget_undo(self) -> None:
        """Let nothing be taken back any more that was done before."""
        self._undo.clear()

    def listed(self, box: str) -> list[Label]:
        """Return the labels of all that is in a box, as it is shown, the oldest first."""
        names = self.snapshot.names[box][::-1] if self.snapshot else ()
        return [label for name in names if (label := read_label(name)) is not None]

    def destination(self, envelope: Envelope) -> str | None:
        """Return where a payload would go; None for nowhere."""
        return bound_for(envelope, self.endpoint_of(envelope.app))

    @property
    def endpoint(self) -> str | None:
        """Where payloads of the chosen program go to; None for nowhere."""
        return self.snapshot.status.decision.endpoint if self.snapshot else None


def _sentence(message: Message) -> str:
    text = message.text.rstrip(".")
    if text.partition(" ")[0].rstrip(":,").isalpha():  # no id, and no URL
        text = f"{text[:1].upper()}{text[1:]}"
    return f"{text}." + (f" {message.key}." if message.key else "")
