"""Ask before what cannot be taken back: by y or n, and Enter says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from ..home import is_too_small
from .modal import Modal
from .room import too_small

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...actions.results import Confirmation


_FEW = 2
"""So many answers find room, three lines each, in the smallest terminal."""


class Ask(Modal[str | None]):
    """A question with a few answers, one key each; Esc gives None.

    Args:
        question: what is asked; literal.
        details: more about it, a line each; literal.
        answers: key, words and variant of each answer. The first one is the safe one: it has the
            focus, so that Enter by reflex does no harm.
    """

    IS_QUESTION = True
    AUTO_FOCUS = "Button"  # the first one; by hand, it could be gone by a quick answer already
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ctrl+c", "dismiss(None)", "Back", id="ask.back",
                tooltip="Change nothing"),
        Binding("left,h", "app.focus_previous", "Previous", show=False, id="ask.previous",
                tooltip="To the previous answer"),
        Binding("right,l", "app.focus_next", "Next", show=False, id="ask.next",
                tooltip="To the next answer"),
    ]  # fmt: skip

    def __init__(
        self, question: str, details: Sequence[str], answers: Sequence[tuple[str, str, str]]
    ) -> None:
        super().__init__(classes="-many" if len(answers) > _FEW else None)
        self.question = question
        self.details = details
        self.answers = answers

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical(id="ask"):
            yield Static(Content(self.question).stylize("bold"), id="ask-question")
            with Vertical(id="ask-details"):
                for line in self.details:
                    yield Static(Content(line), classes="ask-detail")
            with Horizontal(id="ask-answers"):
                for key, words, variant in self.answers:
                    label = Content.assemble((key, "bold underline"), f"  {words}")
                    button = Button(label, id=f"answer-{key}")
                    button.variant = variant
                    yield button
        yield too_small("Esc goes back.")

    def on_key(self, event) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Take an answer's key."""
        for key, _, _ in self.answers:
            if event.character == key and not is_too_small(self.size):
                event.stop()
                self.dismiss(key)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take a pressed answer."""
        if is_too_small(self.size):
            return
        self.dismiss((event.button.id or "").removeprefix("answer-"))


def asking(confirmation: Confirmation) -> Ask:
    """Return a question to be answered by y or n, or by another key, with the no in focus."""
    answers = [("n", confirmation.no, "default"), ("y", confirmation.yes, "error")]
    answers += [(key, words, "error") for key, words in confirmation.others]
    return Ask(confirmation.question, confirmation.details, answers)
