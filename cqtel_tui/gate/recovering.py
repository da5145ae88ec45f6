"""Redact what gates that were killed have left: asked for by whatever is run next."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from .redactor import Redactor
from .spool import left_over

_PATIENCE_SECONDS = 2.0


def recover(state: str, seconds: float = _PATIENCE_SECONDS) -> int:
    """Redact what dead gates have left, and return how many requests that were.

    What is not done in time, or cannot be written, stays for the next time.

    Args:
        state: the state folder.
        seconds: after so many, no other run is begun with.
    """
    until = time.monotonic() + seconds
    held = 0
    for spool in left_over(state):
        with contextlib.closing(spool), contextlib.suppress(OSError):
            if time.monotonic() < until:
                redactor = Redactor(spool, is_live=False)
                redactor.know(replace(redactor.known, is_over=True))
                held += redactor.work()
    return held
