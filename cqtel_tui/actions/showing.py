"""Show a payload: every value explained, and a note that it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..outbox.shown import note_shown
from ..review.destination import INTERCEPTED
from ..review.explain import explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..outbox.envelope import Envelope
    from ..paths import Places
    from ..review.explain import Explanation
    from ..review.promises import CatalogueField


def explained(envelope: Envelope, places: Places | None) -> Explanation:
    """Explain every value of a payload of any kind.

    Args:
        envelope: its envelope.
        places: where the user's profiles and the programs' contracts are, which know fields of
            their own; None to ask neither.
    """
    if envelope.origin == INTERCEPTED:
        from ..gate.reviewing import explained as explained_by_gate

        return explained_by_gate(envelope, places.config if places else "")
    return explain(envelope.payload, envelope.kind, _own_fields(envelope, places))


def _own_fields(envelope: Envelope, places: Places | None) -> Mapping[str, CatalogueField]:
    """Return the fields of the contract that a payload was recorded under; none without one."""
    if not envelope.contract or places is None:
        return {}
    from ..consent.contract_seen import seen
    from ..review.own import contract_fields

    contract = seen(places.state, envelope.contract)
    return {} if contract is None else contract_fields(contract.contract)


def note_payload_shown(places: Places, envelope: Envelope) -> None:
    """Note that every byte of a payload was shown, where that decides whether it may be sent."""
    if envelope.has_error_text or envelope.contract:
        note_shown(places.state, envelope)
