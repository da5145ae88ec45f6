"""The facts of a payload: each of its values, with where it stands and what is wrong with it.

They become rows up to a bound, so that a hostile payload costs no more than others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..formats.documents import OWN_QUERY
from ..formats.queries import QUERY
from .events import PROPERTIES

if TYPE_CHECKING:
    from ..formats.json_paths import Path
    from ..formats.strict_json import JsonValue

UNKNOWN = "not in the catalogue"
UNFIT = "not a value that it may have"
EMPTY = "nothing is in it"


class FactPlace(NamedTuple):
    """A value, where it stands, and what it belongs to."""

    value: JsonValue
    path: Path
    group: str

    @property
    def step(self) -> str | int:
        """The last step to it: a key, or an index; of the whole document, 0."""
        return self.path[1] if self.path is not None else 0

    def at(self, step: str | int, value: JsonValue) -> FactPlace:
        """Return the place of a value in this one."""
        return FactPlace(value, (self.path, step), self.group)


class Fact(NamedTuple):
    """What will be a row.

    `key` is empty where the path says more; `words` is empty where the value speaks for itself.
    An attribute tells of its key, too, which is a value of the document.
    """

    place: FactPlace
    key: str
    value: JsonValue
    problem: str
    words: str = ""
    is_attribute: bool = False


_OWN_BEGINS = {"rudderstack": PROPERTIES, "posthog": PROPERTIES, "snowplow": "data", "own": ""}
"""The names behind which a program's own fields stand, by protocol."""


def own_key(fact: Fact, kind: str) -> str:
    """Return the program's own key, under which a profile may let it through; empty for all else.

    Args:
        fact: of one value.
        kind: the payload's.
    """
    if fact.is_attribute:
        return fact.key
    begins = _OWN_BEGINS.get(kind.partition("-")[0])
    steps: list[str] = []
    path = fact.place.path
    while path is not None:
        path, step = path
        if step == (QUERY if kind == OWN_QUERY else begins):
            break
        steps.append("*" if isinstance(step, int) else step)
    else:
        if begins or begins is None:
            return ""
    return "/".join(reversed(steps))


Reader: TypeAlias = Callable[[FactPlace], Iterator[Fact]]


def compact(value: JsonValue) -> str:
    """Return a value as compact JSON, to be read."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unexpected(place: FactPlace) -> Iterator[Fact]:
    """Give every value in something that should not be there; an empty container is one, too."""
    waiting = [iter([place])]
    while waiting:
        inner = next(waiting[-1], None)
        if inner is None:
            waiting.pop()
        elif isinstance(inner.value, dict | list) and inner.value:
            waiting.append(inside_of(inner))
        else:
            yield Fact(inner, "", inner.value, UNKNOWN)


def inside_of(place: FactPlace) -> Iterator[FactPlace]:
    """Give the places of what an object or an array holds."""
    inside = place.value
    if isinstance(inside, dict):
        return (place.at(name, value) for name, value in inside.items())
    return (
        place.at(i, value) for i, value in enumerate(inside if isinstance(inside, list) else [])
    )


def array_of(item: Reader) -> Reader:
    """Make a reader of an array of such items."""

    def read(place: FactPlace) -> Iterator[Fact]:
        inside = place.value
        if not isinstance(inside, list):
            yield from unexpected(place)
            return
        if not inside:
            yield Fact(place, "", inside, EMPTY)
        for index, value in enumerate(inside):
            yield from item(place.at(index, value))

    return read
