"""Write what a collector gave back into a file of the user's: new, private, and through no link."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..files import create

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
    try:
        create(path, json_text({"operations": operations}).encode("ascii"))
    except FileExistsError:
        raise CqtelError(
            f"{path} is there already, and was left as it is. Name another file, or move it away."
        ) from None
    except (OSError, ValueError) as error:  # also: a NUL in the name
        words = getattr(error, "strerror", None) or str(error)
        raise CqtelError(
            f"{path} cannot be written: {words}. Name another file, and try again."
        ) from None
