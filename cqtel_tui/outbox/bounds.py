"""Make room among the pending ones: the oldest go first, and each is counted."""

import os

from . import (
    MAX_AGE_SECONDS,
    MAX_PENDING,
    MAX_PENDING_BYTES,
    OUTBOX,
    PENDING,
    SUFFIX,
    count_loss,
)

_SPARE = MAX_PENDING // 8
"""How many more are held, as good as never, before somebody looks again (see `hold`)."""


def make_room(state: str, now: int) -> None:
    """Remove the oldest pending envelopes until there is room again; the newest always stays.

    Args:
        state: the state folder.
        now: microseconds since 1970; what is more than 30 days older goes.
    """
    folder = f"{state}/{OUTBOX}/{PENDING}"
    names = sorted(
        name
        for name in os.listdir(folder)  # noqa: PTH208  # pathlib costs 13 ms
        if name.endswith(SUFFIX) and name[0] != "."
    )
    oldest = f"{now - MAX_AGE_SECONDS * 1_000_000:016d}"
    total = sum(map(_size, names))
    for at, name in enumerate(names[:-1]):
        left = len(names) - at
        full = left > MAX_PENDING - _SPARE or total > MAX_PENDING_BYTES * 7 // 8
        if not full and name >= oldest:
            return
        total -= _size(name)
        try:
            os.unlink(f"{folder}/{name}")  # noqa: PTH108
        except OSError:
            continue  # another process made room, it was sent, or it is no file
        count_loss(state, "full" if full else "expired")


def _size(name: str) -> int:
    try:
        return int(name.split(",", 4)[3])
    except (IndexError, ValueError):
        return 0
