"""The first-run prompt: inline, under the command that has just run, with its real payload."""

from __future__ import annotations

import math
import signal
import time
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from ..actions.question import (
    WAIT_AT_MOST,
    WAIT_UNTOUCHED,
    Answer,
    Question,
    destination,
    destination_in_brief,
    words,
)
from ..errors import CqtelError
from ..sanitize import one_line
from . import views
from .base import OwnApp
from .ending import signals_deferred
from .fields import NOTHING, Fields
from .looks import QUIET
from .widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.widgets import Button


_FIRST_FIELDS = 3
"""How many of the fields that identify most stand above all others."""
_FRAME_CELLS = 6
"""Border, padding, margin and scrollbar beside the text."""
LAST_SECONDS = 10
"""From here on, the seconds are counted."""
MEANINGS = (
    ("Never", "Turn telemetry of this program off; what is pending stays here"),
    ("Once", "Send what is listed now, and decide nothing for later"),
    ("Always", "Turn telemetry of this program on; what was pending before stays here"),
    ("Always, and send", "Turn telemetry of this program on for what is pending, too"),
    ("Review", "Decide nothing yet, and open the whole terminal UI"),
    ("Later", "Save nothing, send nothing, ask another day"),
)


class Prompt(OwnApp[Answer]):
    """Asks for consent; whatever is not one of the answers means "decide later".

    No answer is chosen beforehand, and Enter alone answers nothing. The answers come a moment after
    the payload: what was meant for the shell is no yes.

    Args:
        question: what is asked about.
        clock: what tells the time, in seconds.
    """

    ANSWERS_AFTER_SECONDS: ClassVar[float] = 0.5
    LOOKS_AT_CLOCK_EVERY_SECONDS: ClassVar[float] = 0.25
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
                id="prompt.later_keys", tooltip="Save nothing, send nothing, ask again later"),
    ]  # fmt: skip

    def __init__(self, question: Question, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.question = question
        self._clock = clock
        self._began = self._touched = clock()
        self._drawn_at: tuple[int, int] | None = None
        self._is_answerable = self._is_counting = False

    def compose(self) -> ComposeResult:
        """Lay out the payload, and the answers with equal weight."""
        with Vertical(id="prompt"):
            yield Static(self._title(), id="prompt-title")
            yield Lines(id="prompt-text")
            yield Static(self._destination(), id="prompt-where")
            yield Horizontal(id="prompt-answers")

    def on_mount(self) -> None:
        """Show the payload: the text has the focus, so that no answer has."""
        text = self.query_one("#prompt-text", Lines)
        text.show(self._told())
        text.focus()
        self.set_timer(self.ANSWERS_AFTER_SECONDS, self._take_answers)
        self.set_interval(self.LOOKS_AT_CLOCK_EVERY_SECONDS, self._look_at_clock)

    async def on_event(self, event: events.Event) -> None:
        """See that somebody is there."""
        if isinstance(event, (events.Key, events.MouseEvent)):
            self._touched = self._clock()
        await super().on_event(event)

    def came_back(self) -> None:
        """Draw all anew, and wait from now on."""
        self._began = self._touched = self._clock()
        super().came_back()

    def _look_at_clock(self) -> None:
        """Decide later, where nobody has answered in time."""
        now = self._clock()
        left = min(self._began + WAIT_AT_MOST, self._touched + WAIT_UNTOUCHED) - now
        if left <= 0:
            self.exit(Answer.LATER)
        elif left <= LAST_SECONDS or self._is_counting:
            self._is_counting = left <= LAST_SECONDS
            words = f" Decide later in {math.ceil(left)} s." if self._is_counting else ""
            self.query_one("#prompt-title", Static).update(self._title(words))

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
        """Take no answer for a moment: what stood on the screen is somewhere else now."""
        size = (event.size.width, event.size.height)
        if self._drawn_at is not None and size != self._drawn_at and self._is_answerable:
            self._is_answerable = False
            self.set_timer(self.ANSWERS_AFTER_SECONDS, self._take_answers_again)
        self._drawn_at = size

    def _take_answers_again(self) -> None:
        self._is_answerable = True

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take a clicked answer."""
        self.action_answer((event.button.id or "").removeprefix("answer-"))

    def action_answer(self, key: str) -> None:
        """End with an answer."""
        answer = Answer(key)
        if (self._is_answerable and answer in words(self.question)) or answer is Answer.LATER:
            self.exit(answer)

    def _title(self, more: str = "") -> Content:
        question = self.question
        return Content.assemble((f"{question.title} ", "bold"), question.subtitle, (more, QUIET))

    def _told(self) -> Sequence[Content]:
        """Return the payload in a sentence, what identifies most, and below that all of it."""
        question = self.question
        fields = Fields(question.envelope, question.places, question.url, may_change=False)
        width = self.size.width - _FRAME_CELLS
        sentence, *page = fields.page(width, NOTHING).paragraphs
        news = [Content(line) for line in question.news]
        told = [sentence, *fields.riskiest(width, _FIRST_FIELDS), Content(""), *page]
        told = [*news, Content(""), *told] if question.is_again else [*told, *news]
        # Once more, for there may be more places than find room beside the answers.
        return [*told, Content(""), *self._places()]

    def _destination(self) -> Content:
        return views.muted(one_line(destination_in_brief(self.question), 600))

    def _places(self) -> list[Content]:
        return [views.muted(one_line(line, 300)) for line in destination(self.question)]


def ask_inline(
    question: Question, deliver: Callable[[int], object] = signal.raise_signal
) -> Answer:
    """Ask under what is on the screen; whatever is no answer is `LATER`.

    Args:
        question: what is asked.
        deliver: what is called with a signal that came meanwhile.
    """
    answer: Answer | None = None
    with signals_deferred(deliver) as deferred:
        prompt = Prompt(question)
        answer = prompt.run_to_the_end(deferred, inline=True)
        if prompt.has_crashed:
            raise CqtelError(
                "The question could not be asked: nothing is decided, and nothing was sent. "
                "To decide: cq-telemetry on, or cq-telemetry off"
            )
    return answer or Answer.LATER
