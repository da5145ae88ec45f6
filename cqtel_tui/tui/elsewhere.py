"""What the user's own pager or editor is given of a payload.

A pager may be `cat`, and then a terminal would obey what it prints: so it is given a copy in which
all that a terminal could act on is visible. The exact bytes are for an editor alone.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from ..errors import CqtelError
from ..sanitize import printable_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .home import Home

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


def open_elsewhere(app: Home, data: bytes, *, exact: bool = False) -> None:
    """Show a read-only copy of some bytes in $PAGER or $EDITOR, and come back.

    Args:
        app: the UI, which makes room for that.
        data: may hold all that a terminal obeys.
        exact: give an editor these very bytes; else what it gets can only be printed.
    """
    try:
        program = editor(os.environ) if exact else pager(os.environ)
    except NoProgramError as error:
        app.tell(str(error), wrong=True)
        return
    with tempfile.TemporaryDirectory(prefix="cqtel-") as folder:
        copy = Path(folder, "payload.json")
        copy.write_bytes(data if exact else as_visible(data))
        copy.chmod(0o400)
        problem: Exception | None = None
        try:
            with app.suspend():
                try:
                    # Where stdout is a pipe, it is somebody else's: nothing goes there.
                    out = None if os.isatty(1) else 2
                    subprocess.run([*program, str(copy)], stdout=out, check=False)
                except OSError as error:  # only inside does the terminal come back
                    problem = error
        except SuspendNotSupported as error:
            problem = error
        if problem is not None:
            app.tell(f"{program[0]} cannot be opened: {problem}", wrong=True)
