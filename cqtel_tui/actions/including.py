"""Let a yes cover what was pending before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent.decision import ON
from ..deliver.permission import decision_for
from ..errors import CqtelError
from ..outbox.included import include_more
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from .results import Message, Result, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope, Label
    from ..paths import Places


def include_pending(places: Places, labels: Sequence[Label]) -> Result:
    """Let the yes that holds cover payloads that were pending before it.

    Raises:
        CqtelError: there is no yes to one of the programs, or it could not be written down.
    """
    outbox = Outbox(places.state)
    groups: dict[tuple[str, str], list[Envelope]] = {}
    for label in labels:
        envelope = outbox.open(PENDING, label)
        groups.setdefault((envelope.app, envelope.project), []).append(envelope)
    for envelopes in groups.values():
        decision, _ = decision_for(places, envelopes[0])
        if decision.state != ON:
            raise CqtelError(f"Telemetry of {decision.program} is not on: choose that first.")
        include_more(places.state, decision, [envelope.id for envelope in envelopes])
    return Result((Message(f"included in your yes: {number(len(labels), 'payload')}"),))
