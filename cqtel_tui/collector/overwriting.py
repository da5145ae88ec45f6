"""Have what was removed from a store overwritten, beside the writer, at bounded cost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from . import scrubbing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AGAIN_SECONDS = 1.0
"""How long to wait where another process was in the way."""
SHARE = 9
"""The pause before the next time, as a multiple of what the last one took."""


class Overwriter:
    """Overwrites what was removed, in the journal and in the file.

    Args:
        path: the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._then: list[Callable[[], object]] = []
        self._due_at = 0.0
        self._requests = 0
        self._is_due = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_due(self) -> bool:
        """Whether something that was removed is not overwritten yet."""
        return self._is_due

    def ask(self, then: Callable[[], object]) -> None:
        """Have it done; `then` is called afterwards, or at once where it was done just before."""
        with self._changed:
            self._is_due = True
            self._requests += 1
            is_soon = time.monotonic() >= self._due_at and not self._is_closed
            if is_soon:
                self._then.append(then)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="overwriter", daemon=True)
                self._thread.start()
            self._changed.notify()
        if not is_soon:
            then()

    def close(self) -> None:
        """Do what is due, once; nothing of this store may be open any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        if self._is_due:
            self._is_due = not scrubbing.scrub(self._path)

    def _run(self) -> None:
        while self._wait():
            with self._changed:
                then, self._then = self._then, []
                requested = self._requests
            begun = time.monotonic()
            done = scrubbing.scrub(self._path)
            took = time.monotonic() - begun
            with self._changed:
                self._is_due = not done or self._requests != requested
                self._due_at = time.monotonic() + (took * SHARE if done else AGAIN_SECONDS)
            for each in then:
                each()

    def _wait(self) -> bool:
        """Wait until it is to be done; False at the end."""
        with self._changed:
            while not self._is_closed:
                left = self._due_at - time.monotonic()
                if self._is_due and left <= 0:
                    return True
                self._changed.wait(left if self._is_due else None)
            return bool(self._then)
