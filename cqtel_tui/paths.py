"""Where things live: the folders of configuration and state, as platformdirs has them.

The plain cases are worked out in `hot_path`, the odd ones are platformdirs' to decide. `agreed`
checks that both would look in the same place. Annotations are quoted: some systems' commands pay
for importing this.
"""

import os
import sys

from .hot_path import APPLICATION, HOME_VARIABLE, folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["HOME_VARIABLE", "Places", "agreed", "odd_folders", "places", "windows_admin"]


class Places(tuple[str, str, tuple[str, ...]]):
    """The folders this program uses, by name; to `hot_path` they are a plain tuple."""

    __slots__ = ()

    def __new__(cls, config: str, state: str, admin: "tuple[str, ...]") -> "Self":
        """Name the parts of `hot_path.folders`."""
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


def windows_admin(environ: "Mapping[str, str]") -> "tuple[str, ...]":
    """Return each of Windows' folders with a system-wide configuration, and always its own."""
    found = (environ.get("PROGRAMDATA"), environ.get("ALLUSERSPROFILE"), "C:\\ProgramData")
    named = [folder.rstrip("\\") + "\\" + APPLICATION for folder in found if folder]
    return tuple(dict.fromkeys(named))


def _by_platformdirs() -> "tuple[str, str]":
    from platformdirs import PlatformDirs

    try:
        found_by_it = PlatformDirs(APPLICATION, appauthor=False)
        found = found_by_it.user_config_dir, found_by_it.user_state_dir
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
