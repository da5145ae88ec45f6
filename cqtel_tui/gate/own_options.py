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
from .versions import Version, ask_version, find_binary, substitute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .profiles import Invocation

_OPTION = b"no-telemetry"
_COMPRESSED = b"UPX!"
_UNWRITABLE = "/proc" if sys.platform == "linux" else os.sep
"""A folder in which a program that is asked for its version leaves nothing."""


def lacks_options(invocation: Invocation, environment: Mapping[str, str], state: str) -> bool:
    """Tell whether a program is known not to have the options of ours.

    A native binary is by not having their name in it; a script by the version that answers.

    Args:
        invocation: the program and its arguments.
        environment: that it is started with.
        state: the folder where versions are remembered.
    """
    since = invocation.profile.lacks_options_since
    binary = substitute(invocation, environment) or find_binary(invocation, environment)
    if not since or binary is None:
        return False
    try:
        names = _names_the_option(binary)
        if names is not None:
            return not names
        version: str | None = Version(binary, invocation.profile, state).known()
        if not version:
            settings = {**environment, **REFUSED_EVERYWHERE}
            version = ask_version(binary, invocation.profile, settings, folder=_UNWRITABLE)
    except OSError:
        return False
    first = (version or "").partition(".")[0]
    return first.isdigit() and int(first) >= since


def _names_the_option(path: str) -> bool | None:
    """Tell whether the option's name is in a native binary; None where that cannot be told."""
    if not is_native(path):
        return None
    with open(path, "rb") as file:  # noqa: PTH123, SIM117  # it is a text here
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_OPTION) >= 0:
                return True
            return None if content.find(_COMPRESSED) >= 0 else False
