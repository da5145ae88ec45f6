"""One process at a time: an operating system's lock on a file, which ends with its process."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_PAUSE_SECONDS = 0.01


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
def locked(path: Path, *, wait: bool = True, lease: float | None = None) -> Iterator[None]:
    """Hold the lock on `path`, made if it is not there (mode 0600).

    Args:
        path: the file.
        wait: wait for whoever holds it, as long as need be.
        lease: how many seconds this holds it at most. With it, a file stands in for the lock where
            the file system has none (NFS without them, Lustre, some FUSE): one that is older was
            left behind, and is removed.

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

            try:
                fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if lease is None or error.errno not in _NO_LOCKS:
                    raise
                with _leased(path, opened, lease, wait=wait):
                    yield
                return
        yield
    finally:
        os.close(opened)


@contextlib.contextmanager
def _leased(path: Path, opened: int, lease: float, *, wait: bool) -> Iterator[None]:
    """Be the one that made a file beside `path`, which is gone afterwards."""
    claim = path.with_name(f"{path.name}.held")
    while True:
        try:
            os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
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
