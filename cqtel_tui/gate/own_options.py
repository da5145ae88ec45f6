"""Tell whether a program has the options of ours itself, so that they are not taken from it.

The releases of 2021 and 2022 have them, later ones end with an error at them. A program that is not
known to lack them is given them.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING

from .executing import is_native
from .profiles import REFUSED_EVERYWHERE
from .records import replace
from .versions import Version, find_binary, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .profiles import Invocation

_OPTION = b"no-telemetry"
_COMPRESSED = b"UPX!"
_UNWRITABLE = "/proc" if sys.platform == "linux" else os.sep
"""A folder in which a program that is asked for its version leaves nothing."""


def lacks_options(
    invocation: Invocation, environment: Mapping[str, str], state: str, *, remembers: bool
) -> bool:
    """Tell whether a program is known not to have the options of ours.

    A native binary is by not having their name in it; a script by the version that answers.

    Args:
        invocation: the program and its arguments.
        environment: that it is started with.
        state: the folder where versions are remembered.
        remembers: whether what it answers may be written there.
    """
    profile = invocation.profile
    since = profile.lacks_options_since
    binary = substitute(invocation, environment) or find_binary(invocation, environment)
    if not since or binary is None:
        return False
    try:
        names = _names_the_option(binary)
    except OSError:
        return False
    if names is not None:
        return not names
    if not remembers:
        profile = replace(profile, built="")
    folder = None if remembers else _UNWRITABLE
    asked = Version(binary, profile, state, project=_here(), folder=folder)
    version = asked.get({**environment, **REFUSED_EVERYWHERE})
    if remembers:
        asked.remember()
    first = (version or "").partition(".")[0]
    return first.isdigit() and int(first) >= since


def _here() -> str:
    try:
        return os.path.realpath(os.getcwd())  # noqa: PTH109  # as `record` has it
    except OSError:
        return ""


def _names_the_option(path: str) -> bool | None:
    """Tell whether the option's name is in a native binary; None where that cannot be told."""
    if not is_native(path):
        return None
    with open(path, "rb") as file:  # noqa: PTH123, SIM117  # it is a text here
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_OPTION) >= 0:
                return True
            return None if content.find(_COMPRESSED) >= 0 else False
