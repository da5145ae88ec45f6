"""Let an exchange with a server take so long and no longer, in a thread of its own.

A name server, a proxy or a collector that hangs, drips or floods holds that thread, and never
whoever waits for the answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAREWELL_SECONDS = 1.0
_GLANCE_SECONDS = 0.05


class NoAnswerError(Exception):
    """There was no answer; the message says why, some of it perhaps in a server's own words."""


class Exchanges:
    """Exchanges with one server, one after another.

    Args:
        seconds: how long one may take in all, its answer included.
        is_cancelled: called again and again while one is under way.

    Attributes:
        is_stopped: whether one was stopped under way; then nothing more is sent.
        is_over: set when the last one that was begun is over; None before the first.
    """

    def __init__(self, seconds: float, is_cancelled: Callable[[], bool]) -> None:
        self.seconds = seconds
        self.is_stopped = False
        self.is_over: threading.Event | None = None
        self._is_cancelled = is_cancelled

    def connected(self) -> socket.socket | None:
        """Return the socket that is in use; None if there is none yet."""
        raise NotImplementedError

    def run(self, exchange: Callable[[threading.Event], None]) -> str:
        """Run an exchange; return why it was stopped before it was over, empty if it was not.

        Args:
            exchange: raises nothing, and sets the event it is given when it is over.
        """
        self.is_over = is_over = threading.Event()
        try:
            # Ctrl+C may come while the thread is started, with the request on its way already.
            threading.Thread(target=exchange, args=[is_over], daemon=True).start()
            return self._wait(is_over)
        finally:
            if not is_over.is_set():
                self._stop(is_over)

    def _wait(self, is_over: threading.Event) -> str:
        """Wait until an exchange is over; return why it is to be stopped before, or nothing."""
        until = time.monotonic() + self.seconds
        while not is_over.wait(_GLANCE_SECONDS):
            if self._is_cancelled():
                return "it was cancelled on its way, but may have arrived"
            if time.monotonic() > until:
                return f"not in {self.seconds:g} s, but it may have arrived"
        return ""

    def _stop(self, is_over: threading.Event) -> None:
        self.is_stopped = True
        # Closing it would free its descriptor while a thread reads from it; this wakes the thread.
        # TLS's own `shutdown` would take the encryption off first.
        with contextlib.suppress(OSError):
            if (connected := self.connected()) is not None:
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
        is_over.wait(FAREWELL_SECONDS)
