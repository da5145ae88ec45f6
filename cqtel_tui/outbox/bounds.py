"""Make room among the pending ones: the oldest go first, and each is counted."""

import os

from . import OUTBOX, PENDING, SUFFIX, field_of
from .expiry import DAY, horizon, retention_clock
from .losses import count_loss

MAX_PENDING = 1000
MAX_PENDING_BYTES = 16 * 1024 * 1024

_SPARE = MAX_PENDING // 8
"""No more than these are added, in all but the rarest case, before `hold` looks again."""


def make_room(state: str, now: int) -> None:
    """Remove the oldest pending envelopes until there is room again; the newest always stays.

    An envelope that is dated in the future counts as the oldest.

    Args:
        state: the state folder.
        now: microseconds since 1970; see `expiry` for what is too old.
    """
    folder = f"{state}/{OUTBOX}/{PENDING}"
    ahead = f"{now + DAY:016d}"
    names = sorted(
        [
            name
            for name in os.listdir(folder)  # noqa: PTH208  # pathlib costs 13 ms
            if name.endswith(SUFFIX) and name[0] != "."
        ],
        key=lambda name: (name <= ahead, name),
    )
    too_old = horizon(retention_clock(state, now, _oldest(names)))
    total = sum(map(_size, names))
    left = len(names)
    for name in names[:-1]:
        full = left > MAX_PENDING - _SPARE or total > MAX_PENDING_BYTES * 7 // 8
        if not full and name >= too_old:
            continue
        left -= 1
        total -= _size(name)
        try:
            os.unlink(f"{folder}/{name}")  # noqa: PTH108
        except OSError:
            continue  # another process made room, it was sent, or it is no file
        count_loss(state, "full" if full else "expired")


def _oldest(names: "list[str]") -> "int | None":
    times = [field_of(name, "created") for name in names]
    return min([int(time) for time in times if time.isdigit() and time.isascii()], default=None)


def _size(name: str) -> int:
    size = field_of(name, "size")
    return int(size) if size.isdigit() and size.isascii() else 0
