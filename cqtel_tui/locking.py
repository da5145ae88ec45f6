"""One process at a time: an operating system's lock on a file, which ends with its process."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, made if it is not there (mode 0600); wait for it as long as need be.

    Raises:
        OSError: the file cannot be made or locked.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    opened = os.open(path, flags, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            # LK_LOCK gives up after ten seconds, and is asked again.
            while True:
                try:
                    msvcrt.locking(opened, msvcrt.LK_LOCK, 1)
                    break
                except OSError as error:
                    if error.errno not in {errno.EACCES, errno.EDEADLK}:
                        raise
        else:
            import fcntl

            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
