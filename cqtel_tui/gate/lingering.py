"""Tell whether anything that was started beneath a program is still there after its end.

Whoever can report to the gate has been given its URL, in the environment; on Linux, each process
shows its own user what it was started with. So a child is found however it was detached.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SETTING = "CQ_TELEMETRY_LINGER"
LONGEST_SECONDS = 60.0
"""How long the gate stays after the program's end at most, if the setting says nothing else."""
_MOST_SECONDS = 3600.0
_MAX_BYTES = 1 << 20


def longest(setting: str) -> float:
    """Return for how many seconds the gate may stay; what is no number of seconds changes nothing.

    Args:
        setting: what `CQ_TELEMETRY_LINGER` says.
    """
    try:
        seconds = float(setting)
    except ValueError:
        return LONGEST_SECONDS
    return seconds if 0 <= seconds <= _MOST_SECONDS else LONGEST_SECONDS


def descendants(secrets: Iterable[str], proc: str = "/proc") -> list[int] | None:
    """Return the processes that were given one of these secrets; None where that cannot be seen.

    Args:
        secrets: what the paths of the gate's URLs begin with.
        proc: where processes are listed.
    """
    if sys.platform != "linux":
        return None
    try:
        processes = [name for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208
    except OSError:
        return None
    wanted = [secret.encode() for secret in secrets]
    own = str(os.getpid())
    return [
        int(process)
        for process in processes
        if process != own and _has_any(f"{proc}/{process}/environ", wanted)
    ]


def is_alive(process: int) -> Callable[[], bool]:
    """Return what tells whether a process still runs, and is not taken in by another of its number.

    Args:
        process: its id; 0 for none, which does not run.
    """
    if process <= 0:
        return lambda: False
    if hasattr(os, "pidfd_open"):
        import select

        try:
            opened = os.pidfd_open(process)
        except OSError:
            return lambda: False
        poll = select.poll()
        poll.register(opened, select.POLLIN)
        return lambda: not poll.poll(0)
    return lambda: _answers(process)


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _has_any(path: str, wanted: list[bytes]) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # hundreds of them, several times a second
            data = file.read(_MAX_BYTES)
    except OSError:
        return False  # it has ended, or it is somebody else's
    return any(one in data for one in wanted)
