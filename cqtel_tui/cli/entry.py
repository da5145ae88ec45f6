"""Run one command of `cq-telemetry`, tell what goes wrong, and return the exit code."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from ..errors import CqtelError, WrongUsageError
from .output import say
from .parser import parser
from .streams import run_among_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = 1
_WRONG_USAGE = 2
_LEAVE_IT_TO_THE_GATE = frozenset({"completion", "run", "verify"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_among_streams("cq-telemetry", lambda: run_command(words))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command, and tell what goes wrong.

    Raises:
        OSError: our own output could not be written.
        SystemExit: by argparse, which has told what is wrong, or has helped.
    """
    if not arguments:
        _redact_what_is_left()
        from .standing import stand

        return stand()
    parsed = parser().parse_args(arguments)
    if arguments[0] not in _LEAVE_IT_TO_THE_GATE:
        _redact_what_is_left()
    try:
        code: int = parsed.command(parsed)
    except WrongUsageError as error:
        say(f"{error}")
        return _WRONG_USAGE
    except CqtelError as error:
        say(f"{error}")
        return _FAILED
    except OSError as error:
        if not isinstance(error.filename, str):  # it is about our own output
            raise
        say(f"{error.filename}: {error.strerror}. Look at its owner and free space, and try again.")
        return _FAILED
    return code


def _redact_what_is_left() -> None:
    """Redact what a gate that was killed has taken in, so that this command knows of it."""
    from ..gate.recovering import recover
    from ..paths import places

    with contextlib.suppress(CqtelError, OSError):
        recover(places().state)
