"""The facts of OTLP's attributes, of which the catalogue says what they may be."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..catalogue import RECORDED
from ..formats.values import is_usual, signed
from .facts import UNFIT, UNKNOWN, Fact, FactPlace, array_of, compact, unexpected
from .promises import BY_KEY, COLLECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..formats.strict_json import JsonValue
    from .facts import Reader

_MAX_COMPACT = 500
_MISPLACED = "not where it belongs"
_TWICE = "duplicate key"
_COLLECTOR_ONLY = "only the collector may add it"


def attributes_reader(where: str) -> Reader:
    """Make a reader of the attributes of a program or of a span."""

    def read(place: FactPlace) -> Iterator[Fact]:
        seen: set[str] = set()
        yield from array_of(partial(_attribute, where=where, seen=seen))(place)

    return read


def _attribute(place: FactPlace, where: str, seen: set[str]) -> Iterator[Fact]:
    inside = place.value
    key = inside.get("key") if isinstance(inside, dict) else None
    if not isinstance(inside, dict) or not isinstance(key, str) or "value" not in inside:
        yield from unexpected(place)
        return
    try:
        value, is_plain = plain_of(inside["value"]), True
    except TypeError:
        value, is_plain = inside["value"], False
    problem = _problem_with(key, value, where) if is_plain else UNFIT
    if not is_plain and key not in RECORDED:
        problem = UNKNOWN
    if key in seen:
        problem = problem or _TWICE
    seen.add(key)
    if problem and isinstance(value, dict | list) and len(compact(value)) > _MAX_COMPACT:
        # It is too long for one row, and nobody may miss any of it.
        yield from unexpected(place)
        return
    yield Fact(place, key, value, problem, is_attribute=True)
    for name, more in inside.items():
        if name not in {"key", "value"}:
            yield from unexpected(place.at(name, more))


def _problem_with(key: str, value: JsonValue, where: str) -> str:
    """Say what is wrong with an attribute; empty if nothing is."""
    field = BY_KEY.get(key)
    if field is not None and field.where == COLLECTOR:
        return _COLLECTOR_ONLY
    if field is None or key not in RECORDED:
        return UNKNOWN
    if field.where != where:
        return _MISPLACED
    return "" if RECORDED[key][0](value) else UNFIT


def plain_of(value: JsonValue) -> JsonValue:
    """Return what an OTLP AnyValue of the four kinds that are recorded holds.

    Raises:
        TypeError: it is none, or holds more than a plain value.
    """
    if isinstance(value, dict) and len(value) == 1:
        [(kind, inner)] = value.items()
        if kind == "stringValue" and isinstance(inner, str):
            return inner
        if kind == "boolValue" and isinstance(inner, bool):
            return inner
        if kind == "intValue" and is_usual(inner) and (number := signed(inner)) is not None:
            return number
        if kind == "arrayValue" and isinstance(inner, dict) and inner.keys() == {"values"}:
            items = inner["values"]
            if isinstance(items, list):
                return [_plain_string(item) for item in items]
    raise TypeError


def _plain_string(value: JsonValue) -> str:
    inner = plain_of(value)
    if not isinstance(inner, str):
        raise TypeError
    return inner
