"""Read one span, in whatever words its writer has for what every span has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .members import (
    SPAN_KINDS,
    Place,
    check_times,
    choice_of,
    identifier_of,
    own_identifier_of,
    text_of,
)
from .spans import Event, TraceSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spans import Attributes, StatusCode

_TRACE_ID_DIGITS = 32
_SPAN_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Words:
    """How one writer spells a span.

    Attributes:
        name: the key of the name, of a span and of an event.
        start: the key of its start.
        end: the key of its end.
        kind: the key of its kind.
        status: the keys of the status's code, and of its description.
        attributes: the key of the attributes, of a span and of an event.
        events: the key of its events.
        event_time: the key of an event's time.
        codes: the codes of a status, by their numbers.
        prefixes: what stands before the names of kinds, and of codes.
        read_time: reads a time as nanoseconds since 1970.
        read_attributes: reads attributes.
    """

    name: str
    start: str
    end: str
    kind: str
    status: tuple[str, str, str]
    attributes: str
    events: str
    event_time: str
    codes: tuple[StatusCode, ...]
    prefixes: tuple[str, str]
    read_time: Callable[[Place], int]
    read_attributes: Callable[[Place], Attributes]


def read_span(place: Place, words: Words, ids: tuple[Place, Place, Place]) -> TraceSpan:
    """Read a span; its problems are those of its place.

    Args:
        place: where it stands.
        words: how its writer spells it.
        ids: where its trace's id stands, its own, and its parent's.
    """
    trace, own, parent = ids
    start = words.read_time(place.member(words.start))
    end = words.read_time(place.member(words.end))
    check_times(place, start, end)
    status, code, description = words.status
    status_place = place.part(status)
    kind_prefix, code_prefix = words.prefixes
    return TraceSpan(
        name=text_of(place.member(words.name)),
        trace_id=own_identifier_of(trace, _TRACE_ID_DIGITS),
        span_id=own_identifier_of(own, _SPAN_ID_DIGITS),
        parent_span_id=identifier_of(parent, _SPAN_ID_DIGITS) or None,
        start_unix_nano=start,
        end_unix_nano=end,
        kind=choice_of(place.member(words.kind), SPAN_KINDS, kind_prefix),
        status_code=choice_of(status_place.member(code), words.codes, code_prefix),
        status_message=text_of(status_place.member(description)),
        attributes=words.read_attributes(place.member(words.attributes)),
        events=tuple(
            Event(
                name=text_of(event.member(words.name)),
                time_unix_nano=words.read_time(event.member(words.event_time)),
                attributes=words.read_attributes(event.member(words.attributes)),
            )
            for event in place.member(words.events).items()
            if event.is_object()
        ),
        problems=tuple(place.problems),
    )
