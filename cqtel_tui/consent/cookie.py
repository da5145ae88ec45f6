"""The cookie: the random UUID in `.cq/telemetry-cookie` that tells one installation from another.

The folder comes with a repository and is untrusted: it is opened without following a link, and
everything in it is reached through that handle. `warm_path` looks at it wherever a program records;
here it is made. Changing it is `changing`'s, whose names can be had from here, too.
"""

import os
import stat

from ..hot_path import CREATE, PROJECT_FOLDER, open_folder
from ..warm_path import ABSENT, COOKIE_NAME, LOCKED, PRESENT, UNSAFE, cookie_in, look_at_cookie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..warm_path import Found
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
    "folder_problem",
    "legacy",
    "lock",
    "look",
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
    path = os.path.join(directory, PROJECT_FOLDER, name)  # noqa: PTH118
    return Cookie(path, *look_at_cookie(directory, name))


def read_or_create(directory: str, entropy: "Callable[[int], bytes]" = os.urandom) -> "str | None":
    """Return the cookie's value, made now if there is none; None if it is locked or unsafe.

    Of many processes at once, one makes it, and all return its value.
    """
    found = look(directory)
    if found.state != ABSENT:
        return found.value
    try:
        folder = open_or_make_folder(directory)
    except OSError:
        return None
    try:
        value = new_value(entropy)
        return value if _publish(folder, value, entropy) else cookie_in(folder, NAME)[1]
    except OSError:
        return None
    finally:
        os.close(folder)


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
            os.mkdir(os.path.join(directory, PROJECT_FOLDER), 0o755)  # noqa: PTH102, PTH118
        except FileExistsError:
            pass
        return open_folder(directory)


def folder_problem(directory: str, error: OSError) -> str:
    """Say why the folder of the cookie could not be opened."""
    if os.path.islink(os.path.join(directory, PROJECT_FOLDER)):  # noqa: PTH114, PTH118
        return f"{PROJECT_FOLDER} is a link"
    return f"{PROJECT_FOLDER} cannot be opened: {error.strerror}"


def why_closed(folder: int, name: str, error: OSError) -> "Found":
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
    opened = os.open(temporary, CREATE, 0o600, dir_fd=folder)
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
