"""Have a large outbox listed by another process, while this one still loads the UI.

Listing 100,000 names takes a third of the time to the first paint. A thread would not help: it
needs the interpreter's lock for each name, and whoever imports holds that.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..outbox.writing import OUTBOX, PENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL_FOLDER = 512 * 1024
"""Bytes that a folder takes itself: that of a full outbox, 1,000 envelopes, takes 200 KiB."""


class Ahead:
    """What is pending, as another process lists it.

    Args:
        folder: the folder of the pending envelopes.
        process: the id of the process that lists it.
        output: the open file that it writes the names to.
        changed: when the folder was changed before, in nanoseconds.
    """

    def __init__(self, folder: str, process: int, output: int, changed: int) -> None:
        self._folder = folder
        self.process = process
        self._output = output
        self._changed = changed
        self._status: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether `names` returns at once."""
        if self._status is None:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            self._status = status if ended else None
        return self._status is not None

    def names(self) -> list[str] | None:
        """Return the file names, oldest first, once; None if they have to be listed again."""
        if self._status is None:
            _, self._status = os.waitpid(self.process, 0)
        with os.fdopen(self._output, "rb") as output:
            output.seek(0)
            listed = os.fsdecode(output.read())
        if self._status != 0 or _changed(self._folder) != self._changed:
            return None
        return listed.split("\0") if listed else []


def look_ahead(state: str) -> Ahead | None:
    """Begin to list what is pending; None if it is soon listed, or where this cannot be done.

    Args:
        state: the state folder.
    """
    folder = f"{state}/{OUTBOX}/{PENDING}"
    changed = _changed(folder)
    if (
        size_of(folder) <= SMALL_FOLDER
        or not hasattr(os, "memfd_create")
        or getattr(sys, "frozen", False)
    ):
        return None
    output = os.memfd_create("listed")
    try:
        process = os.posix_spawn(
            sys.executable,
            # -P keeps the current directory, which is untrusted, from being imported from.
            [sys.executable, "-P", "-m", __name__, state],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    except OSError:  # then it is listed here, later
        os.close(output)
        return None
    return Ahead(folder, process, output, changed)


def size_of(folder: str) -> int:
    """Return the bytes that a folder takes itself; it grows with the number of names in it."""
    try:
        return os.lstat(folder).st_size
    except OSError:
        return 0


def _changed(folder: str) -> int:
    try:
        return os.lstat(folder).st_mtime_ns
    except OSError:
        return 0


def main(arguments: Sequence[str]) -> None:
    """List what is pending in a state folder to stdout."""
    from ..outbox.store import Outbox

    (state,) = arguments
    sys.stdout.buffer.write(os.fsencode("\0".join(Outbox(state).names(PENDING))))


if __name__ == "__main__":
    main(sys.argv[1:])
