"""Measure how much a payload would tell about somebody, and what would lower that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .explain import FieldRow

RISKS = ("none", "low", "medium", "high")
"""How identifying a field is, from least to most."""
POINTS = {"none": 0, "low": 1, "medium": 4, "high": 16}
FULL = 40
"""Points that fill the meter."""
UNKNOWN = "what is not in the catalogue"

_TIMES = "the time"
_NAMES = {
    "cloudquery.plugins": "the plugin set",
    "service.instance.id": "the installation ID",
    "exception.message": "the error text",
    "properties.error": "the error text",
    "startTimeUnixNano": _TIMES,
    "endTimeUnixNano": _TIMES,
    "timeUnixNano": _TIMES,
    "originalTimestamp": _TIMES,
    "sentAt": _TIMES,
    "timestamp": _TIMES,
}


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a payload tells, which may stand in it several times.

    Attributes:
        name: in words, or the field's key.
        risk: one of `RISKS`.
        rows: where it stands.
    """

    name: str
    risk: str
    rows: tuple[FieldRow, ...]

    @property
    def points(self) -> int:
        """What it adds to the meter."""
        return POINTS[self.risk]


@dataclass(frozen=True, slots=True)
class Exposure:
    """How much would be revealed.

    Attributes:
        traits: what is revealed, the most identifying first.
    """

    traits: tuple[Trait, ...]

    @property
    def points(self) -> int:
        """The sum over all traits."""
        return sum(trait.points for trait in self.traits)

    @property
    def risk(self) -> str:
        """The greatest risk of all."""
        return self.traits[0].risk if self.traits else RISKS[0]

    def without(self, names: Iterable[str]) -> Exposure:
        """Return what would remain if some of it were taken out."""
        gone = set(names)
        return Exposure(tuple(trait for trait in self.traits if trait.name not in gone))

    @property
    def identifying(self) -> tuple[Trait, ...]:
        """What could tell one person from others: of a medium or high risk."""
        return tuple(
            trait for trait in self.traits if RISKS.index(trait.risk) >= RISKS.index("medium")
        )

    @property
    def riskiest(self) -> Trait | None:
        """What to take out first; of equals, a time last, since most receivers need one."""
        ranked = sorted(self.traits, key=lambda trait: (-trait.points, trait.name == _TIMES))
        return ranked[0] if ranked and ranked[0].points else None


def exposure(rows: Sequence[FieldRow]) -> Exposure:
    """Return how much the rows of one payload, or of several, would tell."""
    by_name: dict[str, list[FieldRow]] = {}
    for row in rows:
        by_name.setdefault(name_of(row), []).append(row)
    traits = [
        Trait(name, max(map(risk_of, named), key=RISKS.index), tuple(named))
        for name, named in by_name.items()
    ]
    traits.sort(key=lambda trait: -trait.points)
    return Exposure(tuple(traits))


def risk_of(row: FieldRow) -> str:
    """Return how identifying a value is; what the catalogue does not know is not trusted."""
    return "high" if row.field is None else row.field.risk


def name_of(row: FieldRow) -> str:
    """Return the name of the trait that a row belongs to."""
    return UNKNOWN if row.field is None else _NAMES.get(row.key, row.key)
