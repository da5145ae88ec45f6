"""Write down what was lost, also on a full disk, and read it again for `cq-telemetry status`.

A line is added to `losses` in the outbox. Where a disk has no room for a line, it mostly has room
for a file without bytes, whose name says it; where nothing can be written at all, the folder of
this session's other temporary files takes it. Annotations are quoted: a program that records may
have to import this (DESIGN §11).
"""

import os
import time

from ..files import CREATE, NO_LINK, read
from . import OUTBOX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Loss = tuple[float, str, str]
    """When it was lost in seconds since 1970 (0 where that is not known), what, and why."""


LOSSES = "losses"
MARK = ".lost,"
"""How the name of a file without bytes begins."""
UNSENT = "unsent"
"""Noted like a loss, but nothing was lost: a delivery could not begin."""
_MAX_LOSSES_BYTES = 64 * 1024
_MAX_MARKS = 100
_MAX_WHY = 100
_FIELDS = 4
_OWNER_ALONE = 0o077


def count_loss(state: str, what: str, why: "str | OSError" = "") -> None:
    """Write down that a payload was lost, as well as the disk allows; never raises.

    Args:
        state: the state folder.
        what: one word for what happened: `actions.problems` tells it to people.
        why: the reason in words, such as an error's; no path and nothing of a payload.
    """
    now = int(time.time())
    reason = _plain(why if isinstance(why, str) else why.strerror or type(why).__name__)
    line = f"{now} {what} {reason}".rstrip() + "\n"
    folder = f"{state}/{OUTBOX}"
    try:
        _append(f"{folder}/{LOSSES}", line.encode())
    except OSError:
        name = f"{MARK}{time.time_ns()},{what},{reason.replace('/', ' ')}"
        if not _mark(folder, name) and not _mark(state, name):
            elsewhere = _fallback_folder(state, create=True)
            if elsewhere:
                _mark(elsewhere, name)


def read_losses(state: str) -> "list[Loss]":
    """Return what was lost, oldest first; nothing of what cannot be read."""
    losses = [*_lines(f"{state}/{OUTBOX}/{LOSSES}")]
    for place in (f"{state}/{OUTBOX}", state, _fallback_folder(state, create=False)):
        losses += _marks(place) if place else ()
    return sorted(losses)


def forget_losses(state: str) -> None:
    """Remove what was written down of losses, wherever it lies."""
    for place in (f"{state}/{OUTBOX}", state, _fallback_folder(state, create=False)):
        try:
            names = os.listdir(place) if place else []  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if name.startswith(MARK) or (name == LOSSES and place.endswith(f"/{OUTBOX}")):
                os.unlink(f"{place}/{name}")  # noqa: PTH108


def _append(path: str, line: bytes) -> None:
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK, 0o600)
    try:
        size = os.fstat(opened).st_size
        if size >= _MAX_LOSSES_BYTES:
            return
        if os.write(opened, line) < len(line):
            os.ftruncate(opened, size)
            raise OSError(0, "only a part of a line could be written")
    finally:
        os.close(opened)


def _mark(folder: str, name: str) -> bool:
    try:
        if sum(1 for each in os.listdir(folder) if each.startswith(MARK)) < _MAX_MARKS:  # noqa: PTH208
            os.close(os.open(f"{folder}/{name}", CREATE, 0o600))
    except (OSError, ValueError):
        return False
    return True


def _fallback_folder(state: str, *, create: bool) -> str:
    """Return a folder of this user's own on what is mostly another disk; empty if there is none."""
    try:
        from zlib import crc32
    except ImportError:
        return ""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    named = [os.environ.get(name, "") for name in ("XDG_RUNTIME_DIR", "TMPDIR")]
    above = next((each for each in named if each[:1] == "/"), "/tmp")  # noqa: S108  # checked below
    # The name tells the state folder: several homes do not read each other's losses.
    folder = f"{above}/cqtel-{user}-{crc32(os.fsencode(os.path.abspath(state))):08x}"  # noqa: PTH100
    try:
        if create:
            try:
                os.mkdir(folder, 0o700)  # noqa: PTH102
            except FileExistsError:
                pass
        status = os.lstat(folder)
    except OSError:
        return ""
    # Others may have made one of that name, in a folder that everybody may write into.
    is_own = os.name == "posix" and status.st_uid == user and not status.st_mode & _OWNER_ALONE
    return folder if is_own and status.st_mode & 0o170000 == 0o040000 else ""  # noqa: PLR2004


def _lines(path: str) -> "Iterator[Loss]":
    try:
        data = read(path, 2 * _MAX_LOSSES_BYTES)
    except OSError:
        return
    for line in data.split(b"\n")[:-1]:
        when, _, rest = line.decode("utf-8", "replace").partition(" ")
        if when.isascii() and when.isdigit():
            what, _, why = rest.partition(" ")
            yield float(when[:12]), what, _plain(why)
        else:
            yield 0.0, _plain(when), ""  # as earlier versions wrote it: one word


def _marks(folder: str) -> "list[Loss]":
    try:
        names = [name for name in os.listdir(folder) if name.startswith(MARK)]  # noqa: PTH208
    except OSError:
        return []
    fields = [name.split(",", _FIELDS - 1) for name in names]
    return [
        (int(when[:19]) / 1e9, what, _plain(why))
        for _, when, what, why in [each for each in fields if len(each) == _FIELDS]
        if when.isascii() and when.isdigit()
    ]


def _plain(text: str) -> str:
    """Return a reason as it may stand in a line and in a file's name."""
    kept = "".join([each for each in text if each.isascii() and each.isprintable()])
    return kept[:_MAX_WHY].strip()
