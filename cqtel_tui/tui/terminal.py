"""Tell what terminal there is: to draw on, to ask at, and whether it is ours just now.

Each command that is run through the gate asks when its program has ended, so that it is lean.
"""

from __future__ import annotations

import os
import sys
import time

from ..standard_streams import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_TERMINAL = (
    "The terminal UI needs a terminal. Without one: cq-telemetry status, cq-telemetry pending, "
    "cq-telemetry show ID"
)
DUMB = (
    "This terminal cannot be drawn on: TERM is dumb. Line by line: cq-telemetry-ui --plain. "
    "One command at a time: cq-telemetry status, cq-telemetry pending, cq-telemetry show ID"
)
_MAX_LINE = 4096


def is_drawable(*, plain: bool = False) -> bool:
    """Tell whether there is a terminal to draw on, or a browser behind textual-serve.

    Textual draws to stderr and never looks for a terminal: without one it spins for ever.

    Args:
        plain: nothing is drawn, but somebody must be there to answer, line by line.
    """
    if is_in_browser():
        return True
    return (plain or os.environ.get("TERM") != "dumb") and has_terminal()


def is_in_browser() -> bool:
    """Tell whether this process draws for textual-serve."""
    return os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")


def why_not_drawable() -> str:
    """Return what to do instead, where nothing can be drawn."""
    return DUMB if os.environ.get("TERM") == "dumb" and has_terminal() else NO_TERMINAL


def has_terminal() -> bool:
    """Tell whether stdin and stderr, where one is asked and answers, are terminals."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def has_original_streams() -> bool:
    """Tell whether Python's own streams are the terminal: those are what Textual draws with."""
    return is_terminal(sys.__stdin__) and is_terminal(sys.__stderr__)


def is_in_foreground() -> bool:
    """Tell whether this process may use the terminal of its stdin: no job in the background.

    Whoever reads from the terminal, or changes it, from the background is stopped by the kernel.
    """
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return sys.stdin is not None and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # it is not our controlling terminal, or none at all
        return False


def read_line(seconds: float, clock: Callable[[], float] = time.monotonic) -> str | None:
    """Read one line from the terminal; None where none came in time, or at the end of the input.

    Bytes that are no UTF-8 are left out.

    Args:
        seconds: how long to wait for it.
        clock: what tells the time, in seconds.
    """
    stream = sys.stdin
    if stream is None:
        return None
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a stand-in: what it has, it has now
        return stream.readline() or None
    end = clock() + seconds
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_LINE:
        if not _is_readable(descriptor, max(0.0, end - clock())):
            return None
        try:
            piece = os.read(descriptor, 1)
        except OSError:  # the terminal is gone
            return None
        if not piece:
            return None
        line += piece
    return line.decode("utf-8", "ignore")


def _is_readable(descriptor: int, seconds: float) -> bool:
    if os.name == "nt":  # select(2) knows sockets alone there
        return True
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])
