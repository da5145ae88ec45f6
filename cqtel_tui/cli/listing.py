"""The commands that list payloads and runs, all of them or those that are asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..actions import sending
from ..actions.status import run_json, time_words
from ..deliver.permission import DUE
from ..outbox.envelope import read_label
from ..outbox.filters import Word, matching, since
from ..outbox.runs import read_runs
from ..outbox.store import BOXES, Outbox
from ..outbox.writing import PENDING
from ..paths import places
from . import wording
from .output import say, show, show_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..outbox.runs import Run
    from .wording import Row

_MICROSECONDS = 1_000_000


def listing(arguments: argparse.Namespace) -> int:
    """List what is pending, sent or rejected, the newest first."""
    words = _words(arguments)
    outbox = Outbox(places().state)
    all_names = outbox.names(arguments.box)
    rows = _rows(outbox, arguments.box, all_names, words)
    if arguments.json:
        show_json([row.as_json() for row in rows])
        return 0
    for row in rows:
        show(row.as_line())
    if any(row.is_excluded for row in rows):
        say("what is marked ! was pending before your yes; cq-telemetry on --include-held adds it")
    if not rows:
        say(
            f"nothing {arguments.box} matches"
            if words and all_names
            else f"nothing is {arguments.box}"
        )
    return 0


def runs(arguments: argparse.Namespace) -> int:
    """List the last runs, the newest first, and what was intercepted of each."""
    words = _words(arguments)
    all_runs = read_runs(places().state)
    wanted = [run for run in all_runs if _is_wanted(run, words)]
    about = [word for word in words if word.field in {"operation", "to"}]
    if about:
        kept = {row.label.id for box in BOXES for row in _box_rows(box, about)}
        wanted = [run for run in wanted if kept.intersection(run.payloads)]
    if arguments.json:
        show_json([run_json(run) for run in wanted])
        return 0
    for run in wanted:
        when = time_words(run.created / _MICROSECONDS)
        program = f"{run.app} {run.version}".rstrip()
        show(f"{run.id or run.operation}  {when}  {program:<20}  {wording.intercepted_words(run)}")
    if not wanted:
        say("no run matches" if all_runs else "nothing was run through cq-telemetry yet")
    return 0


def _words(arguments: argparse.Namespace) -> list[Word]:
    """Return what was asked for.

    Raises:
        CqtelError: the time is none.
    """
    words = []
    if arguments.since:
        words.append(Word("since", str(since(arguments.since, time.time()))))
    if arguments.program:
        words.append(Word("app", arguments.program.lower(), is_whole=True))
    if arguments.operation:
        words.append(Word("operation", arguments.operation.lower(), is_whole=True))
    if arguments.to:
        words.append(Word("to", arguments.to.lower()))
    return words


def _is_wanted(run: Run, words: Sequence[Word]) -> bool:
    return all(
        run.created >= int(word.value) if word.field == "since" else run.app.lower() == word.value
        for word in words
        if word.field in {"since", "app"}
    )


def _box_rows(box: str, words: Sequence[Word]) -> list[Row]:
    outbox = Outbox(places().state)
    return _rows(outbox, box, outbox.names(box), words)


def _rows(outbox: Outbox, box: str, names: Sequence[str], words: Sequence[Word]) -> list[Row]:
    """Return the rows of a box that match, the newest first; a destination is looked up last."""
    by_name = [word for word in words if word.field != "to"]
    kept = matching(names, by_name, lambda _: "")
    labels = [label for name in kept if (label := read_label(name)) is not None][::-1]
    if box == PENDING:
        routes = sending.read_routes(places(), labels, DUE)
        rows = [wording.pending_row(route) for route in routes]
    else:
        rows = [wording.read_row(outbox, box, label) for label in labels]
    of = {row.label.file_name: row for row in rows}
    about = [word for word in words if word.field == "to"]
    return [of[name] for name in matching(list(of), about, lambda name: of[name].to)]
