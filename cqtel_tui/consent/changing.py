"""Change the cookie: reset it, lock it, unlock it, and find those of earlier releases.

All by way of the folder's own handle, so that no link leads anywhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CqtelError, what_to_do
from ..files import OPEN_FOLDER, PROJECT_FOLDER, is_root, open_folder
from .cookie import LEGACY_NAME, NAME, Cookie, folder_problem, look, make, open_or_make_folder
from .cookie_file import ABSENT, LOCKED, PRESENT, UNSAFE, cookie_in, cookie_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAMES = (NAME, LEGACY_NAME)
_LOCK_ATTEMPTS = 100


class CookieError(CqtelError):
    """The cookie could not be changed; the message says why and what to do."""


class _Place(NamedTuple):
    """A folder that may hold one: the `.cq` of a directory, or one that stands in for it."""

    directory: str
    is_named: bool = False

    @property
    def folder(self) -> str:
        return self.directory if self.is_named else f"{self.directory}/{PROJECT_FOLDER}"

    def look(self, state: str, name: str) -> Cookie:
        if not self.is_named:
            return look(self.directory, state, name)
        path = f"{self.directory}/{name}"
        try:
            folder = self.open()
        except FileNotFoundError:
            return Cookie(path, ABSENT)
        except OSError as error:
            return Cookie(path, UNSAFE, None, f"its folder cannot be opened: {error.strerror}")
        try:
            return Cookie(path, *cookie_in(folder, name))
        finally:
            os.close(folder)

    def open(self, *, create: bool = False) -> int:
        if self.is_named:
            return os.open(self.directory, OPEN_FOLDER)
        return open_or_make_folder(self.directory) if create else open_folder(self.directory)


def legacy(directory: str, state: str, named: Sequence[str] = ()) -> list[Cookie]:
    """Return the places where earlier releases kept one: here, and in the home folder.

    Args:
        directory: the project.
        state: the state folder, with the records of the cookies that were made here.
        named: folders that stand in for its `.cq`, as the program was told by `--data-dir`.
    """
    return [
        place.look(state, name)
        for place in _places(directory, named)
        for name in _NAMES
        if (place.directory, name) != (directory, NAME)
    ]


def reset(directory: str, state: str, *, create: bool) -> tuple[str | None, str | None]:
    """Forget the value, and make a new one if `create`; return the old and the new one.

    What is unsafe is replaced, too: a link itself is removed, and not what it points to. Its value
    is not returned, for nobody is to use it.

    Args:
        directory: the project.
        state: the state folder, with the records of the cookies that were made here.
        create: whether there is to be another one.

    Raises:
        CookieError: it is locked, or its folder is unsafe, or the file cannot be changed.
    """
    cookie = look(directory, state)
    if cookie.state == LOCKED:
        raise CookieError(f"{cookie.path} is locked. Unlock it first: cq-telemetry cookie unlock")
    if cookie.state in {PRESENT, UNSAFE}:
        _in_folder(_Place(directory), _remove, NAME)
    _forget(state, cookie.value)
    try:
        new = make(directory, state) if create else None
    except OSError as error:
        raise CookieError(
            f"{cookie.path} could not be made: {error.strerror}. {what_to_do(error)}."
        ) from error
    if create and new is None:
        raise CookieError(f"{cookie.path} could not be made: another program put something there.")
    return cookie.value, new


def lock(directory: str, state: str, named: Sequence[str] = ()) -> list[str]:
    """Put a directory in the cookie's place, so that none is created; return what was locked.

    Whatever is there is removed, a link itself and not what it points to. The names of earlier
    releases are locked too, and those in the home folder where it has a `.cq`, and in the folders
    that are named, as far as they are there.

    Raises:
        CookieError: the folder or the file cannot be changed.
    """
    locked = []
    for place in _places(directory, named):
        if place.directory != directory and not os.path.lexists(place.folder):
            continue
        for name in _NAMES:
            cookie = place.look(state, name)
            if cookie.state != LOCKED:
                _in_folder(place, _lock, name, create=True)
                _forget(state, cookie.value)
                locked.append(cookie.path)
    return locked


def unlock(directory: str, state: str, named: Sequence[str] = ()) -> list[str]:
    """Remove the directories that lock the cookie, if they are empty; return what was unlocked.

    Raises:
        CookieError: one of them holds something, or cannot be removed.
    """
    unlocked = []
    for place in _places(directory, named):
        for name in _NAMES:
            cookie = place.look(state, name)
            if cookie.state == LOCKED:
                _in_folder(place, _unlock, name)
                unlocked.append(cookie.path)
    return unlocked


def _forget(state: str, value: str | None) -> None:
    """Remove the record of a cookie that is gone; one that stays does no harm."""
    if value is not None:
        with contextlib.suppress(OSError):
            Path(cookie_record(state, value)).unlink()


def _places(directory: str, named: Sequence[str]) -> list[_Place]:
    """Return where one may be: in the project, in the home folder, and in folders that are named.

    The user named those, be it by a link.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  # it stays "~" where there is no home
    is_another = home[0] != "~" and os.path.realpath(home) != os.path.realpath(directory)
    directories = [directory, home] if is_another else [directory]
    folders = dict.fromkeys(os.path.realpath(Path(directory, name)) for name in named)
    known = {os.path.realpath(_Place(one).folder) for one in directories}
    others = [_Place(folder, is_named=True) for folder in folders if folder not in known]
    return [*map(_Place, directories), *others]


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass  # another process was first


def _unlock(folder: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def _lock(folder: int, name: str) -> None:
    for _ in range(_LOCK_ATTEMPTS):
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            # What is in the way may come back, as long as a program records.
            if _is_directory(folder, name):
                return
            _remove(folder, name)
        else:
            return
    raise OSError(errno.EEXIST, "another program keeps recreating it")


def _is_directory(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return False


def _in_folder(
    place: _Place, change: Callable[[int, str], None], name: str, *, create: bool = False
) -> None:
    """Change the folder through its own handle, and see the change to the disk."""
    try:
        folder = place.open(create=create)
    except OSError as error:
        raise CookieError(
            f"{folder_problem(place.directory, error)} in {place.directory}. "
            "Put a real folder there, and try again."
        ) from error
    try:
        owner = os.fstat(folder).st_uid
        if is_root() and owner:
            raise OSError(errno.EPERM, f"you are root, and it is another user's (uid {owner})")
        change(folder, name)
        os.fsync(folder)
    except OSError as error:
        raise CookieError(
            f"{place.folder}/{name} could not be changed: {error.strerror}. {what_to_do(error)}."
        ) from error
    finally:
        os.close(folder)
