"""What became of one run of another program: which payloads it left, and what was blocked.

One small file for each run, beside the boxes: `runs/<time>,<id>.json`. It is written while the run
lasts, and again as more becomes known.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import make_folder, read, replace
from ..formats.bare_json import parse_object
from . import OUTBOX
from .expiry import horizon

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUNS = "runs"
INTERCEPTED_FOLDER = "intercepted"
"""Where requests lie that the gate has acknowledged and not redacted yet (see `gate.spool`)."""
SUFFIX = ".json"
MAX_RUNS = 500
_MAX_BYTES = 64 * 1024
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class BlockedChannel:
    """A way to report that was blocked, since what goes there cannot be shown first.

    Attributes:
        name: what it is.
        reason: why it was blocked.
        attempts: how often the program tried it all the same; None where that cannot be seen.
    """

    name: str
    reason: str
    attempts: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a program that we did not write.

    Attributes:
        operation: the id of the envelope of its operation; empty where none was recorded (yet).
        created: when it began, in microseconds since 1970.
        app: the program, a plain name.
        version: its version, or empty.
        intercepted: the ids of the envelopes of what the gate intercepted of it, in order.
        lost: how many requests it made that could not be held.
        blocked: what was blocked.
        id: its own, 16 hex digits; that of its operation for one of an earlier release.
        refused: how many requests were refused, by the reason (see `gate.refusals`).
        late: how many requests came in after the program had ended.
        is_over: whether the program has ended.
    """

    operation: str
    created: int
    app: str
    version: str
    intercepted: tuple[str, ...]
    lost: int
    blocked: tuple[BlockedChannel, ...]
    id: str = ""
    refused: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    is_over: bool = True

    @property
    def payloads(self) -> tuple[str, ...]:
        """The ids of all its payloads, its operation's first; some may be gone by now."""
        return (self.operation, *self.intercepted) if self.operation else self.intercepted

    @property
    def file_name(self) -> str:
        """The name of the file that it is written to."""
        return f"{self.created:016d},{self.id or self.operation}{SUFFIX}"


def write_run(state: str, run: Run) -> None:
    """Keep the record of a run; the oldest make room.

    Args:
        state: the state folder.
        run: what became of it.

    Raises:
        OSError: it could not be written.
    """
    folder = Path(state) / OUTBOX / RUNS
    make_folder(str(folder))
    replace(folder / run.file_name, json.dumps(asdict(run)).encode())
    for old in _names(folder)[:-MAX_RUNS]:
        (folder / old).unlink(missing_ok=True)


def read_runs(state: str, most: int = MAX_RUNS) -> list[Run]:
    """Return the runs on this machine, the newest first; what cannot be read is left out.

    Args:
        state: the state folder.
        most: how many at most.
    """
    folder = Path(state) / OUTBOX / RUNS
    runs = (_read(folder / name) for name in _names(folder)[::-1][:most])
    return [run for run in runs if run is not None]


def read_run(state: str, file_name: str) -> Run | None:
    """Return one run by the name of its file; None if it is not there, or cannot be read."""
    return _read(Path(state) / OUTBOX / RUNS / file_name)


def run_of(runs: Iterable[Run], identity: str) -> Run | None:
    """Return the run that the payload with this id comes from; None if it is not known."""
    return next((run for run in runs if identity in run.payloads), None)


def clear_runs(state: str, app: str | None = None) -> None:
    """Forget all runs, or those of one program."""
    folder = Path(state) / OUTBOX / RUNS
    for name in _names(folder):
        run = None if app is None else _read(folder / name)
        if app is None or (run is not None and run.app == app):
            (folder / name).unlink(missing_ok=True)


def drop_run(state: str, run: Run) -> None:
    """Forget one run."""
    (Path(state) / OUTBOX / RUNS / run.file_name).unlink(missing_ok=True)


def clear_intercepted(state: str) -> None:
    """Forget all requests that the gate has taken in and not redacted yet."""
    shutil.rmtree(Path(state) / OUTBOX / INTERCEPTED_FOLDER, ignore_errors=True)


def has_leftovers(state: str) -> bool:
    """Tell whether requests lie here that may have been left unredacted: one look at a folder."""
    try:
        names = os.listdir(Path(state) / OUTBOX / INTERCEPTED_FOLDER)  # noqa: PTH208  # no Path each
    except OSError:
        return False
    # A name that begins with a dot is still being written, or its gate was killed meanwhile.
    return any(name[0] != "." for name in names)


def sweep_runs(state: str, clock: int) -> None:
    """Forget what is as old as no envelope gets.

    Args:
        state: the state folder.
        clock: the retention clock, in microseconds since 1970; see `expiry`.
    """
    folder = Path(state) / OUTBOX / RUNS
    for name in _names(folder):
        if name < horizon(clock):
            (folder / name).unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    try:
        listed = os.listdir(folder)  # noqa: PTH208  # names alone are wanted
    except OSError:
        return []
    return sorted(name for name in listed if name.endswith(SUFFIX) and name[0] != ".")


def _read(path: Path) -> Run | None:
    with contextlib.suppress(OSError, *_UNREADABLE):
        content = parse_object(read(path, _MAX_BYTES))
        return Run(
            str(content["operation"]),
            int(content["created"]),
            str(content["app"]),
            str(content["version"]),
            tuple(map(str, content["intercepted"])),
            int(content["lost"]),
            tuple(_blocked(one) for one in content["blocked"]),
            str(content.get("id", "")),
            {str(why): int(number) for why, number in content.get("refused", {}).items()},
            int(content.get("late", 0)),
            content.get("is_over", True) is True,
        )
    return None


def _blocked(content: dict[str, Any]) -> BlockedChannel:
    attempts = content["attempts"]
    return BlockedChannel(
        str(content["name"]), str(content["reason"]), None if attempts is None else int(attempts)
    )
