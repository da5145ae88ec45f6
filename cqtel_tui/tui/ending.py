"""End by a signal as any program does, but only once the terminal is as it was before."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PATIENCE_SECONDS = 3.0
"""How long an app may take to end; a thread that waits for a network may not hold the terminal."""
_ENDING = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM")
_CHANGED_BY_TEXTUAL = ("SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH")
_RESTORE = (
    b"\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1004l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m"
)


class _EndedError(BaseException):
    """A signal came where no app runs: unwind, so that all is cleaned up."""


class Deferred:
    """A signal that waits until it may end this process.

    Attributes:
        number: the signal's number; None as long as none came.
        tell: asks the app that runs to end; None while none does.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.tell: Callable[[], object] | None = None
        self._before = _terminal_attributes()
        self._watchdog: threading.Timer | None = None

    def come(self, number: int, _frame: FrameType | None = None) -> None:
        """Take a signal."""
        if self.number is not None:
            return
        self.number = number
        self._watchdog = threading.Timer(PATIENCE_SECONDS, self._end_now)
        self._watchdog.daemon = True
        self._watchdog.start()
        if self.tell is None:
            raise _EndedError
        self.tell()

    def over(self) -> None:
        """Stop watching: everything has ended in time."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _end_now(self) -> None:
        """Give the terminal back by hand, and end."""
        with contextlib.suppress(OSError, ValueError):
            if self._before is not None:
                import termios

                termios.tcflow(0, termios.TCOON)  # Ctrl+S stops what is written, for ever
                termios.tcsetattr(0, termios.TCSANOW, self._before)
            if os.isatty(2):
                os.write(2, _RESTORE)
        os._exit(128 + (self.number or 0))


@contextlib.contextmanager
def signals_deferred(
    deliver: Callable[[int], object] = signal.raise_signal,
) -> Iterator[Deferred]:
    """Let a signal that ends programs wait for the end of this block, and end it early.

    Whatever handlers there were are there again afterwards, and are given the signal: by default
    it ends the process, so that a shell sees how.

    Args:
        deliver: what is called with the signal's number in the end.
    """
    deferred = Deferred()
    before = _handlers(_ENDING + _CHANGED_BY_TEXTUAL)
    ending = {number for name in _ENDING if (number := getattr(signal, name, None)) in before}
    for number in ending:
        if before[number] != signal.SIG_IGN:  # as under nohup
            signal.signal(number, deferred.come)
    try:
        yield deferred
    except _EndedError:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        deferred.over()
    if deferred.number is not None:
        deliver(deferred.number)


def _handlers(names: tuple[str, ...]) -> dict[int, Any]:
    """Return the handlers there are; none where they cannot be changed: off the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    return {number: each for number, each in handlers.items() if each is not None}


def _terminal_attributes() -> list[Any] | None:
    if sys.platform == "win32":
        return None
    import termios

    try:
        return termios.tcgetattr(0)
    except (OSError, ValueError, termios.error):
        return None
