"""Receipts: the record of one delivery, or of one refusal, beside the envelope it is about."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from ..errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECEIPT_SUFFIX = ".receipt"
_MAX_BYTES = 64 * 1024
_MAX_TEMPORARY_NAME = 200


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
    replace_file(_beside(envelope), json.dumps(asdict(receipt)).encode() + b"\n")


def replace_file(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all, over the one that is there.

    Raises:
        OSError: it could not be written. Nothing is left behind.
    """
    with new_file(path, data) as temporary:
        temporary.replace(path)


@contextlib.contextmanager
def new_file(path: Path, data: bytes) -> Iterator[Path]:
    """Write a file for its owner alone beside `path`, to be given that name; else it goes again.

    Raises:
        OSError: it could not be written, on a full disk for one. Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name[:_MAX_TEMPORARY_NAME]}.{os.urandom(4).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0)
    opened = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(data)
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_receipt(path: Path) -> bool:
    """Tell whether a file in a box is called as a receipt is."""
    return path.name.endswith(RECEIPT_SUFFIX)


def has_receipt(envelope: Path) -> bool:
    """Tell whether an envelope has a receipt, be it one that cannot be read."""
    return os.path.lexists(_beside(envelope))


def read_receipt(envelope: Path) -> Receipt | None:
    """Return the receipt of an envelope; None if it has none.

    Raises:
        CqtelError: there is one, and it cannot be read.
    """
    path = _beside(envelope)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        opened = os.open(path, flags)
        try:
            data = os.read(opened, _MAX_BYTES)
        finally:
            os.close(opened)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CqtelError(f"{path} cannot be read: {error.strerror}") from None
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
