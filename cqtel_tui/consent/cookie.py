"""The cookie: the random UUID in `.cq/telemetry-cookie` that tells one installation from another.

The folder comes with a repository and is untrusted: it is opened without following a link, and
everything in it is reached through that handle. `cookie_file` looks at it wherever a program
records; here it is made. Changing it is `changing`'s, whose names can be had from here, too.
"""

import errno
import os
import stat
import time

from ..files import CREATE, PROJECT_FOLDER, create, is_root, make_folder, open_folder, owner_of
from .cookie_file import (
    ABSENT,
    COOKIE_NAME,
    LOCKED,
    PRESENT,
    UNSAFE,
    cookie_record,
    identity_of,
    look_at_cookie,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .changing import CookieError, legacy, lock, reset, unlock
    from .cookie_file import CookieStatus

__all__ = [
    "ABSENT",
    "LEGACY_NAME",
    "LOCKED",
    "NAME",
    "PRESENT",
    "UNSAFE",
    "Cookie",
    "CookieError",
    "folder_problem",
    "legacy",
    "lock",
    "look",
    "make",
    "new_value",
    "open_or_make_folder",
    "read_or_create",
    "reset",
    "unlock",
    "why_closed",
]

NAME = COOKIE_NAME
LEGACY_NAME = "telemetry-random-id"
"""What the releases of 2021 and 2022 called it, in the same folder and in the home folder."""

_IGNORED = (
    b"# The telemetry cookie is the key to what a collector has of this installation: keep it out\n"
    b"# of the repository.\n"
    b"/.gitignore\n/telemetry-cookie\n/.telemetry-cookie.*\n/telemetry-random-id\n"
)
_NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
    | {errno.EINVAL, errno.EXDEV}
)
_ATTEMPTS = 40
_PAUSE_SECONDS = 0.005
_STALE_SECONDS = 10


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


def look(directory: str, state: str, name: str = NAME) -> "Cookie":
    """Return the cookie of the project in `directory`, without touching it.

    Args:
        directory: the project.
        state: the state folder, which knows what was made on this machine.
        name: the file's.
    """
    path = os.path.join(directory, PROJECT_FOLDER, name)  # noqa: PTH118
    return Cookie(path, *look_at_cookie(directory, state, name))


def read_or_create(
    directory: str, state: str, entropy: "Callable[[int], bytes]" = os.urandom
) -> "str | None":
    """Return the cookie's value, made now if there is none; None if it is locked or unsafe.

    Of many processes at once, one makes it, and all return its value.
    """
    try:
        return make(directory, state, entropy)
    except OSError:
        return None


def make(
    directory: str, state: str, entropy: "Callable[[int], bytes]" = os.urandom
) -> "str | None":
    """Return the cookie's value, made now if there is none; None if it is locked or unsafe.

    That it was made here is written down first, and git is told to leave it alone.

    Raises:
        OSError: it cannot be made.
    """
    cookie = look(directory, state)
    if cookie.state != ABSENT:
        return cookie.value
    folder = open_or_make_folder(directory)
    try:
        owner = os.fstat(folder).st_uid
        if is_root() and owner:
            raise OSError(errno.EPERM, f"you are root, and it is another user's (uid {owner})")
        value = new_value(entropy)
        record = cookie_record(state, value)
        _write_record(record, identity_of(folder) + b"\n" + os.fsencode(directory))
        if not _is_ours(folder, value, record, entropy):
            return look(directory, state).value
        return value
    finally:
        os.close(folder)


def _is_ours(folder: int, value: str, record: str, entropy: "Callable[[int], bytes]") -> bool:
    """Put a cookie in place whose record is written; tell whether no other process was first."""
    is_ours = False
    try:
        _ignore(folder)
        is_ours = _publish(folder, value, entropy)
    finally:
        if not is_ours:
            os.unlink(record)  # noqa: PTH108  # pathlib costs 13 ms
    return is_ours


def _write_record(path: str, content: bytes) -> None:
    make_folder(os.path.dirname(path))  # noqa: PTH120
    create(path, content, sync=True)


def _ignore(folder: int) -> None:
    """Have git leave the cookie alone, unless the project has said itself what git is to ignore."""
    try:
        create(".gitignore", _IGNORED, mode=0o644, folder=folder)
    except FileExistsError:
        pass


def new_value(entropy: "Callable[[int], bytes]" = os.urandom) -> str:
    """Return a random UUID, version 4 (RFC 9562), in lower case."""
    digits = entropy(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def open_or_make_folder(directory: str) -> int:
    """Open the folder of the cookie, made now if there is none.

    Raises:
        OSError: it is a link or no folder, or cannot be opened or made.
    """
    try:
        return open_folder(directory)
    except FileNotFoundError:
        try:
            if is_root() and (owner := owner_of(directory)):
                why = f"you are root, and {directory} is another user's (uid {owner})"
                raise OSError(errno.EPERM, why)
            os.mkdir(os.path.join(directory, PROJECT_FOLDER), 0o700)  # noqa: PTH102, PTH118
        except FileExistsError:
            pass
        return open_folder(directory)


def folder_problem(directory: str, error: OSError) -> str:
    """Say why the folder of the cookie could not be opened."""
    if os.path.islink(os.path.join(directory, PROJECT_FOLDER)):  # noqa: PTH114, PTH118
        return f"{PROJECT_FOLDER} is a link"
    return f"{PROJECT_FOLDER} cannot be opened: {error.strerror}"


def why_closed(folder: int, name: str, error: OSError) -> "CookieStatus":
    """Return what cannot be opened: a directory locks, be it closed to everybody."""
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except OSError:
        mode = 0
    if stat.S_ISDIR(mode):
        return LOCKED, None, "", None
    reason = "it is a link" if stat.S_ISLNK(mode) else f"it cannot be read: {error.strerror}"
    return UNSAFE, None, reason, None


def _publish(folder: int, value: str, entropy: "Callable[[int], bytes]") -> bool:
    """Put a whole cookie in place, unless another process was first; tell whether it is ours."""
    temporary = f".{NAME}.{entropy(8).hex()}"
    create(temporary, value.encode() + b"\n", folder=folder, sync=True)
    try:
        try:
            # A link appears whole or not at all, and never replaces what is there.
            os.link(temporary, NAME, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_LINKS:
                raise
            return _rename_alone(folder, temporary, os.lstat(temporary, dir_fd=folder).st_mtime)
        os.fsync(folder)
    except FileExistsError:
        return False
    finally:
        try:
            os.unlink(temporary, dir_fd=folder)
        except FileNotFoundError:
            pass
    return True


def _rename_alone(folder: int, temporary: str, now: float) -> bool:
    """Put the cookie in place where there are no hard links: a claim lets one process do it."""
    claim = f".{NAME}.claim"
    for _ in range(_ATTEMPTS):
        if _is_there(folder, NAME):
            return False
        try:
            os.close(os.open(claim, CREATE, 0o600, dir_fd=folder))
        except FileExistsError:
            _drop_stale(folder, claim, now)
            time.sleep(_PAUSE_SECONDS)
            continue
        try:
            if _is_there(folder, NAME):
                return False
            os.rename(temporary, NAME, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            return True
        finally:
            os.unlink(claim, dir_fd=folder)
    return False


def _is_there(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _drop_stale(folder: int, claim: str, now: float) -> None:
    """Remove the claim of a process that was killed; both times are the file system's."""
    try:
        if now - os.lstat(claim, dir_fd=folder).st_mtime > _STALE_SECONDS:
            os.unlink(claim, dir_fd=folder)
    except FileNotFoundError:
        pass
