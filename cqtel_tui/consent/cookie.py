"""The cookie: the random UUID in `.cq/telemetry-cookie` that tells one installation from another.

On the hot path (DESIGN §11). The folder comes with a repository and is untrusted: it is opened
without following a link, and everything in it is reached through that handle. Changing the cookie
is `changing`'s, whose names can be had from here, too.
"""

import os
import stat

from ..catalogue import is_cookie
from . import HAS_DIR_FD, OPEN_FOLDER, PROJECT_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .changing import CookieError, legacy, lock, reset, unlock

__all__ = [
    "ABSENT",
    "LEGACY_NAME",
    "LOCKED",
    "NAME",
    "PRESENT",
    "UNSAFE",
    "Cookie",
    "CookieError",
    "legacy",
    "lock",
    "look",
    "new_value",
    "read_or_create",
    "reset",
    "unlock",
]

NAME = "telemetry-cookie"
LEGACY_NAME = "telemetry-random-id"
"""What the releases of 2021 and 2022 called it, in the same folder and in the home folder."""

ABSENT = "absent"
PRESENT = "present"
LOCKED = "locked"
UNSAFE = "unsafe"

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_LONGEST = 64


def __getattr__(name: str) -> object:
    """Import what changes the cookie at its first use (PEP 562)."""
    if name in __all__:
        from . import changing

        return getattr(changing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Cookie:
    """The cookie of one folder, as found.

    Attributes:
        path: the file.
        state: `absent`, `present`, `locked` (a directory of that name) or `unsafe`.
        value: the UUID; None unless present.
        reason: why it is unsafe; empty otherwise.
        modified: when it was written, in seconds since 1970; None unless present.
    """

    __slots__ = ("modified", "path", "reason", "state", "value")

    def __init__(
        self,
        path: str,
        state: str,
        value: "str | None" = None,
        reason: str = "",
        modified: "float | None" = None,
    ) -> None:
        self.path = path
        self.state = state
        self.value = value
        self.reason = reason
        self.modified = modified


def look(directory: str, name: str = NAME) -> "Cookie":
    """Return the cookie of the project in `directory`, without touching it."""
    path = os.path.join(directory, PROJECT_FOLDER, name)  # noqa: PTH118  # pathlib costs 13 ms
    try:
        folder = open_folder(directory)
    except FileNotFoundError:
        return Cookie(path, ABSENT)
    except OSError as error:
        return Cookie(path, UNSAFE, reason=folder_problem(directory, error))
    try:
        return _look(folder, name, path)
    finally:
        os.close(folder)


def read_or_create(directory: str, entropy: "Callable[[int], bytes]" = os.urandom) -> "str | None":
    """Return the cookie's value, made now if there is none; None if it is locked or unsafe.

    Of many processes at once, one makes it, and all return its value.
    """
    found = look(directory)
    if found.state != ABSENT:
        return found.value
    try:
        folder = open_folder(directory, create=True)
    except OSError:
        return None
    try:
        value = new_value(entropy)
        if _publish(folder, value, entropy):
            return value
        return _look(folder, NAME, found.path).value
    except OSError:
        return None
    finally:
        os.close(folder)


def new_value(entropy: "Callable[[int], bytes]" = os.urandom) -> str:
    """Return a random UUID, version 4 (RFC 9562), in lower case."""
    digits = entropy(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def open_folder(directory: str, *, create: bool = False) -> int:
    """Open the folder of the cookie, never what a link points to.

    Raises:
        OSError: it is not there, is a link or no folder, or cannot be opened.
    """
    if not HAS_DIR_FD:
        raise OSError(0, "this system cannot open the folder without following links")
    path = os.path.join(directory, PROJECT_FOLDER)  # noqa: PTH118
    if create:
        try:
            os.mkdir(path, 0o755)  # noqa: PTH102
        except FileExistsError:
            pass
    return os.open(path, OPEN_FOLDER)


def folder_problem(directory: str, error: OSError) -> str:
    """Say why the folder of the cookie could not be opened."""
    if os.path.islink(os.path.join(directory, PROJECT_FOLDER)):  # noqa: PTH114, PTH118
        return f"{PROJECT_FOLDER} is a link"
    return f"{PROJECT_FOLDER} cannot be opened: {error.strerror}"


def _look(folder: int, name: str, path: str) -> "Cookie":
    try:
        opened = os.open(name, _READ | _CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return Cookie(path, ABSENT)
    except OSError as error:
        return _closed(folder, name, path, error)
    try:
        status = os.fstat(opened)
        if stat.S_ISDIR(status.st_mode):
            return Cookie(path, LOCKED)
        if not stat.S_ISREG(status.st_mode):
            return Cookie(path, UNSAFE, reason="it is not a regular file")
        if status.st_uid != os.geteuid():
            return Cookie(path, UNSAFE, reason=f"it belongs to another user (uid {status.st_uid})")
        if status.st_mode & stat.S_IWOTH:
            return Cookie(path, UNSAFE, reason="everybody may write it")
        data = os.read(opened, _LONGEST + 1)
    except OSError as error:
        return Cookie(path, UNSAFE, reason=f"it cannot be read: {error.strerror}")
    finally:
        os.close(opened)
    value = data.decode("ascii", "replace").strip()
    if len(data) > _LONGEST or not is_cookie(value):
        return Cookie(path, UNSAFE, reason="it does not hold a random UUID (version 4)")
    return Cookie(path, PRESENT, value, modified=status.st_mtime)


def _closed(folder: int, name: str, path: str, error: OSError) -> "Cookie":
    """Return what cannot be opened: a directory locks, be it closed to everybody."""
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except OSError:
        mode = 0
    if stat.S_ISDIR(mode):
        return Cookie(path, LOCKED)
    reason = "it is a link" if stat.S_ISLNK(mode) else f"it cannot be read: {error.strerror}"
    return Cookie(path, UNSAFE, reason=reason)


def _publish(folder: int, value: str, entropy: "Callable[[int], bytes]") -> bool:
    """Put a whole cookie in place, unless another process was first; tell whether it is ours."""
    temporary = f".{NAME}.{entropy(8).hex()}"
    opened = os.open(temporary, _CREATE | _CLOEXEC, 0o600, dir_fd=folder)
    try:
        os.write(opened, value.encode() + b"\n")
        os.fsync(opened)
        # A link appears whole or not at all, and never replaces what is there.
        os.link(temporary, NAME, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)
    except FileExistsError:
        return False
    finally:
        os.close(opened)
        os.unlink(temporary, dir_fd=folder)
    return True
