"""A run within a run: what the outer one left in the environment for the inner one.

One variable, `CQ_TELEMETRY_RUN`: the outer decision, what was started so far, and what the
variables that the outer run has set were before it. So the inner run decides by what its user has
set, not by what we have; and a program that starts itself again through us is told so. Lean
(DESIGN §11).
"""

import os

from ..consent.decision import HOLD, OFF, ON, RUN_VARIABLE
from ..errors import CqtelError
from ..formats import sha256
from .executing import is_native
from .prefixes import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_STARTS = 8
"""So often a program may start itself through us, each time with other arguments."""
_MARK_DIGITS = 12


class EndlessError(CqtelError):
    """A program starts itself again through us, and would never end; the message names both."""


class Outer:
    """The run that this one is within.

    Attributes:
        decision: what it came to; empty where there is no outer run.
        started: what was started by it and those around it, a mark each.
        before: what the variables that it has set were before; None for those that were not set.
    """

    __slots__ = ("before", "decision", "started")

    def __init__(self, value: str) -> None:
        """Read the variable; what is not ours says nothing, but for a no."""
        decision, _, rest = value.partition(";")
        started, _, names = rest.partition(";")
        self.decision = decision if decision in {HOLD, OFF, ON} else ""
        self.started = [mark for mark in started.split(",") if mark]
        self.before: dict[str, str | None] = {}
        for one in names.split(";"):
            name, is_set, value = one.partition("=")
            if name:
                self.before[name] = _plain(value) if is_set else None

    def restored(self, environment: "Mapping[str, str]") -> "dict[str, str]":
        """Return an environment as it would be without the outer run."""
        restored = dict(environment)
        restored.pop(RUN_VARIABLE, None)
        if self.decision == OFF:
            return restored  # what was blocked stays blocked
        for name, value in self.before.items():
            if value is None:
                restored.pop(name, None)
            else:
                restored[name] = value
        return restored

    def noted(
        self,
        decision: str,
        mark: str,
        environment: "Mapping[str, str]",
        variables: "Mapping[str, str]",
    ) -> str:
        """Return the variable for what is started now."""
        names = [name for name in variables if variables[name] != environment.get(name)]
        names += [name for name in environment if name not in variables]
        before = [
            f"{name}={_hex(environment[name])}" if name in environment else name for name in names
        ]
        return ";".join([decision, ",".join([*self.started, mark]), *before])


def _hex(text: str) -> str:
    return os.fsencode(text).hex()


def _plain(text: str) -> "str | None":
    try:
        return os.fsdecode(bytes.fromhex(text))
    except ValueError:
        return None


def mark_of(command: "Sequence[str]", environment: "Mapping[str, str]") -> "tuple[str, str]":
    """Return what a command's program and arguments are known by, and the program's file.

    The program is the one behind all prefixes, its file the one that links lead to.
    """
    outer = layers(command)
    words = outer[-1].rest if outer else tuple(command)
    places = [words[0]]
    if "/" not in words[0]:
        folders = environment.get("PATH", os.defpath).split(os.pathsep)
        places = [f"{folder}/{words[0]}" for folder in folders if folder]
    for place in places:
        if os.access(place, os.X_OK):
            try:
                status = os.stat(place)  # noqa: PTH116  # lean
            except OSError:
                continue
            arguments = "\0".join(words[1:]).encode("utf-8", "surrogateescape")
            return f"{status.st_dev:x}.{status.st_ino:x}.{sha256(arguments)[:_MARK_DIGITS]}", place
    return "", words[0]


def check_nesting(mark: str, program: str, outer: Outer, ourselves: str) -> None:
    """Make sure that a program which was started through us does not start itself without end.

    Raises:
        EndlessError: it is a script that was started with the same arguments before, or it was
            started too often.
    """
    file = mark.rpartition(".")[0]
    times = [one for one in outer.started if file and one.rpartition(".")[0] == file]
    if not times or (len(times) < _MOST_STARTS and (mark not in times or is_native(program))):
        return
    raise EndlessError(
        f"{program} starts {ourselves}, which starts {program} again, and so on without end. "
        "Give the real program's path in that script."
    )
