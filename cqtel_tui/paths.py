"""TODO."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    Folders = tuple[str, str, tuple[str, ...]]
    """Those of configuration and state, and those of an administrator, first one first."""

# Where it lies.
APPLICATION = "cqtel"
HOME_VARIABLE = "CQ_TELEMETRY_HOME"


def folders(environ: "Mapping[str, str]", platform: str = sys.platform) -> "Folders":
    """Return the folders of configuration, of state, and those of an administrator.

    Nothing is created, nothing is checked. The plain cases of Linux and macOS are worked out here,
    the odd ones in `paths`.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    is_mac = platform == "darwin"
    if platform == "win32":
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
            moved = moved_folder(environ[HOME_VARIABLE])
        return moved, moved, admin
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME", "")
    state = environ.get("XDG_STATE_HOME", "")
    is_odd = home[:1] != "/" or config[:1] not in {"", "/"} or state[:1] not in {"", "/"}
    if is_odd or platform not in {"linux", "darwin"} or "ANDROID_DATA" in environ:
        return (*odd_folders(environ, platform), admin)
    home = home.rstrip("/")
    library = home + "/Library/Application Support"
    config = config or (library if is_mac else home + "/.config")
    state = state or (library if is_mac else home + "/.local/state")
    return join(config), join(state), admin


def join(folder: str) -> str:
    """Return our folder in `folder`."""
    return folder + ("" if folder.endswith("/") else "/") + APPLICATION


__all__ = [
    "HOME_VARIABLE",
    "Places",
    "agreed",
    "moved_folder",
    "odd_folders",
    "places",
    "windows_admin",
]


class Places(tuple[str, str, tuple[str, ...]]):
    """The folders this program uses, by name; where a program records they are a plain tuple."""

    __slots__ = ()

    def __new__(cls, config: str, state: str, admin: "tuple[str, ...]") -> "Self":
        """Name the parts of `folders`."""
        return super().__new__(cls, (config, state, admin))

    @property
    def config(self) -> str:
        """The folder that holds `choices.json`."""
        return self[0]

    @property
    def state(self) -> str:
        """The folder that holds `outbox/`."""
        return self[1]

    @property
    def admin(self) -> "tuple[str, ...]":
        """The folders in which an administrator may put a `choices.json`, first one first."""
        return self[2]


def places(environ: "Mapping[str, str] | None" = None, platform: str = sys.platform) -> "Places":
    """Return the folders for this environment. Nothing is created, nothing is checked.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    return Places(*folders(os.environ if environ is None else environ, platform))


def agreed(environ: "Mapping[str, str] | None" = None) -> "Places":
    """Return `places`, having asked platformdirs as well.

    Raises:
        CqtelError: the two differ, so that a choice saved here would not be read there.
    """
    from .errors import CqtelError

    here = places(environ)
    moved = (os.environ if environ is None else environ).get(HOME_VARIABLE)
    if not moved and (here.config, here.state) != _by_platformdirs():
        raise CqtelError(
            f"Programs look for your choices in {here.config}, but platformdirs says "
            f"{_by_platformdirs()[0]}. Set {HOME_VARIABLE} to one folder for both."
        )
    return here


def odd_folders(environ: "Mapping[str, str]", platform: str) -> "tuple[str, str]":
    """Return the folders of configuration and state where that takes more than the environment.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    local = environ.get("LOCALAPPDATA", "")
    is_odd = local[1:3] != ":\\" or "/" in local or "\\." in local or "\\\\" in local
    if platform != "win32" or is_odd or "WIN_PD_OVERRIDE_LOCAL_APPDATA" in environ:
        return _by_platformdirs()
    folder = local.rstrip("\\") + "\\" + APPLICATION
    return folder, folder


def moved_folder(folder: str) -> str:
    """Return the folder that `HOME_VARIABLE` names, as an absolute path.

    Raises:
        CqtelError: it depends on the current directory, so that a repository could hold it: no
            repository may say yes, or name an endpoint.
    """
    from .errors import CqtelError

    problem = ""
    absolute = os.path.abspath(folder)  # noqa: PTH100  # a text, as everything here has it
    if not os.path.isabs(folder):  # noqa: PTH117
        problem = "is not an absolute path"
        if folder[0] == "~":
            problem += " (nothing but a shell knows what ~ is)"
    elif f"/{absolute.lstrip('/')}/".startswith(("/proc/", "/dev/fd/")):
        problem = "is another folder in every process"
    if problem:
        raise CqtelError(
            f"{HOME_VARIABLE}={folder} {problem}. It would let the folder that you are in answer "
            "for you, so it is refused, and telemetry is off. Unset it, or set it to an absolute "
            "path."
        )
    return absolute


def windows_admin(environ: "Mapping[str, str]") -> "tuple[str, ...]":
    """Return each of Windows' folders with a system-wide configuration, and always its own."""
    named_folders = (environ.get("PROGRAMDATA"), environ.get("ALLUSERSPROFILE"), "C:\\ProgramData")
    named = [folder.rstrip("\\") + "\\" + APPLICATION for folder in named_folders if folder]
    return tuple(dict.fromkeys(named))


def _by_platformdirs() -> "tuple[str, str]":
    from platformdirs import PlatformDirs

    try:
        theirs = PlatformDirs(APPLICATION, appauthor=False)
        named_folders = theirs.user_config_dir, theirs.user_state_dir
        problem = f"{named_folders} is not absolute"
    except (RuntimeError, ValueError) as error:
        named_folders, problem = ("", ""), str(error)
    if not all(map(os.path.isabs, named_folders)):
        # Relative to the current directory they would be the project's, which is untrusted.
        from .errors import CqtelError

        raise CqtelError(
            f"There is no home folder to keep your choices in: {problem}. "
            f"Set HOME or {HOME_VARIABLE} to an absolute path."
        )
    return named_folders
