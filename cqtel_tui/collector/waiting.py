"""Wait, in an event loop, for what another thread does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Waking:
    """Wakes those that wait in one loop: once for all that are done at about the same time.

    Args:
        loop: theirs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[asyncio.Future[None]] = deque()
        self._lock = threading.Lock()
        self._is_due = False

    def wake(self, waiting: asyncio.Future[None]) -> None:
        """Let one go on; from any thread."""
        self._done.append(waiting)
        with self._lock:
            is_due, self._is_due = self._is_due, True
        if not is_due:
            with contextlib.suppress(RuntimeError):  # the loop is over
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            self._is_due = False
        while self._done:
            waiting = self._done.popleft()
            if not waiting.done():
                waiting.set_result(None)


_waking: dict[asyncio.AbstractEventLoop, Waking] = {}


async def result(future: Future[T]) -> T:
    """Wait for what another thread does; that goes on even if nobody waits any more."""
    if not future.done():
        loop = asyncio.get_running_loop()
        waking = _waking.get(loop)
        if waking is None:
            _waking.clear()  # of loops that are over; a process has one
            waking = _waking[loop] = Waking(loop)
        waiting: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(lambda _: waking.wake(waiting))
        await waiting
    return future.result()
