"""Write `cq-telemetry.txt` in the current directory, instead of sending or holding anything."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import Any

from ..errors import CqtelError
from .otlp import SCOPE

FILE_NAME = "cq-telemetry.txt"
_LARGEST = 8 * 1024 * 1024


def inspect(payloads: list[bytes]) -> None:
    """Write payloads to `cq-telemetry.txt`, and say on stderr what was done.

    A file of that name is replaced only if it was written here; a link is never followed.
    """
    try:
        write(payloads)
    except (CqtelError, OSError) as error:
        note = f"{FILE_NAME} was not written: {error}"
    else:
        note = f"telemetry was written to {FILE_NAME}; nothing was sent"
    if sys.stderr is not None:
        sys.stderr.write(f"cq-telemetry: {note}\n")


def write(payloads: list[bytes]) -> None:
    """Write payloads to `cq-telemetry.txt`, indented, one after the other.

    Raises:
        CqtelError: something else is there.
        OSError: it cannot be written.
    """
    _refuse_what_is_not_ours()
    text = "\n".join(
        json.dumps(json.loads(payload), indent=2, ensure_ascii=False) for payload in payloads
    )
    temporary = f".{FILE_NAME}.{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace") + b"\n")
        os.replace(temporary, FILE_NAME)  # noqa: PTH105  # the current directory, by its own name
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)  # noqa: PTH108
        raise


def _refuse_what_is_not_ours() -> None:
    try:
        opened = os.open(
            FILE_NAME,
            os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0),
        )
    except FileNotFoundError:
        return
    except OSError as error:
        raise CqtelError(
            _way_out(f"it cannot be opened, or is a link ({error.strerror})")
        ) from None
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise CqtelError(_way_out("it is not a regular file"))
        data = file.read(_LARGEST + 1)
    if not is_ours(data):
        raise CqtelError(_way_out("it was written by something else"))


def _way_out(problem: str) -> str:
    return f"{problem}. Move it away, and try again."


def is_ours(data: bytes) -> bool:
    """Tell whether an inspection file was written here: payloads of ours, and nothing else."""
    decoder = json.JSONDecoder()
    try:
        text = data.decode().strip()
        while text:
            document, end = decoder.raw_decode(text)
            if not _recorded_here(document):
                return False
            text = text[end:].lstrip()
    except (ValueError, RecursionError):
        return False
    return bool(data)


def _recorded_here(document: Any) -> bool:
    try:
        return list(document) == ["resourceSpans"] and all(
            scope["scope"] == {"name": SCOPE}
            for resource in document["resourceSpans"]
            for scope in resource["scopeSpans"]
        )
    except (TypeError, KeyError, AttributeError):
        return False
