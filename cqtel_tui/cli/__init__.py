"""The scriptable face: `cq-telemetry`.

Every reading command takes `--json`. What is asked for goes to stdout, what is said about it to
stderr. Exit codes: 0 done, 1 failed, 2 wrong usage; `run` ends as the program it ran.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from ..errors import CqtelError
from .parser import parser

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = parser().parse_args(words)
    try:
        code: int = given.command(given)
        sys.stdout.flush()
    except CqtelError as error:
        sys.stderr.write(f"cq-telemetry: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    return code
