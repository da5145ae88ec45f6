"""A gate that is served in a thread of the test, which keeps what comes in to be looked at."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cqtel_tui.gate.listening import Gate
from cqtel_tui.gate.receiving import Counts
from cqtel_tui.gate.server import Server

if TYPE_CHECKING:
    from cqtel_tui.gate.requests import Request

_QUIET_SECONDS = 0.1


@dataclass(slots=True)
class Served:
    """What came in."""

    intercepted: list[Request] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    blocked_attempts: int = 0


class ServedGate(Gate):
    """A gate whose requests end up in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Request] = []
        self.counts = Counts()
        self.problem: OSError | None = None
        self._is_ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.server: Server | None = None

    def begin(self) -> None:
        """Serve from now on."""
        listener, blocked_port = (socket.socket(fileno=one.detach()) for one in self.sockets)
        self.server = Server(listener, blocked_port, self._profiles, self._keep, self.counts)
        self._thread = threading.Thread(target=self._serve, args=[self.server])
        self._thread.start()

    def end(self) -> Served:
        """Take what was sent before, and return what came in."""
        self._is_ending.set()
        if self._thread is not None:
            self._thread.join()
        for one in self.sockets:
            one.close()
        return Served(self.kept, self.counts.refused, self.counts.blocked_attempts)

    def _serve(self, server: Server) -> None:
        while not self._is_ending.is_set():
            server.look(0.01)
        until = time.monotonic() + _QUIET_SECONDS
        while server.look(0.02) and time.monotonic() < until:
            pass
        server.close()

    def _keep(self, intercepted: Request) -> None:
        if self.problem is not None:
            raise self.problem
        self.kept.append(intercepted)
