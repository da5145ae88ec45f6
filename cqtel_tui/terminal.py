"""Tell whether there is something to draw on."""

from __future__ import annotations

import os
import sys

NO_TERMINAL = (
    "The terminal UI needs a terminal. Without one: cq-telemetry status, cq-telemetry pending, "
    "cq-telemetry show ID"
)


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
