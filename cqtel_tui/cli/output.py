"""What commands say: what is asked for goes to stdout, what is said about it to stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ..actions.results import number
from ..errors import CqtelError
from ..rights.exporting import json_text
from ..sanitize import printable, printable_bytes
from ..standard_streams import is_terminal, say

if TYPE_CHECKING:
    from ..actions.results import Confirmation, Message, Result

__all__ = [
    "ask",
    "here",
    "here_if_any",
    "is_sure",
    "number",
    "say",
    "show",
    "show_bytes",
    "show_json",
    "tell",
    "tell_message",
]


def tell(result: Result, *, listed: bool = False) -> None:
    """Say what an action changed.

    Args:
        result: of the action.
        listed: a line for each thing that was changed, instead of how many there were.

    Raises:
        Exception: what stopped the action halfway, once the rest is said.
    """
    if listed:
        for line in result.lines:
            say(line)
    else:
        for message in result.messages:
            tell_message(message)
    if result.problem is not None:
        raise result.problem


def tell_message(message: Message) -> None:
    """Say what happened, and what can be done about it on the command line."""
    joint = ": " if message.command.startswith("cq-telemetry") else "; "
    say(message.text + (f"{joint}{message.command}" if message.command else ""))


def ask(confirmation: Confirmation) -> bool:
    """Ask somebody at the terminal what has to be asked before an action."""
    return is_sure(" ".join([confirmation.question, *confirmation.details]))


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
    if is_terminal(sys.stdout):
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
