"""Where the files of this program are, for every room."""

import os
import sys

from .folders import HOME_VARIABLE, folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["HOME_VARIABLE", "Places", "agreed", "folders", "places"]


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
        """The folders for an administrator's `choices.json`, the most important first."""
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
    from .odd_folders import by_platformdirs

    own = places(environ)
    moved = (os.environ if environ is None else environ).get(HOME_VARIABLE)
    if not moved and (own.config, own.state) != by_platformdirs():
        raise CqtelError(
            f"Programs look for your choices in {own.config}, but platformdirs says "
            f"{by_platformdirs()[0]}. Set {HOME_VARIABLE} to one folder for both."
        )
    return own
