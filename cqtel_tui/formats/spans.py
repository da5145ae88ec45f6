"""The one model of what an operation's trace says, whatever format it was written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .strict_json import JsonValue

Attributes: TypeAlias = "tuple[tuple[str, JsonValue], ...]"
SpanKind: TypeAlias = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
StatusCode: TypeAlias = Literal["unset", "ok", "error"]


class Event(NamedTuple):
    """Something that happened at one moment of a span; time in ns since 1970, 0 if not known."""

    name: str
    time_unix_nano: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class TraceSpan:
    """A timed part of an operation.

    Attributes:
        trace_id: 32 lowercase hex digits; "" if there is none, or the text that stood there.
        span_id: 16 lowercase hex digits, with the same exceptions.
        parent_span_id: As `span_id`; None for a root.
        start_unix_nano: Nanoseconds since 1970; 0 if not known.
        end_unix_nano: As `start_unix_nano`.
        attributes: In the document's order; a key that stands there twice is here twice.
        problems: What was wrong with it, each a sentence that begins with a path.
        other: What else the document says of it that this model has no place for, by its path.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    start_unix_nano: int
    end_unix_nano: int
    kind: SpanKind = "unspecified"
    status_code: StatusCode = "unset"
    status_message: str = ""
    attributes: Attributes = ()
    events: tuple[Event, ...] = ()
    problems: tuple[str, ...] = ()
    other: Attributes = ()

    @property
    def duration_nano(self) -> int:
        """Nanoseconds from start to end: never negative, and 0 where either is not known."""
        if not self.start_unix_nano or not self.end_unix_nano:
            return 0
        return max(0, self.end_unix_nano - self.start_unix_nano)


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans that one scope (instrumentation library) of one resource (program) recorded."""

    resource: Attributes
    scope_name: str
    scope_version: str
    spans: tuple[TraceSpan, ...]
    problems: tuple[str, ...] = ()
