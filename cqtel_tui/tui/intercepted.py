"""What the detail shows of an intercepted payload: what came in, beside what would be sent."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.content import Content

from ..actions.results import number
from ..review.intercepted import ADDED, KEPT, REMOVED, REPLACED
from ..sanitize import one_line, printable
from . import views
from .looks import HEADING, LOUD, QUIET, SAFE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..gate.holding import Original
    from ..outbox.envelope import Envelope
    from ..review.intercepted import ComparedValue, Comparison
    from ..review.needles import Surroundings

SIDE_BY_SIDE = 60
"""From how many cells on there is room for two columns."""

MAX_ROWS = 500
"""What two columns are made of takes time, and nobody reads more."""

_SIGNS = {KEPT: "=", REMOVED: "\N{MULTIPLICATION SIGN}", REPLACED: "~", ADDED: "!"}
_ORDER = (ADDED, REMOVED, REPLACED, KEPT)
_STYLES = {KEPT: "", REMOVED: SAFE, REPLACED: SAFE}
_GAP = " │ "


def intercepted(envelope: Envelope, width: int) -> list[Content]:
    """Return what was intercepted beside what would be sent; stacked where there is little room.

    Raises:
        TornEnvelopeError: what was intercepted is not what the gate put there.
    """
    from ..gate.reviewing import beside

    both = beside(envelope)
    comparison = both.comparison
    request = [Content(""), *_request(envelope, both.original)]
    if comparison.problem:
        lines = [views.warning(comparison.problem), *request, Content("")]
        return [*lines, views.title("What was intercepted"), *views.in_chunks(both.original.body)]
    lines = _counts(comparison)
    # What does not go as it came is what somebody looks here for.
    rows = sorted(comparison.rows, key=lambda row: _ORDER.index(row.fate))
    left_out = comparison.left_out + max(0, len(rows) - MAX_ROWS)
    rows = rows[:MAX_ROWS]
    lines += _side_by_side(rows, width) if width >= SIDE_BY_SIDE else _stacked(rows)
    if left_out:
        lines.append(views.warning(f"… and {number(left_out, 'more value')}"))
        lines.append(views.muted(f"Many of them: cq-telemetry show {envelope.id} --intercepted"))
    return lines + request


def _request(envelope: Envelope, original: Original) -> list[Content]:
    request = original.request
    encoding = request.encoding
    size = f"{len(request.body):,} bytes{f' of {encoding}' if encoding else ''}"
    if encoding:
        size += f", {len(original.body):,} without it"
    return [
        views.fact("intercepted", views.moment(request.when)),
        views.fact("request", one_line(f"{request.method} {request.path}, {size}", 300)),
        *_headers(envelope, original),
    ]


def _headers(envelope: Envelope, original: Original) -> list[Content]:
    """Return each header, and whether it would be sent."""
    from ..gate.reviewing import header_fates

    lines = []
    for fate in header_fates(envelope, original):
        sign = KEPT if not fate.why else REPLACED if fate.sent else REMOVED
        text = printable(f"{fate.name}: {fate.value}", limit=500)
        why = (f"  {'nothing: ' * (sign == REMOVED)}{fate.why}", _STYLES[sign]) if fate.why else ""
        lines.append(
            Content.assemble(
                (f"{_SIGNS[sign]} ", _STYLES[sign]), (f"{'header':<9}", QUIET), text, why
            )
        )
    return lines


def _counts(comparison: Comparison) -> list[Content]:
    lines = [
        Content.assemble(
            (f"{_SIGNS[REMOVED]} {comparison.removed:,} removed", _STYLES[REMOVED]),
            (" · ", QUIET),
            (f"{_SIGNS[REPLACED]} {comparison.replaced:,} replaced", _STYLES[REPLACED]),
            (" · ", QUIET),
            (f"{_SIGNS[KEPT]} {comparison.kept:,} kept", _STYLES[KEPT]),
        )
    ]
    if comparison.added:
        added = number(comparison.added, "value")
        words = f"Would be sent, and was not intercepted: {added}. Drop it."
        lines.append(views.warning(words))
    return lines


def _side_by_side(rows: Iterable[ComparedValue], width: int) -> Iterator[Content]:
    column = (width - 2 - len(_GAP)) // 2
    heads = [Content(words).stylize(HEADING) for words in _HEADS]
    yield from _columns("  ", "", heads[0], heads[1], column)
    for row in _grouped(rows):
        if isinstance(row, Content):
            yield row
            continue
        left = Content.assemble((row.name, "bold"), ": ", row.intercepted)
        yield from _columns(f"{_SIGNS[row.fate]} ", _style(row), left, _sent(row), column)


_HEADS = ("What was intercepted", "What would be sent")


def _columns(
    sign: str, style: str, left: Content, right: Content, column: int
) -> Iterator[Content]:
    empty = Content("")
    pairs = zip_longest(left.wrap(column), right.wrap(column), fillvalue=empty)
    for at, (first, second) in enumerate(pairs):
        yield Content.assemble(
            (sign if at == 0 else " " * len(sign), style),
            first.pad_right(max(0, column - first.cell_length)),
            (_GAP, QUIET),
            second,
        )


def _stacked(rows: Iterable[ComparedValue]) -> Iterator[Content]:
    for row in _grouped(rows):
        if isinstance(row, Content):
            yield row
            continue
        sign = (f"{_SIGNS[row.fate]} ", _style(row))
        yield Content.assemble(sign, (row.name, "bold"), ": ", row.intercepted)
        if row.fate != KEPT:
            yield Content.assemble("    → ", _sent(row))


def _grouped(rows: Iterable[ComparedValue]) -> Iterator[ComparedValue | Content]:
    """Give the rows, and before those of each object its place in the document."""
    within = None
    for row in rows:
        if (row.fate, row.within) != within:
            within = row.fate, row.within
            yield Content.assemble((f"{row.fate} in ", QUIET), (row.within or "it", "bold"))
        yield row


def _sent(row: ComparedValue) -> Content:
    if row.fate == KEPT:
        return Content(row.sent)
    if row.fate == REMOVED:
        return Content.assemble((f"nothing: {row.why}", _style(row)))
    return Content.assemble(row.sent, " ", (f"({row.why})", _style(row)))


def _style(row: ComparedValue) -> str:
    return _STYLES.get(row.fate, LOUD)


# What else differs where a payload was intercepted ------------------------------------------------


def changed(envelope: Envelope) -> list[Content]:
    """Return what debug mode would have changed, and what was taken out."""
    from ..gate.holding import read_original
    from ..gate.reviewing import withheld_errors

    original = read_original(envelope.intercepted)
    withheld = withheld_errors(original)
    if original.has_error_text:
        words = "It was intercepted in debug mode: an error's text is in what would be sent."
    elif withheld:
        words = (
            f"Debug mode would leave {number(withheld, 'error text')} in it, "
            "which can contain paths, names, addresses and credentials."
        )
    else:
        words = "Debug mode would change nothing: there is no error text in what was intercepted."
    lines = [views.title("Debug mode"), Content(f"  {words}"), Content("")]
    lines.append(views.title(f"Removed, replaced or dropped: {envelope.dropped:,}"))
    lines += [
        Content.assemble(
            "  - ",
            (one_line(one.path, 300), "bold"),
            f"  {one_line(one.what, 80)}: {one_line(one.why, 200)}",
        )
        for one in original.removals
    ]
    if original.more_removals:
        lines.append(views.muted(f"  … and {original.more_removals:,} more"))
    dropped = envelope.dropped - len(original.removals) - original.more_removals
    if dropped > 0:
        lines.append(Content(f"  - {dropped:,} of them you dropped yourself"))
    return lines


def leaks(envelope: Envelope, surroundings: Surroundings) -> list[Content]:
    """Return what must not be in what would be sent and is, and what only was intercepted."""
    from ..gate.holding import read_original
    from ..gate.reviewing import leak_report
    from ..review.leaks import scan

    body = read_original(envelope.intercepted).body
    findings = scan(body, surroundings, envelope.kind).findings
    lines = [views.title(f"In the intercepted request, which stays here ({len(body):,} bytes)")]
    if not findings:
        lines.append(Content("  Nothing was found there either."))
    for finding in findings:
        where = f"{finding.group} {finding.key}".strip() or f"line {finding.line:,}"
        lines += [
            Content.assemble("  · ", (finding.what, "bold"), f" in {where}"),
            views.muted(f"      {finding.excerpt}"),
        ]
    return [
        views.title(f"In what would be sent ({len(envelope.payload):,} bytes)"),
        *views.leak_lines(leak_report(envelope, surroundings), [*lines, Content("")]),
    ]
