"""Read an inspection file, cq-telemetry.txt: ours, or one that a 2021 release wrote.

All text is as untrusted as before: show it through `cqtel_tui.sanitize`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from .otlp_traces import MAX_SPANS, MAX_TRACES, read_otlp
from .spans import Trace
from .stdouttrace import read_stdouttrace
from .strict_json import JsonObject, JsonProblem, parse_concatenated

if TYPE_CHECKING:
    from collections.abc import Iterator

Shape: TypeAlias = Literal["otlp", "stdouttrace", "mixed", "unknown", "empty"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspection file holds.

    Attributes:
        unknown: The documents that are neither of the two shapes, as they were parsed.
        problems: What could not be read as JSON; what is wrong inside a document is stated by its
            traces and spans.
        shape: What all documents are; `mixed` if they differ, `unknown` also if none could be
            read, `empty` if there is nothing in the file but whitespace or an empty array.
    """

    traces: tuple[Trace, ...]
    unknown: tuple[JsonObject, ...]
    problems: tuple[JsonProblem, ...]
    shape: Shape


def read_inspection(data: bytes) -> Inspection:
    """Read a whole cq-telemetry.txt, ours or a 2021 release's; bounded, and never raising.

    Spans of the 2021 shape come one to a document; those of equal resource and library are put
    together, in the order of the file, which is that in which they ended: children come first.
    """
    documents = parse_concatenated(data)
    groups: dict[str, list[Trace]] = {}
    unknown = []
    shapes: set[Shape] = set()
    spans = 0
    for index, document in enumerate(documents.values):
        where = f"documents[{index}]" if len(documents.values) > 1 else ""
        if len(groups) >= MAX_TRACES or spans >= MAX_SPANS:
            clause = f"{where} and what follows is not read: there are too many traces or spans"
            groups["not read"] = [Trace((), "", "", (), (clause,))]
            break
        shape = _shape_of(document)
        shapes.add(shape)
        if shape == "unknown":
            unknown.append(document)
        for origin, trace in _traces_of(document, shape, index, where):
            groups.setdefault(origin, []).append(trace)
            spans += len(trace.spans)
    return Inspection(
        traces=tuple(_together(traces) for traces in groups.values()),
        unknown=tuple(unknown),
        problems=documents.problems,
        shape=_common_shape(shapes, is_empty=not documents.problems),
    )


def _traces_of(
    document: JsonObject, shape: Shape, index: int, where: str
) -> Iterator[tuple[str, Trace]]:
    """Give traces, each with its origin: those of one origin are put together."""
    if shape == "otlp":
        # A payload is what is sent at once, so its traces stay its own.
        for number, trace in enumerate(read_otlp(document, where=where)):
            yield f"documents[{index}], trace {number}", trace
    elif shape == "stdouttrace":
        trace = read_stdouttrace(document, where=where)
        # As text, for a value may be an array; and unlike ==, this does not take 1 for true.
        yield json.dumps([trace.resource, trace.scope_name, trace.scope_version]), trace


def _shape_of(document: JsonObject) -> Shape:
    if "resourceSpans" in document:
        return "otlp"
    return "stdouttrace" if "SpanContext" in document else "unknown"


def _common_shape(shapes: set[Shape], *, is_empty: bool) -> Shape:
    if not shapes:
        return "empty" if is_empty else "unknown"
    return shapes.pop() if len(shapes) == 1 else "mixed"


def _together(traces: list[Trace]) -> Trace:
    # Problems outside the spans are those of the resource, which is equal: they are listed once.
    return replace(traces[0], spans=tuple(span for trace in traces for span in trace.spans))
