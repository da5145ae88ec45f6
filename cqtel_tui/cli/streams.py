"""What a command makes of its standard streams, whatever they are: closed, full, or of few letters.

A reader that has gone ends it without a word, as SIGPIPE does; what cannot be written is told, and
is a failure. A stream that was closed is the null device, so that no file takes its number.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from ..standard_streams import say

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED = 1
_STANDARD = 3
"""So many numbers of open files mean something to every program."""


def run_among_streams(program: str, command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or that of what befell its streams.

    Args:
        program: the name to tell of it by.
        command: the command; what it raises about our own output is told here.
    """
    _open_missing_streams()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; there is nobody to tell.
        return _ended_by("SIGPIPE")
    except KeyboardInterrupt:
        return _ended_by("SIGINT")
    except OSError as error:
        with contextlib.suppress(OSError):
            words = f"The output could not be written: {error.strerror}."
            say(words, program=program)
        return _FAILED
    finally:
        _drop_what_cannot_be_written()


def takes(text: str) -> bool:
    """Tell whether stdout has all letters of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _open_missing_streams() -> None:
    """Let there be something to write to, and let no character be one that cannot be written."""
    for number in range(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the first number that is free: this one
    if sys.stdin is None:
        sys.stdin = io.StringIO()
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
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
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)


def _ended_by(name: str) -> int:
    """Return a shell's exit code for a signal."""
    return 128 + getattr(signal, name, _FAILED)
