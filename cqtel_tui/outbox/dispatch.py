"""Start a sender when one is due, and never wait for it. On the hot path (DESIGN §11).

`sender-called` is made by whoever calls a sender, and removed by the sender before it looks at
what is pending: what comes after that calls another one. `sender-problem` says why none can work.

The sender is nobody's child: a shell starts it in the background and ends, so that a program that
waits for all its children does not wait for it. The shell takes a millisecond, and is waited for at
once. Where the program has a handler of its own for the end of children, that signal is blocked
meanwhile, and raised again only if a child of the program's own has ended, too; nothing of the
program's is changed. Limits: another thread may take the signal, and the handler finds no child;
and a program that is process 1, or a subreaper, adopts every orphan.

It imports what the program imports, from the same place, and nothing else: Python is isolated
(`-I`: no `PYTHONPATH`, no current directory, no folder of the user's), stands in the root folder,
and is passed the folder that this package lies in, and those of what delivery needs where they
are others.
"""

import os
import sys
import time

from ..opening import CREATE, NO_LINK
from .writing import OUTBOX, RETRY_AT, is_sender_due

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CALLED", "PROBLEM", "RETRY_AT", "STALE_SECONDS", "note_problem", "start_if_due"]

CALLED = "sender-called"
PROBLEM = "sender-problem"
STALE_SECONDS = 120
"""A sender that was called so long ago and has not begun is taken for dead."""
_MODULE = "cqtel_tui.deliver"
_STREAMS = 3
_NEEDED = ("httpx", "httpcore", "h11", "anyio", "certifi", "idna", "platformdirs", "socksio")
"""What delivery imports of others, as far as it is installed."""
_SHELL = "/bin/sh"
_IN_THE_BACKGROUND = '"$@" &'
# Behind the standard library, and before everything else that is installed.
_BOOT = """import runpy, sys
count = int(sys.argv[1]) + 2
at = [n for n, path in enumerate(sys.path) if path.endswith("-packages")] + [len(sys.path)]
sys.path[at[0]:at[0]] = sys.argv[3:count + 1]
module = sys.argv[2]
del sys.argv[1:count + 1]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def start_if_due(state: str, options: "Sequence[str]" = (), now: "float | None" = None) -> bool:
    """Start a detached sender unless none is due, or one was called; tell whether it was.

    Args:
        state: the state folder, which has an outbox.
        options: the telemetry options that this command was given.
        now: seconds since 1970.
    """
    try:
        return _start_if_due(state, options, time.time() if now is None else now)
    except Exception as error:  # noqa: BLE001  # nothing of ours may reach the program
        note_problem(state, f"none could be started: {type(error).__name__}")
        return False


def _start_if_due(state: str, options: "Sequence[str]", now: float) -> bool:
    called = f"{state}/{OUTBOX}/{CALLED}"
    if not is_sender_due(state, now) or not os.path.isdir(f"{state}/{OUTBOX}"):  # noqa: PTH112
        return False
    python = _interpreter()
    folders = _folders() if python else []
    if not folders:
        note_problem(state, _no_sender(python))
        return False
    if not _call(called, now):
        return False
    try:
        _start([python, *_flags(), "-c", _BOOT, str(len(folders)), _MODULE, *folders, *options])
    except OSError as error:
        os.unlink(called)  # noqa: PTH108  # pathlib costs 13 ms; the next command tries again
        note_problem(state, f"{python} could not be started: {error.strerror}")
        return False
    return True


def note_problem(state: str, why: str) -> None:
    """Write down why no sender can work, for `cq-telemetry status`; never raises."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK
        opened = os.open(f"{state}/{OUTBOX}/{PROBLEM}", flags, 0o600)
        try:
            os.write(opened, why.encode("utf-8", "replace"))
        finally:
            os.close(opened)
    except OSError:
        pass  # a full disk is reported elsewhere


def _no_sender(python: str) -> str:
    if python:
        return f"the package is no longer where it was imported from: {_parent()}"
    return f"{sys.executable or 'this program'} only has Python in it, and cannot start a sender"


def _flags() -> "list[str]":
    """Return how the program's own Python was started, and always isolated."""
    flags = ["-I"]
    if sys.flags.no_site:
        flags.append("-S")
    if sys.flags.dont_write_bytecode:
        flags.append("-B")
    return flags


def _parent() -> str:
    """Return the folder (or the zip file) that this package was imported from."""
    path = os.path.abspath(__file__)  # noqa: PTH100  # relative in a zip file that was called so
    for _ in range(3):
        path = os.path.dirname(path)  # noqa: PTH120
    return path


def _folders() -> "list[str]":
    """Return where a sender imports from besides what is installed; empty if it could not."""
    parent = _parent()
    if not os.path.exists(parent):  # noqa: PTH110
        return []
    if os.path.isdir(f"{parent}/{_NEEDED[0]}") or not os.path.isdir(parent):  # noqa: PTH112
        return [parent]
    return [parent, *[path for path in _trusted_path() if path != parent and _has_needed(path)]]


def _has_needed(folder: str) -> bool:
    return any([os.path.isdir(f"{folder}/{name}") for name in _NEEDED])  # noqa: PTH112


def _trusted_path() -> "list[str]":
    """Return what the program imports from, without what its environment and its folder add."""
    site = sys.modules.get("site")
    added = {getattr(site, "USER_SITE", None)}
    try:
        added.add(os.getcwd())  # noqa: PTH109
    except OSError:
        pass  # it is gone, and nothing is imported from it
    script = sys.argv[0] if sys.argv else ""
    if script and not sys.flags.safe_path:
        added.add(os.path.dirname(os.path.abspath(script)))  # noqa: PTH100, PTH120
    if not sys.flags.ignore_environment:
        listed = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        added.update([os.path.abspath(path) for path in listed])  # noqa: PTH100
    return [
        path
        for path in sys.path
        if type(path) is str and os.path.isabs(path) and path not in added  # noqa: PTH117
    ]


def _interpreter() -> str:
    """Return this Python's own path; empty inside a program that only has Python in it."""
    path = sys.executable or ""
    name = os.path.basename(path).lower()  # noqa: PTH119
    # An application that was frozen, or that embeds Python, would start itself over again.
    return path if "py" in name and not getattr(sys, "frozen", False) else ""


def _call(path: str, now: float) -> bool:
    try:
        os.close(os.open(path, CREATE, 0o600))
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


def _start(arguments: "list[str]") -> None:
    if not os.access(arguments[0], os.X_OK):
        raise FileNotFoundError(2, "No such file or directory")
    if not hasattr(os, "posix_spawn"):
        _popen(arguments)
        return
    if os.access(_SHELL, os.X_OK):
        arguments = [_SHELL, "-c", _IN_THE_BACKGROUND, "sh", *arguments]
        _run_unnoticed(arguments)
    else:
        _spawn(arguments)


def _run_unnoticed(arguments: "list[str]") -> None:
    """Start a process that ends at once and wait for it, unnoticed by the program."""
    from _signal import (
        SIG_BLOCK,
        SIG_DFL,
        SIG_IGN,
        SIG_SETMASK,
        SIGCHLD,
        getsignal,
        pthread_sigmask,
    )

    before = None
    if getsignal(SIGCHLD) not in {SIG_DFL, SIG_IGN}:
        before = pthread_sigmask(SIG_BLOCK, [SIGCHLD])
    try:
        try:
            os.waitpid(_spawn(arguments), 0)
        except ChildProcessError:
            pass  # a thread of the program's, or the system, was faster
        if before is not None and SIGCHLD not in before:
            _discard_signal(SIGCHLD)
    finally:
        if before is not None:
            pthread_sigmask(SIG_SETMASK, before)


def _discard_signal(signal: int) -> None:
    """Discard the signal of our child, but not that of a child of the program's own."""
    from _signal import sigpending, sigwait

    if signal in sigpending():
        sigwait([signal])
    try:
        theirs = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return
    if theirs is not None:
        os.kill(os.getpid(), signal)


def _spawn(arguments: "list[str]") -> int:
    null = os.devnull
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
    ]
    # A pipe that the sender inherited would not end for its reader before the sender does.
    actions += [(os.POSIX_SPAWN_CLOSE, handle) for handle in _inheritable()]
    # A variable without a name, such as Wine leaves, cannot be passed on.
    environment = {name: value for name, value in os.environ.items() if name}
    try:
        return os.posix_spawn(
            arguments[0],
            arguments,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
        )
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID
        return os.posix_spawn(
            arguments[0],
            arguments,
            environment,
            file_actions=actions,
            setpgroup=0,
            setsigmask=(),
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
        return False  # it was the listing's own, and is closed by now


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
