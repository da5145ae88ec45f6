"""The payloads on this machine: pending, sent and rejected.

`hot_path` puts one more among the pending ones: no lock, no fsync (a payload lost to a power cut
is fine, a torn one is seen), hardly ever a listing. `envelope` reads what is written there, `store`
looks after it.
"""

from ..files import make_folder
from ..hot_path import (
    FORMAT_VERSION,
    MAX_PAYLOAD_BYTES,
    OUTBOX,
    PENDING,
    RETRY_AT,
    SUFFIX,
    hold,
    is_sender_due,
    project_mark,
    quote,
    sha256,
)

__all__ = [
    "FORMAT_VERSION",
    "MAX_AGE_SECONDS",
    "MAX_PAYLOAD_BYTES",
    "MAX_PENDING",
    "MAX_PENDING_BYTES",
    "OUTBOX",
    "PENDING",
    "RETRY_AT",
    "SUFFIX",
    "count_loss",
    "hold",
    "is_sender_due",
    "make_folder",
    "project_mark",
    "quote",
    "sha256",
]

MAX_PENDING = 1000
MAX_PENDING_BYTES = 16 * 1024 * 1024
MAX_AGE_SECONDS = 30 * 24 * 3600


def count_loss(state: str, what: str, why: "str | OSError" = "") -> None:
    """Write down that a payload was lost: what happened in one word, and why; never raises."""
    from .losses import note_loss

    note_loss(state, what, why)
