"""What the UI shows, as it was at one moment; read in a thread, never on the screen's time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import FILE_NAME, PROJECT_FOLDER
from ..errors import CqtelError
from ..outbox.store import BOXES, SET_ASIDE, Counts, Outbox
from ..status import Status, look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..paths import Places


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stood at one moment.

    Attributes:
        status: the decision, the cookie, the counts.
        names: for each box the envelopes' file names, the newest first.
        problem: why a box cannot be listed; empty if all can.
    """

    status: Status
    names: Mapping[str, Sequence[str]]
    problem: str = ""


def take(places: Places, directory: str, options: Sequence[str] = ()) -> Snapshot:
    """Read how things stand now."""
    outbox = Outbox(places.state)
    names: dict[str, Sequence[str]] = {}
    problem = ""
    for box in (*BOXES, SET_ASIDE):
        try:
            names[box] = outbox.names(box)[::-1]
        except CqtelError as error:
            names[box] = ()
            problem = str(error)
    pending, sent, rejected, aside = (len(names[box]) for box in (*BOXES, SET_ASIDE))
    counts = Counts(pending, sent, rejected, aside, outbox.losses())
    return Snapshot(look(places, directory, options, counts), names, problem)


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
