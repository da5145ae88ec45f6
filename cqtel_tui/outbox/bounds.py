"""Make room among the pending ones: the oldest go first, and each is counted."""

from __future__ import annotations

import os

from . import MAX_PENDING, MAX_PENDING_BYTES, count_loss


def make_room(state: str, folder: str, names: list[str], oldest: str) -> None:
    """Remove the oldest envelopes until the bounds hold again; the newest always stays.

    Args:
        state: the state folder.
        folder: that of the pending ones.
        names: what is in it.
        oldest: an envelope whose name sorts before this is too old.
    """
    names.sort()
    total = sum(map(_size, names))
    for at, name in enumerate(names[:-1]):
        full = len(names) - at > MAX_PENDING or total > MAX_PENDING_BYTES
        if not full and name >= oldest:
            return
        total -= _size(name)
        try:
            os.unlink(f"{folder}/{name}")  # noqa: PTH108  # pathlib costs 13 ms
        except FileNotFoundError:
            continue  # another process made room, or it was sent
        count_loss(state, "full" if full else "expired")


def _size(name: str) -> int:
    try:
        return int(name.split(",", 4)[3])
    except (IndexError, ValueError):
        return 0
