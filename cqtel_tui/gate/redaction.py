"""Take out of an intercepted document all that is not on the list of what may leave.

The list says by name what may stay, and in which shape; what it does not name is gone, whatever it
is. Nothing is searched for: a secret that nobody thought of is not on the list either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..catalogue import MAX_STRING_BYTES
from ..formats import values
from ..formats.fields import (
    ATTRIBUTES,
    COUNT,
    ERROR_TEXT,
    EVENT,
    KEY,
    NAME,
    NANOSECONDS,
    SCHEMA,
    STATUS,
    VERSION,
)
from ..formats.json_paths import item_step, path_text
from .field_shapes import SHAPES, Schema, status_code
from .names import ARGUMENT, Names, is_value_of
from .pseudonyms import IDS, Pseudonyms, id_text

if TYPE_CHECKING:
    from ..formats.json_paths import Path
    from ..formats.strict_json import JsonValue

OTHER_EVENT = "other"

MAX_REMOVALS = 500
MAX_ITEMS = 10_000
_ERROR = 2
_NAMES = frozenset({"class name", NAME, SCHEMA, VERSION})
_INTEGERS = frozenset({COUNT, NANOSECONDS})
_ERROR_NAMES = frozenset({"error", "status_code_error", "2", "2.0"})

_NOT_LISTED = "not on the list of what may leave"
_REPLACED = "replaced by a random one, the same in all that this run sends"
ONLY_IN_DEBUG = "error texts leave in debug mode only"
_CUT = f"cut: an error's text has up to {MAX_STRING_BYTES} bytes"
_TOO_MANY = f"more than {MAX_ITEMS:,} items"
_TWICE = "duplicate key"
_NOT_ONE = "not one of the allowed texts"
_UNPUBLISHED = "not known as a published plugin: none of that name was downloaded"
_STANDS_IN = f'replaced by "{OTHER_EVENT}": '
_AS_NUMBER = "replaced by its OpenTelemetry number"
_NO_STATUS = "replaced by an error: it is not an OpenTelemetry status"


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that was intercepted and would not be sent as it was.

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
        names: which names may leave.
        published: the names of plugins that are known to be published.
        arguments: those of the command, whose values never leave.
        protocol: in which the program reports; empty where its requests tell.
    """

    fields: Mapping[str, Schema]
    pseudonyms: Pseudonyms
    debug: bool = False
    never: Mapping[str, str] = field(default_factory=dict)
    duration_unit: int = 1_000_000
    names: Names = field(default_factory=Names)
    published: frozenset[str] = frozenset()
    arguments: tuple[str, ...] = field(default=(), repr=False)
    protocol: str = ""


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
        if isinstance(schema, frozenset):
            fits = isinstance(value, str) and value.lower() in schema
            return value if fits else self._remove(value, path, _NOT_ONE)
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
            here = (path, item_step(inner, at))
            if at >= MAX_ITEMS:
                self._remove(inner, here, _TOO_MANY)
            elif not isinstance(kept := self.keep(inner, schema, here), _Gone):
                stays.append(kept)
        return stays

    def _keep_value(self, value: JsonValue, shape: str, path: Path) -> JsonValue | _Gone:
        if shape == ATTRIBUTES:
            return self._keep_attributes(value, path)
        if shape in IDS:
            return self._keep_id(value, path, shape)
        if shape == ERROR_TEXT:
            return self._keep_error(value, path)
        if shape == EVENT:
            return self._keep_event(value, path)
        if shape == STATUS:
            return self._keep_status(value, path)
        accepts, words = SHAPES[shape]
        why = self._problem(str(value), shape) if accepts(value) else f"not {words}"
        if why:
            return self._remove(value, path, why)
        return values.as_usual(value) if shape in _INTEGERS else value

    def _problem(self, text: str, shape: str) -> str:
        """Say why a value of the right shape may not leave all the same; empty if it may."""
        rules = self._rules
        if shape in _NAMES:
            return rules.names.problem(text, is_version=shape == "version")
        if shape == KEY:
            return ARGUMENT if is_value_of(text, rules.arguments) else ""
        if shape != "plugin":
            return ""
        if text not in rules.published:
            return _UNPUBLISHED
        return ARGUMENT if is_value_of(text, rules.arguments) else ""

    def _keep_id(self, value: JsonValue, path: Path, form: str) -> JsonValue | _Gone:
        text = id_text(value, form)
        if not text:  # "none" stays what it is, but for what only says so by another type
            return value if isinstance(value, str) else self._remove(value, path, "not an id")
        pseudonym = self._rules.pseudonyms(text, form)
        if pseudonym != value:
            self._remove(value, path, _REPLACED)
        return pseudonym

    def _keep_event(self, value: JsonValue, path: Path) -> JsonValue | _Gone:
        if value is None or value == "":
            return self._remove(value, path, "not an event's name")
        is_name = values.is_event(value)
        why = self._rules.names.problem(str(value)) if is_name else "not an event's name"
        if not why:
            return value
        self._remove(value, path, f"{_STANDS_IN}{why}")
        return OTHER_EVENT

    def _keep_status(self, value: JsonValue, path: Path) -> JsonValue | _Gone:
        code = status_code(value)
        if code is None:
            return self._remove(value, path, "not a status")
        if type(value) is not int or value != code:
            is_error = code == _ERROR and str(value).strip().lower() not in _ERROR_NAMES
            self._remove(value, path, _NO_STATUS if is_error else _AS_NUMBER)
        return code

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
            if at >= MAX_ITEMS:
                self._remove(attribute, (path, item_step(attribute, at)), _TOO_MANY)
                continue
            here = (path, item_step(attribute, at))
            kept = self._keep_attribute(attribute, here, seen)
            if not isinstance(kept, _Gone):
                stays.append(kept)
        return stays

    def _keep_attribute(self, value: JsonValue, here: Path, seen: set[str]) -> JsonValue | _Gone:
        """Keep one of OTLP's keys with its value, if it is of the one kind that its shape has."""
        key = value.get("key") if isinstance(value, dict) else None
        inner = value.get("value") if isinstance(value, dict) else None
        is_pair = isinstance(value, dict) and value.keys() == {"key", "value"}
        if not is_pair or not isinstance(key, str) or not isinstance(inner, dict):
            return self._remove(value, here, "not a key with a value")
        schema = self._rules.fields.get(key)
        if len(inner) != 1:
            return self._remove(value, here, "not a key with one value")
        if schema is None or isinstance(schema, Mapping):
            return self._remove(inner, here, self._rules.never.get(key, _NOT_LISTED))
        if key in seen:
            return self._remove(inner, here, _TWICE)
        seen.add(key)
        [(kind, plain)] = inner.items()
        if kind == "arrayValue":
            kept = self._keep_array(plain, schema, here)
        elif kind in _KINDS and isinstance(schema, str):
            plain = values.signed(plain) if kind == "intValue" else plain
            kept = self._keep_value(plain, schema, here)
            if kind == "intValue" and type(kept) is int:
                kept = str(kept)
        else:
            return self._remove(inner, here, "not a kind of value it may have")
        return _GONE if isinstance(kept, _Gone) else {"key": key, "value": {kind: kept}}

    def _keep_array(self, value: JsonValue, schema: Schema, path: Path) -> JsonValue | _Gone:
        items = value.get("values") if isinstance(value, dict) else None
        if not isinstance(items, list) or not isinstance(schema, tuple):
            return self._remove(value, path, "not a kind of value it may have")
        stays: list[JsonValue] = []
        for at, item in enumerate(items):
            here = (path, at)
            text = item.get("stringValue") if isinstance(item, dict) and len(item) == 1 else None
            if at >= MAX_ITEMS:
                self._remove(item, here, _TOO_MANY)
            elif not isinstance(text, str):
                self._remove(item, here, "not a text")
            elif not isinstance(kept := self.keep(text, schema[0], here), _Gone):
                stays.append({"stringValue": kept})
        return {"values": stays}

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
