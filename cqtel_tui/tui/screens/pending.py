"""The screen of what is pending: review it, lower what it tells, send it, drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ...outbox.writing import PENDING
from .. import views
from .boxes import Box

if TYPE_CHECKING:
    from textual.content import Content

    from ..snapshot import Snapshot


class Pending(Box):
    """What is pending: review it, send it, drop it."""

    NAME = PENDING
    EMPTY = "Nothing is pending."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "app.trim", "Fields", show=False, id="pending.trim",
                tooltip="Remove fields from this payload before it is sent"),
        Binding("minus", "app.lower", "Lower", key_display="-", show=False, id="pending.lower",
                tooltip="Take the most identifying field out of this payload"),
        Binding("s", "app.send", "Send", id="pending.send",
                tooltip="Send the marked payloads, or the one under the cursor"),
        Binding("S", "app.send(True)", "Send all", show=False, id="pending.send_all",
                tooltip="Send all pending payloads"),
        Binding("i", "app.cover", "Include", show=False, id="pending.include",
                tooltip="Let your yes cover what was pending before it"),
        Binding("x,delete", "app.drop", "Drop", id="pending.drop",
                tooltip="Delete the marked payloads, or the one under the cursor, unsent"),
        Binding("X", "app.drop(True)", "Drop all", show=False, id="pending.drop_all",
                tooltip="Delete all pending payloads, unsent"),
    ]  # fmt: skip

    def empty(self, snapshot: Snapshot) -> list[Content]:
        """Say where payloads come from."""
        if snapshot.status.decision.state == "off":
            return [views.muted("Telemetry is off: nothing is recorded. t changes that.")]
        return [
            views.muted("Nothing is pending. Run a command, and it appears here:"),
            views.muted(""),
            views.muted("  cq-telemetry run -- cloudquery sync spec.yml"),
        ]
