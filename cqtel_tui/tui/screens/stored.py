"""The screen that says what may ever be stored, what never is, and proves it here and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content

from ... import promises
from ...review.proof import ENFORCEMENTS
from .. import views
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...review.proof import Enforcement, Proof, Verdict


class Stored(Room):
    """The promises, how each one is kept, and the catalogue."""

    NAME = "stored"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "prove", "Prove it", id="stored.prove",
                tooltip="Record a throw-away operation among canaries, and look for them"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._proof: Proof | None = None
        self._proving = False

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
        from ...proving import prove

        self.app.call_from_thread(self._proved, prove())

    def _proved(self, proof: Proof) -> None:
        self._proving = False
        self._proof = proof
        self._show()

    def _show(self) -> None:
        text = self.query_one("#stored-text", Lines)
        text.show([*self._head(), *self._promises(), *_catalogue()], keep_position=True)

    def _head(self) -> list[Content]:
        if self._proving:
            return [views.muted("Recording a throw-away operation among canaries …"), Content("")]
        if self._proof is None:
            words = "p records a throw-away operation among canaries, and shows that none is in it."
            return [views.muted(words), Content("")]
        if self._proof.problem:
            return [views.warning(self._proof.problem), Content("")]
        words = "Proved here and now, by the bytes that were really recorded."
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
    sign, style = ("✓", "$text-success") if enforcement.is_stored else (views.CROSS, "$text-error")
    lines = [
        Content.assemble((f"  {sign} ", style), (enforcement.sentence, "bold")),
        views.muted(f"    {enforcement.how}"),
    ]
    if verdict is None:
        return lines
    if verdict.kept:
        proof = ", ".join(verdict.evidence) or f"not found: {', '.join(verdict.looked_for)}"
        return [*lines, Content(f"    Proved: {proof}").stylize("$text-success")]
    return [
        *lines,
        *(Content(f"    !! {words}").stylize("$text-error") for words in verdict.broken),
    ]


def _catalogue() -> list[Content]:
    lines = [views.title("Every field that there may be"), Content("")]
    for field in promises.FIELDS:
        lines.append(Content.assemble("  ", (field.key, "bold"), f"  {field.shape}"))
        lines.append(views.muted(f"    {field.why}"))
        lines.append(views.muted(f"    Identifying: {field.risk}, {field.because}."))
    return lines
