"""The gate's own process: it takes over the sockets that the launcher has bound, and outlives it.

It has neither our terminal nor our streams. Two processes share the work, so that no request can
take another one along: this one answers, and writes down what comes in before it does; a child of
it redacts, and is started anew where a request ends it. Either may be killed at any moment: what
was acknowledged lies on disk.

The launcher tells it one line about the run, and one when the program has ended. From then on it
stays while anything lives that was started beneath the program, or has a connection open.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..outbox.losses import count_loss
from .lingering import SETTING, descendants, is_alive, longest
from .refusals import LOST, STRANGER, WHAT_TO_DO
from .session import Known, Session
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .redactor import Redactor
    from .requests import Request
    from .server import Counts, Server

DRAIN_SECONDS = 0.3
"""How long the launcher is kept waiting at most for what is under way when the program ends."""
_GLANCE_SECONDS = 0.01
_LOOK_SECONDS = 1.0
_FIRST_SEARCH_SECONDS = 0.1
_LAST_SEARCH_SECONDS = 2.0
_CLOSING_SECONDS = 30
_MAX_RESTARTS = 50
_MAX_INSPECTED = 256
_MAX_INSPECTED_BYTES = 16 << 20
_MAX_CPU_SECONDS = 3
"""For one request; the bounds on what is read of it keep it far below."""
_PROTOBUF = "application/x-protobuf"
_PROTOBUF_IS_READ_BY = "opentelemetry.proto"
_RETRY_SECONDS = 1.0
_LINE_BYTES = 64 * 1024


def main(control: int, listener: int, closed_door: int) -> None:
    """Serve one run; what is needed of this process's surroundings is given up first.

    Args:
        control: the handle of the socket that the launcher speaks through.
        listener: where programs send to.
        closed_door: where each connection is counted and closed.
    """
    with contextlib.suppress(OSError):
        os.setsid()  # unless it was started in a session of its own
    os.chdir("/")
    _close_all_but({control, listener, closed_door})
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTSTP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    serve(*(socket.socket(fileno=one) for one in (control, listener, closed_door)))


def serve_in_thread(handles: Sequence[int]) -> None:
    """Serve in a thread of this process, where no other can take sockets over."""
    sockets = [socket.socket(fileno=one) for one in handles]
    threading.Thread(target=serve, args=sockets, name="gate", daemon=True).start()


def serve(control: socket.socket, listener: socket.socket, closed_door: socket.socket) -> None:
    """Serve until nobody is left who could send anything."""
    try:
        line, rest = _first_line(control)
        _Gate(Session.from_json(line), control, rest, listener, closed_door).run()
    except Exception as error:  # noqa: BLE001  # told to whoever asks; the program goes on
        with contextlib.suppress(OSError):
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")
            control.sendall(f"failure {reason}\n.\n".encode("utf-8", "replace"))
    finally:
        # A program that is not served must be refused, or it would wait for an answer.
        for one in (listener, closed_door, control):
            one.close()


def _first_line(control: socket.socket) -> tuple[bytes, bytes]:
    control.settimeout(_CLOSING_SECONDS)
    said = b""
    while b"\n" not in said:
        part = control.recv(_LINE_BYTES)
        if not part:
            raise EOFError("nothing was said of the run")
        said += part
    line, _, rest = said.partition(b"\n")
    control.setblocking(False)
    return line, rest


class _Gate:
    """One run being served."""

    def __init__(
        self,
        session: Session,
        control: socket.socket,
        said: bytes,
        listener: socket.socket,
        closed_door: socket.socket,
    ) -> None:
        self._session = session
        self._control = control
        self._said = said
        self._spool = Spool(session)
        self._inspected: list[Request] = []
        self._inspected_bytes = 0
        self._operation, self._version = "", session.version
        self._is_over = False
        self._is_protobuf = False
        self._is_told = False
        self._is_launcher_there = True
        self._is_program_alive = is_alive(session.process)
        self._until = float("inf")
        self._look_for_descendants_at = 0.0
        self._was_alone = False
        self._answer_by = 0.0
        self._counted: Counter[str] = Counter()
        self._search_seconds = _FIRST_SEARCH_SECONDS
        self._redaction: _Redaction | None = None
        if not session.inspect:
            with contextlib.suppress(OSError):  # a full disk: each request is refused until it ends
                self._spool.open()
            handles = (control, listener, closed_door)
            self._redaction = _Redaction(self._spool, handles)
            self._redaction.start()
        # Loaded beside the child, which loads what redacts.
        from .server import Counts, Server

        self._counts: Counts = Counts()
        self._server: Server = Server(
            listener, closed_door, session.profiles, self._keep, self._counts
        )

    def run(self) -> None:
        """Serve, linger, and leave nothing unredacted that can be redacted."""
        server = self._server
        server.watch(self._control, self._hear)
        if self._redaction is not None:
            self._redaction.watched_by(server)
        self._tell("ready")
        self._obey()
        while not self._is_done():
            server.look(_GLANCE_SECONDS if self._is_over and not self._is_told else self._pause())
            self._step()
        server.close()
        if self._redaction is not None:
            self._redaction.tell(self._known())
            self._redaction.finish()
            self._spool.close()

    def _pause(self) -> float:
        return self._search_seconds if self._is_over else _LOOK_SECONDS

    def _step(self) -> None:
        """Do what is due after each look: tell the child, answer the launcher, notice its death."""
        if not self._is_over and not self._is_launcher_there and not self._is_program_alive():
            self._end("", "")
        self._count_losses()
        if self._redaction is not None:
            self._redaction.tell(self._known())
        if self._is_over and not self._is_told:
            is_idle = self._server.is_quiet and (self._redaction is None or self._redaction.is_idle)
            if is_idle or time.monotonic() > self._answer_by:
                self._answer()

    def _count_losses(self) -> None:
        """Count what was refused among all that was lost on this machine."""
        refused = self._counts.refused
        if not self._session.inspect:
            for why in refused.keys() - {STRANGER}:
                for _ in range(refused[why] - self._counted[why]):
                    count_loss(self._session.state, LOST, f"{why}: {WHAT_TO_DO[why]}")
        self._counted = Counter(refused)

    def _is_done(self) -> bool:
        """Tell whether nobody is left who could send anything, or has had the time for it."""
        if not self._is_told:
            return False
        now = time.monotonic()
        if now > self._until:
            return True
        if now < self._look_for_descendants_at:
            return False
        self._search_seconds = min(self._search_seconds * 2, _LAST_SEARCH_SECONDS)
        self._look_for_descendants_at = now + self._search_seconds
        # A process that is being started anew shows nothing for a moment, so that we look twice.
        is_alone = not self._server.connections and descendants(self._session.profiles) == []
        was_alone, self._was_alone = self._was_alone, is_alone
        # What the last of them has sent may wait to be accepted.
        return is_alone and was_alone and not self._server.look(0)

    # What comes in -------------------------------------------------------------------------------

    def _keep(self, request: Request) -> None:
        """Take a request; it is acknowledged once this has returned."""
        if self._session.inspect:
            self._inspected_bytes += len(request.body)
            is_full = len(self._inspected) >= _MAX_INSPECTED
            if is_full or self._inspected_bytes > _MAX_INSPECTED_BYTES:
                self._counts.lost += 1  # it is answered all the same, so that the program goes on
                return
            self._inspected.append(request)
        else:
            self._spool.put(request, os.urandom(8).hex())
        self._counts.requests += 1
        self._is_protobuf |= request.header("content-type").startswith(_PROTOBUF)
        self._counts.late += self._is_over

    def _hear(self) -> None:
        """Hear what the launcher says, or that it is gone."""
        try:
            part = self._control.recv(_LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            part = b""
        if not part:
            self._server.unwatch(self._control)
            self._is_launcher_there = False
        self._said += part
        self._obey()

    def _obey(self) -> None:
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            word, *rest = line.decode("utf-8", "replace").split(" ")
            if word == "ended" and len(rest) == 2:  # noqa: PLR2004  # an id and a version
                self._end(*("" if one == "-" else one for one in rest))

    def _end(self, operation: str, version: str) -> None:
        """Take note that the program has ended."""
        if self._is_over:
            return
        self._is_over = True
        self._operation, self._version = operation, version or self._version
        seconds = longest(os.environ.get(SETTING, ""))
        self._answer_by = time.monotonic() + DRAIN_SECONDS
        self._until = time.monotonic() + seconds
        if hasattr(signal, "alarm") and threading.current_thread() is threading.main_thread():
            signal.alarm(int(seconds) + 2 * _CLOSING_SECONDS)  # whatever happens, it ends

    # What is said of it --------------------------------------------------------------------------

    def _known(self) -> Known:
        counts = self._counts
        return Known(
            self._operation,
            self._version,
            self._is_over,
            counts.lost,
            counts.late,
            dict(counts.refused),
            counts.closed_attempts,
        )

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._control.settimeout(_LOOK_SECONDS)
            self._control.sendall(f"{text}\n".encode("utf-8", "replace"))
        with contextlib.suppress(OSError):
            self._control.setblocking(False)

    def _answer(self) -> None:
        """Tell the launcher what was seen until the program's end."""
        self._is_told = True
        counts = self._counts
        lines = [
            f"{name} {getattr(counts, name)}" for name in ("requests", "lost", "closed_attempts")
        ]
        lines += [f"refused {number} {why}" for why, number in counts.refused.items()]
        if self._is_protobuf and not _can_read_protobuf():
            lines.append("protobuf_unread")
        if self._inspected:
            from .redactor import Redactor

            redactor = Redactor(self._spool, is_live=True)
            redactor.know(self._known())
            lines += [f"document {redactor.inspect(one).decode()}" for one in self._inspected]
        self._tell("\n".join([*lines, "."]))


class _Redaction:
    """The child that redacts, and what passes between it and us.

    Args:
        spool: the run's.
        handles: what the child is not to hold open.
    """

    def __init__(self, spool: Spool, handles: Sequence[socket.socket]) -> None:
        self._spool = spool
        self._handles = handles
        self._server: Server | None = None
        self._link: socket.socket | None = None
        self._process = 0
        self._restarts = 0
        self._sent = self._done = 0
        self._last: bytes = b""
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
            _redact_in_child(self._spool, theirs, self._handles)
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
        now = time.monotonic()
        told = json.dumps(asdict(known)).encode()
        is_news = told != self._last or self._spool.written != self._written
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
                self._link.send(b"%d %s\n" % (self._sent, told))
            except BlockingIOError:
                return  # it is busy, and is told later
            except OSError:
                self._restart()
                return
        self._last, self._written = told, self._spool.written

    def finish(self) -> None:
        """Let the child work off what is left, and wait for its end."""
        if self._link is None:
            return
        self._link.setblocking(True)
        self._link.settimeout(_CLOSING_SECONDS)
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
            while self._link.recv(_LINE_BYTES):
                pass
        self._link.close()
        with contextlib.suppress(OSError):
            os.kill(self._process, signal.SIGKILL)  # unless it has ended, as it should have
            os.waitpid(self._process, 0)

    def _hear(self) -> None:
        assert self._link is not None  # noqa: S101  # only while there is one
        try:
            said = self._link.recv(_LINE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        if not said:
            self._restart()
            return
        self._done = max(self._done, *(int(one) for one in said.split()))

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


def _redact_in_child(spool: Spool, link: socket.socket, handles: Sequence[socket.socket]) -> None:
    """Redact until nothing more is told, in a process that was forked for it; never returns."""
    code = 1
    try:
        for one in handles:
            one.close()
        from .recovering import recover
        from .redactor import Redactor

        redactor = Redactor(spool, is_live=True, before_each=_bound_the_cost)
        said = b""
        while part := link.recv(_LINE_BYTES):
            said += part
            *lines, said = said.split(b"\n")
            if lines:
                number, _, told = lines[-1].partition(b" ")
                redactor.know(Known(**json.loads(told)))
                _work(redactor)
                link.sendall(number + b"\n")
        if spool.names():
            _work(redactor)
        recover(spool.session.state, before_each=_bound_the_cost)
        code = 0
    finally:
        os._exit(code)


def _work(redactor: Redactor) -> None:
    from ..consent.decision import ON
    from ..outbox.dispatch import start_if_due

    held = 0
    with contextlib.suppress(OSError):  # a full disk: what waits is tried again later
        held = redactor.work()
    if (held or redactor.known.is_over) and redactor.state == ON:
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


def _can_read_protobuf() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(_PROTOBUF_IS_READ_BY) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def _close_all_but(handles: set[int]) -> None:
    """Close what was inherited by mistake: whoever reads a pipe would wait for our end of it."""
    try:
        opened = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208
    except (OSError, ValueError):
        opened = list(range(3, 256))
    for handle in opened:
        if handle > 2 and handle not in handles:  # noqa: PLR2004  # our streams are the null device
            with contextlib.suppress(OSError):
                os.close(handle)
