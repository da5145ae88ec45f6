"""What the UI shows, as it was at one moment; read in a thread, never on the screen's time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..actions.status import Status, look
from ..consent.decision import FILE_NAME
from ..errors import CqtelError
from ..files import PROJECT_FOLDER
from ..outbox.store import BOXES, SET_ASIDE, Outbox, OutboxCounts
from ..outbox.writing import PENDING
from .ahead import SMALL_FOLDER, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..consent import Program
    from ..paths import Places


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stood at one moment.

    Attributes:
        status: the decision, the cookie, the counts.
        names: for each box the envelopes' file names, the newest first.
        problem: why a box cannot be listed; empty if all can.
        is_being_read: whether the boxes are still being listed, so that nothing is known of them.
    """

    status: Status
    names: Mapping[str, Sequence[str]]
    problem: str = ""
    is_being_read: bool = False


def glance(
    places: Places, directory: str, options: Sequence[str] = (), *, program: Program = ""
) -> Snapshot:
    """Read how things stand now, but for what is in the outbox."""
    names: dict[str, Sequence[str]] = dict.fromkeys((*BOXES, SET_ASIDE), ())
    counts = OutboxCounts(0, 0, 0, 0, 0)
    status = look(places, directory, options, counts, program=program, pending=())
    return Snapshot(status, names, is_being_read=True)


def is_soon_read(places: Places) -> bool:
    """Tell whether the outbox is small enough to be listed before anything is drawn."""
    outbox = Outbox(places.state).folder
    return all(size_of(f"{outbox}/{box}") <= SMALL_FOLDER for box in (*BOXES, SET_ASIDE))


def take(
    places: Places,
    directory: str,
    options: Sequence[str] = (),
    pending: Sequence[str] | None = None,
    *,
    program: Program = "",
) -> Snapshot:
    """Read how things stand now.

    Args:
        places: where the choices and the outbox are.
        directory: the project, a real path.
        options: the telemetry options given on the command line.
        pending: the names of the pending envelopes, oldest first, where they are listed already.
        program: which one it is about, None for all; empty for the usual one.
    """
    outbox = Outbox(places.state)
    names: dict[str, Sequence[str]] = {}
    problem = ""
    for box in (*BOXES, SET_ASIDE):
        try:
            listed = pending if box == PENDING else None
            names[box] = (outbox.names(box) if listed is None else listed)[::-1]
        except CqtelError as error:
            names[box] = ()
            problem = str(error)
    held, sent, rejected, aside = (len(names[box]) for box in (*BOXES, SET_ASIDE))
    counts = OutboxCounts(held, sent, rejected, aside, outbox.losses())
    status = look(places, directory, options, counts, program=program, pending=names[PENDING])
    return Snapshot(status, names, problem)


def stamp(places: Places, directory: str) -> tuple[int, ...]:
    """Return what changes when something may have changed: one `stat` for each place."""
    outbox = Outbox(places.state).folder
    project = Path(directory, PROJECT_FOLDER)
    watched = [outbox, *(outbox / box for box in (*BOXES, SET_ASIDE))]
    watched += [Path(places.config, FILE_NAME), project, project / "telemetry-cookie"]
    watched += [project / "telemetry.json", *(Path(f, FILE_NAME) for f in places.admin)]
    return tuple(map(_changed, watched))


def _changed(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
