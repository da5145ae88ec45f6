"""The process beside the gate that redacts, and what passes between the two.

A child of the gate, so that no request can take another one along: one that ends it, by time, by
memory or by a mistake of ours, is tried again by the next child, and then held unread.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..formats.bare_json import parse_object
from .session import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .redactor import Redactor
    from .server import Server
    from .spool import Spool

CLOSING_SECONDS = 30
"""How long the child may take for what is left when all is over."""
_MAX_RESTARTS = 50
_MAX_CPU_SECONDS = 20
"""For one request; the bounds on what is read of it keep it below a third of that."""
_RETRY_SECONDS = 1.0
_LINE_BYTES = 64 * 1024


class Redaction:
    """The child that redacts, and what passes between it and us.

    Args:
        spool: the run's.
        opened: returns what the child is not to hold open.
    """

    def __init__(self, spool: Spool, opened: Callable[[], Sequence[socket.socket]]) -> None:
        self._spool = spool
        self._opened = opened
        self._server: Server | None = None
        self._link: socket.socket | None = None
        self._process = 0
        self._restarts = 0
        self._sent = self._done = 0
        self._last: bytes = b""
        self._known = Known()
        self._written = 0
        self._again_at = 0.0
        self._here: Redactor | None = None

    @property
    def is_idle(self) -> bool:
        """Whether all that was told is worked off."""
        return self._link is None or self._done >= self._sent

    def start(self) -> None:
        """Start the child; where there is no fork, all is done in here."""
        if not hasattr(os, "fork") or threading.current_thread() is not threading.main_thread():
            from .redactor import Redactor

            self._here = Redactor(self._spool, is_live=True)
            return
        ours, theirs = socket.socketpair()
        self._process = os.fork()
        if self._process == 0:
            ours.close()
            _redact_in_child(self._spool, theirs, self._opened())
        theirs.close()
        ours.setblocking(False)
        self._link = ours

    def watched_by(self, server: Server) -> None:
        """Let a server watch what the child says."""
        self._server = server
        if self._link is not None:
            server.watch(self._link, self._hear)

    def tell(self, known: Known) -> None:
        """Tell the child what there is to know; nothing if it knows that already."""
        self._known = known
        now = time.monotonic()
        content = json.dumps(asdict(known)).encode()
        is_news = content != self._last or self._spool.written != self._written
        if not is_news:
            if now < self._again_at or not self.is_idle or not self._spool.names():
                return
            self._again_at = now + _RETRY_SECONDS  # the disk was full, and may have room by now
        if self._here is not None:
            self._here.know(known)
            _work(self._here)
        elif self._link is not None:
            self._sent += 1
            try:
                self._link.send(b"%d %s\n" % (self._sent, content))
            except BlockingIOError:
                return  # it is busy, and is told later
            except OSError:
                self._restart()
                return
        self._last, self._written = content, self._spool.written

    def finish(self) -> None:
        """Let the child work off what is left, and wait for its end; one that dies is replaced."""
        self._server = None
        while self._link is not None and not self._ends_well(self._link):
            self._link = None
            self._restarts += 1
            if self._restarts > _MAX_RESTARTS:
                return  # what waits is left to the next command
            self._last = b""
            self.start()
            self.tell(self._known)

    def _ends_well(self, link: socket.socket) -> bool:
        """Wait for the child's end; return whether it is done with all that it can do."""
        link.setblocking(True)
        link.settimeout(CLOSING_SECONDS)
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_WR)
            while link.recv(_LINE_BYTES):
                pass
        link.close()
        status = 0
        with contextlib.suppress(OSError):
            os.kill(self._process, signal.SIGKILL)  # unless it has ended, as it should have
            status = os.waitpid(self._process, 0)[1]
        return status == 0

    def _hear(self) -> None:
        assert self._link is not None  # noqa: S101  # only while there is one
        try:
            received = self._link.recv(_LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        if not received:
            self._restart()
            return
        self._done = max(self._done, *(int(one) for one in received.split()))

    def _restart(self) -> None:
        """Begin again with another child: a request has ended this one."""
        assert self._link is not None  # noqa: S101  # only while there is one
        if self._server is not None:
            self._server.unwatch(self._link)
        self._link.close()
        self._link = None
        with contextlib.suppress(OSError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            return  # what waits is left to the next command
        self._last, self._done = b"", self._sent
        self.start()
        if self._server is not None:
            self.watched_by(self._server)


def _redact_in_child(spool: Spool, link: socket.socket, opened: Sequence[socket.socket]) -> None:
    """Redact until nothing more is told, in a process that was forked for it; never returns."""
    code = 1
    try:
        for one in opened:
            one.close()
        from .recovering import recover
        from .redactor import Redactor

        redactor = Redactor(spool, is_live=True, before_each=_bound_the_cost)
        received = b""
        while part := link.recv(_LINE_BYTES):
            received += part
            *lines, received = received.split(b"\n")
            if lines:
                number, _, content = lines[-1].partition(b" ")
                redactor.know(Known(**parse_object(content)))
                _work(redactor)
                link.sendall(number + b"\n")
        if spool.names():
            _work(redactor)
        recover(spool.session.state, before_each=_bound_the_cost)
        code = 0
    finally:
        os._exit(code)


def _work(redactor: Redactor) -> None:
    from ..outbox.dispatch import start_if_due

    held = 0
    with contextlib.suppress(OSError):  # a full disk: what waits is tried again later
        held = redactor.work()
    if (held or redactor.known.is_over) and redactor.is_any_on:
        start_if_due(redactor.session.state, redactor.session.options)


def _bound_the_cost() -> None:
    """Let a process that works on its requests for too long be ended by the kernel."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime) + _MAX_CPU_SECONDS
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
