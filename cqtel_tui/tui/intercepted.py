"""What the detail shows of an intercepted payload: what came in, beside what would be sent."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from textual.content import Content

from ..review.intercepted import ADDED, KEPT, REMOVED, REPLACED
from ..sanitize import one_line, printable
from . import views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..gate.holding import Original
    from ..outbox.envelope import Envelope, Label
    from ..outbox.runs import BlockedChannel, Run
    from ..review.intercepted import Comparison, Row
    from ..review.needles import Surroundings

SIDE_BY_SIDE = 60
"""From how many cells on there is room for two columns."""

MAX_ROWS = 500
"""What two columns are made of takes time, and nobody reads more."""

_SIGNS = {KEPT: "=", REMOVED: "\N{MULTIPLICATION SIGN}", REPLACED: "~", ADDED: "!"}
_ORDER = (ADDED, REMOVED, REPLACED, KEPT)
_STYLES = {KEPT: "$text-success", REMOVED: "$text-error", REPLACED: "$text-warning"}
_LOUD = "bold $text-error"
_GAP = " │ "
_ORIGINS = {"record": "recorded here", "gate": "intercepted"}


def intercepted(envelope: Envelope, width: int) -> list[Content]:
    """Return what was intercepted beside what would be sent; stacked where there is little room.

    Raises:
        TornEnvelopeError: what was intercepted is not what the gate put there.
    """
    from ..gate.reviewing import beside

    found = beside(envelope)
    comparison = found.comparison
    request = [Content(""), *_request(envelope, found.original)]
    if comparison.problem:
        lines = [views.warning(comparison.problem), *request, Content("")]
        return [*lines, views.title("What was intercepted"), *views.in_chunks(found.original.body)]
    lines = _counts(comparison)
    # What does not go as it came is what somebody looks here for.
    rows = sorted(comparison.rows, key=lambda row: _ORDER.index(row.fate))
    left_out = comparison.left_out + max(0, len(rows) - MAX_ROWS)
    rows = rows[:MAX_ROWS]
    lines += _side_by_side(rows, width) if width >= SIDE_BY_SIDE else _stacked(rows)
    if left_out:
        lines.append(views.warning(f"… and {left_out:,} more values"))
        lines.append(views.muted(f"Many of them: cq-telemetry show {envelope.id} --intercepted"))
    return lines + request


def _request(envelope: Envelope, original: Original) -> list[Content]:
    request = original.request
    encoding = request.header("content-encoding")
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
                (f"{_SIGNS[sign]} ", _STYLES[sign]), (f"{'header':<9}", views.MUTED), text, why
            )
        )
    return lines


def _counts(comparison: Comparison) -> list[Content]:
    lines = [
        Content.assemble(
            (f"{_SIGNS[REMOVED]} {comparison.removed:,} removed", _STYLES[REMOVED]),
            (" · ", views.MUTED),
            (f"{_SIGNS[REPLACED]} {comparison.replaced:,} replaced", _STYLES[REPLACED]),
            (" · ", views.MUTED),
            (f"{_SIGNS[KEPT]} {comparison.kept:,} kept", _STYLES[KEPT]),
        )
    ]
    if comparison.added:
        words = f"{comparison.added:,} values would be sent that were not intercepted. Drop it."
        lines.append(views.warning(words))
    return lines


def _side_by_side(rows: Iterable[Row], width: int) -> Iterator[Content]:
    column = (width - 2 - len(_GAP)) // 2
    heads = [Content(words).stylize("bold $text-accent") for words in _HEADS]
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
            (_GAP, views.MUTED),
            second,
        )


def _stacked(rows: Iterable[Row]) -> Iterator[Content]:
    for row in _grouped(rows):
        if isinstance(row, Content):
            yield row
            continue
        sign = (f"{_SIGNS[row.fate]} ", _style(row))
        yield Content.assemble(sign, (row.name, "bold"), ": ", row.intercepted)
        if row.fate != KEPT:
            yield Content.assemble("    → ", _sent(row))


def _grouped(rows: Iterable[Row]) -> Iterator[Row | Content]:
    """Give the rows, and before those of each object its place in the document."""
    within = None
    for row in rows:
        if (row.fate, row.within) != within:
            within = row.fate, row.within
            yield Content.assemble((f"{row.fate} in ", views.MUTED), (row.within or "it", "bold"))
        yield row


def _sent(row: Row) -> Content:
    if row.fate == KEPT:
        return Content(row.sent)
    if row.fate == REMOVED:
        return Content.assemble((f"nothing: {row.why}", _style(row)))
    return Content.assemble(row.sent, " ", (f"({row.why})", _style(row)))


def _style(row: Row) -> str:
    return _STYLES.get(row.fate, _LOUD)


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
        texts = "1 error text" if withheld == 1 else f"{withheld:,} error texts"
        words = (
            f"Debug mode would leave {texts} in it, which can contain paths, names, addresses and "
            "credentials."
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


# Runs ---------------------------------------------------------------------------------------------


def same_run(run: Run, present: Sequence[tuple[str, Label]], identity: str) -> list[Content]:
    """Return what belongs to the same run as a payload, and that something was blocked in it.

    Args:
        run: the run.
        present: its payloads that are still here, each with its box.
        identity: the payload's id.
    """
    others = [
        f"{one_line(label.operation, 40)} ({_ORIGINS.get(label.origin, 'unknown')}"
        f"{'' if box == 'pending' else f', {box}'})"
        for box, label in present
        if label.id != identity
    ]
    lines: list[Content] = []
    if others:
        key = ("n", "bold $text-accent")
        lines.append(Content.assemble(key, (" same run  ", views.MUTED), ", ".join(others)))
    if run.blocked:
        number = len(run.blocked)
        words = f"{number:,} way{'' if number == 1 else 's'} to report; listed at the end"
        lines.append(views.fact("  blocked", f" {words}"))
    if run.late:
        words = f"{run.late:,} of this run came after the program's end"
        lines.append(views.fact("  late", words))
    if any(run.refused.values()):
        from ..gate.refusals import refused_words

        lines.append(views.warning(f"Refused in this run: {refused_words(run.refused)}"))
    if run.lost:
        lines.append(views.warning(f"{run.lost:,} more requests of this run could not be stored."))
    return lines


def closed_lines(run: Run) -> list[Content]:
    """Return what was blocked for a program in a run, why, and how often it tried."""
    if not run.blocked:
        return []
    lines = [views.title("Blocked in this run, since it cannot be shown")]
    for channel in run.blocked:
        sign = ("  \N{MULTIPLICATION SIGN} ", "$text-error")
        lines.append(
            Content.assemble(
                sign,
                (one_line(channel.name, 120), "bold"),
                f": {one_line(channel.reason, 300)}",
                (f" ({_attempts(channel)})", views.MUTED),
            )
        )
    return lines


def _attempts(channel: BlockedChannel) -> str:
    if channel.attempts is None:
        return "attempts cannot be seen"
    if not channel.attempts:
        return "no attempt"
    return f"{channel.attempts:,} attempt{'' if channel.attempts == 1 else 's'}, none got through"
