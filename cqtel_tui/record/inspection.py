"""Write `cq-telemetry.txt` in the current directory, instead of sending or holding anything."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from ..errors import CqtelError
from ..files import READ, replace
from ..standard_streams import say_if_possible
from . import SCOPE

FILE_NAME = "cq-telemetry.txt"
INTERCEPTED_KEY = "cqtel.intercepted"
"""The only key of a document that stands for an intercepted request."""
_LARGEST = 8 * 1024 * 1024


def inspect(payloads: list[bytes], directory: str, left_open: tuple[str, ...] = ()) -> None:
    """Write payloads to `cq-telemetry.txt`, and say on stderr what was done.

    A file of that name is replaced only if it was written here; a link is never followed.

    Args:
        payloads: what would have been sent.
        directory: where the command was started.
        left_open: variables that have the program send to a destination of the user's own.
    """
    try:
        write(payloads, directory)
    except (CqtelError, OSError) as error:
        note = f"{FILE_NAME} was not written: {error}"
    else:
        but = f" but to where {' and '.join(left_open)} says, which is yours" if left_open else ""
        note = f"telemetry was written to {FILE_NAME}; nothing was sent{but}"
    say_if_possible(note)


def write(payloads: list[bytes], directory: str = ".") -> None:
    """Write payloads to `cq-telemetry.txt`, indented, one after the other.

    Args:
        payloads: those of this process's operations.
        directory: where the command was started.

    Raises:
        CqtelError: something else is there.
        OSError: it cannot be written.
    """
    path = Path(directory) / FILE_NAME
    _refuse_foreign_file(path)
    text = "\n".join(
        json.dumps(json.loads(payload), indent=2, ensure_ascii=False) for payload in payloads
    )
    replace(path, text.encode("utf-8", "backslashreplace") + b"\n")


def _refuse_foreign_file(path: Path) -> None:
    try:
        opened = os.open(path, READ)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CqtelError(
            _with_remedy(f"it cannot be opened, or is a link ({error.strerror})")
        ) from None
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise CqtelError(_with_remedy("it is not a regular file"))
        data = b""
        while len(data) <= _LARGEST and (part := os.read(opened, _LARGEST)):
            data += part
    finally:
        os.close(opened)
    if not is_ours(data):
        raise CqtelError(_with_remedy("it was written by something else"))


def _with_remedy(problem: str) -> str:
    return f"{problem}. Move it away, and try again."


def is_ours(data: bytes) -> bool:
    """Tell whether we wrote an inspection file: it has payloads of ours, or intercepted ones."""
    from ..formats.strict_json import parse_concatenated

    read = parse_concatenated(data)
    return not read.problems and bool(read.values) and all(map(_recorded_here, read.values))


def _recorded_here(document: Any) -> bool:
    try:
        return list(document) == [INTERCEPTED_KEY] or (
            list(document) == ["resourceSpans"]
            and all(
                scope["scope"] == {"name": SCOPE}
                for resource in document["resourceSpans"]
                for scope in resource["scopeSpans"]
            )
        )
    except (TypeError, KeyError, AttributeError):
        return False
