"""Start a sender when one is due, and never wait for it. On the hot path (DESIGN §11).

`retry-at`'s modification time is when the next attempt is due; there is none after a success.
`sender-called` is made by whoever calls a sender, and removed by the sender before it looks at
what is pending: what comes after that calls another one.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RETRY_AT = "retry-at"
CALLED = "sender-called"
_STALE_SECONDS = 120
_MODULE = "cqtel_tui.deliver"


def start_if_due(state: str, options: Sequence[str] = (), now: float | None = None) -> bool:
    """Start a detached sender unless none is due, or one was called; tell whether it was.

    Args:
        state: the state folder, which has an outbox.
        options: the telemetry options that this command was given.
        now: seconds since 1970.
    """
    now = time.time() if now is None else now
    outbox = f"{state}/outbox"
    try:
        if os.stat(f"{outbox}/{RETRY_AT}").st_mtime > now:  # noqa: PTH116  # pathlib costs 13 ms
            return False
    except OSError:
        pass
    if not sys.executable or not _call(f"{outbox}/{CALLED}", now):
        return False
    # -P keeps the current directory, which is untrusted, from being imported from.
    arguments = [sys.executable, "-P", "-m", _MODULE, *options]
    if hasattr(os, "posix_spawn"):
        _spawn(arguments)
    else:
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
    return True


def _call(path: str, now: float) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        try:
            if now - os.stat(path).st_mtime > _STALE_SECONDS:  # noqa: PTH116
                os.unlink(path)  # noqa: PTH108  # its sender died; the next command calls another
        except OSError:
            pass
        return False
    except OSError:
        return False
    return True


def _spawn(arguments: list[str]) -> None:
    null = os.devnull
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
    ]
    try:
        os.posix_spawn(arguments[0], arguments, os.environ, file_actions=streams, setsid=True)
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID
        os.posix_spawn(arguments[0], arguments, os.environ, file_actions=streams, setpgroup=0)
