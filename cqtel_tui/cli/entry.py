"""Run one command of `cq-telemetry`, tell what goes wrong, and return the exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from ..errors import CqtelError, WrongUsageError
from .output import say
from .parser import parser

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED = 1
_WRONG_USAGE = 2
_LEAVE_IT_TO_THE_GATE = frozenset({"completion", "run", "verify"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    _open_missing_streams()
    try:
        try:
            return _told(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; there is nobody to tell.
        return _ended_by("SIGPIPE")
    except KeyboardInterrupt:
        return _ended_by("SIGINT")
    except OSError as error:
        with contextlib.suppress(OSError):
            say(f"The output could not be written: {error.strerror}.")
        return _FAILED
    finally:
        _drop_what_cannot_be_written()


def _told(arguments: Sequence[str]) -> int:
    """Run one command, and tell what goes wrong."""
    given = parser().parse_args(arguments)
    if arguments[0] not in _LEAVE_IT_TO_THE_GATE:
        _redact_what_is_left()
    try:
        code: int = given.command(given)
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


def _open_missing_streams() -> None:
    """Let there be something to write to, and let no character be one that cannot be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with >&-
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _drop_what_cannot_be_written() -> None:
    """Keep Python from a last try at the end, which would print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _ended_by(name: str) -> int:
    """Return a shell's exit code for a signal."""
    return 128 + getattr(signal, name, _FAILED)
