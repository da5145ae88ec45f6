"""Wait, in an event loop, for what another thread does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .logs import tell_error

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Awaited(Protocol[T_co]):
    """What another thread is to do: a `concurrent.futures.Future`, or a `Promise`."""

    def done(self) -> bool:
        """Tell whether it is done."""

    def result(self, timeout: float | None = None) -> T_co:
        """Wait for it, and return what came of it or raise its error."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for it, and return its error, if it has one."""

    def add_done_callback(self, then: Callable[[Any], object], /) -> None:
        """Have something called with it once it is done, by whoever does it."""


class Promise(Generic[T]):
    """A cheap future: it makes what a waiting thread needs only where one waits, as few do."""

    __slots__ = ("_error", "_is_done", "_then", "_value")

    def __init__(self) -> None:
        self._value: T | None = None
        self._error: BaseException | None = None
        self._is_done = False
        self._then: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        """Tell whether it is done."""
        return self._is_done

    def set_result(self, value: T) -> None:
        """Say what came of it."""
        self._value = value
        self._end()

    def set_exception(self, error: BaseException) -> None:
        """Say why nothing came of it."""
        self._error = error
        self._end()

    def add_done_callback(self, then: Callable[[Any], object], /) -> None:
        """Have something called with it once it is done: by whoever does it, or here."""
        self._then.append(then)
        if self._is_done:
            self._call()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for it, and return its error, if it has one.

        Raises:
            TimeoutError: it takes longer.
        """
        if not self._is_done:
            ended = threading.Event()
            self.add_done_callback(lambda _: ended.set())
            if not ended.wait(timeout):
                raise TimeoutError
        return self._error

    def result(self, timeout: float | None = None) -> T:
        """Wait for it, and return what came of it.

        Raises:
            TimeoutError: it takes longer.
        """
        if error := self.exception(timeout):
            raise error
        return self._value  # type: ignore[return-value]  # it was set

    def _end(self) -> None:
        self._is_done = True
        self._call()

    def _call(self) -> None:
        # Whoever gets one out of the list calls it: nobody else does.
        while self._then:
            try:
                then = self._then.pop(0)
            except IndexError:
                return
            try:
                then(self)
            except Exception as error:  # noqa: BLE001  # it is no fault of the thread that resolved it
                tell_error("a callback of a finished write failed", error)


class Waking:
    """Wakes those that wait in one loop: once for all that are done at about the same time.

    Args:
        loop: theirs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[Callable[[], None]] = deque()
        self._is_due = False

    def wake(self, then: Callable[[], None]) -> None:
        """Have something called in the loop; from any thread."""
        self._done.append(then)  # before `_is_due` is read, so that what is due finds it
        if not self._is_due:
            self._is_due = True
            with contextlib.suppress(RuntimeError):  # the loop is over
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._is_due = False
        while self._done:
            self._done.popleft()()


_waking: dict[asyncio.AbstractEventLoop, Waking] = {}


def when_done(future: Awaited[Any], then: Callable[[], None]) -> None:
    """Call something in this loop once another thread has done what a future is of.

    It must raise nothing.
    """
    loop = asyncio.get_running_loop()
    waking = _waking.get(loop)
    if waking is None:
        _waking.clear()  # of loops that are over; a process has one
        waking = _waking[loop] = Waking(loop)
    future.add_done_callback(lambda _: waking.wake(then))


async def done_of(future: Awaited[Any]) -> None:
    """Wait until another thread has done something; that goes on even if nobody waits any more."""
    if not future.done():
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not waiting.done():
                waiting.set_result(None)

        when_done(future, end)
        await waiting


async def result(future: Awaited[T]) -> T:
    """Wait for what another thread does, and return it."""
    await done_of(future)
    return future.result()
