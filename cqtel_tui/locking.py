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


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock on `path`; nothing is made that is not there."""
    try:
        if path.exists():
            with locked(path, wait=False):
                pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on `path`, made if it is not there (mode 0600).

    Args:
        path: the file.
        wait: wait for whoever holds it, as long as need be.

    Raises:
        BlockingIOError: somebody holds it, and this was not to wait.
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
                    msvcrt.locking(opened, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                    break
                except OSError as error:
                    if error.errno not in {errno.EACCES, errno.EDEADLK}:
                        raise
                    if not wait:
                        raise BlockingIOError(error.errno, error.strerror) from None
        else:
            import fcntl

            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)
