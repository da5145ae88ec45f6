"""Note that a payload was shown: one with an error text goes only once its user has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..outbox.shown import note_shown

if TYPE_CHECKING:
    from ..outbox.envelope import Envelope
    from ..paths import Places


def note_payload_shown(places: Places, envelope: Envelope) -> None:
    """Note that every byte of a payload was shown, where that decides whether it may be sent."""
    if envelope.has_error_text:
        note_shown(places.state, envelope)
