"""Explain a payload field by field: what each value is, why it is there, how identifying it is.

Every value of the document becomes a row, also those that the catalogue does not know: those are
the ones a person should see first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..catalogue import RECORDED
from ..promises import BY_KEY, Field
from ..sanitize import printable
from .documents import UnreadableError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ROWS = 2_000
_NANOSECONDS = 1_000_000_000
_KEY_AND_VALUE = {"key", "value"}
_ANY_VALUE = ("stringValue", "boolValue", "intValue", "doubleValue", "arrayValue")
_TIMES = {"startTimeUnixNano", "endTimeUnixNano"}
_SPAN_TEXTS = {"traceId", "spanId", "parentSpanId", "name", "kind", *_TIMES}


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a payload, explained.

    Attributes:
        group: what it belongs to: `program`, or the name of a span. Untrusted text made printable,
            as are `key` and `value`.
        key: the field's key, or its path in the document if the catalogue does not know it.
        value: the value in words.
        field: what the catalogue says of it; None if the catalogue does not know it, or if the
            value has a shape that it does not allow.
        problem: what is wrong with it; empty if nothing is.
    """

    group: str
    key: str
    value: str
    field: Field | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A payload, explained.

    Attributes:
        rows: every value, in the order of the document.
        unreadable: why it cannot be read as JSON; empty if it can.
        left_out: how many rows beyond the bound there are.
    """

    rows: tuple[Row, ...]
    unreadable: str = ""
    left_out: int = 0

    @property
    def unknown(self) -> int:
        """How many values the catalogue does not know."""
        return sum(row.field is None for row in self.rows)


def explain(payload: bytes) -> Explanation:
    """Explain an OTLP/JSON payload; never raises, whatever the bytes are."""
    try:
        document = parse(payload)
    except UnreadableError as error:
        return Explanation((), str(error))
    rows = _document(document)
    kept = tuple(islice(rows, MAX_ROWS))
    return Explanation(kept, left_out=sum(1 for _ in rows))


def _document(document: Any) -> Iterator[Row]:
    """Walk over the parts of an `ExportTraceServiceRequest`, and tell of all that is not one."""
    for path, resource in _each(document, "resourceSpans", ""):
        yield from _attributes(_take(resource, "resource"), "program", f"{path}.resource")
        for inner, scope in _each(resource, "scopeSpans", path):
            described = _take(scope, "scope")
            yield from _known("program", "scope.name", _take(described, "name"))
            yield from _unknown("program", f"{inner}.scope", described)
            for at, span in _each(scope, "spans", inner):
                yield from _span(span, at)
            yield from _unknown("program", inner, scope)
        yield from _unknown("program", path, resource)
    yield from _unknown("program", "", document)


def _span(span: Any, path: str) -> Iterator[Row]:
    if not isinstance(span, dict):
        yield _stranger("program", path, span)
        return
    name = span.get("name")
    group = printable(name, limit=60) if isinstance(name, str) else path
    start = _whole(span.get("startTimeUnixNano"))
    for key in sorted(_SPAN_TEXTS & span.keys(), key=list(BY_KEY).index):
        value = span.pop(key)
        if key in _TIMES:
            yield _time(group, key, value, start)
        else:
            yield from _known(group, key, value)
    status = _take(span, "status")
    yield from _known(group, "status.code", _take(status, "code"))
    yield from _unknown(group, f"{path}.status", status)
    yield from _attributes(span, group, path)
    yield from _unknown(group, path, span)


def _attributes(holder: Any, group: str, path: str) -> Iterator[Row]:
    for at, attribute in _each(holder, "attributes", path):
        if not isinstance(attribute, dict) or attribute.keys() != _KEY_AND_VALUE:
            yield _stranger(group, at, attribute)
            continue
        key, value = attribute["key"], _plain(attribute["value"])
        recorded = RECORDED.get(key) if isinstance(key, str) else None
        if recorded is None or not recorded[0](value):
            problem = "not in the catalogue" if recorded is None else "not a value that it may have"
            yield Row(group, _shown(key), _shown(value), None, problem)
        else:
            yield Row(group, key, _shown(value), BY_KEY[key])
    yield from _unknown(group, path, holder)


def _known(group: str, key: str, value: Any) -> Iterator[Row]:
    """Tell of a field that every span or scope is made of."""
    if value is None:
        return
    if key == "status.code" and type(value) is int and value in {1, 2}:
        yield Row(group, key, f"{value} ({'success' if value == 1 else 'failure'})", BY_KEY[key])
    elif (key == "kind" and value != 1) or (key == "scope.name" and value != "cqtel"):
        yield Row(group, key, _shown(value), None, "not a value that it may have")
    else:
        yield Row(group, key, _shown(value), BY_KEY[key])


def _time(group: str, key: str, value: Any, start: int | None) -> Row:
    number = _whole(value)
    if number is None:
        return Row(group, key, _shown(value), None, "not a time")
    if key == "endTimeUnixNano" and start is not None and number >= start:
        return Row(group, key, f"{duration(number - start)} later", BY_KEY[key])
    try:
        moment = datetime.fromtimestamp(number // _NANOSECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return Row(group, key, _shown(value), None, "not a time")
    return Row(group, key, f"{moment:%Y-%m-%d %H:%M:%S} UTC", BY_KEY[key])


def duration(nanoseconds: int) -> str:
    """Return a duration as a person reads it: `1.234 s`, `56.7 ms`, `8.9 µs`."""
    if nanoseconds >= 60 * _NANOSECONDS:
        minutes, rest = divmod(nanoseconds // _NANOSECONDS, 60)
        return f"{minutes} min {rest} s"
    if nanoseconds >= _NANOSECONDS:
        return f"{nanoseconds / _NANOSECONDS:.3f} s"
    if nanoseconds >= 1_000_000:  # noqa: PLR2004  # a millisecond
        return f"{nanoseconds / 1_000_000:.1f} ms"
    return f"{nanoseconds / 1_000:.1f} µs"


def _each(holder: Any, key: str, path: str) -> Iterator[tuple[str, Any]]:
    """Take a list out of its holder, and return its items, each with its path."""
    items = _take(holder, key)
    if not isinstance(items, list):
        if items is not None and isinstance(holder, dict):
            holder[key] = items  # not a list: somebody else tells of it
        return
    for index, item in enumerate(items):
        yield f"{path}.{key}[{index}]".removeprefix("."), item


def _take(holder: Any, key: str) -> Any:
    return holder.pop(key, None) if isinstance(holder, dict) else None


def _unknown(group: str, path: str, rest: Any) -> Iterator[Row]:
    """Tell of all that was not taken out of its holder."""
    if rest is None:
        return
    if isinstance(rest, dict):
        for key, value in rest.items():
            yield _stranger(group, f"{path}.{key}".removeprefix("."), value)
    else:
        yield _stranger(group, path, rest)


def _stranger(group: str, path: str, value: Any) -> Row:
    return Row(group, printable(path, limit=120), _shown(value), None, "not in the catalogue")


def _plain(value: Any) -> Any:
    """Return the value in an OTLP AnyValue; what is not one comes back as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    if kind == "intValue":
        number = _whole(inner)
        return inner if number is None else number
    if kind == "arrayValue" and isinstance(inner, dict):
        items = inner.get("values", [])
        return [_plain(item) for item in items] if isinstance(items, list) else items
    return inner if kind in _ANY_VALUE else value


def _whole(value: Any) -> int | None:
    """Return a 64-bit integer, which OTLP/JSON writes as a string; None if it is not one."""
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:  # noqa: PLR2004  # the digits of 64 bits
        return int(value)
    return None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return printable(value, limit=2_000)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return printable(", ".join(value), limit=2_000)
    return printable(json.dumps(value, ensure_ascii=False), limit=2_000)
