"""The first-run prompt: inline, under the command that has just run, with its real payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from ..question import Answer, Question, words
from ..sanitize import one_line
from . import views
from .last_line import OnlyPrintable
from .widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.filter import LineFilter
    from textual.widgets import Button


MEANINGS = (
    ("Don't send", "Turn telemetry off; what is held stays here"),
    ("Allow from now on", "Turn telemetry on; what was held before stays here"),
    ("Allow, and send what is held", "Turn telemetry on for what is held, too"),
    ("Show me everything", "Decide nothing yet, and open the whole terminal UI"),
    ("Decide later", "Save nothing, send nothing, ask another day"),
)


class Prompt(App[Answer]):
    """Asks for consent; whatever is not one of the answers means "decide later".

    No answer is chosen beforehand, and Enter alone answers nothing. The answers come a moment after
    the payload: what was meant for the shell is no yes.

    Args:
        question: what is asked about.
    """

    ANSWERS_AFTER_SECONDS: ClassVar[float] = 0.5
    CSS_PATH = "prompt.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-normal")]  # noqa: RUF012  # Textual types it so
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(answer.value, f"answer('{answer.value}')", meaning, tooltip=tooltip,
                    id=f"prompt.{answer.name.lower()}")
            for answer, (meaning, tooltip) in zip(Answer, MEANINGS, strict=True)
        ),
        Binding("escape,ctrl+c,ctrl+d,ctrl+q", "answer('l')", "Decide later", priority=True,
                id="prompt.later_keys", tooltip="Save nothing, send nothing, ask another day"),
    ]  # fmt: skip

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self._drawn_at: tuple[int, int] | None = None
        self._is_answerable = False
        self._only_printable = OnlyPrintable()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let nothing but printable text reach the terminal."""
        return [*super().get_line_filters(), self._only_printable]

    def compose(self) -> ComposeResult:
        """Lay out the payload, and the answers with equal weight."""
        envelope = self.question.envelope
        with Vertical(id="prompt"):
            yield Static(
                Content.assemble(
                    (f"{one_line(envelope.app, 40)} recorded this run. ", "bold"),
                    "Nothing was sent. May it be?",
                ),
                id="prompt-title",
            )
            yield Lines(id="prompt-text")
            yield Static(views.muted(self._destination()), id="prompt-where")
            yield Horizontal(id="prompt-answers")

    def on_mount(self) -> None:
        """Show the payload: the text has the focus, so that no answer has."""
        text = self.query_one("#prompt-text", Lines)
        text.show([*self._summary(), *views.explained(self.question.envelope)])
        text.focus()
        self.set_timer(self.ANSWERS_AFTER_SECONDS, self._take_answers)

    async def _take_answers(self) -> None:
        # Made when they are shown: buttons take longer to load than all the rest.
        from textual.widgets import Button

        labels = {
            answer: Content.assemble((answer.value, "bold underline"), f" {meaning}")
            for answer, meaning in words(self.question).items()
        }
        await self.query_one("#prompt-answers").mount(
            *(
                Button(label, id=f"answer-{answer.value}", compact=True)
                for answer, label in labels.items()
            )
        )
        self._is_answerable = True

    def on_resize(self, event: events.Resize) -> None:
        """Take a resize for no answer: what stood on the screen can no longer be trusted."""
        size = (event.size.width, event.size.height)
        if self._drawn_at is not None and size != self._drawn_at:
            self.exit(Answer.LATER)
        self._drawn_at = size

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take a clicked answer."""
        self.action_answer((event.button.id or "").removeprefix("answer-"))

    def action_answer(self, key: str) -> None:
        """End with an answer."""
        answer = Answer(key)
        if self._is_answerable or answer is Answer.LATER:
            self.exit(answer)

    def _summary(self) -> list[Content]:
        envelope = self.question.envelope
        return [
            views.muted(
                f"{len(envelope.payload):,} bytes, field by field: ↑ ↓ scroll, v shows the bytes."
            )
        ]

    def _destination(self) -> str:
        endpoint = self.question.endpoint
        if endpoint is None:
            return "No endpoint is set: after a yes, payloads stay here until you set one."
        return f"After a yes, payloads go to {one_line(endpoint, 200)}."
