"""Take out of a caught document all that is not on the list of what may leave.

The list says by name what may stay, and in which shape; what it does not name is gone, whatever it
is. Nothing is searched for: a secret that nobody thought of is not on the list either.
"""

from __future__ import annotations

import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ..catalogue import MAX_STRING_BYTES, is_boolean, is_class_name, is_name, is_version
from ..review.places import path_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..review.documents import JsonValue
    from ..review.places import Path

Schema: TypeAlias = "str | Mapping[str, Schema] | tuple[Schema]"
"""What may stay: a value of a shape (one of `SHAPES`), an object's members, or an array's items."""

ID = "id"
ERROR_TEXT = "error text"
ATTRIBUTES = "attributes"
"""OTLP's list of keys and values; each key is one of the `fields`."""

MAX_REMOVALS = 500
MAX_ITEMS = 10_000
_MAX_ID = 200
_MAX_COUNT = 1 << 53
_END_OF_TIME = 1 << 64
_MAX_ENUM = 64
_HEX = frozenset("0123456789abcdef")
_HEX_IDS = frozenset({16, 32})
"""How many digits OTLP's ids have, of a span and of a trace."""
_REGISTRY = re.compile(r"cloudquery/[a-z0-9][a-z0-9-]{0,39}")
# Of UTC alone: another offset says where the user is.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)

_NOT_LISTED = "not on the list of what may leave"
_REPLACED = "replaced by a random one, the same in all that this run sends"
ONLY_IN_DEBUG = "an error's text leaves in debug mode only"
_CUT = f"cut: an error's text has up to {MAX_STRING_BYTES} bytes"
_TOO_MANY = f"more than {MAX_ITEMS:,} items"
_TWICE = "its key was there before"


def whole_number(value: object) -> int | None:
    """Read an integer, which OTLP/JSON writes as a string as well; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:  # noqa: PLR2004  # 2⁶⁴
        return int(value)
    return value if type(value) is int else None


def _is_count(value: object) -> bool:
    number = whole_number(value)
    return number is not None and 0 <= number < _MAX_COUNT


def _is_number(value: object) -> bool:
    if type(value) is float:
        return math.isfinite(value) and abs(value) < _MAX_COUNT
    return _is_count(value)


def _is_nanoseconds(value: object) -> bool:
    number = whole_number(value)
    return number is not None and 0 <= number < _END_OF_TIME


SHAPES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "boolean": (is_boolean, "true or false"),
    "class name": (is_class_name, "the name of a class"),
    "count": (_is_count, "a count"),
    "enum": (lambda v: type(v) is int and 0 <= v < _MAX_ENUM, "one of a few numbers"),
    "name": (is_name, "a plain name"),
    "nanoseconds": (_is_nanoseconds, "nanoseconds since 1970"),
    "number": (_is_number, "a number"),
    "plugin": (
        lambda v: isinstance(v, str) and bool(_REGISTRY.fullmatch(v)),
        "a published plugin's name, cloudquery/<name>",
    ),
    "time": (lambda v: isinstance(v, str) and bool(_TIME.fullmatch(v)), "a time in UTC"),
    "version": (is_version, "a version"),
}
"""Each shape by its name: what tells it, and what it is in words."""

ALL_SHAPES = frozenset({*SHAPES, ID, ERROR_TEXT})


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that was caught and would not be sent as it was.

    Attributes:
        path: where it stands in the document.
        what: what kind of thing it is, without its value.
        why: the reason, in words.
    """

    path: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """What would be sent, and what was taken out of it.

    Attributes:
        sent: the exact bytes that would be sent.
        removals: what was taken out or replaced, in the document's order.
        more: how many more removals there were than are listed.
        has_error_text: whether an error's text is in what would be sent.
    """

    sent: bytes
    removals: tuple[Removal, ...] = ()
    more: int = 0
    has_error_text: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of a document, before it is written; the rest as in `Redaction`."""

    value: JsonValue
    removals: tuple[Removal, ...]
    more: int
    has_error_text: bool

    def written(self, sent: bytes, *before: Removal) -> Redaction:
        """Return the redaction whose bytes these are, with what was removed before."""
        removals = (*before, *self.removals)
        more = self.more + max(0, len(removals) - MAX_REMOVALS)
        return Redaction(sent, removals[:MAX_REMOVALS], more, self.has_error_text)


class Pseudonyms:
    """Random ids for the ids of one run: the same for the same, and of the same form.

    Args:
        key: random bytes of this run; nothing leads back without them, and they are not kept.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._given: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return what stands for an id: hex for one of OTLP's, else a UUID."""
        if value in self._given:
            return value
        value = value.lower()  # hex may be in either case
        digits = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
        if len(value) in _HEX_IDS and _HEX.issuperset(value):
            found = digits[: len(value)]
        else:
            found = (
                f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-"
                f"{'89ab'[int(digits[16], 16) % 4]}{digits[17:20]}-{digits[20:32]}"
            )
        self._given.add(found)
        return found


@dataclass(frozen=True, slots=True)
class Rules:
    """What may leave in this run.

    Attributes:
        fields: what may stay of a program's own properties and attributes, by key.
        pseudonyms: what stands for ids.
        debug: whether error texts may stay.
        never: why some keys never leave, for the user to read; all that is not in `fields` is gone
            without it as well.
        duration_unit: what one of `duration` is, in nanoseconds.
    """

    fields: Mapping[str, Schema]
    pseudonyms: Pseudonyms
    debug: bool = False
    never: Mapping[str, str] = field(default_factory=dict)
    duration_unit: int = 1_000_000


def redact_json(document: JsonValue, schema: Schema, rules: Rules) -> Redaction:
    """Return what may leave of a JSON document, as JSON."""
    kept = keep(document, schema, rules)
    return kept.written(as_json(kept.value))


def as_json(value: JsonValue) -> bytes:
    """Return a value as compact JSON of plain ASCII."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def keep(document: JsonValue, schema: Schema, rules: Rules) -> Kept:
    """Return what may leave of a document; an empty object where nothing of it may."""
    work = _Work(rules)
    kept = work.keep(document, schema, None)
    stays = {} if isinstance(kept, _Gone) else kept
    return Kept(stays, tuple(work.removals), work.more, work.has_error_text)


class _Gone:
    """Stands for a value that does not stay."""


_GONE = _Gone()


class _Work:
    """One document being redacted."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.removals: list[Removal] = []
        self.more = 0
        self.has_error_text = False

    def keep(self, value: JsonValue, schema: Schema, path: Path) -> JsonValue | _Gone:
        """Return what stays of a value."""
        if isinstance(schema, str):
            return self._keep_value(value, schema, path)
        if isinstance(schema, Mapping):
            return self._keep_members(value, schema, path)
        return self._keep_items(value, schema[0], path)

    def _keep_members(
        self, value: JsonValue, schema: Mapping[str, Schema], path: Path
    ) -> JsonValue | _Gone:
        if not isinstance(value, dict):
            return self._remove(value, path, "not an object")
        stays: dict[str, JsonValue] = {}
        for key, inner in value.items():
            here = (path, key)
            if key not in schema:
                self._remove(inner, here, self._rules.never.get(key, _NOT_LISTED))
            elif not isinstance(kept := self.keep(inner, schema[key], here), _Gone):
                stays[key] = kept
        return stays

    def _keep_items(self, value: JsonValue, schema: Schema, path: Path) -> JsonValue | _Gone:
        if not isinstance(value, list):
            return self._remove(value, path, "not a list")
        stays: list[JsonValue] = []
        for at, inner in enumerate(value):
            if at >= MAX_ITEMS:
                self._remove(inner, (path, at), _TOO_MANY)
            elif not isinstance(kept := self.keep(inner, schema, (path, at)), _Gone):
                stays.append(kept)
        return stays

    def _keep_value(self, value: JsonValue, shape: str, path: Path) -> JsonValue | _Gone:
        if shape == ATTRIBUTES:
            return self._keep_attributes(value, path)
        if shape == ID:
            return self._keep_id(value, path)
        if shape == ERROR_TEXT:
            return self._keep_error(value, path)
        accepts, words = SHAPES[shape]
        return value if accepts(value) else self._remove(value, path, f"not {words}")

    def _keep_id(self, value: JsonValue, path: Path) -> JsonValue | _Gone:
        if not isinstance(value, str) or len(value) > _MAX_ID:
            return self._remove(value, path, "not an id")
        if not value:
            return value
        found = self._rules.pseudonyms(value)
        if found != value:
            self._remove(value, path, _REPLACED)
        return found

    def _keep_error(self, value: JsonValue, path: Path) -> JsonValue | _Gone:
        if not self._rules.debug:
            return self._remove(value, path, ONLY_IN_DEBUG)
        if not isinstance(value, str):
            return self._remove(value, path, "not a text")
        self.has_error_text = True
        data = value.encode("utf-8", "replace")
        if len(data) <= MAX_STRING_BYTES:
            return value
        self._remove(value, path, _CUT)
        return data[:MAX_STRING_BYTES].decode("utf-8", "ignore")

    def _keep_attributes(self, value: JsonValue, path: Path) -> JsonValue | _Gone:
        if not isinstance(value, list):
            return self._remove(value, path, "not a list")
        stays: list[JsonValue] = []
        seen: set[str] = set()
        for at, attribute in enumerate(value):
            kept = self._keep_attribute(attribute, (path, at), seen)
            if not isinstance(kept, _Gone):
                stays.append(kept)
        return stays

    def _keep_attribute(self, value: JsonValue, path: Path, seen: set[str]) -> JsonValue | _Gone:
        """Keep one of OTLP's keys with its value, if it is of the one kind that its shape has."""
        key = value.get("key") if isinstance(value, dict) else None
        inner = value.get("value") if isinstance(value, dict) else None
        if not isinstance(key, str) or not isinstance(inner, dict) or len(inner) != 1:
            return self._remove(value, path, "not a key with a value")
        schema = self._rules.fields.get(key)
        here = (path, key)
        if schema is None or isinstance(schema, Mapping):
            return self._remove(inner, here, self._rules.never.get(key, _NOT_LISTED))
        if key in seen:
            return self._remove(inner, here, _TWICE)
        seen.add(key)
        [(kind, plain)] = inner.items()
        if kind == "arrayValue":
            kept = self._keep_array(plain, schema, here)
        elif kind in _KINDS and isinstance(schema, str):
            plain = whole_number(plain) if kind == "intValue" else plain
            kept = self._keep_value(plain, schema, here)
            if kind == "intValue" and type(kept) is int:
                kept = str(kept)
        else:
            return self._remove(inner, here, "not a kind of value that it may have")
        return _GONE if isinstance(kept, _Gone) else {"key": key, "value": {kind: kept}}

    def _keep_array(self, value: JsonValue, schema: Schema, path: Path) -> JsonValue | _Gone:
        values = value.get("values") if isinstance(value, dict) else None
        if not isinstance(values, list) or isinstance(schema, str | Mapping):
            return self._remove(value, path, "not a kind of value that it may have")
        item = {"stringValue": schema[0]}
        kept = self._keep_items(values, item, path)
        texts: JsonValue = [one for one in kept if one] if isinstance(kept, list) else []
        return {"values": texts}

    def _remove(self, value: object, path: Path, why: str) -> _Gone:
        if len(self.removals) < MAX_REMOVALS:
            self.removals.append(Removal(path_text(path) or "the document", _kind(value), why))
        else:
            self.more += 1
        return _GONE


_KINDS = frozenset({"boolValue", "doubleValue", "intValue", "stringValue"})


def _kind(value: object) -> str:
    """Say what kind of thing a value is, and nothing of what it says."""
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if value else "an empty text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, dict):
        return f"an object of {len(value):,}"
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    return "nothing (null)"
