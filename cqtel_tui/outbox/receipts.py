"""Receipts: the record of one delivery, or of one refusal, beside the envelope it is about."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from ..errors import CqtelError

if TYPE_CHECKING:
    from pathlib import Path

RECEIPT_SUFFIX = ".receipt"
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was sent, where to, and what was answered.

    Attributes:
        id: the envelope's.
        sha256: of the bytes that were sent, 64 hex digits.
        length: their number.
        url: where they were sent to.
        status: the HTTP status.
        time: when the answer came, in microseconds since 1970.
        answer: the server's own words, bounded; untrusted.
        rejected_spans: how many spans the server says it refused (`partialSuccess`).
        proxy: the proxy that was used; empty if none was.
    """

    id: str
    sha256: str
    length: int
    url: str
    status: int
    time: int
    answer: str = ""
    rejected_spans: int = 0
    proxy: str = ""


def write_receipt(envelope: Path, receipt: Receipt) -> None:
    """Write a receipt beside its envelope, whole or not at all."""
    path = _beside(envelope)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(asdict(receipt)) + "\n", encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(path)


def read_receipt(envelope: Path) -> Receipt | None:
    """Return the receipt of an envelope; None if it has none.

    Raises:
        CqtelError: there is one, and it cannot be read.
    """
    path = _beside(envelope)
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CqtelError(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(opened, "rb") as file:
        data = file.read(_MAX_BYTES)
    try:
        content = json.loads(data)
        receipt = Receipt(**{key: content[key] for key in (each.name for each in fields(Receipt))})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CqtelError(f"{path} is not a receipt ({error}). Look at it, or remove it.") from None
    if not all(type(getattr(receipt, e.name)).__name__ == e.type for e in fields(Receipt)):
        raise CqtelError(f"{path} is not a receipt (a wrong type). Look at it, or remove it.")
    return receipt


def remove_receipt(envelope: Path) -> None:
    """Remove the receipt of an envelope, if it has one."""
    _beside(envelope).unlink(missing_ok=True)


def _beside(envelope: Path) -> Path:
    return envelope.with_name(envelope.name + RECEIPT_SUFFIX)
