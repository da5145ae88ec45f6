"""Write what a collector gave back into a file of the user's: new, private, and through no link."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..formats.strict_json import JsonObject

FILE_NAME = "cq-telemetry-mine.json"
"""What it is called where the user names no other."""


def json_text(value: object) -> str:
    """Return a JSON value as text, in plain ASCII without a control character but newlines."""
    # The one control character that JSON may hold as it is. It can stand in a string alone.
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"


def write_operations(path: str, operations: Sequence[JsonObject]) -> None:
    """Write operations to a new file, as JSON in plain ASCII, for its owner alone.

    Args:
        path: where to.
        operations: as a collector gave them.

    Raises:
        CqtelError: there is something of that name, or it cannot be written.
    """
    # Of a name that is taken, be it by a link to nowhere, O_EXCL makes nothing.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        opened = os.open(path, flags, 0o600)
    except FileExistsError:
        raise CqtelError(
            f"{path} is there already, and was left as it is. Name another file, or move it away."
        ) from None
    except (OSError, ValueError) as error:  # also: a NUL in the name
        raise _unwritten(path, error) from None
    try:
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(json_text({"operations": operations}))
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise _unwritten(path, error) from None


def _unwritten(path: str, error: OSError | ValueError) -> CqtelError:
    words = getattr(error, "strerror", None) or str(error)
    return CqtelError(f"{path} cannot be written: {words}. Name another file, and try again.")
