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
import os
import signal
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from ..outbox.losses import count_loss
from .lingering import SETTING, descendants, is_alive, longest
from .redacting import CLOSING_SECONDS, Redaction
from .refusals import LOST, STRANGER, WHAT_TO_DO
from .session import Known, Session
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .receiving import Counts
    from .requests import Request
    from .server import Server

DRAIN_SECONDS = 0.3
"""How long the launcher is kept waiting at most for what is under way when the program ends."""
_GLANCE_SECONDS = 0.01
_LOOK_SECONDS = 1.0
_FIRST_SEARCH_SECONDS = 0.1
_LAST_SEARCH_SECONDS = 2.0
_MAX_INSPECTED = 256
_MAX_INSPECTED_BYTES = 16 << 20
_PROTOBUF = "application/x-protobuf"
_PROTOBUF_IS_READ_BY = "opentelemetry.proto"
_LINE_BYTES = 64 * 1024


def main(control: int, listener: int, blocked_port: int) -> None:
    """Serve one run; what is needed of this process's surroundings is given up first.

    Args:
        control: the handle of the socket that the launcher speaks through.
        listener: where programs send to.
        blocked_port: where each connection is counted and closed.
    """
    with contextlib.suppress(OSError):
        os.setsid()  # unless it was started in a session of its own
    os.chdir("/")
    _close_all_but({control, listener, blocked_port})
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTSTP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    serve(*(socket.socket(fileno=one) for one in (control, listener, blocked_port)))


def serve_in_thread(handles: Sequence[int]) -> None:
    """Serve in a thread of this process, where no other can take sockets over."""
    sockets = [socket.socket(fileno=one) for one in handles]
    threading.Thread(target=serve, args=sockets, name="gate", daemon=True).start()


def serve(control: socket.socket, listener: socket.socket, blocked_port: socket.socket) -> None:
    """Serve until nobody is left who could send anything."""
    try:
        line, rest = _first_line(control)
        _Gate(Session.from_json(line), control, rest, listener, blocked_port).run()
    except Exception as error:  # noqa: BLE001  # told to whoever asks; the program goes on
        with contextlib.suppress(OSError):
            reason = f"{type(error).__name__}: {error}".replace("\n", " ")
            control.sendall(f"failure {reason}\n.\n".encode("utf-8", "replace"))
    finally:
        # A program that is not served must be refused, or it would wait for an answer.
        for one in (listener, blocked_port, control):
            one.close()


def _first_line(control: socket.socket) -> tuple[bytes, bytes]:
    control.settimeout(CLOSING_SECONDS)
    received = b""
    while b"\n" not in received:
        part = control.recv(_LINE_BYTES)
        if not part:
            raise EOFError("the run was not described")
        received += part
    line, _, rest = received.partition(b"\n")
    control.setblocking(False)
    return line, rest


class _Gate:
    """One run being served."""

    def __init__(
        self,
        session: Session,
        control: socket.socket,
        received: bytes,
        listener: socket.socket,
        blocked_port: socket.socket,
    ) -> None:
        self._session = session
        self._control = control
        self._received = received
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
        self._redaction: Redaction | None = None
        if not session.inspect:
            with contextlib.suppress(OSError):  # a full disk: each request is refused until it ends
                self._spool.open()
            self._redaction = Redaction(self._spool, lambda: [control, *self._server.sockets])
        from .profiles import CLOUDQUERY
        from .receiving import Counts
        from .server import Server

        self._counts: Counts = Counts()
        self._server: Server = Server(
            listener, blocked_port, session.profiles, self._keep, self._counts
        )
        if CLOUDQUERY.name in session.profiles.values():
            self._server.calls = {
                each.call.encode(): CLOUDQUERY.name
                for each in CLOUDQUERY.channels.blocked
                if each.call
            }

    def run(self) -> None:
        """Serve, linger, and leave nothing unredacted that can be redacted."""
        server = self._server
        server.watch(self._control, self._hear)
        self._tell("ready")
        server.look(0)  # who waits already is answered before what redacts is loaded beside us
        if self._redaction is not None:
            self._redaction.start()
            self._redaction.watched_by(server)
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
            # Where nothing came in, the launcher has nothing to wait for.
            is_redacted = self._redaction is None or self._redaction.is_idle
            is_idle = self._server.is_quiet and (is_redacted or not self._counts.requests)
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
        is_protobuf = request.header("content-type").startswith(_PROTOBUF)
        self._is_protobuf |= is_protobuf or request.is_grpc
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
        self._received += part
        self._obey()

    def _obey(self) -> None:
        *lines, self._received = self._received.split(b"\n")
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
            signal.alarm(int(seconds) + 2 * CLOSING_SECONDS)  # whatever happens, it ends

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
            counts.blocked_attempts,
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
            f"{name} {getattr(counts, name)}" for name in ("requests", "lost", "blocked_attempts")
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
