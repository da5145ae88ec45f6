"""Run a program where there is no posix_spawn, and no job control: on Windows above all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from .executing import named, not_found, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType


def _never_called(_number: int, _frame: FrameType | None) -> None:
    """Stand in as a handler: the program is told, and so are we."""


def run_without_job_control(
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    on_start: Callable[[int], None] | None,
) -> tuple[int, float, int]:
    """Run a program where there is no posix_spawn, on Windows above all.

    The console tells every process in it of Ctrl+C and Ctrl+Break: we only have to outlive them.
    """
    path = name
    if not any(separator in name for separator in (os.sep, os.altsep or os.sep)):
        path = shutil.which(name, path=environment.get("PATH", os.defpath)) or ""
    if not path:
        raise not_found(arguments, name)
    with _outliving(named("SIGINT", "SIGBREAK")):
        started_unix_nano, started = time.time_ns(), time.monotonic()
        try:
            process = subprocess.Popen(list(arguments), executable=path, env=dict(environment))
        except OSError as error:
            raise refused(arguments, path, error) from error
        try:
            if on_start is not None:
                on_start(process.pid)
        finally:
            code = process.wait()
            duration = time.monotonic() - started
    return code, duration, started_unix_nano


@contextlib.contextmanager
def _outliving(signals: frozenset[int]) -> Iterator[None]:
    """Survive these signals, but do not ignore them: a program we start would inherit that."""
    handlers = {number: signal.getsignal(number) for number in signals}
    handlers = {
        number: handler
        for number, handler in handlers.items()
        if handler not in (signal.SIG_IGN, None)
    }
    try:
        for number in handlers:
            signal.signal(number, _never_called)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
