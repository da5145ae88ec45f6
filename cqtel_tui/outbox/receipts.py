"""Receipts: the record of one delivery, or of one refusal, beside the envelope it is about.

A receipt's room on the disk is taken before the request is made, by a file that says that the
envelope is being sent. What is answered is written into that room. If its sender dies before, the
file stays, and says that the envelope may have been sent.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import CqtelError
from ..files import NO_LINK, make_folder, read, replace, sync_folder
from ..formats.bare_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RECEIPT_SUFFIX = ".receipt"
SUCCESS = range(200, 300)
"""The HTTP statuses by which a payload was taken."""
_MAX_BYTES = 64 * 1024
_RESERVED_BYTES = 16 * 1024
_MAX_PROXY = 512


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


@dataclass(frozen=True, slots=True)
class Begun:
    """A delivery that was begun, and of which nobody knows how it ended.

    Attributes:
        id: the envelope's.
        url: where it was being sent to; empty if that cannot be read.
        time: when, in microseconds since 1970; 0 if that cannot be read.
    """

    id: str
    url: str = ""
    time: int = 0


class Reservation:
    """The room for one receipt, taken before the request is made.

    Args:
        path: where it lies until there is an answer.
        begun: what is being sent.
        folders: those that the receipt and the envelope may be moved to; they are made now.

    Raises:
        OSError: there is no room, or nothing can be written. Nothing must be sent.
    """

    def __init__(self, path: Path, begun: Begun, folders: Sequence[Path]) -> None:
        self.path = path
        for folder in (path.parent, *folders):
            make_folder(str(folder))
        # What is there of an earlier delivery keeps its room: it is written over, never cut.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | NO_LINK
        is_new = not os.path.lexists(path)
        self._opened = os.open(path, flags, 0o600)
        try:
            self._write(asdict(begun))
            os.fsync(self._opened)  # some disks say only now that there is no room
            sync_folder(path.parent)
        except BaseException:
            self._close()
            if is_new:
                path.unlink(missing_ok=True)
            raise

    def release(self) -> None:
        """Give the room back: nothing was sent, or it may be sent again."""
        self._close()
        self.path.unlink(missing_ok=True)

    def fill(self, receipt: Receipt, target: Path) -> None:
        """Write the receipt into its room, and move it to where it belongs.

        Raises:
            OSError: it could not be written or moved. It stays where it is, as far as it came.
        """
        try:
            self._write(asdict(receipt) | {"proxy": receipt.proxy[:_MAX_PROXY]})
        finally:
            self._close()
        self.path.replace(target)

    def _write(self, content: dict[str, object]) -> None:
        # All of the room is written each time, so that what was there before does not show.
        data = json.dumps(content).encode().ljust(_RESERVED_BYTES - 1) + b"\n"
        os.lseek(self._opened, 0, os.SEEK_SET)
        while data:
            data = data[os.write(self._opened, data) :]

    def _close(self) -> None:
        if self._opened >= 0:
            os.close(self._opened)
            self._opened = -1


def read_begun(path: Path) -> Receipt | Begun:
    """Return what became of a delivery that was begun: its receipt if there was an answer."""
    try:
        content = parse_object(read(path, _MAX_BYTES))
        if "status" in content:
            return _checked(content)
        return Begun(path.name, str(content["url"]), int(content["time"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return Begun(path.name)  # it was begun, whatever else it says


def write_receipt(envelope: Path, receipt: Receipt) -> None:
    """Write a receipt beside its envelope, whole or not at all."""
    replace(receipt_path(envelope), json.dumps(asdict(receipt)).encode() + b"\n")


def is_receipt(path: Path) -> bool:
    """Tell whether a file in a box is called as a receipt is."""
    return path.name.endswith(RECEIPT_SUFFIX)


def has_receipt(envelope: Path) -> bool:
    """Tell whether an envelope has a receipt, be it one that cannot be read."""
    return os.path.lexists(receipt_path(envelope))


def read_receipt(envelope: Path) -> Receipt | None:
    """Return the receipt of an envelope; None if it has none.

    Raises:
        CqtelError: there is one, and it cannot be read.
    """
    path = receipt_path(envelope)
    try:
        data = read(path, _MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CqtelError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return _checked(parse_object(data))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CqtelError(f"{path} is not a receipt ({error}). Look at it, or remove it.") from None


def _checked(content: Any) -> Receipt:
    receipt = Receipt(**{key: content[key] for key in (each.name for each in fields(Receipt))})
    if not all(type(getattr(receipt, e.name)).__name__ == e.type for e in fields(Receipt)):
        raise TypeError("a wrong type")
    return receipt


def remove_receipt(envelope: Path) -> None:
    """Remove the receipt of an envelope, if it has one."""
    receipt_path(envelope).unlink(missing_ok=True)


def receipt_path(envelope: Path) -> Path:
    """Return where the receipt of an envelope lies."""
    return envelope.with_name(envelope.name + RECEIPT_SUFFIX)
