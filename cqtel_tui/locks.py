"""Hold a lock on a file, on each system its own way; `files.locked` is how others ask for it."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .opening import CREATE, NO_LINK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""The errors of a file system without locks."""
_PAUSE_SECONDS = 0.01


@contextmanager
def hold(path: Path, *, wait: bool, lease: float | None) -> Iterator[None]:
    """Hold the lock on `path`; see `files.locked`."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
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

            try:
                fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if lease is None or error.errno not in NO_LOCKS:
                    raise
                with _leased(path, opened, lease, wait=wait):
                    yield
                return
        yield
    finally:
        os.close(opened)


@contextmanager
def _leased(path: Path, opened: int, lease: float, *, wait: bool) -> Iterator[None]:
    """Hold the lock by having made a file beside `path`, which is removed afterwards."""
    claim = path.with_name(f"{path.name}.held")
    while True:
        try:
            os.close(os.open(claim, CREATE, 0o600))
            break
        except FileExistsError:
            if _is_left_behind(claim, opened, lease):
                claim.unlink(missing_ok=True)
            elif not wait:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
            else:
                time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        claim.unlink(missing_ok=True)


def _is_left_behind(claim: Path, opened: int, lease: float) -> bool:
    """Tell whether a claim is older than any may be, by the file system's own clock."""
    os.utime(opened)
    try:
        return os.fstat(opened).st_mtime - claim.lstat().st_mtime > lease
    except FileNotFoundError:
        return False
