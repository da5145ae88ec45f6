"""Say what would not be delivered by itself, and why, without sending anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..outbox.bounds import MAX_PENDING
from ..outbox.deliveries import Deliveries
from ..outbox.envelope import TornEnvelopeError
from ..outbox.store import NoSuchEnvelopeError, Outbox
from ..outbox.writing import PENDING
from .permission import DUE, grounds, permission

if TYPE_CHECKING:
    from ..paths import Places

DAMAGED = "it is damaged; the next delivery sets it aside"


def staying(places: Places) -> Counter[str]:
    """Return why pending payloads stay here, each reason with their number.

    Args:
        places: where the outbox and the choices are; no more than the outbox may hold are looked
            at, the newest first.
    """
    outbox = Outbox(places.state)
    deliveries = Deliveries(outbox)
    reasons: Counter[str] = Counter()
    for label in outbox.labels(PENDING)[-MAX_PENDING:]:
        try:
            envelope = outbox.open(PENDING, label)
        except NoSuchEnvelopeError:
            continue
        except TornEnvelopeError:
            reasons[DAMAGED] += 1
            continue
        may = permission(envelope, grounds(places, envelope, deliveries=deliveries), DUE)
        if may.refusal:
            reasons[may.refusal] += 1
    return reasons
