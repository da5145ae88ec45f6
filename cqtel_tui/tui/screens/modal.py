"""What lies over a screen and is answered once: what comes twice is nobody's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType

from ..base import OwnApp

if TYPE_CHECKING:
    from typing import Any


class Modal(ModalScreen[ScreenResultType]):
    """A screen that ends with its first answer.

    Attributes:
        IS_QUESTION: whether what is typed here decides something.
    """

    IS_QUESTION: ClassVar[bool] = False
    _is_answered = False

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """End with an answer, unless there was one."""
        if self._is_answered:
            return AwaitComplete()
        self._is_answered = True
        app: Any = self.app
        if isinstance(app, OwnApp):
            app.note_answer(is_to_question=self.IS_QUESTION)
        return super().dismiss(result)

    async def action_dismiss(self, result: ScreenResultType | None = None) -> None:
        """End with an answer, by a key."""
        self.dismiss(result)
