"""The one way to touch the disk: without following links, within bounds, whole or not at all.

For every room. Nothing but builtin modules is imported: some of it runs where a program records.
"""

import os
import stat

from .opening import (
    CREATE,
    HAS_DIR_FD,
    NO_LINK,
    OPEN_FOLDER,
    PROJECT_FOLDER,
    READ,
    is_root,
    open_folder,
    owner_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    AnyPath = str | os.PathLike[str]

__all__ = [
    "CREATE",
    "HAS_DIR_FD",
    "NO_LINK",
    "OPEN_FOLDER",
    "PROJECT_FOLDER",
    "READ",
    "create",
    "create_beside",
    "is_locked",
    "is_root",
    "locked",
    "make_folder",
    "open_folder",
    "owner_of",
    "read",
    "replace",
    "sync_folder",
]

_LONGEST_NAME = 200
_PRIVATE = 0o700
_FOR_ALL = 0o644
_FOLDER_FOR_ALL = 0o755


def read(path: "AnyPath", most: int, folder: "int | None" = None) -> bytes:
    """Return the first `most` bytes of a file.

    Args:
        path: the file; a link is not followed.
        most: bytes to read.
        folder: an open folder that `path` is in.

    Raises:
        OSError: it is not there, is a link, or cannot be read.
    """
    opened = os.open(path, READ, dir_fd=folder)
    try:
        data = b""
        while len(data) < most and (part := os.read(opened, most - len(data))):
            data += part
        return data
    finally:
        os.close(opened)


def create(
    path: "AnyPath",
    data: bytes,
    *,
    mode: int = 0o600,
    folder: "int | None" = None,
    sync: bool = False,
) -> None:
    """Write a file where there is none yet.

    Args:
        path: the file.
        data: all that it holds.
        mode: its mode; for its owner alone by default.
        folder: an open folder that `path` is in.
        sync: whether it must outlast a power cut.

    Raises:
        FileExistsError: something of that name is there, be it a link to nowhere.
        OSError: it could not be written. Nothing is left behind.
    """
    opened = os.open(path, CREATE, mode, dir_fd=folder)
    try:
        try:
            while data:
                data = data[os.write(opened, data) :]
            if sync:
                os.fsync(opened)
        finally:
            os.close(opened)
    except BaseException:
        os.unlink(path, dir_fd=folder)
        raise


def create_beside(path: "AnyPath", data: bytes, *, sync: bool = False) -> str:
    """Write a temporary file in the folder of `path`, to be given its name; return where it is.

    Raises:
        OSError: it could not be written. Nothing is left behind.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:_LONGEST_NAME]}.{os.urandom(4).hex()}")  # noqa: PTH118  # pathlib costs 13 ms
    create(temporary, data, sync=sync)
    return temporary


def replace(path: "AnyPath", data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all, over the one that is there.

    Not synced: a power cut may lose it, or leave it empty, which whoever reads it must see.

    Raises:
        OSError: it could not be written. What was there is as it was.
    """
    temporary = create_beside(path, data)
    try:
        os.replace(temporary, path)  # noqa: PTH105  # pathlib costs 13 ms
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def publish(path: "AnyPath", data: bytes) -> None:
    """Write a file that everybody may read and its owner alone may change, whole or not at all.

    The folders above it are made likewise where they are not there, whatever the umask is.

    Raises:
        OSError: it could not be written. What was there is as it was.
    """
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120  # as elsewhere here
    missing = []
    while not os.path.isdir(folder):  # noqa: PTH112
        missing.append(folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    for each in reversed(missing):
        os.mkdir(each)  # noqa: PTH102
        os.chmod(each, _FOLDER_FOR_ALL)  # noqa: PTH101
    temporary = create_beside(path, data, sync=True)
    try:
        os.chmod(temporary, _FOR_ALL)  # noqa: PTH101
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def sync_folder(folder: "AnyPath") -> None:
    """Let a new name in a folder outlast a power cut, where the system can do that.

    Raises:
        OSError: the disk says that it may not.
    """
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        import errno

        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(opened)


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
    from .locks import hold

    return hold(path, wait=wait, lease=lease)


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
        import errno

        raise OSError(
            errno.EPERM,
            f"you are root, and the folder above is another user's (uid {owner})",
            folder,
        )
    os.mkdir(folder, _PRIVATE)  # noqa: PTH102
    if stat.S_IMODE(os.lstat(folder).st_mode) & _PRIVATE != _PRIVATE:
        os.chmod(folder, _PRIVATE)  # noqa: PTH101  # an odd umask keeps even its owner out
