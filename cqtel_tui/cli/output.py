"""What commands say: what is asked for goes to stdout, what is said about it to stderr."""

from __future__ import annotations

import os
import sys
from typing import Any

from ..errors import CqtelError
from ..rights.exporting import json_text
from ..sanitize import printable, printable_bytes


def say(text: str) -> None:
    """Say something about what happened, on stderr; the text may be untrusted."""
    sys.stderr.write(f"cq-telemetry: {printable(text)}\n")


def number(count: int, what: str) -> str:
    """Return how many of something there are, in words."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def is_sure(question: str) -> bool:
    """Ask somebody at the terminal, by y or n; whatever else they answer is a no."""
    sys.stdout.flush()
    sys.stderr.write(f"{printable(question)} y or n: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "y"


def show(text: str = "") -> None:
    """Write one line of what was asked for; the text may be untrusted."""
    sys.stdout.write(f"{printable(text)}\n")


def show_json(value: Any) -> None:
    """Write a JSON value, in plain ASCII without a control character."""
    sys.stdout.write(json_text(value))


def show_bytes(data: bytes, *, end: bytes = b"") -> None:
    """Write bytes as they are; but to a terminal with all that it might obey made visible."""
    if sys.stdout.isatty():
        shown = printable_bytes(data, newlines=True)
        sys.stdout.write(f"{shown}\n")
        if shown.encode() != data:
            say("control characters are made visible here; a file or a pipe gets the exact bytes")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data + end)


def here() -> str:
    """Return the current directory as a real path.

    Raises:
        CqtelError: it is gone, or cannot be read.
    """
    try:
        return os.path.realpath(os.getcwd())  # noqa: PTH109  # a text, as everything here has it
    except OSError as error:
        raise CqtelError(
            f"The current directory cannot be read: {error.strerror}. "
            "Go to another one with cd, and try again."
        ) from None


def here_if_any() -> str | None:
    """Return the current directory as a real path; None if it is gone, or cannot be read."""
    try:
        return here()
    except CqtelError:
        return None
