"""Say in plain words what a collector's answer, or the lack of one, means; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..outbox.receipts import SUCCESS
from .connection import REDIRECTED

if TYPE_CHECKING:
    from ..outbox.receipts import Receipt

_MEANINGS = {
    400: "it cannot read this payload",
    401: "it asks for credentials, and none are sent",
    403: "it accepts nothing from here",
    404: "nothing accepts payloads at that address; to set another: cq-telemetry endpoint URL",
    405: "nothing accepts payloads at that address; to set another: cq-telemetry endpoint URL",
    407: "the proxy asks for a user name and a password",
    413: "the payload is too large for it",
    415: "it does not accept this kind of payload",
    429: "it is busy",
    502: "it is not available right now",
    503: "it is not available right now",
    504: "it is not available right now",
}
_ERRORS = (
    ("Connection refused", "nothing listens there"),
    ("actively refused", "nothing listens there"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted here"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS; is it http?"),
    ("Name or service not known", "its name is not known"),
    ("nodename nor servname", "its name is not known"),
    ("No address associated", "its name has no address"),
    ("getaddrinfo failed", "its name is not known"),
    ("Temporary failure in name resolution", "its name cannot be looked up right now"),
    ("unreachable", "it cannot be reached; is the network down?"),
    ("disconnected", "it closed the connection without a response"),
    ("Connection reset", "it closed the connection without a response"),
)


def meaning(status: int) -> str:
    """Return what an HTTP status means, such as ` (it is busy)`; empty for others."""
    words = _MEANINGS.get(status)
    return f" ({words})" if words else ""


def answer_words(receipt: Receipt) -> str:
    """Say what a collector answered; its own words in it are untrusted."""
    if receipt.status in REDIRECTED:
        return f"it responded {receipt.status}, and redirects are not followed ({receipt.answer})"
    words = f"it responded {receipt.status}"
    if receipt.rejected_spans:
        words += f", and refused {receipt.rejected_spans} spans"
    elif receipt.status in SUCCESS:
        return words
    message = f": {receipt.answer}" if receipt.answer else ""
    return f"{words}{message}{meaning(receipt.status)}"


def error_words(error: object) -> str:
    """Say why there was no answer: in the system's own words, and in plain ones."""
    own = str(error)
    plain = next((words for mark, words in _ERRORS if mark in own), "")
    return f"{own} ({plain})" if plain else own
