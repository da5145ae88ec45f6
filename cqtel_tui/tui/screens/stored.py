"""The screen that says what may ever be stored, what never is, and proves it here and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content

from ...errors import CqtelError
from ...proof.evidence import ENFORCEMENTS
from ...review import promises
from ...rights.announced import Announcement, announced
from ...sanitize import one_line
from .. import views
from ..looks import ACCENT, SAFE, WRONG
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...proof.evidence import Enforcement, Proof, Verdict
    from ..snapshot import Snapshot


class Stored(Room):
    """The promises, how each one is kept, and the catalogue."""

    NAME = "stored"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "prove", "Prove it", id="stored.prove",
                tooltip="Record a temporary operation among planted secrets, and look for them"),
        Binding("a", "ask", "Ask collector", id="stored.ask",
                tooltip="Ask the collector what it does, and what it would derive from you"),
        Binding("r", "report", "Report", id="stored.report",
                tooltip="In a demonstration: the report of the collector that it sends to"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._proof: Proof | None = None
        self._proving = False
        self._answer: Announcement | CqtelError | None = None
        self._asked = ""

    def body(self) -> Iterable[Widget]:
        """Lay out one text."""
        yield Lines(id="stored-text", classes="page")

    def on_mount(self) -> None:
        """Show the promises."""
        super().on_mount()
        self._show()
        self.query_one("#stored-text").focus()

    def action_prove(self) -> None:
        """Prove every promise, unless that is under way."""
        if not self._proving:
            self._proving = True
            self._show()
            self._prove()

    @work(thread=True, exclusive=True)
    def _prove(self) -> None:
        from ...proof.rehearsal import prove

        self.app.call_from_thread(self._proved, prove())

    def _proved(self, proof: Proof) -> None:
        self._proving = False
        self._proof = proof
        self._show()

    def news(self, snapshot: Snapshot) -> None:
        """Forget what another collector than that of the endpoint has said."""
        if self._answer is not None and snapshot.status.decision.endpoint != self._asked:
            self._answer = None
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show, but do not do, what shows a collector an address where nothing may be sent.

        The report is a demonstration's alone.
        """
        del parameters
        if action == "report":
            return self.home.demo
        return self.home.may_do() if action == "ask" else True

    @work(group="change")
    async def action_ask(self) -> None:
        """Ask the collector what it does, and what it would derive from this machine."""
        from ...actions.erasing import NO_COLLECTOR, ask_announcement
        from .requesting import request

        endpoint = self.home.endpoint
        self._asked = endpoint or ""
        self._answer = CqtelError(NO_COLLECTOR)
        if endpoint is not None:
            self._answer = await request(
                self.home,
                endpoint,
                "Asking what it does",
                lambda stop: ask_announcement(endpoint, stop),
            )
        self._show()

    @work(group="change")
    async def action_report(self) -> None:
        """Show the report of the demonstration's collector, which is started by being asked."""
        from ...collector.demonstration import store_in
        from .report import ReportScreen

        if not isinstance(self._answer, Announcement):
            await self.action_ask().wait()
        if isinstance(self._answer, Announcement):
            store = store_in(Path(self.home.places.state).parent)
            self.app.push_screen(ReportScreen(store, is_on_top=True))

    def _show(self) -> None:
        text = self.query_one("#stored-text", Lines)
        lines = [*self._head(), *self._collector(), *self._promises(), *_catalogue()]
        text.show(lines, keep_position=True)

    def _collector(self) -> list[Content]:
        """Return what the collector says, or what it would mean to ask it."""
        lines = [views.title("What the collector says about itself and about you"), Content("")]
        if isinstance(self._answer, CqtelError):
            lines.append(views.warning(one_line(str(self._answer), 800)))
        elif self._answer is not None:
            lines += [views.line(each) for each in announced(self._answer)]
        else:
            lines += self._unasked()
        return [*lines, Content("")]

    def _unasked(self) -> list[Content]:
        status = self.home.snapshot.status if self.home.snapshot else None
        if status is None or status.decision.endpoint is None:
            return [views.muted("No endpoint is set, so there is no collector to ask. 4 sets one.")]
        by = f", by the proxy {one_line(status.proxy, 300)}" if status.proxy else ""
        return [
            Content(
                f"a asks {one_line(status.decision.endpoint, 300)}{by}: what it derives, how it "
                "hashes an address and how long it keeps what, and what it would derive from you."
            ),
            views.muted(
                "That shows it your network address, as sending does, and nothing else: no ID, "
                "no payload. Nothing is asked before you press it."
            ),
        ]

    def _head(self) -> list[Content]:
        if self._proving:
            return [
                views.muted("Recording a temporary operation among planted secrets…"),
                Content(""),
            ]
        if self._proof is None:
            words = (
                "p records a temporary operation among planted secrets, and shows that it has none."
            )
            return [views.muted(words), Content("")]
        if self._proof.problem:
            return [views.warning(self._proof.problem), Content("")]
        words = "Proved with the bytes that were just recorded."
        verdict = views.good(words) if self._proof.kept else views.warning("A promise is broken.")
        return [verdict, Content("")]

    def _promises(self) -> list[Content]:
        verdicts = {v.enforcement.promise: v for v in (self._proof.verdicts if self._proof else ())}
        lines: list[Content] = []
        for stored, heading in ((True, "Stored"), (False, "Not stored")):
            lines += [views.title(f"{heading}, says the documentation"), Content("")]
            for enforcement in ENFORCEMENTS:
                if enforcement.is_stored is stored:
                    lines += _promise(enforcement, verdicts.get(enforcement.promise))
            lines.append(Content(""))
        return lines


def _promise(enforcement: Enforcement, verdict: Verdict | None) -> list[Content]:
    sign, style = ("✓", ACCENT) if enforcement.is_stored else (views.CROSS, SAFE)
    lines = [
        Content.assemble((f"  {sign} ", style), (enforcement.sentence, "bold")),
        views.muted(f"    {enforcement.how}"),
    ]
    if verdict is None:
        return lines
    if verdict.kept:
        proof = ", ".join(verdict.evidence) or f"not found: {', '.join(verdict.looked_for)}"
        return [*lines, Content(f"    Proved: {proof}").stylize(SAFE)]
    return [
        *lines,
        *(Content(f"    !! {words}").stylize(WRONG) for words in verdict.broken),
    ]


def _catalogue() -> list[Content]:
    lines = [views.title("Every possible field"), Content("")]
    for field in promises.FIELDS:
        lines.append(Content.assemble("  ", (field.key, "bold"), f"  {field.shape}"))
        lines.append(views.muted(f"    {field.why}"))
        lines.append(views.muted(f"    Identifying: {field.risk}, {field.because}."))
    return lines
