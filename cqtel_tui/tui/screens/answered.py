"""The screens of what a collector has answered: what was sent, and what was rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from ...errors import CqtelError
from ...formats import sha256
from ...outbox.store import REJECTED, SENT
from .. import views
from .boxes import VIEWS, Box

if TYPE_CHECKING:
    from textual.content import Content

    from ...outbox.envelope import Envelope, Label
    from ..snapshot import Snapshot
    from ..widgets.detail import View


class Sent(Box):
    """What was sent, with receipts."""

    NAME = SENT
    EMPTY = "Nothing was sent."
    VIEWS = (("receipt", "Receipt"), *VIEWS)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("V", "verify", "Verify", id="sent.verify",
                tooltip="Recompute the SHA-256 of the stored bytes, and compare"),
        Binding("x,delete", "app.drop", "Forget", id="sent.drop",
                tooltip="Delete the stored bytes and the receipt"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._verdicts: dict[tuple[str, str, str], bool] = {}
        """What a verification came to, by the payload's id, the receipt's hash and the bytes'."""

    def views(self, label: Label, envelope: Envelope) -> dict[str, View]:
        """Add the receipt."""
        shown = {"receipt": lambda: self._receipt(label, envelope.sha256)}
        return {**shown, **super().views(label, envelope)}

    def empty(self, snapshot: Snapshot) -> list[Content]:
        """Say what will be here."""
        del snapshot
        return [views.muted("Sent payloads stay here for 30 days, with the response.")]

    def _receipt(self, label: Label, kept: str) -> list[Content]:
        try:
            receipt = self.home.outbox.receipt(self.NAME, label)
        except CqtelError as error:
            return [views.warning(str(error))]
        # What was verified of other bytes, or by another receipt, is not told of these.
        verified = None if receipt is None else (label.id, receipt.sha256, kept)
        return views.receipt_lines(receipt, intact=self._verdicts.get(verified or ("", "", "")))

    def action_verify(self) -> None:
        """Compare the kept bytes with what the receipt says was sent."""
        label = self.envelopes.current
        if label is None:
            return
        try:
            receipt = self.home.outbox.receipt(self.NAME, label)
            envelope = self.home.outbox.open(self.NAME, label)
        except CqtelError as error:
            self.home.tell(f"It cannot be verified: {error}", wrong=True)
            return
        if receipt is None:
            self.home.tell("It cannot be verified: there is no receipt.", wrong=True)
            return
        hashed = sha256(envelope.payload)
        verified = (label.id, receipt.sha256, envelope.sha256)
        self._verdicts[verified] = hashed == receipt.sha256
        self._look_now()
        self.detail.turn_to("receipt")


class Rejected(Sent):
    """What a collector refused, and why."""

    NAME = REJECTED
    EMPTY = "Nothing was rejected."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.retry", "Requeue", id="rejected.retry",
                tooltip="Move the marked payloads back to pending"),
    ]  # fmt: skip

    def empty(self, snapshot: Snapshot) -> list[Content]:
        """Say what will be here."""
        del snapshot
        return [views.muted("Payloads the collector rejected, with its reason.")]
