"""Read the members of a JSON document that may hold anything, each problem noted with its path.

Documents come from `strict_json`, so their depth is bounded. Beyond that they may hold anything:
what has the wrong type never raises. It is noted as a problem, and its value is kept as it stands
wherever there is room for it, so that it can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from .values import enum, identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spans import Attributes, SpanKind
    from .strict_json import JsonValue

MAX_ITEMS = 10_000
MAX_PROBLEMS = 50
"""The most problems that are noted of one span, or of one trace outside its spans."""


_Name = TypeVar("_Name", bound=str)

SPAN_KINDS: tuple[SpanKind, ...] = (
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A value, its path, and the list that problems with it are added to."""

    value: JsonValue
    path: str
    problems: list[str]

    def tell(self, clause: str) -> None:
        """Add a problem, up to a bound."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{self.path or 'the document'} {clause}")
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append("there are more problems, which are not listed")

    def refuse(self, wanted: str) -> None:
        """Add that the value has another type than this one."""
        self.tell(f"is {_type_of(self.value)}, not {wanted}")

    def member(self, *names: str) -> Place:
        """Give the first of these members that is there; without any, a place that holds None."""
        members = self.value if isinstance(self.value, dict) else {}
        name = next((name for name in names if name in members), names[0])
        path = f"{self.path}.{name}" if self.path else name
        return Place(members.get(name), path, self.problems)

    def part(self, *names: str) -> Place:
        """Give a member that is an object, or null or absent as if it were an empty one."""
        member = self.member(*names)
        if member.value is not None:
            member.is_object()
        return member

    def items(self, bound: int = MAX_ITEMS) -> list[Place]:
        """Give the items of an array; null has none, in protobuf's JSON and in Go's alike."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.refuse("an array")
            return []
        if len(self.value) > bound:
            self.tell(f"has {len(self.value):,} items, of which {bound:,} are read")
        return [
            Place(item, f"{self.path}[{index}]", self.problems)
            for index, item in enumerate(self.value[:bound])
        ]

    def is_object(self) -> bool:
        """Tell whether the value is an object; that it is none is a problem."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        return isinstance(self.value, dict)

    def telling(self, problems: list[str]) -> Place:
        """Return the same place, with another list for its problems."""
        return replace(self, problems=problems)


def _type_of(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else "a number"


def text_of(place: Place) -> str:
    """Read a text; nothing stands for an empty one."""
    if isinstance(place.value, str):
        return place.value
    if place.value is not None:
        place.refuse("a string")
    return ""


def identifier_of(place: Place, digits: int) -> str:
    """Read an id; one of zeros only is what Go writes, and OTLP forbids, for none at all."""
    text = text_of(place)
    if not text.strip("0"):
        return ""
    identity = identifier(text, digits)
    if identity is None:
        place.tell(f"is not an id of {digits} hex digits")
        return text
    return identity


def own_identifier_of(place: Place, digits: int) -> str:
    """Read the id of a span itself, which must be set."""
    identifier = identifier_of(place, digits)
    if not identifier:
        place.tell("is not set")
    return identifier


def choice_of(place: Place, names: tuple[_Name, ...], prefix: str = "") -> _Name:
    """Read an enum: the index of a name, or the name itself; nothing stands for the first."""
    if place.value is None:
        return names[0]
    index = enum(place.value, names, prefix)
    if index is None:
        place.tell(f"is none of {', '.join(names)}")
    return names[index or 0]


def attributes_of(
    place: Place, key: str, value: str, read_value: Callable[[Place], JsonValue]
) -> Attributes:
    """Read a list of keys and values, each value by `read_value`."""
    attributes = []
    keys = set()
    for item in place.items():
        if not item.is_object():
            attributes.append(("", item.value))
            continue
        name = text_of(item.member(key))
        if name in keys:
            item.tell("has a duplicate key")
        keys.add(name)
        attributes.append((name, read_value(item.member(value))))
    return tuple(attributes)


def check_times(place: Place, start: int, end: int) -> None:
    """Note where a span ends before it starts."""
    if start and end and end < start:
        place.tell("ends before it starts")
