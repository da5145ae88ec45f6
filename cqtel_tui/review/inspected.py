"""Explain all that stands in an inspection file, with the promise that it falls under or breaks.

A release of 2021 recorded more than the documentation promises. Each thing is explained where it
stands first; what breaks a promise is marked wherever it stands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from ..sanitize import one_line, printable
from .durations import duration
from .promises import BY_KEY, NOT_STORED, STORED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..formats.inspection import Inspection
    from ..formats.spans import Attributes, Event, Trace, TraceSpan
    from ..formats.strict_json import JsonValue

Kind = Literal["title", "span", "fact", "breach", "explanation", "problem", "text"]

_MAX_NAME = 100
_MAX_VALUE = 4_000
_NANO = 1_000_000_000
_ERRORS = "errors"
_ARGUMENTS = "arguments"
_UNPROMISED = ""

_KNOWN: dict[str, tuple[str, str]] = {
    "build_date": ("version", "When the binary was built."),
    "commit": ("version", "Which source the binary was built from."),
    "ci": ("ci", "Whether it ran in continuous integration."),
    "faas": (_UNPROMISED, "Whether it ran as a cloud function."),
    "terminal": (_UNPROMISED, "Whether it ran in a terminal."),
    "cq.machost": (_UNPROMISED, "A hash of a network card's address and the host name."),
    "host.name": (_UNPROMISED, "A hash of the host's name: it tells this machine from others."),
    "os.type": (_UNPROMISED, "The operating system."),
    "process.runtime.description": (_UNPROMISED, "The Go release, and the processor."),
    "process.runtime.name": (_UNPROMISED, "Which Go compiler built it."),
    "process.runtime.version": (_UNPROMISED, "The Go release."),
    "random_id_persisted": ("cookie", "Whether the random ID could be saved for the next run."),
    "telemetry.sdk.language": ("trace", "The language of the OpenTelemetry SDK."),
    "telemetry.sdk.name": ("trace", "OpenTelemetry asks for it."),
    "telemetry.sdk.version": ("trace", "The release of the OpenTelemetry SDK."),
    "command": ("operation", "The command that was run."),
    "cfghash": (_UNPROMISED, "A hash of the configuration: the same for the same file."),
    "provider": ("providers", "The provider that this span is about."),
    "providers": ("providers", "The providers, with their versions."),
    "provider_list": ("providers", "The providers again, as text."),
    "args": (_ARGUMENTS, "Arguments of the command."),
    "exception.type": ("duration", "The kind of failure: a type in the program."),
    "exception.message": (_ERRORS, "The text of an error."),
    "exception.stacktrace": (_ERRORS, "Where in the program it failed."),
    "status description": (_ERRORS, "The text of an error."),
    "name": ("operation", "Names the operation, or a span of it."),
    "kind": ("trace", "OpenTelemetry's kind of span."),
    "status": ("duration", "Whether it succeeded."),
    "started": ("trace", "When it began."),
    "ended": ("duration", "When it ended: with the start, how long it took."),
    "trace ID": ("trace", "Random: ties the spans of one operation together."),
    "span ID": ("trace", "Random: identifies this span."),
    "parent span ID": ("trace", "The span that this one belongs to."),
    "library": ("trace", "What recorded it."),
    "event": ("trace", "Something that happened at one moment."),
}
"""What releases of 2021 wrote: the promise it falls under, or breaks, and what it is."""
_BY_DEBUG = " Only --debug-telemetry may send it."


@dataclass(frozen=True, slots=True)
class InspectedRow:
    """One line of an explanation; all text in it can be printed.

    Attributes:
        kind: what it is; a `breach` is a fact that breaks a promise, or that none covers.
        depth: how far it is indented.
        name: the name of a fact.
        text: its value, or the line's words.
    """

    kind: Kind
    depth: int
    text: str
    name: str = ""


@dataclass(slots=True)
class _Explainer:
    """Explains each name once.

    Attributes:
        names: what was explained already.
    """

    names: set[str] = field(default_factory=set)

    def fact(
        self, depth: int, name: str, value: JsonValue, *, key: str = ""
    ) -> Iterator[InspectedRow]:
        """Give a fact, and what there is to say of it."""
        key = key or name
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        breach, explanation = _explained(key)
        shown = one_line(name, _MAX_NAME)
        lines = printable(words, limit=_MAX_VALUE, newlines=True).split("\n")
        yield InspectedRow("breach" if breach else "fact", depth, lines[0], shown)
        for line in lines[1:]:
            yield InspectedRow("breach" if breach else "text", depth + 2, line)
        if key not in self.names:
            self.names.add(key)
            yield InspectedRow("explanation", depth + 2, explanation)


def explain_inspection(inspection: Inspection) -> list[InspectedRow]:
    """Return all that an inspection file holds, in its order."""
    rows = [InspectedRow("problem", 0, str(problem)) for problem in inspection.problems]
    explainer = _Explainer()
    for trace in inspection.traces:
        rows += _trace_rows(trace, explainer)
    for document in inspection.unknown:
        rows.append(InspectedRow("problem", 0, "A document of no known shape:"))
        text = printable(json.dumps(document, indent=2), limit=100_000, newlines=True)
        rows += [InspectedRow("text", 1, line) for line in text.split("\n")]
    return rows


def _trace_rows(trace: Trace, explainer: _Explainer) -> Iterator[InspectedRow]:
    library = f"{trace.scope_name} {trace.scope_version}".strip()
    yield InspectedRow("title", 0, one_line(library or "unnamed", _MAX_NAME))
    yield from _attribute_rows(1, trace.resource, explainer)
    yield from _problem_rows(trace.problems)
    for span in trace.spans:
        yield from _span_rows(span, explainer)


def _span_rows(span: TraceSpan, explainer: _Explainer) -> Iterator[InspectedRow]:
    failed = ", failed" if span.status_code == "error" else ""
    words = f"{duration(span.duration_nano)}{failed}"
    yield InspectedRow("span", 1, words, one_line(span.name, _MAX_NAME))
    if "name" not in explainer.names:
        explainer.names.add("name")
        yield InspectedRow("explanation", 4, _explained("name")[1])
    yield from explainer.fact(2, "status", span.status_code)
    if span.status_message:
        yield from explainer.fact(2, "status description", span.status_message)
    yield from _attribute_rows(2, span.attributes, explainer)
    for event in span.events:
        yield from _event_rows(event, explainer)
    facts = {
        "started": _time(span.start_unix_nano),
        "ended": _time(span.end_unix_nano),
        "kind": span.kind,
        "trace ID": span.trace_id,
        "span ID": span.span_id,
        "parent span ID": span.parent_span_id or "none",
    }
    for name, value in facts.items():
        yield from explainer.fact(2, name, value)
    if span.other:
        other = ", ".join(f"{key} {json.dumps(value)}" for key, value in span.other)
        yield InspectedRow("text", 2, f"also: {one_line(other, _MAX_VALUE)}")
    yield from _problem_rows(span.problems)


def _event_rows(event: Event, explainer: _Explainer) -> Iterator[InspectedRow]:
    yield from explainer.fact(2, "event", f"{event.name}, {_time(event.time_unix_nano)}")
    yield from _attribute_rows(3, event.attributes, explainer)


def _attribute_rows(
    depth: int, attributes: Attributes, explainer: _Explainer
) -> Iterator[InspectedRow]:
    for name, value in attributes:
        # A field may be called as one of OpenTelemetry's own parts is: then it is not that.
        is_part = name in _KNOWN and " " in name
        yield from explainer.fact(depth, name, value, key=f"attribute {name}" if is_part else "")


def _problem_rows(problems: Sequence[str]) -> Iterator[InspectedRow]:
    for problem in problems:
        yield InspectedRow("problem", 1, one_line(problem, 300))


def _explained(key: str) -> tuple[bool, str]:
    """Tell whether something breaks a promise, or is covered by none, and explain it."""
    promise, what = _KNOWN.get(key, (_UNPROMISED, ""))
    if not what and key in BY_KEY:
        known = BY_KEY[key]
        return False, f"{known.why} {known.quoted}"
    if promise in NOT_STORED:
        by_debug = _BY_DEBUG if promise == _ERRORS else ""
        return True, f"{what} Breaks “{NOT_STORED[promise]}”.{by_debug}"
    if promise in STORED:
        return False, f"{what} “{STORED[promise]}”"
    return True, f"{what or 'Its purpose is unknown.'} Not in the documentation."


def _time(nanoseconds: int) -> str:
    if not nanoseconds:
        return "not known"
    seconds, rest = divmod(nanoseconds, _NANO)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{nanoseconds} ns since 1970"
