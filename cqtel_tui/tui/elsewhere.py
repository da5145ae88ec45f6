"""What the user's own pager or editor is given of a payload.

A pager may be `cat`, and then a terminal would obey what it prints: so it is given a copy in which
all that a terminal could act on is visible. The exact bytes are for an editor alone.
"""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..sanitize import printable_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRITES_AS_IT_IS = frozenset(
    {"cat", "tac", "tee", "head", "tail", "more", "most", "nl", "pr", "less", "bat", "batcat"}
)
"""Programs that are no editors: they write what they are given, or may be told to."""


class NoProgramError(CqtelError):
    """The environment names no program that a payload can be opened in."""


def pager(environ: Mapping[str, str]) -> list[str]:
    """Return the command to look at a copy with.

    Raises:
        NoProgramError: the variable cannot be read as a command.
    """
    return _command(environ.get("PAGER") or environ.get("EDITOR") or "") or ["less"]


def editor(environ: Mapping[str, str]) -> list[str]:
    """Return the command to look at the exact bytes with.

    Raises:
        NoProgramError: there is no editor, or what is named is none.
    """
    command = _command(environ.get("VISUAL") or environ.get("EDITOR") or "")
    if not command:
        raise NoProgramError("There is no editor for the exact bytes: set $VISUAL or $EDITOR.")
    if PurePath(command[0]).name in _WRITES_AS_IT_IS:
        raise NoProgramError(
            f"{command[0]} is no editor: it would write control characters to this terminal. "
            "Set $VISUAL or $EDITOR to one, or write the bytes to a file: "
            "cq-telemetry show ID --raw > FILE"
        )
    return command


def as_visible(data: bytes) -> bytes:
    """Return bytes as text of which a terminal can act on nothing."""
    return printable_bytes(data, newlines=True).encode()


def _command(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError as error:
        raise NoProgramError(f"$PAGER or $EDITOR cannot be read as a command: {error}") from None
