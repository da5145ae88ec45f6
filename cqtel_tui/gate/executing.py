"""Find a program as execvp(3) does, and start it, or become it.

Lean, as all that a launcher loads before its program starts (DESIGN §11).
"""

import errno
import os

try:
    import _signal as signal  # `signal` itself imports `enum`, which costs 5 ms
except ImportError:
    import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SHELL = "/bin/sh"
_NATIVE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_FIRST_LINE = 80
"""So many bytes of a file bash looks at to tell a script from a binary."""


def named(*names: str) -> "frozenset[int]":
    """Return those of these signals that this platform has."""
    return frozenset([getattr(signal, name) for name in names if hasattr(signal, name)])


IGNORED_BY_PYTHON = named("SIGPIPE", "SIGXFSZ")


class CommandNotFound(Exception):  # noqa: N818 -- a shell's own words for it
    """There is no such program, or it cannot be executed; the message is what a shell says.

    Attributes:
        arguments: The command line that was to be run.
        status: A shell's exit status for it: 127 for not found, 126 for not executable.
    """

    def __init__(self, arguments: "Sequence[str]", status: int, message: str) -> None:
        super().__init__(message)
        self.arguments = tuple(arguments)
        self.status = status


def spawn(
    name: str, arguments: "Sequence[str]", environment: "Mapping[str, str]", mask: "set[int]"
) -> int:
    """Start the first program of that name which can be started; return its process id.

    Raises:
        CommandNotFound: none can be.
    """

    def start(path: str, words: "list[str]") -> int:
        return os.posix_spawn(
            path, words, environment, setsigmask=mask, setsigdef=IGNORED_BY_PYTHON
        )

    return _first(name, arguments, environment, start)


def become(name: str, arguments: "Sequence[str]", environment: "Mapping[str, str]") -> "NoReturn":  # type: ignore[misc]  # execve does not return
    """Become the first program of that name which can be started.

    Raises:
        CommandNotFound: none can be.
    """
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in IGNORED_BY_PYTHON}
    try:
        _first(
            name,
            arguments,
            environment,
            lambda path, words: os.execve(path, words, environment),  # noqa: S606
        )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _first(
    name: str,
    arguments: "Sequence[str]",
    environment: "Mapping[str, str]",
    start: "Callable[[str, list[str]], int]",
) -> int:
    refusal = not_found(arguments, name)
    for path in places(name, environment):
        try:
            try:
                return start(path, list(arguments))
            except OSError as error:
                if error.errno != errno.ENOEXEC or is_binary(path):
                    raise
                # As execvp(3), and each shell: what has no `#!` is a script of sh.
                return start(_SHELL, [_SHELL, path, *arguments[1:]])
        except OSError as error:
            refusal = refused(arguments, path, error)
            # execvp(3) looks further only after "permission denied".
            if error.errno != errno.EACCES:
                break
    raise refusal


def places(name: str, environment: "Mapping[str, str]") -> "list[str]":
    """Return where to look for a program: a name with a slash is used as it is."""
    if "/" in name:
        return [name]
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    candidates = [f"{folder}/{name}" for folder in folders if folder]
    return [place for place in candidates if name and os.access(place, os.F_OK)]


def is_binary(path: str) -> bool:
    """Tell whether a file is no script, as bash does: by a NUL in its first line."""
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False  # sh says what is wrong
    try:
        return b"\0" in os.read(opened, _FIRST_LINE).partition(b"\n")[0]
    except OSError:
        return False
    finally:
        os.close(opened)


def is_native(path: str) -> bool:
    """Tell whether a file is a program of machine code, by what such files begin with."""
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.read(opened, 4).startswith(_NATIVE)
    except OSError:
        return False
    finally:
        os.close(opened)


def not_found(arguments: "Sequence[str]", name: str) -> CommandNotFound:
    """Return what a shell says where no file has that name."""
    return CommandNotFound(arguments, _NOT_FOUND, f"{name}: command not found")


def refused(arguments: "Sequence[str]", path: str, error: OSError) -> CommandNotFound:
    """Say in bash's words why a program could not be started, with bash's exit status."""
    status, reason = _NOT_EXECUTABLE, os.strerror(error.errno or 0)
    if isinstance(error, FileNotFoundError):
        status = _NOT_FOUND
        if os.access(path, os.F_OK):  # it is its interpreter, or its loader, that is missing
            reason = "cannot execute: required file not found"
    elif error.errno == errno.ENOEXEC:
        reason = f"cannot execute binary file: {reason}"
    elif os.access(f"{path}/.", os.F_OK):
        reason = os.strerror(errno.EISDIR)
    return CommandNotFound(arguments, status, f"{path}: {reason}")
