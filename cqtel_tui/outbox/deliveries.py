"""What is known of a payload's delivery: an answer, or a beginning whose end nobody knows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..files import is_locked
from .envelope import identity_of
from .receipts import SUCCESS, Begun, Receipt, read_begun
from .store import LOCK, REJECTED, SENDING, SENT
from .writing import PENDING

if TYPE_CHECKING:
    from .store import Outbox


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of the delivery of one payload.

    Attributes:
        answered: the box that its answer puts it in, `sent` or `rejected`; empty without one.
        begun: when it was begun and where to, if no answer is known.
        is_under_way: a sender is at work, so that the answer may still come.
    """

    answered: str = ""
    begun: Begun | None = None
    is_under_way: bool = False


NOT_BEGUN = Delivery()


class Deliveries:
    """What is known of deliveries; the boxes are listed once, however many payloads are asked for.

    Args:
        outbox: where the payloads lie.
        is_sender: whoever asks is the one sender, so that nobody else's answer may still come.
    """

    def __init__(self, outbox: Outbox, *, is_sender: bool = False) -> None:
        self.outbox = outbox
        self.is_sender = is_sender
        self._answered: dict[str, str] | None = None

    def of(self, identity: str) -> Delivery:
        """Return what is known of the delivery of the payload with this id, whatever box it is in.

        Raises:
            CqtelError: the boxes of what was answered cannot be listed.
        """
        if box := self._all_answered().get(identity):
            return Delivery(box)
        path = self.outbox.folder / SENDING / identity
        begun = read_begun(path) if os.path.lexists(path) else None
        if isinstance(begun, Receipt):
            return Delivery(SENT if begun.status in SUCCESS else REJECTED)
        if begun is None:
            return NOT_BEGUN
        is_under_way = not self.is_sender and is_locked(self.outbox.folder / LOCK)
        return Delivery(begun=begun, is_under_way=is_under_way)

    def note(self, identity: str, box: str) -> None:
        """Note that an answer came, so that `of` knows it from now on."""
        self._all_answered()[identity] = box

    def in_doubt(self) -> dict[str, Begun]:
        """Return, by id, the pending payloads of which nobody knows whether they were sent.

        Raises:
            CqtelError: the boxes cannot be listed.
        """
        try:
            marked = set(os.listdir(self.outbox.folder / SENDING))  # noqa: PTH208  # names alone
        except OSError:
            return {}
        pending = {label.id for label in self.outbox.labels(PENDING)} if marked else set()
        known = {identity: self.of(identity) for identity in marked & pending}
        return {
            identity: one.begun
            for identity, one in known.items()
            if one.begun is not None and not one.is_under_way
        }

    def _all_answered(self) -> dict[str, str]:
        if self._answered is None:
            # A receipt alone counts: the move was cut short, and the next sender finishes it.
            self._answered = {
                identity_of(name): box
                for box in (REJECTED, SENT)
                for name in self.outbox.files(box)
            }
        return self._answered
