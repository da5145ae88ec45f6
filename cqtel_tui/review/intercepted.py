"""Compare what was intercepted with what would be sent: each value's fate, and the reason for it.

Two documents in, rows out. The intercepted one is untrusted; what would be sent was made from it by
leaving values out, and so has the others in the same order.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..formats.json_paths import attribute_key, item_step, path_text
from ..formats.strict_json import count_values
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..formats.json_paths import Path
    from ..formats.strict_json import JsonValue

KEPT = "kept"
REMOVED = "removed"
REPLACED = "replaced"
ADDED = "added"
"""It is sent and was not intercepted: always a fault of ours, so it must be seen."""

DROPPED_BY_USER = "removed by you"

MAX_ROWS = 2_000
MAX_VALUE = 2_000
_MAX_NAME = 120
_MAX_WORDS = 300
_MAX_REASONS = 1_000
_STAYED = ("replaced by ", "cut: ")
"""How the gate's reasons begin where it put something in a value's place."""
_UNLISTED = "its reason is not recorded: there were too many"
_UNLISTED_OR_DROPPED = "its reason is not recorded: there were too many, or you removed it"
_UNEXPLAINED = "it is in what would be sent, and was not intercepted"
_CHANGED = "it was changed, and no reason is recorded"
_REWRITTEN = "the same number, as the protocol writes it"
_ANY_VALUE = frozenset({"stringValue", "boolValue", "intValue", "doubleValue"})


class Removed(Protocol):
    """Something that was taken out of what was intercepted, as the gate has it."""

    @property
    def path(self) -> str:
        """Where it stood in the document."""
        ...

    @property
    def what(self) -> str:
        """What kind of thing it was, without its value."""
        ...

    @property
    def why(self) -> str:
        """The reason."""
        ...


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """One value, on both sides. All texts are printable and bounded.

    Attributes:
        within: where the object or list that it stands in is; empty for the document itself.
        name: its name or index there.
        path: where it stands in what was intercepted.
        fate: `kept`, `removed`, `replaced` or `added`.
        intercepted: its value as it was intercepted; empty if it was added.
        sent: its value as it would be sent; empty if it was removed.
        why: the reason for its fate; empty if it is kept.
    """

    within: str
    name: str
    path: str
    fate: str
    intercepted: str
    sent: str
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was intercepted, beside what would be sent.

    Attributes:
        rows: every value, in the order of what was intercepted.
        kept: how many are the same on both sides.
        removed: how many are not sent.
        replaced: how many are sent as something else.
        added: how many are sent and were not intercepted.
        left_out: how many intercepted values have no row.
        problem: why the two cannot be compared; empty if they can.
    """

    rows: tuple[ComparedValue, ...]
    kept: int = 0
    removed: int = 0
    replaced: int = 0
    added: int = 0
    left_out: int = 0
    problem: str = ""


def compare(
    intercepted: JsonValue,
    sent: JsonValue,
    removals: Sequence[Removed] = (),
    *,
    more: int = 0,
    by_user: bool = True,
) -> Comparison:
    """Return the fate of every value.

    Args:
        intercepted: the document as it was intercepted.
        sent: the document that would be sent.
        removals: what was taken out or replaced, and why.
        more: how many more removals there were.
        by_user: whether the user may have dropped some of it since.
    """
    work = _Work(removals, more, by_user=by_user)
    pairs = work.pairs(_Place(intercepted, sent, None, None, ""))
    rows = tuple(map(work.row, islice(pairs, MAX_ROWS)))
    fates = Counter(row.fate for row in rows)
    left_out = 0
    if next(pairs, None) is not None:
        left_out = max(
            1, count_values(intercepted, _plain) - sum(row.fate != ADDED for row in rows)
        )
    return Comparison(rows, fates[KEPT], fates[REMOVED], fates[REPLACED], fates[ADDED], left_out)


class _Missing:
    """Stands for a value that is not there."""


_MISSING = _Missing()


class _Place(NamedTuple):
    """A value on both sides; `why` is the reason that was given for it, or for what it is in."""

    intercepted: JsonValue | _Missing
    sent: JsonValue | _Missing
    path: Path
    within: Path
    why: str


class _Work:
    """One pair of documents being compared."""

    def __init__(self, removals: Sequence[Removed], more: int, *, by_user: bool) -> None:
        self._more = more
        self._by_user = by_user
        self._reasons: dict[str, str] = {}
        for removal in islice(removals, _MAX_REASONS):
            self._reasons.setdefault(removal.path, removal.why)

    def reason(self, path: Path) -> str:
        return self._reasons.get(path_text(path), "") if self._reasons else ""

    def pairs(self, place: _Place) -> Iterator[_Place]:
        """Give each value that is no container, or an empty one, with its counterpart."""
        intercepted, sent = _plain(place.intercepted), _plain(place.sent)
        place = place._replace(
            intercepted=intercepted, sent=sent, why=self.reason(place.path) or place.why
        )
        if (
            isinstance(intercepted, dict)
            and isinstance(sent, dict | _Missing)
            and (intercepted or self._fills(place, sent))
        ):
            yield from self._members(place, intercepted, sent)
        elif isinstance(intercepted, list) and intercepted and isinstance(sent, list | _Missing):
            yield from self._items(place, intercepted, sent)
        elif isinstance(intercepted, _Missing) and isinstance(sent, dict | list) and sent:
            inside = sent.items() if isinstance(sent, dict) else enumerate(sent)
            for step, inner in inside:
                yield from self.pairs(
                    _Place(_MISSING, inner, (place.path, step), place.path, place.why)
                )
        else:
            yield place

    def _fills(self, place: _Place, sent: dict[str, JsonValue] | _Missing) -> bool:
        """Tell whether everything in an object that was empty stands in for something."""
        members = () if isinstance(sent, _Missing) else sent
        return bool(members) and all(self.reason((place.path, key)) for key in members)

    def _members(
        self,
        place: _Place,
        intercepted: dict[str, JsonValue],
        sent: dict[str, JsonValue] | _Missing,
    ) -> Iterator[_Place]:
        other = {} if isinstance(sent, _Missing) else sent
        for key, inner in intercepted.items():
            yield from self.pairs(
                _Place(inner, other.get(key, _MISSING), (place.path, key), place.path, place.why)
            )
        for key, inner in other.items():
            if key not in intercepted:
                yield from self.pairs(_Place(_MISSING, inner, (place.path, key), place.path, ""))

    def _items(
        self, place: _Place, intercepted: list[JsonValue], sent: list[JsonValue] | _Missing
    ) -> Iterator[_Place]:
        waiting = [] if isinstance(sent, _Missing) else list(sent)
        is_whole = len(waiting) == len(intercepted)
        at_sent = 0
        for at, inner in enumerate(intercepted):
            path = (place.path, item_step(inner, at))
            counterpart: JsonValue | _Missing = _MISSING
            if at_sent < len(waiting) and (
                is_whole or self._is_same_item(inner, waiting[at_sent], path)
            ):
                counterpart = waiting[at_sent]
                at_sent += 1
            yield from self.pairs(_Place(inner, counterpart, path, place.path, place.why))
        for at, inner in enumerate(waiting[at_sent:], len(intercepted)):
            yield from self.pairs(_Place(_MISSING, inner, (place.path, at), place.path, ""))

    def _is_same_item(self, intercepted: JsonValue, sent: JsonValue, path: Path) -> bool:
        why = self.reason(path)
        if why and not why.startswith(_STAYED):
            return False
        if not self._more and not self._by_user:
            return True  # for all that went, there is a reason
        if isinstance(intercepted, dict | list):
            return self._may_become(intercepted, sent, path)
        return type(intercepted) is type(sent) and intercepted == sent

    def _may_become(self, intercepted: JsonValue, sent: JsonValue, path: Path) -> bool:
        """Tell whether one value may have become the other by what was taken out of it."""
        if isinstance(intercepted, dict) and isinstance(sent, dict):
            key = attribute_key(intercepted)
            if key is not None and attribute_key(sent) is not None:
                return key == attribute_key(sent)
            return all(
                key not in intercepted or self._may_become(intercepted[key], inner, (path, key))
                for key, inner in sent.items()
            )
        if isinstance(intercepted, list) and isinstance(sent, list):
            return len(sent) <= len(intercepted)
        is_equal = type(intercepted) is type(sent) and intercepted == sent
        return is_equal or bool(self._more) or bool(self.reason(path))

    def row(self, place: _Place) -> ComparedValue:
        """Return a pair as it is shown."""
        fate, why = self._fate(place)
        step = place.path[1] if place.path is not None else "the document"
        return ComparedValue(
            path_text(place.within),
            printable(f"[{step}]" if isinstance(step, int) else step, limit=_MAX_NAME),
            path_text(place.path) or "the document",
            fate,
            _shown(place.intercepted),
            _shown(place.sent),
            printable(why, limit=_MAX_WORDS),
        )

    def _fate(self, place: _Place) -> tuple[str, str]:
        intercepted, sent = place.intercepted, place.sent
        if isinstance(intercepted, _Missing):
            return (REPLACED, place.why) if place.why else (ADDED, _UNEXPLAINED)
        if isinstance(sent, _Missing):
            if place.why and not (self._by_user and place.why.startswith(_STAYED)):
                return REMOVED, place.why
            if not self._by_user:
                return REMOVED, _UNLISTED
            unlisted = self._more and not place.why
            return REMOVED, _UNLISTED_OR_DROPPED if unlisted else DROPPED_BY_USER
        if type(intercepted) is type(sent) and intercepted == sent:
            return KEPT, ""
        if isinstance(intercepted, dict | list) or isinstance(sent, dict | list):
            return REPLACED, place.why or (DROPPED_BY_USER if self._by_user else _UNLISTED)
        is_same = str(intercepted) == str(sent)
        return REPLACED, place.why or (_REWRITTEN if is_same else _CHANGED)


def _plain(value: JsonValue | _Missing) -> JsonValue | _Missing:
    """Return what one of OTLP's attributes says, without what it is wrapped in."""
    if isinstance(value, dict) and attribute_key(value) is not None:
        inner = value["value"]
        if isinstance(inner, dict) and len(inner) == 1:
            [(kind, plain)] = inner.items()
            if kind in _ANY_VALUE:
                return plain
            if kind == "arrayValue" and isinstance(plain, dict) and plain.keys() <= {"values"}:
                values = plain.get("values", [])
                return [_item(one) for one in values] if isinstance(values, list) else inner
        return inner
    return value


def _item(value: JsonValue) -> JsonValue:
    if isinstance(value, dict) and len(value) == 1:
        [(kind, plain)] = value.items()
        if kind in _ANY_VALUE:
            return plain
    return value


def _shown(value: JsonValue | _Missing) -> str:
    if isinstance(value, _Missing):
        return ""
    if isinstance(value, str) and value:
        return printable(value, limit=MAX_VALUE)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return printable(text, limit=MAX_VALUE)
