"""Where files lie, as far as the environment alone says; `paths` is what other rooms ask.

Nothing but builtin modules is imported: a program that records pays for it (DESIGN §11).
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Folders = tuple[str, str, tuple[str, ...]]
    """Those of configuration and state, and those of an administrator, the most important first."""

APPLICATION = "cqtel"
HOME_VARIABLE = "CQ_TELEMETRY_HOME"


def folders(environ: "Mapping[str, str]", platform: str = sys.platform) -> "Folders":
    """Return the folders of configuration, of state, and those of an administrator.

    Nothing is created, nothing is checked. The plain cases of Linux and macOS are worked out here,
    the odd ones in `odd_folders`.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    is_mac = platform == "darwin"
    if platform == "win32":
        from .odd_folders import windows_admin

        admin = windows_admin(environ)
    else:
        listed = environ.get("XDG_CONFIG_DIRS", "").split(":")
        named = [join(folder) for folder in listed if folder[:1] == "/"]
        own = join("/Library/Application Support" if is_mac else "/etc/xdg")
        admin = tuple(named) if own in named else (*named, own)
    moved = environ.get(HOME_VARIABLE)
    if moved:
        # An administrator's policy holds for a moved home too: its variable is anybody's to set.
        if moved[-1] == "/" or "//" in moved or "/." in moved:
            moved = os.path.abspath(moved)  # noqa: PTH100  # pathlib costs 13 ms here
        if environ[HOME_VARIABLE][0] != "/" or moved.lstrip("/")[:4] in {"proc", "dev/"}:
            from .odd_folders import moved_folder

            moved = moved_folder(environ[HOME_VARIABLE])
        return moved, moved, admin
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME", "")
    state = environ.get("XDG_STATE_HOME", "")
    is_odd = home[:1] != "/" or config[:1] not in {"", "/"} or state[:1] not in {"", "/"}
    if is_odd or platform not in {"linux", "darwin"} or "ANDROID_DATA" in environ:
        from .odd_folders import odd_folders

        return (*odd_folders(environ, platform), admin)
    home = home.rstrip("/")
    library = home + "/Library/Application Support"
    config = config or (library if is_mac else home + "/.config")
    state = state or (library if is_mac else home + "/.local/state")
    return join(config), join(state), admin


def join(folder: str) -> str:
    """Return our folder in `folder`."""
    return folder + ("" if folder.endswith("/") else "/") + APPLICATION
