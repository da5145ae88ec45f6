"""Look after all envelopes on this machine: list, open, move and remove them."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..files import create_beside, locked, make_folder, read
from ..files import replace as write_over
from . import OUTBOX, PENDING, SUFFIX
from .envelope import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    Label,
    TornEnvelopeError,
    identity_of,
    open_envelope,
    read_label,
)
from .expiry import MAX_AGE_SECONDS, retention_clock
from .guarding import by_its_owner
from .losses import UNSENT, count_loss, read_losses
from .receipts import (
    RECEIPT_SUFFIX,
    SUCCESS,
    Begun,
    Receipt,
    Reservation,
    has_receipt,
    is_receipt,
    read_begun,
    read_receipt,
    receipt_path,
    remove_receipt,
    write_receipt,
)
from .runs import sweep_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .expiry import Uptime

SENT = "sent"
REJECTED = "rejected"
SET_ASIDE = "set-aside"
SENDING = "sending"
"""Holds the room of a receipt, by its envelope's id, from before a request until its answer."""
BOXES = (PENDING, SENT, REJECTED)
LOCK = "sender.lock"
"""The lock of whoever sends, or changes what might be sent."""
"""Where the id is in a name."""
_LEFTOVER_SECONDS = 3600


class NoSuchEnvelopeError(CqtelError):
    """No envelope, or more than one, has that id."""


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How many envelopes there are, and how many payloads were lost to a bound or an error."""

    pending: int
    sent: int
    rejected: int
    set_aside: int
    dropped: int


class Outbox:
    """All envelopes on this machine.

    Args:
        state: the state folder; nothing is made in it before something is written.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self.folder = Path(state) / OUTBOX

    def files(self, box: str) -> list[str]:
        """Return the names of all files in a box, receipts among them, in no order.

        Raises:
            CqtelError: it cannot be listed.
        """
        try:
            return os.listdir(self.folder / box)  # noqa: PTH208  # 100,000 names, no Path each
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CqtelError(f"{self.folder / box} cannot be read: {error.strerror}") from None

    def names(self, box: str) -> list[str]:
        """Return the file names in `pending`, `sent` or `rejected`, oldest first."""
        listed = self.files(box)
        return sorted(name for name in listed if name.endswith(SUFFIX) and name[0] != ".")

    def labels(self, box: str) -> list[Label]:
        """Return the labels in a box, oldest first."""
        return [label for name in self.names(box) if (label := read_label(name)) is not None]

    def find(self, identity: str, boxes: Iterable[str] = BOXES) -> tuple[str, Label]:
        """Return the box and the label of the envelope whose id begins with `identity`.

        Raises:
            NoSuchEnvelopeError: there is none, or there are several.
        """
        matches = [
            (box, label)
            for box in boxes
            for name in self.names(box)
            if identity_of(name).startswith(identity) and (label := read_label(name)) is not None
        ]
        if not identity or not matches:
            raise NoSuchEnvelopeError(
                f"No payload has the id {identity!r}. See them all: cq-telemetry pending"
            )
        if len(matches) > 1:
            raise NoSuchEnvelopeError(
                f"{len(matches)} payloads begin with {identity!r}. Give more characters."
            )
        return matches[0]

    def path(self, box: str, label: Label) -> Path:
        """Return where an envelope lies."""
        return self.folder / box / label.file_name

    def open(self, box: str, label: Label) -> Envelope:
        """Return what is in an envelope.

        Raises:
            TornEnvelopeError: it is not what was sealed; `set_aside` takes it out of the way.
            NoSuchEnvelopeError: it is no longer there.
        """
        return open_envelope(self.read(box, label), label)

    def read(self, box: str, label: Label) -> bytes:
        """Return an envelope's bytes, as they are.

        Raises:
            TornEnvelopeError: it is not a file of a sensible size.
            NoSuchEnvelopeError: it is no longer there.
        """
        try:
            data = read(self.path(box, label), MAX_ENVELOPE_BYTES + 1)
        except FileNotFoundError:
            raise NoSuchEnvelopeError(f"{label.id} is no longer {box}.") from None
        except OSError as error:
            raise TornEnvelopeError(f"it cannot be read: {error.strerror}") from None
        if len(data) > MAX_ENVELOPE_BYTES:
            raise TornEnvelopeError(f"it is larger than {MAX_ENVELOPE_BYTES} bytes")
        return data

    @by_its_owner
    def set_aside(self, box: str, label: Label) -> Path:
        """Take an envelope that is not intact out of the way; return where it lies now."""
        target = self.folder / SET_ASIDE / label.file_name
        make_folder(str(target.parent))
        self.path(box, label).replace(target)
        return target

    @by_its_owner
    def set_misnamed_aside(self) -> None:
        """Take a file out of the way whose name is not an envelope's, such as an altered one."""
        for name in [name for name in self.names(PENDING) if read_label(name) is None]:
            make_folder(str(self.folder / SET_ASIDE))
            with contextlib.suppress(OSError):  # one of that name lies there already
                (self.folder / PENDING / name).rename(self.folder / SET_ASIDE / name)

    @by_its_owner
    def drop(self, box: str, label: Label) -> None:
        """Remove an envelope, and its receipt if it has one."""
        path = self.path(box, label)
        path.unlink(missing_ok=True)
        remove_receipt(path)

    @by_its_owner
    def clear(self, box: str, app: str | None = None) -> int:
        """Remove all envelopes of a box, or those of one program; return how many there were."""
        labels = [label for label in self.labels(box) if app in {None, label.app}]
        for label in labels:
            self.drop(box, label)
        return len(labels)

    @by_its_owner
    def put_back(self, box: str, label: Label, data: bytes) -> None:
        """Put back an envelope that was dropped, with the bytes it had."""
        path = self.path(box, label)
        make_folder(str(path.parent))
        write_over(path, data)

    @by_its_owner
    def reserve(self, label: Label, url: str, now: float) -> Reservation:
        """Take the room for an envelope's receipt, and note that it is being sent.

        Args:
            label: a pending envelope's.
            url: where it is going to be sent to.
            now: seconds since 1970.

        Raises:
            OSError: there is no room, or nothing can be written: it must not be sent.
        """
        begun = Begun(label.id, url, int(now * 1_000_000))
        folders = (self.folder / SENT, self.folder / REJECTED)
        return Reservation(self.folder / SENDING / label.id, begun, folders)

    @by_its_owner
    def close(self, label: Label, box: str, receipt: Receipt) -> None:
        """Move a pending envelope to `sent` or `rejected`, with its receipt.

        The receipt comes first: an envelope that is still pending but has one was answered, and
        `settle` moves it without another request.

        Raises:
            FileNotFoundError: it was dropped meanwhile; the receipt is there all the same.
        """
        target = self.path(box, label)
        make_folder(str(target.parent))
        write_receipt(target, receipt)
        self.path(PENDING, label).replace(target)

    @by_its_owner
    def settle(self) -> None:
        """Finish the moves that a crash or a full disk cut short."""
        self._settle_begun()
        for box in (SENT, REJECTED):
            for label in self.labels(PENDING):
                target = self.folder / box / label.file_name
                if has_receipt(target):
                    with contextlib.suppress(FileNotFoundError):  # dropped under way
                        self.path(PENDING, label).replace(target)

    def _settle_begun(self) -> None:
        """Take what was answered to where it belongs, and forget what is no longer pending."""
        try:
            begun = {path.name: path for path in (self.folder / SENDING).iterdir()}
        except OSError:
            return
        pending = {label.id: label for label in self.labels(PENDING)} if begun else {}
        for name, path in begun.items():
            label, outcome = pending.get(name), read_begun(path)
            if label is None:
                path.unlink()
            elif isinstance(outcome, Receipt):
                box = SENT if outcome.status in SUCCESS else REJECTED
                path.replace(receipt_path(self.folder / box / label.file_name))

    @by_its_owner
    def postpone(self, label: Label) -> None:
        """Count one more attempt in vain on a pending envelope's label."""
        self.path(PENDING, label).rename(self.path(PENDING, label.tried_again()))

    @by_its_owner
    def replace(self, label: Label, payload: bytes, *, dropped: int = 0) -> Label:
        """Let a pending envelope have another payload, from which its user took something out.

        Its id and what was intercepted stay; its SHA-256 is the new payload's.

        Args:
            label: the envelope's.
            payload: the new bytes.
            dropped: how many more values are left out in them.

        Returns:
            its label from now on, which is another one if the length is.

        Raises:
            TornEnvelopeError: it is not what was sealed.
            NoSuchEnvelopeError: it is no longer pending.
            CqtelError: a sender is at work, or it cannot be written; nothing was changed.
        """
        try:
            with locked(self.folder / LOCK, wait=False):
                self.settle()
                envelope = self.open(PENDING, label)
                changed, data = envelope.with_payload(payload, dropped)
                changed = replace(changed, attempt=label.attempt)
                self._exchange(self.path(PENDING, label), self.path(PENDING, changed), data)
        except BlockingIOError:
            raise CqtelError(
                f"{label.id} was not changed: payloads are being sent right now. "
                "Try again when that is done."
            ) from None
        except FileNotFoundError:
            raise NoSuchEnvelopeError(f"{label.id} is no longer {PENDING}.") from None
        except OSError as error:
            raise CqtelError(
                f"{self.path(PENDING, label)} cannot be changed: {error.strerror}. "
                "Look at its owner and free space, and try again."
            ) from None
        return changed

    def _exchange(self, old: Path, new: Path, data: bytes) -> None:
        """Put `data` in the place of a file, under another name; nothing is changed if that fails.

        Never two of the same id. All that needs room on the disk comes first; a crash between the
        two renames leaves an envelope that its name does not agree with, which is never sent.
        """
        temporary = Path(create_beside(new, data))
        try:
            if old != new:
                if os.path.lexists(new):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
                old.rename(new)
            try:
                temporary.replace(new)
            except BaseException:
                if old != new:
                    new.rename(old)
                raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @by_its_owner
    def retry(self, label: Label) -> None:
        """Put a rejected envelope back among the pending ones."""
        source = self.path(REJECTED, label)
        make_folder(str(self.folder / PENDING))
        source.replace(self.path(PENDING, label))
        remove_receipt(source)

    def receipt(self, box: str, label: Label) -> Receipt | None:
        """Return the receipt of an envelope; None if it has none."""
        return read_receipt(self.path(box, label))

    @by_its_owner
    def sweep(self, now: float | None = None, uptime: Uptime | None = None) -> None:
        """Remove what is older than 30 days from all boxes, and what crashes left behind.

        Args:
            now: seconds since 1970, as the clock has it; see `expiry` for what it is worth.
            uptime: which start of the machine this is, and how long ago in microseconds.
        """
        now = time.time() if now is None else now
        labels = {box: self.labels(box) for box in (*BOXES, SET_ASIDE)}
        oldest = min((label.created for each in labels.values() for label in each), default=None)
        clock = retention_clock(self.state, int(now * 1_000_000), oldest, uptime)
        too_old = clock - MAX_AGE_SECONDS * 1_000_000
        with contextlib.suppress(OSError):
            sweep_runs(self.state, clock)
        for box, each in labels.items():
            for label in each:
                if self._recorded(box, label, now) < too_old:
                    with contextlib.suppress(OSError):  # a directory of such a name
                        self.drop(box, label)
                        if box == PENDING:
                            count_loss(self.state, "expired")
            for leftover in self._leftovers(box):
                with contextlib.suppress(OSError):
                    if leftover.lstat().st_mtime < clock / 1_000_000 - _LEFTOVER_SECONDS:
                        leftover.unlink()

    def _recorded(self, box: str, label: Label, now: float) -> int:
        """Return when an envelope was recorded, in µs; where that is still to come, was written."""
        if label.created <= now * 1_000_000:
            return label.created
        try:
            return min(label.created, self.path(box, label).lstat().st_mtime_ns // 1000)
        except OSError:
            return label.created

    def _leftovers(self, box: str) -> list[Path]:
        """Return what a crash left in a box: files half written, and receipts of nothing."""
        folder = self.folder / box
        if not folder.is_dir():
            return []
        envelopes = set(self.names(box))
        return [
            path
            for path in folder.iterdir()
            if path.name.startswith(".")
            or (is_receipt(path) and path.name.removesuffix(RECEIPT_SUFFIX) not in envelopes)
        ]

    def counts(self) -> OutboxCounts:
        """Count the envelopes, and what was lost."""
        pending, sent, rejected, aside = (len(self.names(b)) for b in (*BOXES, SET_ASIDE))
        return OutboxCounts(pending, sent, rejected, aside, self.losses())

    def losses(self) -> int:
        """Count the payloads that were lost to a bound or an error."""
        return sum(what != UNSENT for _, what, _ in read_losses(self.state))
