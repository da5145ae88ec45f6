"""What was intercepted beside what would be sent, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..actions.status import time_json, time_words
from ..errors import WrongUsageError
from ..review.headers import masked
from ..review.intercepted import KEPT
from .output import show, show_json

if TYPE_CHECKING:
    from ..gate.holding import Original
    from ..outbox.envelope import Envelope
    from ..review.intercepted import Comparison

_MICROSECONDS = 1_000_000
_MAX_SHOWN = 256 * 1024


def show_intercepted(envelope: Envelope, *, as_json: bool) -> int:
    """Show what a payload of the gate was made of, and what became of each value."""
    if not envelope.intercepted:
        raise WrongUsageError(
            f"{envelope.id} was recorded here, not intercepted. "
            f"See what is in it: cq-telemetry show {envelope.id}"
        )
    from ..gate.reviewing import beside

    both = beside(envelope)
    if as_json:
        show_json(_json(envelope, both.original, both.comparison))
    else:
        _show(envelope, both.original, both.comparison)
    return 0


def _json(envelope: Envelope, original: Original, comparison: Comparison) -> dict[str, Any]:
    from ..gate.reviewing import header_fates

    request = original.request
    return {
        "method": request.method,
        "path": request.path,
        "headers": [(name, masked(name, value)) for name, value in request.headers],
        "header_fates": [asdict(fate) for fate in header_fates(envelope, original)],
        "when": time_json(request.when / _MICROSECONDS),
        "length": len(request.body),
        "operation": original.operation or None,
        "problem": comparison.problem or None,
        **{name: getattr(comparison, name) for name in ("kept", "removed", "replaced", "added")},
        "left_out": comparison.left_out,
        "values": [asdict(row) for row in comparison.rows],
    }


def _show(envelope: Envelope, original: Original, comparison: Comparison) -> None:
    from ..gate.reviewing import header_fates

    request = original.request
    show(f"received   {time_words(request.when / _MICROSECONDS)}")
    show(f"request    {request.method} {request.path}, {len(request.body):,} bytes")
    for fate in header_fates(envelope, original):
        became = f"  ({'not sent: ' * (not fate.sent)}{fate.why})" if fate.why else ""
        show(f"header     {fate.name}: {fate.value}{became}")
    show()
    if comparison.problem:
        show(comparison.problem)
        show()
        show(original.body[:_MAX_SHOWN].decode("utf-8", "backslashreplace"))
        return
    show(
        f"{comparison.removed:,} removed, {comparison.replaced:,} replaced, "
        f"{comparison.kept:,} kept"
    )
    if comparison.added:
        show(f"!! {comparison.added:,} values would be sent that were not intercepted")
    within = None
    for row in comparison.rows:
        if row.within != within:
            within = row.within
            show()
            show(within or "the document")
        show(f"  {row.fate:<9} {row.name} = {row.intercepted}")
        if row.fate != KEPT:
            show(f"            sent: {f'{row.sent}, ' if row.sent else 'nothing, '}{row.why}")
    if comparison.left_out:
        show()
        show(f"… and {comparison.left_out:,} more")
