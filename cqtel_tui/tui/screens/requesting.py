"""Ask the collector for something, and show that it is asked; Esc stops.

Only what somebody has asked for gets here: even a question shows the collector an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from ...errors import CqtelError
from ...sanitize import one_line
from .. import views
from .modal import Modal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from textual.app import ComposeResult

    from ..home import Home

    Answered = TypeVar("Answered")


class Requesting(Modal[Any]):
    """Asks a collector, and gives its answer, or the error that there was instead.

    Args:
        endpoint: where payloads go to.
        words: what it is asked for.
        ask: asks it; takes what tells whether to wait no longer.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ctrl+c", "stop", "Stop", id="requesting.stop",
                tooltip="Stop waiting; the request may still be carried out")
    ]  # fmt: skip

    def __init__(
        self, endpoint: str, words: str, ask: Callable[[Callable[[], bool]], object]
    ) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.words = words
        self.ask = ask
        self.stopping = False

    def compose(self) -> ComposeResult:
        """Lay out what is waited for."""
        with Vertical(id="ask"):
            yield Static(Content(f"{self.words}…").stylize("bold"))
            yield Static(Content(one_line(self.endpoint, 300)), classes="ask-detail")
            yield Static(views.muted("Esc stops."), id="requesting-hint")

    def on_mount(self) -> None:
        """Begin."""
        self._request()

    def action_stop(self) -> None:
        """Wait no longer."""
        self.stopping = True
        self.query_one("#requesting-hint", Static).update(Content("Stopping…"))

    @work(thread=True)
    def _request(self) -> None:
        worker = get_current_worker()
        answer: object
        try:
            answer = self.ask(lambda: self.stopping or worker.is_cancelled)
        except (CqtelError, OSError) as error:
            answer = error if isinstance(error, CqtelError) else CqtelError(str(error))
        if not worker.is_cancelled:
            self.app.call_from_thread(self.dismiss, answer)


async def request(
    app: Home,
    endpoint: str,
    words: str,
    ask: Callable[[Callable[[], bool]], Answered],
) -> Answered | CqtelError:
    """Ask a collector, and show that it is asked; return its answer, or why there is none."""
    answer: Answered | CqtelError = await app.push_screen_wait(Requesting(endpoint, words, ask))
    return answer
