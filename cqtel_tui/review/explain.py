"""Explain a payload field by field: what each value is, why it is there, how identifying it is.

Every value of the document is told of exactly once, also those that the catalogue does not know:
those are the ones a person should see first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ..catalogue import RECORDED, is_name, is_version, matches
from ..formats.json_paths import Path, path_text
from ..formats.strict_json import JsonValue, UnreadableError, count_values, parse
from ..formats.values import as_usual, is_utc_time, signed, unsigned
from ..sanitize import printable
from .durations import duration
from .events import EVENT_FIELDS, PROPERTIES, PROPERTY_SHAPES, is_event_id, own_field
from .promises import BY_KEY, COLLECTOR, RESOURCE, SPAN, Field

MAX_ROWS = 10_000
"""More than the recorder's 512 spans can have."""
MAX_VALUE = 10_000
"""Characters: the longest value that the catalogue allows, each of its bytes escaped."""
MAX_STRANGE_VALUE = 2_000
PROGRAM = "program"
OTLP = "otlp-traces"
RUDDERSTACK = "rudderstack"

_MAX_GROUP = 80
_MAX_KEY = 200
_MAX_COMPACT = 500
_NANOSECONDS = 1_000_000_000
_SCOPE = "cqtel"

_UNKNOWN = "not in the catalogue"
_UNFIT = "not a value that it may have"
_MISPLACED = "not where it belongs"
_TWICE = "its key was there before"
_COLLECTOR_ONLY = "only the collector may add it"
_EMPTY = "nothing is in it"
_BACKWARDS = "it ends before it starts"
_FIELDS = {**BY_KEY, **EVENT_FIELDS}


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a payload, explained. All its texts are printable and bounded.

    Attributes:
        group: what it belongs to: `program`, or a span or event with its number and name.
        key: the field's key, or its path in the document if the catalogue does not know it.
        value: the value in words.
        field: what the catalogue says of it; None if the catalogue does not know it, or if the
            value has a shape, or stands in a place, that it does not allow.
        problem: what is wrong with it; empty if nothing is.
        path: where it stands in the document; an attribute's is that of its key and value.
    """

    group: str
    key: str
    value: str
    field: Field | None
    problem: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A payload, explained.

    Attributes:
        rows: every value: the document's order, and within an object known members first.
        unreadable: why it cannot be read as JSON; empty if it can.
        left_out: how many values the rows do not tell of, because there would be too many.
        unknown: how many rows tell of what the catalogue does not know or allow, and how many
            values nothing is told of.
    """

    rows: tuple[Row, ...]
    unreadable: str = ""
    left_out: int = 0
    unknown: int = 0


def explain(
    payload: bytes, kind: str = OTLP, own: Mapping[str, str] = MappingProxyType({})
) -> Explanation:
    """Explain a payload; never raises, whatever the bytes are.

    Args:
        payload: OTLP/JSON, or RudderStack's JSON.
        kind: its envelope's.
        own: what else the user's profile of that program lets through: each key with its shape.
    """
    try:
        document = parse(payload)
    except UnreadableError as error:
        return Explanation((), printable(str(error), limit=MAX_STRANGE_VALUE))
    read = _events if kind == RUDDERSTACK else _DOCUMENT
    facts = list(islice(read(_Place(document, None, PROGRAM)), MAX_ROWS))
    rows = tuple(_row(fact, own) for fact in facts)
    left_out = count_values(document) - sum(
        count_values(fact.value) + fact.is_attribute for fact in facts
    )
    return Explanation(rows, "", left_out, left_out + sum(row.field is None for row in rows))


# Facts: they become rows up to the bound, so that a hostile payload costs no more than others -----


class _Place(NamedTuple):
    """A value, where it stands, and what it belongs to."""

    value: JsonValue
    path: Path
    group: str

    def at(self, step: str | int, value: JsonValue) -> _Place:
        return _Place(value, (self.path, step), self.group)


class _Fact(NamedTuple):
    """What will be a row.

    `key` is empty where the path says more; `words` is empty where the value speaks for itself.
    An attribute tells of its key, too, which is a value of the document.
    """

    place: _Place
    key: str
    value: JsonValue
    problem: str
    words: str = ""
    is_attribute: bool = False

    @property
    def own_key(self) -> str:
        """The program's own key, under which a profile may let it through; empty for all else."""
        if self.is_attribute:
            return self.key
        path = self.place.path
        while path is not None and path[0] is not None:
            if path[0][1] == PROPERTIES:
                return str(path[1])
            path = path[0]
        return ""


_Reader: TypeAlias = Callable[[_Place], Iterator[_Fact]]


def _row(fact: _Fact, own: Mapping[str, str]) -> Row:
    path = path_text(fact.place.path)
    key = printable(fact.key or path or "the document", limit=_MAX_KEY)
    field = None if fact.problem else _FIELDS[fact.key]
    if own and fact.problem == _UNKNOWN and (shape := own.get(fact.own_key)):
        field = own_field(fact.own_key, shape)
        fact = fact._replace(problem="")
    if field is not None and isinstance(fact.value, list):
        shown = printable(", ".join(map(str, fact.value)), limit=MAX_VALUE)
    else:
        shown = fact.words or _shown(fact.value, MAX_VALUE if field else MAX_STRANGE_VALUE)
    return Row(fact.place.group, key, shown, field, fact.problem, path)


def _shown(value: JsonValue, limit: int) -> str:
    if isinstance(value, str):
        return printable(value, limit=limit)
    return printable(_compact(value), limit=limit)


def _compact(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# What a reader is made of -------------------------------------------------------------------------


def _strange(place: _Place) -> Iterator[_Fact]:
    """Tell of every value in something that should not be there; an empty container is one."""
    waiting = [iter([place])]
    while waiting:
        here = next(waiting[-1], None)
        if here is None:
            waiting.pop()
        elif isinstance(here.value, dict | list) and here.value:
            waiting.append(_inside(here))
        else:
            yield _Fact(here, "", here.value, _UNKNOWN)


def _inside(place: _Place) -> Iterator[_Place]:
    inside = place.value
    if isinstance(inside, dict):
        return (place.at(name, value) for name, value in inside.items())
    return (
        place.at(i, value) for i, value in enumerate(inside if isinstance(inside, list) else [])
    )


def _object(members: dict[str, _Reader]) -> _Reader:
    """Make a reader of an object with these members; all else in it is strange."""

    def read(place: _Place) -> Iterator[_Fact]:
        inside = place.value
        if not isinstance(inside, dict):
            yield from _strange(place)
            return
        if not inside:
            yield _Fact(place, "", inside, _EMPTY)
        for name, reader in members.items():
            if name in inside:
                yield from reader(place.at(name, inside[name]))
        for name, value in inside.items():
            if name not in members:
                yield from _strange(place.at(name, value))

    return read


def _array(item: _Reader) -> _Reader:
    """Make a reader of an array of such items."""

    def read(place: _Place) -> Iterator[_Fact]:
        inside = place.value
        if not isinstance(inside, list):
            yield from _strange(place)
            return
        if not inside:
            yield _Fact(place, "", inside, _EMPTY)
        for index, value in enumerate(inside):
            yield from item(place.at(index, value))

    return read


def _field(key: str, accepts: Callable[[JsonValue], bool]) -> _Reader:
    """Make a reader of a field that every span or scope is made of."""

    def read(place: _Place) -> Iterator[_Fact]:
        value = place.value
        if accepts(value):
            words = ""
            if key == "status.code":
                words = f"{value} ({'success' if value == 1 else 'failure'})"
            yield _Fact(place, key, value, "", words)
        elif isinstance(value, dict | list) and value:
            yield from _strange(place)
        else:
            yield _Fact(place, key, value, _UNFIT)

    return read


# Times --------------------------------------------------------------------------------------------


def _time(place: _Place, key: str, start: int | None = None) -> Iterator[_Fact]:
    value = place.value
    moment = _moment(value)
    if moment is None:
        yield from _field(key, lambda _: False)(place)
        return
    day = datetime.fromtimestamp(moment // _NANOSECONDS, UTC)
    words = f"{day:%Y-%m-%d %H:%M:%S}.{moment % _NANOSECONDS:09d} UTC"
    problem = ""
    if start is not None:
        problem = _BACKWARDS if moment < start else ""
        words = f"{duration(moment - start)} later, {words}"
    yield _Fact(place, key, value, problem, words)


def _moment(value: JsonValue) -> int | None:
    """Read a time, which OTLP/JSON writes as a string, or as a number; None if it is not one."""
    return (unsigned(value) or None) if _is_usual(value) else None


def _is_usual(value: JsonValue) -> bool:
    """Tell whether a number is written as usual: a zero before it could not be seen in words."""
    usual = as_usual(value)
    return type(usual) is type(value) and usual == value


# Attributes ---------------------------------------------------------------------------------------


def _attributes(where: str) -> _Reader:
    """Make a reader of the attributes of a program or of a span."""

    def read(place: _Place) -> Iterator[_Fact]:
        seen: set[str] = set()
        yield from _array(partial(_attribute, where=where, seen=seen))(place)

    return read


def _attribute(place: _Place, where: str, seen: set[str]) -> Iterator[_Fact]:
    inside = place.value
    key = inside.get("key") if isinstance(inside, dict) else None
    if not isinstance(inside, dict) or not isinstance(key, str) or "value" not in inside:
        yield from _strange(place)
        return
    try:
        value, is_plain = _plain(inside["value"]), True
    except TypeError:
        value, is_plain = inside["value"], False
    problem = _problem_with(key, value, where) if is_plain else _UNFIT
    if not is_plain and key not in RECORDED:
        problem = _UNKNOWN
    if key in seen:
        problem = problem or _TWICE
    seen.add(key)
    if problem and isinstance(value, dict | list) and len(_compact(value)) > _MAX_COMPACT:
        # Too much for one row, and none of it may be missed.
        yield from _strange(place)
        return
    yield _Fact(place, key, value, problem, is_attribute=True)
    for name, more in inside.items():
        if name not in {"key", "value"}:
            yield from _strange(place.at(name, more))


def _problem_with(key: str, value: JsonValue, where: str) -> str:
    """Say what is wrong with an attribute; empty if nothing is."""
    field = BY_KEY.get(key)
    if field is not None and field.where == COLLECTOR:
        return _COLLECTOR_ONLY
    if field is None or key not in RECORDED:
        return _UNKNOWN
    if field.where != where:
        return _MISPLACED
    return "" if RECORDED[key][0](value) else _UNFIT


def _plain(value: JsonValue) -> JsonValue:
    """Return what an OTLP AnyValue of the four kinds that are recorded holds.

    Raises:
        TypeError: it is none, or holds more than can be said by its plain value.
    """
    if isinstance(value, dict) and len(value) == 1:
        [(kind, inner)] = value.items()
        if kind == "stringValue" and isinstance(inner, str):
            return inner
        if kind == "boolValue" and isinstance(inner, bool):
            return inner
        if kind == "intValue" and _is_usual(inner) and (number := signed(inner)) is not None:
            return number
        if kind == "arrayValue" and isinstance(inner, dict) and inner.keys() == {"values"}:
            items = inner["values"]
            if isinstance(items, list):
                return [_plain_string(item) for item in items]
    raise TypeError


def _plain_string(value: JsonValue) -> str:
    inner = _plain(value)
    if not isinstance(inner, str):
        raise TypeError
    return inner


# What an `ExportTraceServiceRequest` of ours is made of -------------------------------------------

_ATTRIBUTES_OF_SPAN = _attributes(SPAN)
_STATUS = _object(
    {"code": _field("status.code", lambda code: type(code) is int and code in {1, 2})}
)
_KIND = _field("kind", lambda kind: type(kind) is int and kind == 1)
_TRACE_ID = _field("traceId", lambda value: matches(value, "f" * 32))
_SPAN_ID = _field("spanId", lambda value: matches(value, "f" * 16))
_PARENT_ID = _field("parentSpanId", lambda value: matches(value, "f" * 16))


def _span(place: _Place) -> Iterator[_Fact]:
    inside = place.value
    start = _moment(inside.get("startTimeUnixNano")) if isinstance(inside, dict) else None
    yield from _object(
        {
            "name": _field("name", is_name),
            "startTimeUnixNano": partial(_time, key="startTimeUnixNano"),
            "endTimeUnixNano": partial(_time, key="endTimeUnixNano", start=start),
            "status": _STATUS,
            "attributes": _ATTRIBUTES_OF_SPAN,
            "kind": _KIND,
            "traceId": _TRACE_ID,
            "spanId": _SPAN_ID,
            "parentSpanId": _PARENT_ID,
        }
    )(place)


def _spans(place: _Place) -> Iterator[_Fact]:
    inside = place.value
    if not isinstance(inside, list):
        yield from _strange(place)
        return
    if not inside:
        yield _Fact(place, "", inside, _EMPTY)
    for index, span in enumerate(inside):
        name = span.get("name") if isinstance(span, dict) else None
        group = f"span {index + 1:,}"
        if isinstance(name, str):
            group = printable(f"{group}: {name}", limit=_MAX_GROUP)
        yield from _span(place.at(index, span)._replace(group=group))


_DOCUMENT = _object(
    {
        "resourceSpans": _array(
            _object(
                {
                    "resource": _object({"attributes": _attributes(RESOURCE)}),
                    "scopeSpans": _array(
                        _object(
                            {
                                "scope": _object(
                                    {"name": _field("scope.name", lambda name: name == _SCOPE)}
                                ),
                                "spans": _spans,
                            }
                        )
                    ),
                }
            )
        )
    }
)


# What RudderStack's and Segment's messages are made of --------------------------------------------

_TIME_TEXT = {
    name: _field(name, is_utc_time) for name in ("timestamp", "originalTimestamp", "sentAt")
}
_MESSAGE = _object(
    {
        "event": _field("event", is_name),
        "type": _field("type", is_name),
        PROPERTIES: _object(
            {
                key: _array(_field(f"{PROPERTIES}.{key}", shape[0]))
                if isinstance(shape, tuple)
                else _field(f"{PROPERTIES}.{key}", shape)
                for key, shape in PROPERTY_SHAPES.items()
            }
        ),
        "context": _object(
            {
                "library": _object(
                    {
                        "name": _field("context.library.name", is_name),
                        "version": _field("context.library.version", is_version),
                    }
                )
            }
        ),
        "channel": _field("channel", is_name),
        **_TIME_TEXT,
        "anonymousId": _field("anonymousId", is_event_id),
        "messageId": _field("messageId", is_event_id),
    }
)


def _messages(place: _Place) -> Iterator[_Fact]:
    inside = place.value
    listed = inside if isinstance(inside, list) else [inside]
    if not listed:
        yield _Fact(place, "", inside, _EMPTY)
    for index, message in enumerate(listed):
        name = message.get("event") if isinstance(message, dict) else None
        group = f"event {index + 1:,}"
        if isinstance(name, str):
            group = printable(f"{group}: {name}", limit=_MAX_GROUP)
        here = place.at(index, message) if isinstance(inside, list) else place
        yield from _MESSAGE(here._replace(group=group))


def _events(place: _Place) -> Iterator[_Fact]:
    inside = place.value
    if isinstance(inside, dict) and "batch" not in inside:
        yield from _messages(place)
    else:
        yield from _object({"batch": _messages, "sentAt": _TIME_TEXT["sentAt"]})(place)
