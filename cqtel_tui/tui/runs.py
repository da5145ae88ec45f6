"""The page of one run: what it left, and what was blocked, late or refused in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from ..actions.results import number
from ..sanitize import one_line
from . import views
from .looks import HEADING, QUIET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Label
    from ..outbox.runs import BlockedChannel, Run

_ORIGINS = {"record": "recorded here", "gate": "intercepted"}
_OUTCOMES = {"ok": "✓", "failed": views.CROSS}


def run_page(run: Run, present: Sequence[tuple[str, Label]], identity: str) -> list[Content]:
    """Return all that is known of a run.

    Args:
        run: the run.
        present: its payloads that are still here, each with its box.
        identity: the id of the payload that is looked at.
    """
    program = one_line(f"{run.app} {run.version}".strip(), 60)
    state = "" if run.is_over else ", which still runs"
    lines = [
        Content(f"A run of {program}{state}.").stylize("bold"),
        views.fact("began", views.moment(run.created)),
        views.fact("left", f"{number(len(run.payloads), 'payload')}, {len(present):,} still here"),
    ]
    for box, label in present:
        here = ("▸ ", HEADING) if label.id == identity else "  "
        origin = _ORIGINS.get(label.origin, "unknown")
        where = "" if box == "pending" else f", {box}"
        outcome = _OUTCOMES.get(label.outcome, "?")
        words = (f"  {origin}{where}", QUIET)
        lines.append(Content.assemble(here, f"{outcome} {one_line(label.operation, 40)}", words))
    if len(present) > 1:
        lines.append(Content.assemble(("n", HEADING), (" goes to the next one", QUIET)))
    if run.late:
        lines.append(views.fact("late", f"{number(run.late, 'request')} after the program's end"))
    if any(run.refused.values()):
        from ..gate.refusals import refused_words

        lines.append(views.warning(f"Refused: {refused_words(run.refused)}"))
    if run.lost:
        lines.append(views.warning(f"Could not be kept: {number(run.lost, 'request')}."))
    return [*lines, *blocked_lines(run)]


def blocked_lines(run: Run) -> list[Content]:
    """Return what was blocked in a run, why, and how often it was tried."""
    if not run.blocked:
        return []
    return [
        Content(""),
        views.title("Blocked in this run, since it cannot be shown"),
        *(
            Content.assemble(
                (f"  {views.CROSS} ", QUIET),
                (one_line(channel.name, 120), "bold"),
                f": {one_line(channel.reason, 300)}",
                (f" ({_attempts(channel)})", QUIET),
            )
            for channel in run.blocked
        ),
    ]


def _attempts(channel: BlockedChannel) -> str:
    if channel.attempts is None:
        return "attempts cannot be seen"
    if not channel.attempts:
        return "no attempt"
    return f"{number(channel.attempts, 'attempt')}, none got through"
