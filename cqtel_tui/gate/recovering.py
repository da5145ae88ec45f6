"""Redact what gates that were killed have left: asked for by whatever is run next."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..consent.foreign import foreign_home
from ..outbox.runs import has_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_SECONDS = 2.0


def recover(
    state: str, seconds: float = _PATIENCE_SECONDS, before_each: Callable[[], None] = lambda: None
) -> int:
    """Redact what dead gates have left, and return how many requests that were.

    What is not done in time, or cannot be written, stays for the next time. What a gate that lives
    is at work on is left to it.

    Args:
        state: the state folder.
        seconds: after so many, no other run is begun with.
        before_each: called before each request.
    """
    if not has_leftovers(state) or foreign_home(state, os.environ.get("HOME", "").rstrip("/")):
        return 0
    from .spool import left_over

    until = time.monotonic() + seconds
    held = 0
    for spool in left_over(state):
        from .redactor import Redactor

        with contextlib.closing(spool), contextlib.suppress(OSError):
            if time.monotonic() < until:
                redactor = Redactor(spool, is_live=False, before_each=before_each)
                redactor.know(replace(redactor.known, is_over=True))
                held += redactor.work()
    return held
