"""The facts of a protocol's fields, read by its table."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ..catalogue import is_boolean, is_class_name, is_message, is_name, is_version, matches
from ..formats import values
from ..formats.cloudquery_fields import REQUEST as SUMMARY_REQUEST
from ..formats.documents import (
    CLOUDQUERY,
    OWN_FORM,
    OWN_JSON,
    OWN_QUERY,
    POSTHOG,
    RUDDERSTACK,
    SENTRY,
    SENTRY_EVENT,
    SNOWPLOW,
)
from ..formats.fields import (
    ATTRIBUTES,
    BOOLEAN,
    CLASS_NAME,
    COUNT,
    ERROR_TEXT,
    EVENT,
    ID,
    KEY,
    MOMENT,
    NAME,
    NANOSECONDS,
    ONE_OF,
    PLUGIN,
    PROPERTIES,
    SCHEMA,
    SPAN_ID,
    TIME,
    TRACE_ID,
    VERSION,
    Field,
)
from ..formats.otlp_fields import REQUESTS
from ..formats.posthog_fields import BATCH as POSTHOG_BATCH
from ..formats.posthog_fields import MESSAGE as POSTHOG_MESSAGE
from ..formats.queries import REQUEST
from ..formats.rudderstack_fields import BATCH, MESSAGE
from ..formats.sentry_fields import ENVELOPE
from ..formats.sentry_fields import EVENT as SENTRY_TABLE
from ..formats.snowplow_fields import POSTED
from ..formats.values import is_usual, is_utc_time, unsigned
from ..sanitize import printable
from .attribute_facts import attributes_reader
from .durations import duration
from .events import PROPERTY_SHAPES, is_event_id, is_published
from .facts import EMPTY, UNFIT, Fact, FactPlace, array_of, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..formats.strict_json import JsonValue
    from .facts import Reader

_MAX_GROUP = 80
_NANOSECONDS = 1_000_000_000
_SCOPE = "cqtel"
_BACKWARDS = "it ends before it starts"

_OF_KIND: dict[str, Callable[[JsonValue], bool]] = {
    BOOLEAN: is_boolean,
    CLASS_NAME: is_class_name,
    COUNT: lambda value: values.count(value) is not None and is_usual(value),
    ERROR_TEXT: is_message,
    EVENT: values.is_event,
    ID: is_event_id,
    KEY: is_message,
    MOMENT: lambda value: is_utc_time(value) or isinstance(value, int | float),
    NAME: is_name,
    ONE_OF: is_name,
    PLUGIN: is_published,
    SCHEMA: is_message,
    SPAN_ID: lambda value: matches(value, "f" * 16),
    TIME: is_utc_time,
    TRACE_ID: lambda value: matches(value, "f" * 32),
    VERSION: is_version,
}
"""What a value of each kind is, where it is explained."""
_OF_FIELD: dict[str, Callable[[JsonValue], bool]] = {
    "kind": lambda value: type(value) is int and value == 1,
    "scope.name": lambda value: value == _SCOPE,
    "status.code": lambda value: type(value) is int and value in {1, 2},
}
"""What our own recorder writes in some fields, where the kind alone would allow more."""


def _reader_of(field: Field) -> Reader:
    """Make a reader of a protocol's field."""
    if field.kind == ATTRIBUTES:
        return attributes_reader(field.key)
    if field.kind == PROPERTIES:
        return _properties if field.key == PROPERTIES else _known_properties(field)
    read = _message(field) if field.members else _value(field)
    if field.group:
        return _numbered(read, field.group)
    return array_of(read) if field.is_list else read


def _message(field: Field) -> Reader:
    """Make a reader of an object with the fields that are explained; all others are unexpected."""
    explained = {name: one for name, one in field.members.items() if one.is_explained}
    readers = {name: _reader_of(one) for name, one in explained.items()}

    def read(place: FactPlace) -> Iterator[Fact]:
        inside = place.value
        if not isinstance(inside, dict):
            yield from unexpected(place)
            return
        if not inside:
            yield Fact(place, "", inside, EMPTY)
        for name, one in explained.items():
            if name not in inside:
                continue
            member = place.at(name, inside[name])
            if one.kind == NANOSECONDS:
                yield from _time(member, one.key, _moment(inside.get(one.after)))
            else:
                yield from readers[name](member)
        for name, value in inside.items():
            if name not in explained:
                yield from unexpected(place.at(name, value))

    return read


def _value(field: Field) -> Reader:
    accepts = _OF_FIELD.get(field.key) or _OF_KIND.get(field.kind, lambda _: False)
    return partial(_plain, key=field.key, accepts=accepts)


def _plain(place: FactPlace, key: str, accepts: Callable[[JsonValue], bool]) -> Iterator[Fact]:
    """Tell of a value that is no container."""
    value = place.value
    if accepts(value):
        words = ""
        if key == "status.code":
            words = f"{value} ({'success' if value == 1 else 'failure'})"
        yield Fact(place, key, value, "", words)
    elif isinstance(value, dict | list) and value:
        yield from unexpected(place)
    else:
        yield Fact(place, key, value, UNFIT)


def _numbered(read: Reader, group: str) -> Reader:
    """Make a reader of a list of messages, each in a group with its number and its name."""

    def read_one(place: FactPlace) -> Iterator[Fact]:
        return read(place._replace(group=_group(group, int(place.step), place.value)))

    return array_of(read_one)


def _group(group: str, index: int, message: JsonValue) -> str:
    numbered = f"{group} {index + 1:,}"
    listed = message if isinstance(message, dict) else {}
    name = next((listed[key] for key in ("name", "event") if key in listed), None)
    return printable(f"{numbered}: {name}", limit=_MAX_GROUP) if isinstance(name, str) else numbered


# Times --------------------------------------------------------------------------------------------


def _time(place: FactPlace, key: str, start: int | None) -> Iterator[Fact]:
    value = place.value
    moment = _moment(value)
    if moment is None:
        yield from _plain(place, key, lambda _: False)
        return
    day = datetime.fromtimestamp(moment // _NANOSECONDS, UTC)
    words = f"{day:%Y-%m-%d %H:%M:%S}.{moment % _NANOSECONDS:09d} UTC"
    problem = ""
    if start is not None:
        problem = _BACKWARDS if moment < start else ""
        words = f"{duration(moment - start)} later, {words}"
    yield Fact(place, key, value, problem, words)


def _moment(value: JsonValue) -> int | None:
    """Read a time, which OTLP/JSON writes as a string, or as a number; None if it is not one."""
    return (unsigned(value) or None) if is_usual(value) else None


# What a program says of its own ------------------------------------------------------------------


def _property_reader(key: str) -> Reader:
    shape = PROPERTY_SHAPES[key]
    named = f"{PROPERTIES}.{key}"
    if isinstance(shape, tuple):
        return array_of(partial(_plain, key=named, accepts=shape[0]))
    return partial(_plain, key=named, accepts=shape)


def _properties(place: FactPlace) -> Iterator[Fact]:
    """Tell of what CloudQuery's own events say beside their names."""
    inside = place.value
    if not isinstance(inside, dict):
        yield from unexpected(place)
        return
    if not inside:
        yield Fact(place, "", inside, EMPTY)
    for key in PROPERTY_SHAPES:
        if key in inside:
            yield from _property_reader(key)(place.at(key, inside[key]))
    for key, value in inside.items():
        if key not in PROPERTY_SHAPES:
            yield from unexpected(place.at(key, value))


def _known_properties(field: Field) -> Reader:
    """Make a reader of properties of which the protocol has some; all others are the program's."""
    readers = {name: _reader_of(one) for name, one in field.members.items()}

    def read(place: FactPlace) -> Iterator[Fact]:
        inside = place.value
        if not isinstance(inside, dict):
            yield from unexpected(place)
            return
        for name, value in inside.items():
            yield from readers.get(name, unexpected)(place.at(name, value))

    return read


# The protocols that are explained ----------------------------------------------------------------


def _one_or_many(message_table: Field, batch_table: Field) -> Reader:
    """Make a reader of a message by itself, or of a batch of them."""
    one, many = _message(message_table), _message(batch_table)

    def read(place: FactPlace) -> Iterator[Fact]:
        inside = place.value
        if isinstance(inside, dict) and "batch" not in inside:
            yield from one(place._replace(group=_group("event", 0, inside)))
        else:
            yield from many(place)

    return read


_READERS: dict[str, Reader] = {
    CLOUDQUERY: _message(SUMMARY_REQUEST),
    POSTHOG: _one_or_many(POSTHOG_MESSAGE, POSTHOG_BATCH),
    RUDDERSTACK: _one_or_many(MESSAGE, BATCH),
    SENTRY: _message(ENVELOPE),
    SENTRY_EVENT: _message(SENTRY_TABLE),
    SNOWPLOW: _message(POSTED),
    OWN_FORM: unexpected,
    OWN_JSON: unexpected,
    OWN_QUERY: _message(REQUEST),
}
_READ_TRACES = _reader_of(REQUESTS["traces"])


def reader_of(kind: str) -> Reader:
    """Return the reader of payloads of this kind; an unknown kind is read as traces."""
    return _READERS.get(kind, _READ_TRACES)
