"""Know the project of an envelope by its path, so that the project's own no is heard again.

An envelope has the mark of its project, which is a hash; the path lies beside the boxes, in a file
that is called as the mark is. A file that holds another path than the one it is called after is not
believed.
"""

# No `from __future__`, and builtin modules alone: a program that records in a project for the first
# time pays for importing this (DESIGN §11).
import os

from ..files import make_folder, read, replace
from . import OUTBOX, PROJECTS, project_mark

MAX_PROJECTS = 2000
_MAX_PATH_BYTES = 16 * 1024
_MARK_DIGITS = 16
_HEX = frozenset("0123456789abcdef")


def remember(state: str, project: str) -> None:
    """Write down where the project with this mark is; the oldest make room.

    What cannot be written is left: what was recorded there is then sent only by the user's asking.
    """
    folder = _folder(state)
    mark = project_mark(project)
    try:
        make_folder(folder)
        replace(f"{folder}/{mark}", os.fsencode(project))
        _make_room(folder)
    except OSError:
        pass


def _make_room(folder: str) -> None:
    names = os.listdir(folder)  # noqa: PTH208
    if len(names) <= MAX_PROJECTS:
        return
    paths = [f"{folder}/{name}" for name in names]
    paths.sort(key=lambda path: os.lstat(path).st_mtime)
    for path in paths[: len(paths) - MAX_PROJECTS * 7 // 8]:
        os.unlink(path)  # noqa: PTH108


def path_of(state: str, mark: str) -> "str | None":
    """Return the project with this mark; None if it is not known here."""
    if len(mark) != _MARK_DIGITS or not _HEX.issuperset(mark):
        return None
    try:
        project = os.fsdecode(read(f"{_folder(state)}/{mark}", _MAX_PATH_BYTES))
    except (OSError, ValueError):
        return None
    return project if project_mark(project) == mark else None


def clear_projects(state: str) -> None:
    """Forget where all projects are."""
    folder = _folder(state)
    try:
        for name in os.listdir(folder):  # noqa: PTH208
            os.unlink(f"{folder}/{name}")  # noqa: PTH108
    except OSError:
        pass


def _folder(state: str) -> str:
    return f"{state}/{OUTBOX}/{PROJECTS}"
