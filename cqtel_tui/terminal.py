"""Tell whether there is something to draw on."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_TERMINAL = (
    "The terminal UI needs a terminal. Without one: cq-telemetry status, cq-telemetry pending, "
    "cq-telemetry show ID"
)


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Let Textual ask for the size of the terminal that it draws on.

    It draws to stderr, but asks stdout, which may be a pipe: then it would take any answer, and
    that one for a resize.
    """
    stdout = sys.__stdout__
    setattr(sys, "__stdout__", sys.__stderr__)  # noqa: B010  # final, says its type
    try:
        yield
    finally:
        setattr(sys, "__stdout__", stdout)  # noqa: B010


def is_drawable(*, plain: bool = False) -> bool:
    """Tell whether there is a terminal to draw on, or a browser behind textual-serve.

    Textual draws to stderr and never looks for a terminal: without one it spins for ever.

    Args:
        plain: nothing is drawn, but somebody must be there to answer, line by line.
    """
    if os.environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver"):
        return True
    streams = (sys.stdin, sys.stderr)
    return (plain or os.environ.get("TERM") != "dumb") and all(
        stream is not None and not stream.closed and stream.isatty() for stream in streams
    )
