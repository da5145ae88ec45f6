"""Say what is wrong on this machine, and what to do about it: for `status`, in words and as JSON.

Nothing is changed to find out. A loss is told for as long as `_TOLD_SECONDS`; what is wrong now is
told for as long as it is wrong.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..consent.endpoint import TRACES_PATH
from ..deliver.permission import SENDER_ENDED
from ..errors import CqtelError
from ..outbox.deliveries import Deliveries
from ..outbox.dispatch import CALLED, PROBLEM, STALE_SECONDS
from ..outbox.envelope import read_label
from ..outbox.losses import UNSENT, read_losses
from ..outbox.store import REJECTED, SENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..outbox.losses import Loss
    from ..outbox.store import Outbox

LOST = {
    "error": "could not be recorded",
    "full": "deleted unsent, because the outbox was full",
    "expired": "deleted unsent, because they were 30 days old",
    "gate": "of another program could not be stored",
}
"""What happened to what was lost, by the word that `count_loss` is given."""
_NO_ROOM_BYTES = 32 * 1024
_TOLD_SECONDS = 30 * 24 * 3600.0
_NOT_FOUND = 404
_MAX_NAMED = 5
_MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Attributes:
        kind: one word: `disk`, `loss`, `sender`, `rejected` or `in doubt`.
        text: what is wrong and what to do; a server's own words in it are untrusted.
        time: when it was seen last, in seconds since 1970; 0 for now.
    """

    kind: str
    text: str
    time: float = 0.0


def find_problems(outbox: Outbox, now: float | None = None, *, is_on: bool) -> list[Problem]:
    """Return what is wrong, the most urgent first; empty if nothing is.

    Args:
        outbox: the outbox.
        now: seconds since 1970.
        is_on: whether anything is to be sent by itself.
    """
    now = time.time() if now is None else now
    losses = read_losses(outbox.state)
    try:
        return [
            *_disk(outbox),
            *_lost(losses, now),
            *_unsent(outbox, losses, now, is_on=is_on),
            *_in_doubt(outbox),
            *_rejected(outbox),
        ]
    except CqtelError:
        return [*_disk(outbox), *_lost(losses, now)]  # the status itself says why


def _disk(outbox: Outbox) -> Iterator[Problem]:
    folder = outbox.folder
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        yield Problem("disk", f"{folder} is not a folder: nothing can be recorded. Move it away.")
        return
    if hasattr(os, "statvfs"):
        try:
            system = os.statvfs(folder)
        except OSError as error:
            yield Problem("disk", f"{folder} cannot be read: {error.strerror}.")
            return
        is_root = os.geteuid() == 0
        room = (system.f_bfree if is_root else system.f_bavail) * system.f_frsize
        files = system.f_ffree if is_root else system.f_favail
        if system.f_flag & os.ST_RDONLY:
            yield Problem(
                "disk",
                f"{folder} is on a disk that is mounted read-only: nothing can be recorded or sent "
                "until it can be written.",
            )
            return
        if (system.f_blocks and room < _NO_ROOM_BYTES) or (system.f_files and not files):
            yield Problem(
                "disk",
                f"the disk of {folder} is full: nothing can be recorded or sent until there is "
                "room. To delete what is pending: cq-telemetry drop --all",
            )
            return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Problem("disk", f"{folder} may not be written by you. Look at its owner and mode.")


def _lost(losses: list[Loss], now: float) -> Iterator[Problem]:
    groups: dict[tuple[str, str], list[float]] = {}
    for when, what, why in losses:
        # A time that is unknown, or comes from a clock that was ahead, is told as well.
        if what != UNSENT and (not when or now - when < _TOLD_SECONDS):
            groups.setdefault((what, why), []).append(when)
    for (what, why), times in groups.items():
        noun = "operation" if what == "error" else "request" if what == "gate" else "payload"
        number = f"{len(times):,} {noun}{'' if len(times) == 1 else 's'}"
        happened = LOST.get(what, f"lost ({what})")
        yield Problem("loss", f"{number} {happened}{f': {why}' if why else ''}.", max(times))


def _unsent(outbox: Outbox, losses: list[Loss], now: float, *, is_on: bool) -> Iterator[Problem]:
    unsent = [loss for loss in losses if loss[1] == UNSENT and now - loss[0] < _TOLD_SECONDS]
    if unsent and unsent[-1][0] >= _changed(outbox.folder / SENT):
        when, _, why = unsent[-1]
        yield Problem("sender", f"nothing was sent: {why}.", when)
    path = outbox.folder / PROBLEM
    with contextlib.suppress(OSError):
        if is_on:
            words = path.read_text("utf-8", "replace")[:_MAX_WORDS]
            text = f"payloads are not sent by themselves: {words}. To send: cq-telemetry send --all"
            yield Problem("sender", text, _changed(path))
    called = _changed(outbox.folder / CALLED)
    if called and is_on and abs(now - called) > STALE_SECONDS:
        yield Problem(
            "sender",
            "a sender was started but did not run. To see why: cq-telemetry send --all",
            called,
        )


def _in_doubt(outbox: Outbox) -> Iterator[Problem]:
    begun = Deliveries(outbox).in_doubt()
    if not begun:
        return
    last = max(begun.values(), key=lambda one: one.time)
    what = "1 pending payload" if len(begun) == 1 else f"{len(begun):,} pending payloads"
    named = ", ".join(sorted(begun)[:_MAX_NAMED])
    yield Problem(
        "in doubt",
        f"{what} may have been sent: {SENDER_ENDED}. Nothing sends them again by itself; to do so: "
        f"cq-telemetry send ID; to delete: cq-telemetry drop ID: {named}",
        last.time / 1_000_000,
    )


def _rejected(outbox: Outbox) -> Iterator[Problem]:
    names = outbox.names(REJECTED)
    for name in reversed(names):
        label = read_label(name)
        try:
            receipt = None if label is None else outbox.receipt(REJECTED, label)
        except CqtelError:
            continue
        if receipt is None:
            continue
        number = f"{len(names):,} payload{'' if len(names) == 1 else 's'}"
        text = f"{number} rejected, the last one by {receipt.url} with {receipt.status}"
        if receipt.status == _NOT_FOUND:
            text += (
                ": nothing takes payloads at that address. To set another: cq-telemetry endpoint "
                f"{_guess(receipt.url)}, then cq-telemetry retry --all"
            )
        else:
            text += ". To see them: cq-telemetry rejected"
        yield Problem("rejected", text, receipt.time / 1_000_000)
        return


def _guess(url: str) -> str:
    """Return what an OTLP collector's address may be, if the one that was set is its base."""
    path = urlsplit(url).path
    return "URL" if path.endswith(TRACES_PATH) or "?" in url else f"{url.rstrip('/')}{TRACES_PATH}"


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
