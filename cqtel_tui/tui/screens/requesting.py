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

from ...consent.cookie_file import PRESENT
from ...errors import CqtelError
from ...sanitize import one_line
from .. import views
from .asking import Ask
from .modal import Modal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from textual.app import ComposeResult

    from ...rights.requests import Collector
    from ..app import TelemetryApp

    Answered = TypeVar("Answered")


_NOBODY = "There is no endpoint, and so no collector to ask. 4 sets one."


class Requesting(Modal[Any]):
    """Asks a collector, and gives its answer, or the error that there was instead.

    Args:
        endpoint: where payloads go to.
        words: what it is asked for.
        request: asks it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="requesting.stop",
                tooltip="Wait no longer; what was asked for may be done all the same")
    ]  # fmt: skip

    def __init__(self, endpoint: str, words: str, request: Callable[[Collector], object]) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.words = words
        self.request = request
        self.stopping = False

    def compose(self) -> ComposeResult:
        """Lay out what is waited for."""
        with Vertical(id="ask"):
            yield Static(Content(f"{self.words} …").stylize("bold"))
            yield Static(Content(one_line(self.endpoint, 300)), classes="ask-detail")
            yield Static(views.muted("Esc stops."), id="requesting-hint")

    def on_mount(self) -> None:
        """Begin."""
        self._request()

    def action_stop(self) -> None:
        """Wait no longer."""
        self.stopping = True
        self.query_one("#requesting-hint", Static).update(Content("Stopping …"))

    @work(thread=True)
    def _request(self) -> None:
        from ...rights.requests import Collector

        worker = get_current_worker()
        answer: object
        try:
            with Collector(
                self.endpoint, lambda: self.stopping or worker.is_cancelled
            ) as collector:
                answer = self.request(collector)
        except (CqtelError, OSError) as error:
            answer = error if isinstance(error, CqtelError) else CqtelError(str(error))
        if not worker.is_cancelled:
            self.app.call_from_thread(self.dismiss, answer)


async def ask_collector(
    app: TelemetryApp, words: str, request: Callable[[Collector], Answered]
) -> Answered | CqtelError:
    """Ask the collector of the endpoint; return its answer, or why there is none."""
    if app.endpoint is None:
        return CqtelError(_NOBODY)
    answer: Answered | CqtelError = await app.push_screen_wait(
        Requesting(app.endpoint, words, request)
    )
    return answer


def key_here(app: TelemetryApp) -> str | None:
    """Return the cookie of this directory, or tell why nothing can be asked for with it."""
    from ...rights.requests import key_of

    try:
        cookie = key_of(app.directory, app.places.state)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return None
    if app.endpoint is None:
        app.tell(_NOBODY, wrong=True)
        return None
    return cookie


async def erase(app: TelemetryApp) -> bool:
    """Have the collector erase all of this directory's cookie, and tell what came of it."""
    cookie = key_here(app)
    if cookie is None:
        return False
    erased = await ask_collector(app, "Having it erased", lambda collector: collector.erase(cookie))
    if isinstance(erased, CqtelError):
        app.tell(str(erased), wrong=True)
        return False
    app.tell(f"The collector erased {erased:,} span{'' if erased == 1 else 's'}.")
    return True


async def agrees_to_forget(
    app: TelemetryApp, question: str, *details: str, yes: str, no: str = "no, go back"
) -> bool:
    """Ask before a cookie is lost, and offer to have its data erased first: it is the key to them.

    If that was wanted and did not come about, nothing is agreed to: the cookie must stay.
    """
    answers = [("n", no, "default"), ("y", yes, "error")]
    if app.endpoint and app.snapshot and app.snapshot.status.cookie.state == PRESENT:
        collector = one_line(app.endpoint, 100)
        details = (
            *details,
            f"The cookie is the key to what {collector} has of you. e has that erased first.",
        )
        answers.append(("e", "yes, and erase there", "error"))
    answer = await app.push_screen_wait(Ask(question, details, answers))
    if answer == "e" and not await erase(app):
        app.tell("The cookie was kept: without it, nothing can be erased there.", wrong=True)
        return False
    return answer in {"y", "e"}
