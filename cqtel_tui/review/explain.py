"""Explain a payload field by field: what each value is, why it is there, how identifying it is.

Every value of the document has exactly one row, also those that the catalogue does not know:
those are the ones a person should see first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..formats.json_paths import path_text
from ..formats.strict_json import UnreadableError, count_values, parse
from ..sanitize import printable
from .destination import UNREDACTED, UNREDACTED_WORDS
from .events import EVENT_FIELDS
from .facts import UNFIT, UNKNOWN, Fact, FactPlace, compact, own_key
from .field_facts import reader_of
from .other_fields import OTHER_FIELDS
from .promises import BY_KEY, CatalogueField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..formats.strict_json import JsonValue

MAX_ROWS = 10_000
"""More than the recorder's 512 spans can have."""
MAX_VALUE = 10_000
"""Characters: the longest value that the catalogue allows, each of its bytes escaped."""
MAX_STRANGE_VALUE = 2_000
PROGRAM = "program"
OTLP = "otlp-traces"

_MAX_KEY = 200

_FIELDS = {**OTHER_FIELDS, **BY_KEY, **EVENT_FIELDS}


@dataclass(frozen=True, slots=True)
class FieldRow:
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
    field: CatalogueField | None
    problem: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A payload, explained.

    Attributes:
        rows: every value: the document's order, and within an object known members first.
        unreadable: why it cannot be read as JSON; empty if it can.
        left_out: how many values have no row, because there would be too many.
        unknown: how many rows are of what the catalogue does not know or allow, with the values
            that have no row.
    """

    rows: tuple[FieldRow, ...]
    unreadable: str = ""
    left_out: int = 0
    unknown: int = 0


def explain(
    payload: bytes, kind: str = OTLP, own: Mapping[str, CatalogueField] = MappingProxyType({})
) -> Explanation:
    """Explain a payload; never raises, whatever the bytes are.

    Args:
        payload: as JSON.
        kind: its envelope's.
        own: the program's own fields, by key: those of its contract, or of the user's profile.
    """
    if kind == UNREDACTED:
        return Explanation((), UNREDACTED_WORDS)
    try:
        document = parse(payload)
    except UnreadableError as error:
        return Explanation((), printable(str(error), limit=MAX_STRANGE_VALUE))
    facts = list(islice(reader_of(kind)(FactPlace(document, None, PROGRAM)), MAX_ROWS))
    rows = tuple(_row(fact, kind, own) for fact in facts)
    left_out = count_values(document) - sum(
        count_values(fact.value) + fact.is_attribute for fact in facts
    )
    return Explanation(rows, "", left_out, left_out + sum(row.field is None for row in rows))


def _row(fact: Fact, kind: str, own: Mapping[str, CatalogueField]) -> FieldRow:
    path = path_text(fact.place.path)
    key = printable(fact.key or path or "the document", limit=_MAX_KEY)
    field = None if fact.problem else _FIELDS[fact.key]
    if own and fact.problem == UNKNOWN and (known := own.get(own_key(fact, kind))):
        field = known if known.fits(fact.value) else None
        fact = fact._replace(problem="" if field else UNFIT)
    if field is not None and isinstance(fact.value, list):
        shown = printable(", ".join(map(str, fact.value)), limit=MAX_VALUE)
    else:
        shown = fact.words or _shown(fact.value, MAX_VALUE if field else MAX_STRANGE_VALUE)
    return FieldRow(fact.place.group, key, shown, field, fact.problem, path)


def _shown(value: JsonValue, limit: int) -> str:
    if isinstance(value, str):
        return printable(value, limit=limit)
    return printable(compact(value), limit=limit)
