"""Start a sender when one is due, and never wait for it. On the hot path (DESIGN §11).

`sender-called` is made by whoever calls a sender, and removed by the sender before it looks at
what is pending: what comes after that calls another one.
"""

import os
import sys
import time

from ..outbox import OUTBOX, RETRY_AT, is_sender_due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CALLED", "RETRY_AT", "STALE_SECONDS", "start_if_due"]

CALLED = "sender-called"
STALE_SECONDS = 120
"""After so long, a sender that was called has died."""
_MODULE = "cqtel_tui.deliver"
_STREAMS = 3

_started: "list[int]" = []


def start_if_due(state: str, options: "Sequence[str]" = (), now: "float | None" = None) -> bool:
    """Start a detached sender unless none is due, or one was called; tell whether it was.

    Args:
        state: the state folder, which has an outbox.
        options: the telemetry options that this command was given.
        now: seconds since 1970.
    """
    now = time.time() if now is None else now
    _bury()
    python = _interpreter()
    called = f"{state}/{OUTBOX}/{CALLED}"
    if not python or not is_sender_due(state, now) or not _call(called, now):
        return False
    # -P keeps the current directory, which is untrusted, from being imported from.
    arguments = [python, "-P", "-m", _MODULE, *options]
    try:
        if hasattr(os, "posix_spawn"):
            _started.append(_spawn(arguments))
        else:
            _popen(arguments)
    except OSError:
        os.unlink(called)  # noqa: PTH108  # pathlib costs 13 ms; the next command tries again
        return False
    return True


def _interpreter() -> str:
    """Return this Python's own path; empty inside a program that only has Python in it."""
    path = sys.executable or ""
    name = os.path.basename(path).lower()  # noqa: PTH119
    # An application that was frozen, or that embeds Python, would start itself over again.
    return path if "py" in name and not getattr(sys, "frozen", False) else ""


def _call(path: str, now: float) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        try:
            if abs(now - os.stat(path).st_mtime) > STALE_SECONDS:  # noqa: PTH116
                os.unlink(path)  # noqa: PTH108  # its sender died; the next command calls another
        except OSError:
            pass
        return False
    except OSError:
        return False
    return True


def _spawn(arguments: "list[str]") -> int:
    null = os.devnull
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
    ]
    # Whoever reads a pipe that this process was given would wait for the sender's end of it.
    actions += [(os.POSIX_SPAWN_CLOSE, handle) for handle in _inheritable()]
    try:
        return os.posix_spawn(
            arguments[0], arguments, os.environ, file_actions=actions, setsid=True
        )
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID
        return os.posix_spawn(
            arguments[0], arguments, os.environ, file_actions=actions, setpgroup=0
        )


def _inheritable() -> "list[int]":
    try:
        handles = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208
    except (OSError, ValueError):
        return []
    return [handle for handle in handles if handle >= _STREAMS and _is_inheritable(handle)]


def _is_inheritable(handle: int) -> bool:
    try:
        return os.get_inheritable(handle)
    except OSError:
        return False  # it was the listing's own


def _popen(arguments: "list[str]") -> None:
    import subprocess

    subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        creationflags=getattr(subprocess, "DETACHED_PROCESS", 0)
        | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _bury() -> None:
    """Take note of the senders that have ended, or else they would stay as zombies."""
    for process in list(_started):
        try:
            ended = os.waitpid(process, os.WNOHANG)[0] != 0
        except OSError:
            ended = True  # the program waits for all its children itself
        if ended:
            _started.remove(process)
