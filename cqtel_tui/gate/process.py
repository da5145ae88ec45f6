r"""Run another program exactly as if it had been started without us.

The program inherits our standard streams, our terminal and our process group. So it reads the
keyboard, it is told of Ctrl+C, Ctrl+\, Ctrl+Z, a new window size and a hangup by the terminal
itself, and none of these may be passed on a second time: CloudQuery takes a second Ctrl+C for
"quit at once". A signal that somebody sends to *us*, as `kill`, `timeout` and `docker stop` do,
would not reach it, and is passed on.

Linux says with each signal where it came from (`si_code`, see sigaction(2)). Elsewhere we can but
guess: while our group has the terminal, what a key can send was sent by a key.

Limits:

- A signal that a process sends to our whole *group* (`kill -TERM -PGID`, bash's `kill %1`) or to
  each process one by one (systemd) looks the same as one sent to us alone. It is passed on, and
  the program may see it twice.
- Python ignores SIGPIPE and SIGXFSZ from its start, so we cannot know whether they were ignored
  before; the program starts with their defaults. So it does with SIGCHLD, for which POSIX leaves
  it open whether "ignored" outlives an exec. glibc's posix_spawn has its two own signals (32, 33)
  ignored, as they are in all that glibc's system(3) and popen(3) start.
- If we are killed with SIGKILL, or by a signal that is not in `_PASSED_ON`, nobody is left to
  tell the program.
- When the program stops we stop too. Continue us, or the group: the program alone is not enough.
  And a SIGSTOP sent to us alone, which cannot be caught, stops us alone.
"""

import os
import sys
import time

from .executing import CommandNotFound, named, spawn
from .records import record, replace

try:
    import _signal as signal  # `signal` itself imports `enum`, which costs 5 ms
except ImportError:
    import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType, TracebackType
    from typing import NoReturn

    Handler = Callable[[int, FrameType | None], object] | int | None

__all__ = ["CommandNotFound", "Outcome", "end_like", "run"]

# sigaction(2): "SI_KERNEL: sent by the kernel". The signal module has no name for it.
_SI_KERNEL = 0x80


_PASSED_ON = named(
    *("SIGALRM", "SIGCONT", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"),
    *("SIGINFO", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH"),
)
_FROM_A_KEY = named("SIGINFO", "SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH")
_AT_HANGUP = named("SIGCONT", "SIGHUP")
_WANTING_AN_END = named("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGBREAK")
_SIGNALLED = 128  # and the signal's number, as shells have it
_LAST_SIGNAL = 64
_CONTROL_C_EXIT = 0xC000013A  # what Windows ends a program with at Ctrl+C


@record(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        exit_code: What it returned, or None if a signal ended it.
        signal: The number of the signal that ended it, or None.
        duration: Seconds from just before its start until it was seen to have ended.
        started_unix_nano: When it was started, in nanoseconds since 1970-01-01 UTC.
        interrupted: Whether somebody wanted it to end (Ctrl+C, kill), whatever it made of that.
    """

    exit_code: "int | None"
    signal: "int | None"
    duration: float
    started_unix_nano: int
    interrupted: bool = False

    @property
    def ended_by_itself(self) -> bool:
        """Whether it came to its own end: no signal, Ctrl+C or kill had a part in it.

        A shell, and what works like one, tells of its child's signal by a code beyond 128.
        """
        told_of = self.exit_code is not None and (
            _SIGNALLED < self.exit_code <= _SIGNALLED + _LAST_SIGNAL
            or self.exit_code == _CONTROL_C_EXIT
        )
        return self.signal is None and not self.interrupted and not told_of

    @property
    def shell_status(self) -> int:
        """What a shell would show as `$?`: the exit code, or 128 and the signal's number."""
        return self.exit_code or 0 if self.signal is None else 128 + self.signal


def run(
    arguments: "Sequence[str]",
    environment: "Mapping[str, str]",
    *,
    executable: str | None = None,
    on_start: "Callable[[int], None] | None" = None,
) -> Outcome:
    """Run a program, and wait until it has ended.

    To be called from the main thread. A thread that was started before takes signals away from
    it, unless they are blocked in it; one that is started in `on_start` is fine.

    Args:
        arguments: The command line; its first entry is what the program sees as its own name.
        environment: All of the program's environment. Its `PATH` is where the program is looked
            for, as by execvp(3), except that an empty entry never means the current folder.
        executable: The program's file or name, where that is not the first of `arguments`.
        on_start: Called with the process id as soon as the program has started. What it raises
            is raised again once the program has ended: a mistake of ours does not stop it.

    Raises:
        CommandNotFound: The program could not be started.
        ValueError: `arguments` is empty, or has a NUL character.
    """
    if not arguments:
        raise ValueError("No program to run: give at least its name.")
    name = arguments[0] if executable is None else executable
    if not hasattr(os, "posix_spawn"):
        from .consoles import run_without_job_control

        code, duration, began = run_without_job_control(name, arguments, environment, on_start)
        return _outcome(code, duration, began)
    signals = _signals_to_take()
    with _Kept(signals) as mask:
        started_unix_nano, started = time.time_ns(), time.monotonic()
        program = _Program(spawn(name, arguments, environment, mask), signals)
        try:
            if on_start is not None:
                on_start(program.process_id)
        finally:
            code = os.waitstatus_to_exitcode(program.wait())
            duration = time.monotonic() - started
            pending = signal.sigpending() & _WANTING_AN_END
    outcome = _outcome(code, duration, started_unix_nano)
    return replace(outcome, interrupted=program.was_to_end or bool(pending))


def end_like(outcome: Outcome) -> "NoReturn":
    """End our own process as that program ended: by the same exit code, or by the same signal.

    A shell then shows the same `$?`, and a shell script stops at Ctrl+C as it would have without
    us. Nothing of ours runs after this, no `finally` and no `atexit`: clean up first.
    """
    for stream in (sys.stdout, sys.stderr):
        # None, closed, or a pipe that nobody reads: the program's ending is what counts.
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    if outcome.signal is not None and hasattr(signal, "pthread_sigmask"):
        _die_by(outcome.signal)
    status = outcome.shell_status
    # Windows has codes such as 0xC0000005, and `_exit` takes a signed 32-bit number.
    os._exit(status if status < 2**31 else status - 2**32)


class _Program:
    """A program that was started, and what passes between it and us until it has ended."""

    __slots__ = ("_signals", "_status", "_stopped_by", "process_id", "was_to_end")

    def __init__(self, process_id: int, signals: frozenset[int]) -> None:
        self.process_id = process_id
        self._signals = signals
        self._status: int | None = None
        self._stopped_by: int | None = None
        self.was_to_end = False

    def wait(self) -> int:
        """Pass signals on until the program has ended; return its wait status."""
        while self._status is None:
            if self._stopped_by is not None:
                self._stop_too(self._stopped_by)
            elif not self._look():
                self._pass_on(*_next_signal(self._signals))
        return self._status

    def _look(self) -> bool:
        """Learn whether the program has stopped, gone on or ended; False where nothing is new."""
        _reap_orphans(self.process_id)
        process_id, status = os.waitpid(self.process_id, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if process_id == 0:
            return False
        if os.WIFSTOPPED(status):
            self._stopped_by = os.WSTOPSIG(status)
        elif os.WIFCONTINUED(status):
            self._stopped_by = None
        else:
            self._status, self._stopped_by = status, None
        return True

    def _stop_too(self, number: int) -> None:
        """Stop as the program did, so that the shell sees it; when woken, wake the program."""
        if signal.SIGCONT in signal.sigpending():
            pass  # woken already: the program stopped by a signal that we passed on too late
        elif number != signal.SIGSTOP:
            self._stop_unless_continued(number)
        elif not self._look():
            os.kill(os.getpid(), number)
        # What woke us went to the whole group (`fg`), or to us alone.
        _drop(self._signals & {signal.SIGCONT})
        if self._stopped_by is not None and not self._look():
            self._stopped_by = None
            self._send(signal.SIGCONT)

    def _stop_unless_continued(self, number: int) -> None:
        """Stop by this signal, unless the whole group was told to go on in the meantime.

        A SIGCONT takes back a stop signal that is pending. So ours is made pending first: then
        either the program is seen to have gone on already, or the group's SIGCONT is yet to come
        and will find our signal, or us when we have stopped.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        handler = signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        if self._look() and self._stopped_by is None:
            signal.signal(number, signal.SIG_IGN)  # which drops what is pending
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})  # here we stop
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(number, handler)

    def _pass_on(self, number: int, code: int | None, sender: int) -> None:
        """Pass a signal on, unless it reached the program too or comes from it."""
        self.was_to_end |= number in _WANTING_AN_END
        if number == signal.SIGCHLD or sender == self.process_id:
            return
        if not _reached_the_group(number, code):
            self._send(number)

    def _send(self, number: int) -> None:
        # Not yet waited for, so the process id is still its own. A program that runs as somebody
        # else (sudo) may be out of our reach, as it would be for whoever signalled us.
        try:
            os.kill(self.process_id, number)
        except (PermissionError, ProcessLookupError):
            pass


def _reap_orphans(program: int) -> None:
    """Let no zombie be left where we are the init of a container, to which orphans come.

    What we started ourselves beside the program is reaped as well: nobody waits for that by its id
    while the program runs.
    """
    if os.getpid() != 1:
        return
    try:
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == program:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
    except ChildProcessError:
        pass


def _signals_to_take() -> frozenset[int]:
    """Return what we wait for, without what was ignored when we started (nohup, `&` in sh)."""
    passed_on = (
        number for number in _PASSED_ON if signal.getsignal(number) not in (signal.SIG_IGN, None)
    )
    return frozenset(passed_on) | {signal.SIGCHLD}


class _Kept:
    """Keeps these signals waiting until they are asked for; enters with the mask before that."""

    __slots__ = ("_handlers", "_mask", "_signals")

    def __init__(self, signals: "frozenset[int]") -> None:
        self._signals = signals
        self._handlers: dict[int, Handler] = {}

    def __enter__(self) -> "set[int]":
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        try:
            for number in self._signals:
                # Without a handler, macOS drops a SIGCHLD or a SIGWINCH even while it is blocked;
                # and where SIGCHLD was ignored, the program's exit code would be lost.
                before = signal.signal(number, _never_called)
                self._handlers[number] = signal.SIG_DFL if before is None else before
        except BaseException:
            self._restore()
            raise
        return set(self._mask)

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        # A Ctrl+Z that came as the program ended must not stop us now. (Ignoring SIGCHLD, even
        # for a moment, would lose the exit codes of other children.)
        _drop(frozenset(self._handlers) - {signal.SIGCHLD})
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _never_called(_number: int, _frame: "FrameType | None") -> None:
    """Stand in as a handler: the signal is blocked, and taken by `sigwait`."""


def _drop(signals: frozenset[int]) -> None:
    """Forget these signals where they are pending: POSIX has it that ignoring them does so."""
    for number in signals & signal.sigpending():
        signal.signal(number, signal.signal(number, signal.SIG_IGN))


def _next_signal(signals: frozenset[int]) -> tuple[int, int | None, int]:
    """Wait for one of these; return its number, its si_code where there is one, its sender."""
    if sys.platform == "linux" and hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(signals)
        return info.si_signo, info.si_code, info.si_pid
    try:
        return signal.sigwait(signals), None, 0
    except InterruptedError:  # stopped and continued: have a look at the program
        return signal.SIGCHLD, None, 0


def _reached_the_group(number: int, code: int | None) -> bool:
    """Tell whether a signal went to our whole process group, and so to the program as well."""
    if code is None:
        return number in _FROM_A_KEY and _has_the_terminal()
    if code != _SI_KERNEL:
        return False
    # The kernel tells the group, with two exceptions: a hangup of the terminal of which we are
    # the session leader (`ssh -t`, `xterm -e`), and an alarm(2) set before we were executed.
    if number in _AT_HANGUP:
        return os.getsid(0) != os.getpid()
    return bool(number != signal.SIGALRM)


def _has_the_terminal() -> bool:
    """Tell whether our process group is the one in the foreground of its terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _outcome(code: int, duration: float, started_unix_nano: int) -> Outcome:
    """Read a code as `subprocess` has it: below zero, it is a signal's number."""
    if code < 0:
        return Outcome(None, -code, duration, started_unix_nano)
    return Outcome(code, None, duration, started_unix_nano)


def _die_by(number: int) -> None:
    """Kill our own process by this signal; return only where that is impossible, as for init."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard:
        # The program's core is the one to look at, not ours. Linux starts a core handler
        # (systemd-coredump, apport) even where the limit is 0, but not where it is 1: there
        # fs/coredump.c takes it for the handler's own crash.
        resource.setrlimit(resource.RLIMIT_CORE, (1 if sys.platform == "linux" else 0, hard))
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):  # SIGKILL; or not the main thread
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
