"""Find the binary of a program, and its version: asked for once, by path, size and time of change.

Only what the user's own command runs is ever asked: nothing is looked for in the current folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ..catalogue import is_version
from ..files import make_folder
from ..outbox.writing import project_mark

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from .profiles import Invocation, Profile

CACHE = "versions.json"
LONGEST_SECONDS = 5.0
_MAX_ENTRIES = 100
_MAX_CACHE_BYTES = 64 * 1024
_LONGEST_LINE = 1024


def substitute(invocation: Invocation, environment: Mapping[str, str]) -> str | None:
    """Return the binary that a Python package has brought, for a bare name that `PATH` has not."""
    name = invocation.prefix[0]
    if invocation.through_python or not _is_bare(name) or any(_on_path(name, environment)):
        return None
    if not invocation.profile.module:
        return None
    ours = Path(__file__).resolve().parents[2]
    folders = [ours, *(Path(sysconfig.get_path(scheme)) for scheme in ("purelib", "platlib"))]
    return next(filter(_is_program, _packaged(invocation.profile, folders)), None)


def find_binary(invocation: Invocation, environment: Mapping[str, str]) -> str | None:
    """Return the program's file that a command line runs; None if it cannot be told from here."""
    name = invocation.prefix[0]
    places = _on_path(name, environment) if _is_bare(name) else [name]
    program = next(filter(_is_program, places), None)
    if program is None or not invocation.through_python:
        return program and str(Path(program).absolute())
    # The interpreter's own packages, as venv, Unix and Windows lay them out. Where a folder has
    # those of several interpreters, there is no telling.
    root = Path(program).absolute().parent.parent
    folders = [*root.glob("lib/python3*/site-packages"), root / "Lib" / "site-packages"]
    found = {*filter(_is_program, _packaged(invocation.profile, folders))}
    return found.pop() if len(found) == 1 else None


def _is_bare(name: str) -> bool:
    return "/" not in name and os.sep not in name


def _on_path(name: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Return the files of that name in the order in which `process.run` tries them."""
    if os.name == "nt":
        from shutil import which

        found = which(name, path=environment.get("PATH"))
        yield from [found] if found else []
    else:
        for folder in environment.get("PATH", os.defpath).split(os.pathsep):
            # An empty entry never means the current folder, as it does for shutil.which.
            if folder and os.access(f"{folder}/{name}", os.F_OK):
                yield f"{folder}/{name}"


def _packaged(profile: Profile, folders: list[Path]) -> list[str]:
    return [os.path.realpath(folder / profile.module / profile.binary) for folder in folders]


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113  # it is a text here


class Version:
    """The version of one program: remembered, or asked for.

    Args:
        binary: its file; None where that cannot be told, and so has no version.
        profile: what is known of it.
        state: the folder to remember it in.
    """

    def __init__(self, binary: str | None, profile: Profile, state: str) -> None:
        self._binary = binary
        self._profile = profile
        self._cache = Path(state) / CACHE
        self._mark = ""
        self._answer: str | None = None

    def get(self, environment: Mapping[str, str]) -> str | None:
        """Return the version; None if it tells none, or cannot be asked.

        Args:
            environment: that of the program.
        """
        if self._binary is None or not self._profile.answer:
            return None
        with contextlib.suppress(OSError):
            mark = _mark(self._binary)
            known = self._read().get(mark)
            if known == "" or is_version(known):
                return known or None
            self._answer = ask_version(self._binary, self._profile, environment)
            self._mark = mark
        return self._answer or None

    def known(self) -> str:
        """Return the version as far as it is remembered, empty if it is not: nobody is asked."""
        with contextlib.suppress(OSError):
            if self._binary is not None and self._profile.answer:
                known = self._read().get(_mark(self._binary), "")
                return known if is_version(known) else ""
        return ""

    def remember(self) -> None:
        """Remember what it answered, be it nothing; no answer in time is not remembered."""
        if self._answer is None:
            return
        known = [*self._read().items(), (self._mark, self._answer)]
        temporary = self._cache.with_name(f".{CACHE}.{os.urandom(8).hex()}")
        with contextlib.suppress(OSError):  # then it is asked again
            make_folder(str(self._cache.parent))
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                    file.write(json.dumps(dict(known[-_MAX_ENTRIES:])))
                temporary.replace(self._cache)
            finally:
                temporary.unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            with os.fdopen(os.open(self._cache, flags), "rb") as file:
                content = json.loads(file.read(_MAX_CACHE_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}  # then it is asked again, and written anew
        if not isinstance(content, dict):
            return {}
        return {mark: version for mark, version in content.items() if isinstance(version, str)}


def _mark(binary: str) -> str:
    """Return what a program's file is known by: path (its hash), size and time of change."""
    path = os.path.realpath(binary)
    status = Path(path).stat()
    return f"{project_mark(path)} {status.st_size} {status.st_mtime_ns}"


def ask_version(
    binary: str,
    profile: Profile,
    environment: Mapping[str, str],
    seconds: float = LONGEST_SECONDS,
    folder: str | None = None,
) -> str | None:
    """Run `binary --version`; return its version, empty if it tells none, None if not in time.

    It has no terminal, its telemetry is turned off, what it writes here is gone afterwards, and
    so is each process that it leaves behind. With a `folder` it is asked in there, and nothing is
    made for it.

    Raises:
        OSError: it cannot be run.
    """
    from tempfile import TemporaryDirectory

    # A name that begins with `=`, as Wine leaves it, is none for `subprocess`.
    settings = {name: value for name, value in environment.items() if "=" not in name}
    settings |= profile.refuse
    if folder is not None:
        line = _first_line([binary, "--version"], folder, settings, seconds)
    else:
        with TemporaryDirectory(prefix="cqtel-version-", ignore_cleanup_errors=True) as own:
            line = _first_line([binary, "--version"], own, settings, seconds)
    if line is None:
        return None
    # Nowhere but in this one line: elsewhere a number with dots may be anybody's address.
    words = line.decode("utf-8", "replace").strip()
    found = re.fullmatch(profile.answer, words) if profile.answer else None
    return found[1] if found and is_version(found[1]) else ""


def _first_line(
    command: list[str], folder: str, environment: Mapping[str, str], seconds: float
) -> bytes | None:
    """Run a command, return its first line, and let nothing of it be left.

    Started and read in a thread of its own: a pipe has no timeout, what the command starts may
    keep it open for ever, and a Ctrl+C, which comes to the main thread, must not come between the
    start and the end.

    Returns:
        the line, empty if there is none; None if it takes longer than `seconds`.

    Raises:
        OSError: the command cannot be run.
    """
    import subprocess
    from threading import Event, Thread

    has_started = Event()
    processes: list[subprocess.Popen[bytes]] = []
    errors: list[OSError] = []
    lines: list[bytes] = []

    def ask() -> None:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl+C at the keyboard is not meant for it
            )
            processes.append(process)
        except OSError as error:
            errors.append(error)
            return
        finally:
            has_started.set()
        if process.stdout is not None:
            with process.stdout as stream:
                lines.append(stream.readline(_LONGEST_LINE))

    asking = Thread(target=ask, daemon=True)
    try:
        asking.start()
        asking.join(seconds)
        in_time = [*lines]
    finally:
        has_started.wait(seconds)
        for process in processes:
            _end(process)
    if errors:
        raise errors[0]
    return in_time[0] if in_time else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its session, and all that it has started in there."""
    with contextlib.suppress(OSError):  # it may have ended by itself, and all its own with it
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
