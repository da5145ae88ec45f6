"""The cookie: the random UUID in `.cq/telemetry-cookie` that tells one installation from another.

On the hot path (DESIGN §11). The folder comes with a repository and is untrusted: it is opened
without following a link, and everything in it is reached through that handle.
"""

from __future__ import annotations

import os
import stat

from ..catalogue import is_cookie
from . import HAS_DIR_FD, OPEN_FOLDER, PROJECT_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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


class CookieError(OSError):
    """The cookie could not be changed; the message says why and what to do."""


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
        value: str | None = None,
        reason: str = "",
        modified: float | None = None,
    ) -> None:
        self.path = path
        self.state = state
        self.value = value
        self.reason = reason
        self.modified = modified


def look(directory: str, name: str = NAME) -> Cookie:
    """Return the cookie of the project in `directory`, without touching it."""
    path = os.path.join(directory, PROJECT_FOLDER, name)  # noqa: PTH118  # pathlib costs 13 ms
    try:
        folder = _open(directory)
    except FileNotFoundError:
        return Cookie(path, ABSENT)
    except OSError as error:
        return Cookie(path, UNSAFE, reason=_folder_problem(directory, error))
    try:
        return _look(folder, name, path)
    finally:
        os.close(folder)


def read_or_create(directory: str, entropy: Callable[[int], bytes] = os.urandom) -> str | None:
    """Return the cookie's value, made now if there is none; None if it is locked or unsafe.

    Of many processes at once, one makes it, and all return its value.
    """
    found = look(directory)
    if found.state != ABSENT:
        return found.value
    try:
        with_folder = _open(directory, create=True)
    except OSError:
        return None
    try:
        value = new_value(entropy)
        if _publish(with_folder, value, entropy):
            return value
        return _look(with_folder, NAME, found.path).value
    except OSError:
        return None
    finally:
        os.close(with_folder)


def new_value(entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Return a random UUID, version 4 (RFC 9562), in lower case."""
    digits = entropy(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def legacy(directory: str) -> list[Cookie]:
    """Return the places where earlier releases kept one: here, and in the home folder."""
    home = os.path.expanduser("~")  # noqa: PTH111
    found = [look(directory, LEGACY_NAME)]
    if os.path.realpath(home) != os.path.realpath(directory):
        found += [look(home, NAME), look(home, LEGACY_NAME)]
    return found


def reset(directory: str, *, create: bool) -> tuple[str | None, str | None]:
    """Forget the value, and make a new one if `create`; return the old and the new one.

    Raises:
        CookieError: it is locked or unsafe, or the file cannot be changed.
    """
    found = look(directory)
    if found.state == LOCKED:
        raise CookieError(f"{found.path} is locked. Unlock it first: cq-telemetry cookie unlock")
    if found.state == UNSAFE:
        raise CookieError(f"{found.path} is unsafe: {found.reason}. Lock it instead, or remove it.")
    if found.state == PRESENT:
        _in_folder(directory, _remove, NAME)
    return found.value, read_or_create(directory) if create else None


def lock(directory: str) -> list[str]:
    """Put a directory in the cookie's place, so that none is created; return what was locked.

    Whatever is there is removed, a link itself and not what it points to. The names of earlier
    releases are locked too, and those in the home folder where it has a `.cq`.

    Raises:
        CookieError: the folder or the file cannot be changed.
    """
    locked = []
    home = os.path.expanduser("~")  # noqa: PTH111
    for place in dict.fromkeys((directory, home)):
        if place == home != directory and look(home).state == ABSENT and not _has_folder(home):
            continue
        for name in (NAME, LEGACY_NAME):
            found = look(place, name)
            if found.state != LOCKED:
                _in_folder(place, _lock, name, create=True)
                locked.append(found.path)
    return locked


def unlock(directory: str) -> list[str]:
    """Remove the directories that lock the cookie, if they are empty; return what was unlocked.

    Raises:
        CookieError: one of them holds something, or cannot be removed.
    """
    unlocked = []
    home = os.path.expanduser("~")  # noqa: PTH111
    for place in dict.fromkeys((directory, home)):
        for name in (NAME, LEGACY_NAME):
            found = look(place, name)
            if found.state == LOCKED:
                _in_folder(place, _unlock, name)
                unlocked.append(found.path)
    return unlocked


def _open(directory: str, *, create: bool = False) -> int:
    if not HAS_DIR_FD:
        raise OSError(0, "this system cannot open the folder without following links")
    path = os.path.join(directory, PROJECT_FOLDER)  # noqa: PTH118
    if create:
        try:
            os.mkdir(path, 0o755)  # noqa: PTH102
        except FileExistsError:
            pass
    return os.open(path, OPEN_FOLDER)


def _has_folder(directory: str) -> bool:
    return os.path.lexists(os.path.join(directory, PROJECT_FOLDER))  # noqa: PTH118


def _folder_problem(directory: str, error: OSError) -> str:
    if os.path.islink(os.path.join(directory, PROJECT_FOLDER)):  # noqa: PTH114, PTH118
        return f"{PROJECT_FOLDER} is a link"
    return f"{PROJECT_FOLDER} cannot be opened: {error.strerror}"


def _look(folder: int, name: str, path: str) -> Cookie:
    try:
        opened = os.open(name, _READ | _CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return Cookie(path, ABSENT)
    except OSError as error:
        return Cookie(path, UNSAFE, reason=_file_problem(folder, name, error))
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
        value = os.read(opened, _LONGEST + 1).decode("ascii", "replace").strip()
    except OSError as error:
        return Cookie(path, UNSAFE, reason=f"it cannot be read: {error.strerror}")
    finally:
        os.close(opened)
    if not is_cookie(value):
        return Cookie(path, UNSAFE, reason="it does not hold a random UUID (version 4)")
    return Cookie(path, PRESENT, value, modified=status.st_mtime)


def _file_problem(folder: int, name: str, error: OSError) -> str:
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except OSError:
        mode = 0
    if stat.S_ISLNK(mode):
        return "it is a link"
    return f"it cannot be read: {error.strerror}"


def _publish(folder: int, value: str, entropy: Callable[[int], bytes]) -> bool:
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


def _remove(folder: int, name: str) -> None:
    os.unlink(name, dir_fd=folder)


def _unlock(folder: int, name: str) -> None:
    os.rmdir(name, dir_fd=folder)


def _lock(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    os.mkdir(name, 0o700, dir_fd=folder)


def _in_folder(
    directory: str, change: Callable[[int, str], None], name: str, *, create: bool = False
) -> None:
    """Change the folder through its own handle, and see the change to the disk."""
    try:
        folder = _open(directory, create=create)
    except OSError as error:
        raise CookieError(
            f"{_folder_problem(directory, error)} in {directory}. "
            "Put a real folder there, and try again."
        ) from error
    try:
        change(folder, name)
        os.fsync(folder)
    except OSError as error:
        raise CookieError(
            f"The cookie in {os.path.join(directory, PROJECT_FOLDER)} could not be changed: "  # noqa: PTH118
            f"{error.strerror}. Look at what is there, and try again."
        ) from error
    finally:
        os.close(folder)
