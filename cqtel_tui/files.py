"""Touch the disk in one way: without following links, within bounds, whole or not at all.

For every room. Nothing but builtin modules is imported: some of it runs where a program records.
"""

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    AnyPath = str | os.PathLike[str]

PROJECT_FOLDER = ".cq"
HAS_DIR_FD = os.open in os.supports_dir_fd
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINK
"""How an untrusted file is opened: itself, and without waiting for the writer of a FIFO."""
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK
"""How an untrusted folder is opened: itself, never what a link points to."""
_LONGEST_NAME = 200
_PRIVATE = 0o700


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
        raise OSError(
            errno.EPERM,
            f"you are root, and the folder above is another user's (uid {owner})",
            folder,
        )
    os.mkdir(folder, _PRIVATE)  # noqa: PTH102
    if stat.S_IMODE(os.lstat(folder).st_mode) & _PRIVATE != _PRIVATE:
        os.chmod(folder, _PRIVATE)  # noqa: PTH101  # an odd umask keeps even its owner out
