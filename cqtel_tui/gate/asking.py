"""Ask a program for its version, within bounds: of time, of what is read, of what it leaves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import TYPE_CHECKING

from ..catalogue import is_date, is_version
from .versions import Reported

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from .profiles import Profile

LONGEST_SECONDS = 2.0
"""How long all of it may take: somebody waits."""
_LONGEST_LINE = 1024
_LINES_WITH_A_DATE = 8


def ask(
    binary: str,
    profile: Profile,
    environment: Mapping[str, str],
    seconds: float = LONGEST_SECONDS,
    folder: str | None = None,
) -> Reported:
    """Ask a program for its version, and when it was built where a release of its age tells.

    It has no terminal, its telemetry is turned off, and each process that it leaves behind is
    ended. With a `folder` it is asked in there; else what it writes is gone afterwards.

    Raises:
        OSError: it cannot be run.
    """
    until = time.monotonic() + seconds
    # A name that begins with `=`, as Wine leaves it, is none for `subprocess`.
    settings = {name: value for name, value in environment.items() if "=" not in name}
    settings |= profile.refuse
    with _own_folder() if folder is None else contextlib.nullcontext(folder) as place:
        lines = _lines([binary, "--version"], place, settings, seconds, 1)
    if lines is None:
        return Reported(None, is_whole=False)
    # Nowhere but in this one line: elsewhere a number with dots may be anybody's address.
    words = b"".join(lines).decode("utf-8", "replace").strip()
    match = re.fullmatch(profile.answer, words) if profile.answer else None
    version = match[1] if match and is_version(match[1]) else ""
    first = version.partition(".")[0]
    if not profile.built or not first.isdigit() or int(first) >= profile.built_before:
        return Reported(version)
    return _dated(binary, profile, settings, version, until - time.monotonic())


def ask_version(
    binary: str,
    profile: Profile,
    environment: Mapping[str, str],
    seconds: float = LONGEST_SECONDS,
) -> str | None:
    """Return the version that a program tells, empty if it tells none, None if not in time.

    Raises:
        OSError: it cannot be run.
    """
    return ask(binary, profile, environment, seconds).version


def _dated(
    binary: str, profile: Profile, settings: dict[str, str], version: str, seconds: float
) -> Reported:
    """Return the version with the date that `version` tells of the same one.

    Asked in a folder that goes, and without variables that name another one: it begins to write a
    log there, and looks for a cookie. A shim may stand for another version
    there, so that it is told which one is meant, and believed only of that one.
    """
    if profile.settings:
        settings = {k: v for k, v in settings.items() if not k.startswith(profile.settings)}
        settings |= profile.refuse
    for name in ("ASDF", "MISE"):
        settings = {**settings, f"{name}_{profile.name.upper()}_VERSION": version}
    with _own_folder() as place:
        lines = _lines([binary, "version"], place, settings, seconds, _LINES_WITH_A_DATE)
    if lines is None:
        return Reported(version, is_whole=False)
    match = re.search(profile.built, b"".join(lines).decode("utf-8", "replace"), re.MULTILINE)
    if match is None or match["version"] != version or not is_date(match["date"]):
        return Reported(version)
    return Reported(version, match["date"])


@contextlib.contextmanager
def _own_folder() -> Iterator[str]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="cqtel-version-", ignore_cleanup_errors=True) as own:
        yield own


def _lines(
    command: list[str], folder: str, environment: Mapping[str, str], seconds: float, count: int
) -> list[bytes] | None:
    """Run a command, return its first lines, and let nothing of it be left.

    Started and read in a thread of its own: a pipe has no timeout, what the command starts may
    keep it open for ever, and a Ctrl+C, which comes to the main thread, must not come between the
    start and the end.

    Returns:
        at most `count` lines; None if that takes longer than `seconds`.

    Raises:
        OSError: the command cannot be run.
    """
    import subprocess
    from threading import Event, Thread

    has_started = Event()
    processes: list[subprocess.Popen[bytes]] = []
    errors: list[OSError] = []
    answers: list[list[bytes]] = []

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
                lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
                answers.append([line for _, line in zip(range(count), lines, strict=False)])

    asking = Thread(target=ask, daemon=True)
    try:
        asking.start()
        asking.join(max(0.0, seconds))
        in_time = [*answers]
    finally:
        has_started.wait(LONGEST_SECONDS)
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
