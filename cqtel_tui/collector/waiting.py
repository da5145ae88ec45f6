"""Wait, in an event loop, for what another thread does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


async def result(future: Future[T]) -> T:
    """Wait for what another thread does; that goes on even if nobody waits any more."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not waiting.done():
            waiting.set_result(None)

    def wake(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(settle)

    future.add_done_callback(wake)
    await waiting
    return future.result()
