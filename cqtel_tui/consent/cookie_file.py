"""Read the cookie in `.cq`, following no link; make it where it may be made."""

import os
import stat

from ..catalogue import is_cookie
from ..formats import sha256
from ..opening import READ, open_folder
from .trusted import owners, read_trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    CookieStatus = tuple[str, str | None, str, float | None]
    """A cookie's state, value, what makes it unsafe, and when it was written."""

_MAX_COOKIE = 64
COOKIE_NAME = "telemetry-cookie"
COOKIES = "cookies"
"""The folder of the records of all cookies that were made on this machine."""
ABSENT = "absent"
PRESENT = "present"
LOCKED = "locked"
UNSAFE = "unsafe"


def look_at_cookie(directory: str, state: str, name: str = COOKIE_NAME) -> "CookieStatus":
    """Return what is found where the cookie of the project in `directory` is, untouched.

    Args:
        directory: the project.
        state: the state folder, with the records of the cookies that were made here.
        name: the file's; what earlier releases made is looked at, and never used.
    """
    try:
        folder = open_folder(directory)
    except FileNotFoundError:
        return ABSENT, None, "", None
    except OSError as error:
        from .cookie import folder_problem

        return UNSAFE, None, folder_problem(directory, error), None
    try:
        cookie = cookie_in(folder, name)
        if cookie[1] is None or name != COOKIE_NAME:
            return cookie
        problem = _not_made_here(cookie[1], state, folder, directory)
        return (UNSAFE, None, problem, None) if problem else cookie
    finally:
        os.close(folder)


def _not_made_here(value: str, state: str, folder: int, directory: str) -> str:
    """Say why a cookie is not believed to have been made here, for this folder; empty if it is.

    Whoever knows it reads and erases what a collector has of it, so that one which came with a
    repository is its author's key, not the user's.
    """
    try:
        record = read_trusted(cookie_record(state, value), owners())
    except ValueError as problem:
        return f"its record cannot be trusted: {problem}"
    if record is None:
        return (
            "it was not made on this machine by this version: it came with this folder, or is older"
        )
    identity, _, path = record.partition(b"\n")
    if identity == identity_of(folder) or path == os.fsencode(directory):
        return ""
    return f"it was made for {os.fsdecode(path) or 'another folder'}, and copied here"


def cookie_record(state: str, value: str) -> str:
    """Return the file that says which folder a cookie was made for; its name does not tell it."""
    return f"{state}/{COOKIES}/{sha256(value.encode())}"


def identity_of(folder: int) -> bytes:
    """Return what tells an open folder from all others of this machine."""
    status = os.fstat(folder)
    return f"{status.st_dev} {status.st_ino}".encode()


def cookie_in(folder: int, name: str) -> "CookieStatus":
    """Return what is found under this name in an open folder."""
    try:
        opened = os.open(name, READ, dir_fd=folder)
    except FileNotFoundError:
        return ABSENT, None, "", None
    except OSError as error:
        from .cookie import why_closed

        return why_closed(folder, name, error)
    reason = ""
    try:
        status = os.fstat(opened)
        if stat.S_ISDIR(status.st_mode):
            return LOCKED, None, "", None
        if not stat.S_ISREG(status.st_mode):
            reason = "it is not a regular file"
        elif status.st_uid != os.geteuid():
            reason = f"it belongs to another user (uid {status.st_uid})"
        elif status.st_mode & stat.S_IWOTH:
            reason = "it is writable by everybody"
        else:
            data = os.read(opened, _MAX_COOKIE + 1)
            value = data.decode("ascii", "replace").strip()
            if len(data) <= _MAX_COOKIE and is_cookie(value):
                return PRESENT, value, "", status.st_mtime
            reason = "it does not contain a random UUID (version 4)"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    finally:
        os.close(opened)
    return UNSAFE, None, reason, None


def cookie_of(directory: str, state: str, *, create: bool) -> "str | None":
    """Return the cookie's value, made now if there is none and `create`; None without one."""
    how, value, _, _ = look_at_cookie(directory, state)
    if create and how == ABSENT:
        from .cookie import read_or_create

        return read_or_create(directory, state)
    return value
