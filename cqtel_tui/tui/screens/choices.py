"""The screen of choices: what you said for which program, what that comes to, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Label

from ...actions.programs import ALL_PROGRAMS, name_of
from ...actions.status import WORDS
from ...consent.choices import Choice, read_user
from ...consent.endpoint import endpoint_problem
from ...outbox.left_out import left_out_words
from ...review.changes import new_fields
from ...sanitize import one_line
from .. import choosing, views
from ..looks import ACCENT, HEADING, QUIET, SAFE
from ..widgets.lines import Lines
from ..widgets.one_of import OneOf
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...consent import Program
    from ...consent.decision import Decision
    from ...consent.layers import Reason
    from ..snapshot import Snapshot

_EVERY = ("*", ALL_PROGRAMS)
"""The answer that stands for all programs: no program has this name."""
_SIGNS = {"off": SAFE, "on": ACCENT, "no debug": SAFE}
_WAYS_OUT = {
    "command line": "start without that option",
    "environment": "unset it in this shell",
    "admin policy": "ask whoever administers this machine",
    "project": "it came with this directory; see that file",
    "user": "choose above",
}


class Choices(Room):
    """Telemetry, debug mode and the endpoint: of a program or all, in all projects or in this."""

    NAME = "choices"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False, id="choices.next",
                tooltip="To the next choice"),
        Binding("up", "app.focus_previous", "Previous", show=False, id="choices.previous",
                tooltip="To the previous choice"),
        Binding("escape", "leave_field", "Leave field", show=False, id="choices.leave",
                tooltip="Leave the endpoint as it is stored"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._scope = "all"
        self._choice = Choice()

    def body(self) -> Iterable[Widget]:
        """Lay out the choices, and why below them."""
        with Vertical(id="choices"):
            yield from _row("Program", OneOf((), id="program"))
            yield from _row(
                "In", OneOf((("all", "all projects"), ("project", "this directory")), id="scope")
            )
            answers = (("on", "on"), ("undecided", "undecided"), ("off", "off"))
            yield from _row("Telemetry", OneOf(answers, id="telemetry"))
            debug = (("off", "off"), ("on", "on: error texts too"))
            yield from _row("Debug", OneOf(debug, id="debug"))
            field = Input(placeholder="https://…/v1/traces; Enter saves it", id="endpoint")
            yield from _row("Endpoint", field)
        yield Lines(id="why", classes="page")

    def on_mount(self) -> None:
        """Begin with telemetry."""
        super().on_mount()
        self.query_one("#telemetry").focus()

    @property
    def project(self) -> str | None:
        """The project that is chosen for; None for all."""
        return self.home.directory if self._scope == "project" else None

    def news(self, snapshot: Snapshot) -> None:
        """Show what is stored, and what it comes to."""
        read = read_user(self.home.places.config)
        program, project = snapshot.status.program, self.project
        choice = self._choice = read.choice(program, project)
        programs = self.query_one("#program", OneOf)
        programs.offer([*((name, name) for name in snapshot.status.decisions), _EVERY])
        programs.show(program or _EVERY[0])
        self.query_one("#scope", OneOf).show(self._scope)
        # Of a file that cannot be read nobody knows what it says: no answer is marked.
        telemetry = choice.telemetry or "undecided"
        self.query_one("#telemetry", OneOf).show("" if read.problem else telemetry)
        self.query_one("#debug", OneOf).show(
            "" if read.problem else "on" if choice.debug else "off"
        )
        field = self.query_one("#endpoint", Input)
        if not field.has_focus:
            field.value = choice.endpoint or ""
        lines = [*_scope_words(program, project), *_why(snapshot)]
        self.query_one("#why", Lines).show(lines, keep_position=True)

    @on(OneOf.Asked, "#program")
    async def _program_asked(self, event: OneOf.Asked) -> None:
        await self.home.choose_for(None if event.key == _EVERY[0] else event.key)

    @on(OneOf.Asked, "#scope")
    def _scope_asked(self, event: OneOf.Asked) -> None:
        self._scope = event.key
        if self.home.snapshot is not None:
            self.news(self.home.snapshot)

    @on(OneOf.Asked, "#telemetry")
    def _telemetry_asked(self, event: OneOf.Asked) -> None:
        self._choose_telemetry(event.key, self.project)

    @on(OneOf.Asked, "#debug")
    def _debug_asked(self, event: OneOf.Asked) -> None:
        self._choose_debug(event.key == "on", self.project)

    @on(Input.Submitted, "#endpoint")
    def _endpoint_asked(self, event: Input.Submitted) -> None:
        url = event.value.strip()
        self._choose_endpoint(url or None, self.project)
        if not url or endpoint_problem(url) is None:
            self.query_one("#telemetry").focus()

    @work(group="change")
    async def _choose_telemetry(self, choice: str, project: str | None) -> None:
        if self.home.may_change:
            await choosing.set_telemetry(self.home, choice, self.home.program, project)

    @work(group="change")
    async def _choose_debug(self, debug: bool, project: str | None) -> None:  # noqa: FBT001  # the choice itself
        if self.home.may_change:
            await choosing.set_debug(self.home, self.home.program, project, is_on=debug)

    @work(group="change")
    async def _choose_endpoint(self, url: str | None, project: str | None) -> None:
        if self.home.may_change:
            await choosing.set_endpoint(self.home, url, self.home.program, project)

    @on(Input.Blurred, "#endpoint")
    def _left_field(self, event: Input.Blurred) -> None:
        # What was typed and not saved is not what is stored.
        event.input.value = self._choice.endpoint or ""

    def action_leave_field(self) -> None:
        """Leave the endpoint as it is stored."""
        self.query_one("#telemetry").focus()


def _row(name: str, widget: Widget) -> Iterable[Widget]:
    with Horizontal(classes="choice"):
        yield Label(name, markup=False, classes="choice-name")
        yield widget


def _scope_words(program: Program, project: str | None) -> list[Content]:
    """Say what is chosen for, where that is not one program in all projects."""
    where = "" if project is None else f" in {one_line(project, 300)} alone"
    whom = "all programs, those that are not known yet as well" if program is None else program
    if program is not None and not where:
        return []
    return [views.muted(f"The choice above is for {whom}{where}."), Content("")]


def _why(snapshot: Snapshot) -> list[Content]:
    decision = snapshot.status.decision
    lines = [
        Content.assemble(
            f"So telemetry of {name_of(decision.program)} is ", (WORDS[decision.state], "bold"), "."
        ),
        Content(f"Why: {one_line(snapshot.status.why, 400)}."),
        Content(_where_to(decision)),
        *_new_fields(decision.catalogue),
        *_terms(snapshot),
        *[views.warning(one_line(each.text, 600)) for each in snapshot.status.problems],
        Content(""),
        views.title("Policy sources (▶ in effect)"),
        views.muted("Any opt-out wins; only you can opt in."),
        Content(""),
    ]
    for reason in snapshot.status.reasons:
        lines += _reason(reason)
    return [*lines, *_last_run(snapshot)]


def _where_to(decision: Decision) -> str:
    if decision.endpoint is None:
        return "No endpoint is set: payloads stay on this machine."
    if decision.is_proposed:
        return f"After a yes, payloads go to {decision.endpoint}, as its contract says."
    return f"Payloads go to {decision.endpoint}."


def _terms(snapshot: Snapshot) -> list[Content]:
    """Return what the program's contract asks, and what was left out of its payloads."""
    program = snapshot.status.program or ""
    lines: list[Content] = []
    terms = snapshot.status.terms.get(program)
    if terms is not None:
        lines.append(Content(""))
        if terms.news:
            lines.append(views.title(terms.heading))
            lines += [Content(f"  + {line}") for line in terms.news]
        if terms.is_again:
            lines.append(views.muted("It is left out until you choose on again."))
        lines.append(views.muted(terms.about))
    return lines + [
        views.muted(f"Left out of {program}'s last payload: {left_out_words(key, why)}.")
        for key, why in snapshot.status.left_out.get(program, ())
    ]


def _last_run(snapshot: Snapshot) -> list[Content]:
    """Return what was blocked in the last run of a program under the gate."""
    runs = snapshot.status.runs
    if not runs:
        return []
    from ..runs import blocked_lines

    run = runs[0]
    lines = blocked_lines(run)
    program = one_line(f"{run.app} {run.version}".strip(), 80)
    return [
        Content(""),
        views.muted(f"The last run under the gate: {program}, {views.moment(run.created)}"),
        *lines,
    ]


def _new_fields(agreed: int) -> list[Content]:
    """Return the fields that came after the user's yes: they are left out until another one."""
    fields = new_fields(agreed)
    if not fields:
        return []
    lines = [Content(""), views.title(f"New since your yes: {len(fields)}")]
    lines.append(views.muted("They are left out until you choose on again."))
    lines += [
        Content.assemble("  + ", (field.key, "bold"), f"  {field.why} Identifying: {field.risk}.")
        for field in fields
    ]
    return lines


def _reason(reason: Reason) -> list[Content]:
    lines = [
        Content.assemble(
            ("▶ " if reason.won else "  ", HEADING),
            (f"{reason.layer:<14}", "" if reason.won else QUIET),
            (f"{reason.says:<10}", _SIGNS.get(reason.says, QUIET)),
            one_line(reason.source, 300),
        )
    ]
    if reason.note:
        lines.append(views.muted(f"{'':26}{one_line(reason.note, 300)}"))
    if reason.says in {"off", "no debug"} and reason.layer != "user":
        lines.append(views.muted(f"{'':26}to change it: {_WAYS_OUT[reason.layer]}"))
    return lines
