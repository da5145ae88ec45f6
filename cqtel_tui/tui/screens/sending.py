"""Send payloads, and show how it goes; Esc stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ProgressBar, Static
from textual.worker import get_current_worker

from ...actions.results import number
from ...errors import CqtelError
from ...sanitize import one_line
from .. import views
from .modal import Modal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...actions.sending import SendRequest, SendResult
    from ...outbox.envelope import Label
    from ...paths import Places


class Sending(Modal["list[SendResult]"]):
    """Sends these envelopes, and gives what became of each.

    Args:
        places: where the outbox and the choices are.
        labels: pending envelopes.
        asked: how the user has asked for them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,ctrl+c",
            "stop",
            "Stop",
            id="sending.stop",
            tooltip="Stop sending; the one on its way may have arrived",
        )
    ]

    def __init__(self, places: Places, labels: Sequence[Label], asked: SendRequest) -> None:
        super().__init__()
        self.places = places
        self.labels = labels
        self.asked = asked
        self.results: list[SendResult] = []
        self.stopping = False

    def compose(self) -> ComposeResult:
        """Lay out the progress."""
        with Vertical(id="ask"):
            yield Static(Content(f"Sending {number(len(self.labels), 'payload')}…").stylize("bold"))
            yield ProgressBar(total=len(self.labels), show_eta=False)
            yield Static(id="sending-last")
            yield Static(views.muted("Esc stops."), id="sending-hint")

    def on_mount(self) -> None:
        """Begin."""
        self._send()

    def action_stop(self) -> None:
        """Send no more; the one that is on its way is broken off."""
        self.stopping = True
        self.query_one("#sending-hint", Static).update(Content("Stopping…"))

    @work(thread=True)
    def _send(self) -> None:
        from ...actions.sending import send

        worker = get_current_worker()
        try:
            for result in send(
                self.places,
                self.labels,
                self.asked,
                lambda: self.stopping or worker.is_cancelled,
            ):
                self.results.append(result)
                self.app.call_from_thread(self._progress, result)
        except (CqtelError, OSError) as error:
            self.app.call_from_thread(self._failed, str(error))
        self.app.call_from_thread(self.dismiss, self.results)

    def _progress(self, result: SendResult) -> None:
        self.query_one(ProgressBar).advance(1)
        self.query_one("#sending-last", Static).update(Content(one_line(result.why, 200)))

    def _failed(self, words: str) -> None:
        self.app.notify(one_line(words, 400), severity="error", markup=False)
