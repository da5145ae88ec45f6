"""Say no where root would act in the home of another user."""

import os

from ..errors import CqtelError
from ..folders import HOME_VARIABLE
from ..opening import is_root, owner_of
from . import OFF, USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..folders import Folders
    from . import Statement


def foreign_statements(places: "Folders", home: str) -> "list[Statement]":
    """Return a no where this is root, and the folders are another user's.

    What root made there, that user could neither change nor remove.
    """
    config, state, _ = places
    for folder in (config, state):
        if note := foreign_home(folder, home):
            return [(USER, OFF, folder, note)]
    return []


def refuse_foreign(folder: str) -> None:
    """Let nothing be changed in a folder of ours where this is root, and it is another user's.

    Raises:
        CqtelError: it is; nothing was changed.
    """
    if why_not := foreign_home(folder, os.environ.get("HOME", "").rstrip("/")):
        raise CqtelError(f"{folder} was not changed: {why_not}.")


def foreign_home(folder: str, home: str) -> str:
    """Say why root is to make nothing in this folder of another user; empty if it may.

    Args:
        folder: a folder of ours, which need not be there.
        home: the home folder.
    """
    if not is_root():
        return ""
    folders = [folder, home] if home and (folder + os.sep).startswith(home + os.sep) else [folder]
    for each in folders:
        owner = owner_of(each)
        if owner:
            return (
                f"you are root, and it is the folder of another user (uid {owner}), where root "
                f"changes nothing. Go without sudo, or set HOME or {HOME_VARIABLE} to a folder of "
                "root's own"
            )
    return ""
