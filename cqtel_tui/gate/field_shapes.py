"""The shapes that a value may have to leave, by the names that profiles use."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeAlias

from ..catalogue import is_boolean, is_class_name, is_name, is_version
from ..formats import values
from ..formats.fields import (
    ERROR_TEXT,
    EVENT,
    ID,
    KEY,
    MOMENT,
    ONE_OF,
    PROPERTIES,
    SCHEMA,
    Field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema: TypeAlias = "str | frozenset[str] | Mapping[str, Schema] | tuple[Schema]"
"""What may stay: a value of a shape (one of `SHAPES`), one of a few texts in lower case, an
object's members, or an array's items."""

NO_PROPERTIES: Mapping[str, Schema] = {}
_MAX_ENUM = 64
_ERROR = 2
_KEY = re.compile(r"[A-Za-z0-9_-]{20,80}")
_IGLU = re.compile(r"iglu:[a-z0-9_.-]{1,80}/[a-zA-Z0-9_-]{1,80}/jsonschema/\d{1,4}-\d{1,4}-\d{1,4}")
_REGISTRY = re.compile(r"cloudquery/[a-z0-9][a-z0-9-]{0,39}")


def schema_of(field: Field, properties: Mapping[str, Schema] = NO_PROPERTIES) -> Schema:
    """Return what may stay of a protocol's field.

    Args:
        field: one of the protocol's table.
        properties: what may stay of the program's own.
    """
    schema: Schema = field.kind
    if field.kind == PROPERTIES:
        own = {name: schema_of(one, properties) for name, one in field.members.items()}
        schema = {**own, **properties}
    elif field.kind == ONE_OF:
        schema = field.options
    elif field.members:
        schema = {name: schema_of(one, properties) for name, one in field.members.items()}
    return (schema,) if field.is_list else schema


EACH = "*"
"""Stands in a field's name for each item of a list."""


def fields_at(paths: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return what may stay by the names of fields, some of which stand within others.

    Args:
        paths: each field with what it may be; `metrics/*/name` is the `name` of each of `metrics`.

    Raises:
        ValueError: a field is told to be a value, and to have others in it.
    """
    fields: dict[str, Schema] = {}
    within: dict[str, dict[str, Schema]] = {}
    for path, schema in paths.items():
        name, slash, rest = path.partition("/")
        if slash:
            within.setdefault(name, {})[rest] = schema
        else:
            fields[name] = schema
    for name, inner in within.items():
        inside = fields_at(inner)
        if name in fields or (EACH in inside and len(inside) > 1):
            raise ValueError(f'"fields.{name}" is more than one thing')
        fields[name] = (inside[EACH],) if EACH in inside else inside
    return fields


def status_code(value: object) -> int | None:
    """Read the status of a span, as a number or by its name; None where there is none.

    What is no status of OpenTelemetry's counts as an error: nobody knows it to be a success.
    """
    if value is None:
        return None
    code = values.status_code(value)
    return _ERROR if code is None else code


def _is_count(value: object) -> bool:
    return values.count(value) is not None


def _is_number(value: object) -> bool:
    if type(value) is float:
        return math.isfinite(value) and abs(value) <= values.MAX_COUNT
    return _is_count(value)


def _is_moment(value: object) -> bool:
    return values.is_utc_time(value) or (not isinstance(value, str) and _is_number(value))


def _is_nanoseconds(value: object) -> bool:
    return values.unsigned(value) is not None


SHAPES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "boolean": (is_boolean, "true or false"),
    "class name": (is_class_name, "the name of a class"),
    "count": (_is_count, "a count"),
    "enum": (lambda v: type(v) is int and 0 <= v < _MAX_ENUM, "one of a few numbers"),
    MOMENT: (_is_moment, "a time in UTC"),
    "name": (is_name, "a plain name"),
    "nanoseconds": (_is_nanoseconds, "nanoseconds since 1970"),
    "number": (_is_number, "a number"),
    "plugin": (
        lambda v: isinstance(v, str) and bool(_REGISTRY.fullmatch(v)),
        "a published plugin's name, cloudquery/<name>",
    ),
    KEY: (
        lambda v: isinstance(v, str) and bool(_KEY.fullmatch(v)),
        "the public key of a project",
    ),
    SCHEMA: (lambda v: isinstance(v, str) and bool(_IGLU.fullmatch(v)), "the name of a schema"),
    "time": (values.is_utc_time, "a time in UTC"),
    "version": (is_version, "a version"),
}
"""Each shape by its name: what tells it, and what it is in words."""

ALL_SHAPES = frozenset({*SHAPES, ID, ERROR_TEXT, EVENT})
