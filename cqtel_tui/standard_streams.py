"""The standard streams: what is said on stderr, and whether somebody sits there.

It imports little, for each command that is run through the gate asks whether it is at a terminal.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def say(text: str, *, program: str = "cq-telemetry") -> None:
    """Say something about what happened, on stderr; the text may be untrusted.

    Raises:
        OSError: nobody reads it, or the disk behind it is full.
    """
    from .sanitize import printable

    sys.stderr.write(f"{program}: {printable(text)}\n")


def say_if_possible(text: str) -> None:
    """Say something, unless there is no stderr: the program that we run in goes on."""
    try:
        say(text)
    except (AttributeError, OSError, ValueError):
        pass


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is open, and a terminal."""
    try:
        return stream is not None and not stream.closed and stream.isatty()
    except (OSError, ValueError):
        return False
