"""Which payloads were shown to their user, byte for byte: some are sent only then.

One line for each, its id and its SHA-256: a payload that was changed since was not shown.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.foreign import refuse_foreign
from ..errors import CqtelError
from ..files import make_folder, read, replace
from . import OUTBOX

if TYPE_CHECKING:
    from .envelope import Envelope

SHOWN = "shown"
MAX_SHOWN = 1000
_MAX_BYTES = 1024 * 1024


def note_shown(state: str, envelope: Envelope) -> None:
    """Note that a payload was shown. Where that cannot be written, it counts as not shown."""
    lines = _lines(state)
    if _line(envelope) not in lines:
        with contextlib.suppress(OSError, CqtelError):
            refuse_foreign(state)
            make_folder(str(_file(state).parent))
            kept = [*lines[1 - MAX_SHOWN :], _line(envelope)]
            replace(_file(state), "".join(f"{line}\n" for line in kept).encode("ascii"))


def was_shown(state: str, envelope: Envelope) -> bool:
    """Tell whether this payload was shown, with the bytes that it has now."""
    return _line(envelope) in _lines(state)


def clear_shown(state: str) -> None:
    """Forget what was shown."""
    with contextlib.suppress(OSError):
        _file(state).unlink()


def _line(envelope: Envelope) -> str:
    return f"{envelope.id} {envelope.sha256}"


def _lines(state: str) -> list[str]:
    try:
        return read(_file(state), _MAX_BYTES).decode("ascii", "replace").splitlines()
    except OSError:
        return []


def _file(state: str) -> Path:
    return Path(state) / OUTBOX / SHOWN
