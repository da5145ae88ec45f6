"""Rows, payloads and inspection files in words and as JSON, under the keys of `parser.KEYS`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..actions.destinations import whose
from ..actions.destinations import words as destination_words
from ..actions.status import time_json, time_words
from ..errors import CqtelError
from ..review import promises
from ..review.destination import destination_of
from ..review.durations import duration
from ..review.headers import request_headers, shown_headers
from ..review.inspected import explain_inspection
from .output import number, say, show

if TYPE_CHECKING:
    from ..actions.sending import Route
    from ..deliver.permission import Permission
    from ..formats.inspection import Inspection
    from ..formats.spans import TraceSpan
    from ..outbox.envelope import Envelope, Label
    from ..outbox.receipts import Receipt
    from ..outbox.runs import Run
    from ..outbox.store import Outbox
    from ..review.destination import Destination
    from ..review.explain import Explanation
    from ..review.leaks import LeakReport

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """An envelope in a list.

    Attributes:
        label: what stands on its outside.
        receipt: its receipt, if it has one.
        problem: why the receipt cannot be read; empty if it can.
        destination: where it would go; None for what has gone.
        is_excluded: whether the yes did not include it, so that it stays.
    """

    label: Label
    receipt: Receipt | None
    problem: str
    destination: Destination | None = None
    is_excluded: bool = False

    @property
    def to(self) -> str:
        """Where it would go, or went, in words."""
        if self.receipt is not None:
            return self.receipt.url
        return "" if self.destination is None else destination_words(self.destination)

    def as_line(self) -> str:
        """Return it as one line."""
        label = self.label
        line = (
            f"{label.id}  {time_words(label.created / _MICROSECONDS)}  {label.operation:<16} "
            f"{label.outcome:<6} {duration(label.duration * 1_000_000):>10} {label.size:>7} B  "
            f"{label.app} {label.version}"
        ).rstrip()
        if self.receipt is not None:
            by = f" by {self.receipt.proxy}" if self.receipt.proxy else ""
            line += f"  {self.receipt.status} {self.receipt.url}{by}"
        if self.destination is not None:
            line += f"  {'!' if self.is_excluded else '→'} {destination_words(self.destination)}"
        return f"{line}  {self.problem}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """Return it under its stable keys."""
        receipt = None
        if self.receipt is not None:
            receipt = asdict(self.receipt) | {"time": time_json(self.receipt.time / _MICROSECONDS)}
        return {
            **asdict(self.label),
            "created": time_json(self.label.created / _MICROSECONDS),
            "receipt": receipt,
            "problem": self.problem or None,
            "destination": None if self.destination is None else self.destination.as_json(),
        }


def pending_row(route: Route) -> Row:
    """Return the row of a pending envelope."""
    is_excluded = route.now is not None and route.now.is_excluded
    return Row(route.label, None, "", route.destination, is_excluded)


def read_row(outbox: Outbox, box: str, label: Label) -> Row:
    """Return the row of an envelope; a receipt that cannot be read hides no other row."""
    try:
        return Row(label, outbox.receipt(box, label), "")
    except (CqtelError, OSError) as error:
        return Row(label, None, str(error))


def intercepted_words(run: Run) -> str:
    """Say in a line how much was intercepted of a run, and what was not."""
    words = f"{number(len(run.intercepted), 'request')} intercepted"
    if run.late:
        words += f", {run.late:,} of them after the program's end"
    if run.lost:
        words += f", {run.lost:,} lost"
    if refused := sum(run.refused.values()):
        words += f", {refused:,} refused"
    return words if run.is_over else f"{words}; it is still running"


def explanation_json(
    envelope: Envelope,
    explanation: Explanation,
    may: Permission,
    run: Run | None,
    *,
    reveal: bool = False,
) -> dict[str, Any]:
    """Return a payload, field by field; where it would go, and the run that it comes from."""
    return {
        "id": envelope.id,
        "sha256": envelope.sha256,
        "length": len(envelope.payload),
        "headers": dict(headers_of(envelope, may.url, reveal=reveal)),
        "dropped": envelope.dropped,
        "unreadable": explanation.unreadable or None,
        "left_out": explanation.left_out,
        "fields": [
            {
                "group": row.group,
                "key": row.key,
                "value": row.value,
                "known": row.field is not None,
                "problem": row.problem or None,
                "promise": row.field.sentence if row.field else None,
                "why": row.field.why if row.field else None,
                "risk": row.field.risk if row.field else None,
                "path": row.path,
            }
            for row in explanation.rows
        ],
        "url": may.url,
        "stays_because": may.reason or None,
        "run": run and {"operation": run.operation, "intercepted": list(run.intercepted)},
    }


def headers_of(
    envelope: Envelope, url: str | None, *, reveal: bool = False
) -> list[tuple[str, str]]:
    """Return all headers that would be sent with a payload, as they may be shown."""
    headers = request_headers(envelope.headers, len(envelope.payload), url)
    return shown_headers(headers, reveal=reveal)


def _show_head(
    label: Label, envelope: Envelope, may: Permission, run: Run | None, *, reveal: bool
) -> None:
    """Show what a payload is, where it would go, with which headers, and whether by itself."""
    when = time_words(label.created / _MICROSECONDS)
    show(f"payload    {label.id}, {len(envelope.payload):,} bytes, {when}")
    show(f"sha256     {envelope.sha256}")
    show(f"to         {may.url or 'no destination'}{_whose(envelope, may)}")
    if may.refusal:
        show(f"stays      by itself it is not sent: {may.reason}")
    for name, value in headers_of(envelope, may.url, reveal=reveal):
        show(f"header     {name}: {value}")
    if run is not None:
        intercepted = f", intercepted {', '.join(run.intercepted)}" if run.intercepted else ""
        show(f"run        operation {run.operation}{intercepted}")
    if envelope.dropped:
        why = (
            "were removed or replaced"
            if envelope.intercepted
            else "the catalogue or a bound does not allow"
        )
        show(f"left out   {envelope.dropped:,} values that {why}")


def _whose(envelope: Envelope, may: Permission) -> str:
    """Say whose a destination is."""
    if may.url is None:
        return ""
    return f" ({whose(destination_of(envelope, may.url))})"


def show_explanation(  # noqa: PLR0913  # what is known of a payload
    label: Label,
    envelope: Envelope,
    explanation: Explanation,
    may: Permission,
    run: Run | None,
    *,
    reveal: bool = False,
) -> None:
    """Show a payload, field by field; where it would go, and the run that it comes from."""
    _show_head(label, envelope, may, run, reveal=reveal)
    if explanation.unreadable:
        show()
        show(explanation.unreadable)
    group = None
    for row in explanation.rows:
        if row.group != group:
            group = row.group
            show()
            show(group)
        show(f"  {row.key} = {row.value}")
        if row.problem:
            show(f"      !! {row.problem}")
        if row.field is not None:
            show(f"      {row.field.quoted} {row.field.why}")
    if explanation.left_out:
        show()
        show(f"… and {explanation.left_out:,} more")


def show_leaks(report: LeakReport) -> None:
    """Show what should not be in a payload, and what was looked for."""
    number = len(report.findings) + report.left_out
    show(f"{number:,} that should not be there" if number else "no leaks found")
    for finding in report.findings:
        where = f"{finding.group} {finding.key}".strip() or f"line {finding.line:,}"
        disguise = f", {finding.disguise}" if finding.disguise else ""
        times = f", {finding.count:,} times" if finding.count > 1 else ""
        show(f"  !! {finding.what}{disguise}{times}")
        show(f"     in {where}, byte {finding.offset:,}: {finding.excerpt}")
        show(f"     {finding.advice}")
    for title, texts in (
        ("checked for:", report.looked_for),
        ("not checked for:", report.not_looked_for),
    ):
        if texts:
            show()
            show(title)
        for text in texts:
            show(f"  {text}")


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """Return what an inspection file holds; attributes as pairs, since a key may stand twice."""
    return {
        "shape": inspection.shape,
        "traces": [
            asdict(trace) | {"spans": [_span_json(span) for span in trace.spans]}
            for trace in inspection.traces
        ],
        "unknown": inspection.unknown,
        "problems": [asdict(problem) for problem in inspection.problems],
    }


def _span_json(span: TraceSpan) -> dict[str, Any]:
    return asdict(span) | {"events": [event._asdict() for event in span.events]}


def show_inspection(inspection: Inspection) -> None:
    """Show what an inspection file holds, and say what is wrong with it."""
    for row in explain_inspection(inspection):
        indent = "  " * row.depth
        if row.kind == "problem":
            say(row.text)
        elif row.name:
            mark = "!! " if row.kind == "breach" else ""
            joint = "  " if row.kind == "span" else " = "
            show(f"{indent}{mark}{row.name}{joint}{row.text}")
        else:
            show(f"{indent}{row.text}")
    if inspection.shape == "empty":
        say("there is nothing in it")


def show_catalogue() -> None:
    """Show every field that may be stored, and what is never stored."""
    for field in promises.FIELDS:
        show(f"{field.key} ({field.type}: {field.shape})")
        show(f"    “{field.sentence}”")
        show(f"    {field.why}")
        show(f"    identifying: {field.risk}, {field.because}")
        show()
    show("Never stored:")
    for sentence in promises.NOT_STORED.values():
        show(f"    {sentence}")
