"""Where things live: the folders of configuration and state, as platformdirs has them.

On the hot path (DESIGN §11): the plain cases are worked out here, the odd ones are platformdirs'
to decide. `agreed` checks that both would look in the same place.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

APPLICATION = "cqtel"
HOME_VARIABLE = "CQ_TELEMETRY_HOME"


class Places:
    """The folders this program uses.

    Attributes:
        config: holds `choices.json`.
        state: holds `outbox/`.
        admin: folders in which an administrator may put a `choices.json`, first one first.
    """

    __slots__ = ("admin", "config", "state")

    def __init__(self, config: str, state: str, admin: "tuple[str, ...]") -> None:
        self.config = config
        self.state = state
        self.admin = admin


def places(environ: "Mapping[str, str] | None" = None, platform: str = sys.platform) -> "Places":
    """Return the folders for this environment. Nothing is created, nothing is checked.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    environ = os.environ if environ is None else environ
    admin = _admin(environ, platform)
    home = environ.get(HOME_VARIABLE)
    if home:
        # An administrator's policy holds for a moved home too: its variable is anybody's to set.
        home = os.path.abspath(home)  # noqa: PTH100  # pathlib costs 13 ms here
        return Places(home, home, admin)
    plain = _plain(environ, platform)
    config, state = plain if plain is not None else _by_platformdirs()
    return Places(config, state, admin)


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


def _plain(environ: "Mapping[str, str]", platform: str) -> "tuple[str, str] | None":
    """Return the config and state folders where that takes no thought; None where it does."""
    if platform == "win32":
        local = environ.get("LOCALAPPDATA", "")
        odd = "/" in local or "\\." in local or "\\\\" in local
        if "WIN_PD_OVERRIDE_LOCAL_APPDATA" in environ or local[1:3] != ":\\" or odd:
            return None
        folder = local.rstrip("\\") + "\\" + APPLICATION
        return folder, folder
    if platform not in {"linux", "darwin"} or "ANDROID_DATA" in environ:
        return None
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME", "")
    state = environ.get("XDG_STATE_HOME", "")
    if home[:1] != "/" or config[:1] not in {"", "/"} or state[:1] not in {"", "/"}:
        return None
    home = home.rstrip("/")
    if platform == "darwin":
        default = home + "/Library/Application Support"
        return _join(config or default), _join(state or default)
    return _join(config or home + "/.config"), _join(state or home + "/.local/state")


def _join(folder: str) -> str:
    return folder + ("" if folder.endswith("/") else "/") + APPLICATION


def _by_platformdirs() -> "tuple[str, str]":
    from platformdirs import PlatformDirs

    try:
        folders = PlatformDirs(APPLICATION, appauthor=False)
        found = folders.user_config_dir, folders.user_state_dir
        problem = f"{found} is not absolute"
    except (RuntimeError, ValueError) as error:
        found, problem = ("", ""), str(error)
    if not all(map(os.path.isabs, found)):
        # Relative to the current directory they would be the project's, which is untrusted.
        from .errors import CqtelError

        raise CqtelError(
            f"There is no home folder to keep your choices in: {problem}. "
            f"Set HOME or {HOME_VARIABLE} to an absolute path."
        )
    return found


def _admin(environ: "Mapping[str, str]", platform: str) -> "tuple[str, ...]":
    """Return each folder with a system-wide configuration, and always the system's own."""
    if platform == "win32":
        folders = (environ.get("PROGRAMDATA"), environ.get("ALLUSERSPROFILE"), "C:\\ProgramData")
        named = [folder.rstrip("\\") + "\\" + APPLICATION for folder in folders if folder]
        return tuple(dict.fromkeys(named))
    system = "/Library/Application Support" if platform == "darwin" else "/etc/xdg"
    listed = environ.get("XDG_CONFIG_DIRS")
    if not listed:
        return (_join(system),)
    named = [_join(folder) for folder in listed.split(":") if folder[:1] == "/"]
    if _join(system) not in named:
        named.append(_join(system))
    return tuple(named)
