"""Touch the disk in one way: open without following, make private folders, lock.

For every room. Nothing but builtin modules is imported: some of it runs where a program records.
"""

import errno
import os
import stat
import sys
import time

from .paths import HOME_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

PROJECT_FOLDER = ".cq"
HAS_DIR_FD = os.open in os.supports_dir_fd
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK
"""How an untrusted folder is opened: itself, never what a link points to."""


def is_root() -> bool:
    """Tell whether this is root, who can write where others are at home."""
    return hasattr(os, "geteuid") and not os.geteuid()


def owner_of(folder: str) -> int:
    """Return whose a folder is, or the nearest one above it that is there; root's if neither."""
    while folder:
        try:
            return os.stat(folder).st_uid  # noqa: PTH116  # pathlib costs 13 ms
        except (FileNotFoundError, NotADirectoryError):
            folder = folder.rpartition(os.sep)[0]
        except OSError:
            break  # what root cannot look at, it does not write to
    return 0


def open_folder(directory: str) -> int:
    """Open the folder of the cookie and the plugins, never what a link points to.

    Raises:
        OSError: it is not there, is a link or no folder, or cannot be opened.
    """
    if not HAS_DIR_FD:
        raise OSError(0, "this system cannot open the folder without following links")
    return os.open(f"{directory}/{PROJECT_FOLDER}", OPEN_FOLDER)


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_PAUSE_SECONDS = 0.01


def is_locked(path: "Path") -> bool:
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


def locked(
    path: "Path", *, wait: bool = True, lease: "float | None" = None
) -> "AbstractContextManager[None]":
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
    from contextlib import contextmanager

    return contextmanager(_locked)(path, wait=wait, lease=lease)


def _locked(path: "Path", *, wait: bool, lease: "float | None") -> "Iterator[None]":
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
            from contextlib import contextmanager

            try:
                fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if lease is None or error.errno not in _NO_LOCKS:
                    raise
                with contextmanager(_leased)(path, opened, lease, wait=wait):
                    yield
                return
        yield
    finally:
        os.close(opened)


def _leased(path: "Path", opened: int, lease: float, *, wait: bool) -> "Iterator[None]":
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


def _is_left_behind(claim: "Path", opened: int, lease: float) -> bool:
    """Tell whether a claim is older than any may be, by the file system's own clock."""
    os.utime(opened)
    try:
        return os.fstat(opened).st_mtime - claim.lstat().st_mtime > lease
    except FileNotFoundError:
        return False


_PRIVATE = 0o700
_ADVICE = {
    errno.ENOSPC: "Free some space there, and try again",
    errno.EDQUOT: "Your quota is used up there: free some of it, and try again",
    errno.EROFS: f"It is on a read-only file system. {HOME_VARIABLE} can name another folder",
    errno.EACCES: "Look at who owns the folder and who may write to it, and try again",
    errno.EPERM: "Look at who owns the folder and who may write to it, and try again",
    errno.ENAMETOOLONG: f"{HOME_VARIABLE} can name a folder with a shorter path",
    errno.ENOTDIR: "Something that is no folder is in the way: move it away, and try again",
    errno.EEXIST: "Something else is in the way: move it away, and try again",
    errno.ELOOP: "A link is in the way, which is not followed: move it away, and try again",
    errno.EISDIR: "A folder is in the way: move it away, and try again",
    errno.ENOLCK: f"{HOME_VARIABLE} can name a folder on a file system that has locks",
    errno.EIO: "The disk has an error there",
    errno.ESTALE: "The share is not what it was: mount it again, and try again",
}


def make_folder(folder: str) -> None:
    """Make a folder and those above it, each for its owner alone, whatever the umask is.

    Raises:
        OSError: it cannot be made; or this is root, and the folder would be in another user's.
    """
    try:
        _make(folder)
    except FileExistsError:
        pass  # another process was first; or it is no folder, as whoever writes into it will see
    except FileNotFoundError:
        above = os.path.dirname(folder)  # noqa: PTH120  # pathlib costs 13 ms where this runs
        if above == folder:
            raise
        make_folder(above)
        try:
            _make(folder)
        except FileExistsError:
            pass


def _make(folder: str) -> None:
    if is_root() and not os.path.lexists(folder) and (owner := owner_of(folder)):
        raise OSError(
            errno.EPERM,
            f"you are root, and the folder above is another user's (uid {owner})",
            folder,
        )
    os.mkdir(folder, _PRIVATE)  # noqa: PTH102
    if stat.S_IMODE(os.lstat(folder).st_mode) & _PRIVATE != _PRIVATE:
        os.chmod(folder, _PRIVATE)  # noqa: PTH101  # an odd umask keeps even its owner out


def what_to_do(error: OSError) -> str:
    """Return what somebody can do about a file that cannot be made or written."""
    return _ADVICE.get(error.errno or 0, "Look at the folder and at its file system, and try again")
