"""`python -m cqtel_tui` and `cq-telemetry-ui`: the terminal UI."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """Return the options of `cq-telemetry-ui`."""
    options = argparse.ArgumentParser(
        prog="cq-telemetry-ui",
        description="See, hold, refuse or send what a command-line program wants to phone home.",
    )
    options.add_argument(
        "--demo",
        action="store_true",
        help="look around in a throw-away home with payloads that were really recorded",
    )
    options.add_argument("--readonly", action="store_true", help="change nothing, send nothing")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the terminal UI; return the exit code."""
    given = parser().parse_args(arguments)
    # Textual draws to stderr and never looks for a terminal: without one it spins for ever.
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb":
        sys.stderr.write(
            "cq-telemetry-ui needs a terminal. Without one: cq-telemetry status, "
            "cq-telemetry pending, cq-telemetry show ID\n"
        )
        return 1
    from .tui.app import run

    return run(demo=given.demo, readonly=given.readonly)


if __name__ == "__main__":
    sys.exit(main())
