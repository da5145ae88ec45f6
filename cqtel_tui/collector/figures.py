"""Read from a store how many operations, spans and installations of each kind a period has.

Nothing here is fit to be shown: rows may be of one installation. `report` makes it so.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .kinds import CI, COUNTRY, DAY_SECONDS, FIELD_VALUE, PROGRAM, PROVIDER, TOTAL

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

DAY = "day"


@dataclass(frozen=True, slots=True)
class Group:
    """All operations, or spans, that have something in common.

    Attributes:
        of: what it is; less than a table's columns for the other ones of it.
        count: how many.
        failed: how many of these failed.
        installations: how many had any, at least.
        who: these installations, where they are too few to be shown.
        buckets: how many durations each bucket has.
    """

    of: tuple[str, ...]
    count: int
    failed: int
    installations: int
    who: frozenset[int] = frozenset()
    buckets: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a store has in a period, before anything is merged.

    Attributes:
        total: all operations.
        groups: those of each kind.
    """

    total: Group
    groups: Mapping[str, Sequence[Group]]


def date(day: int) -> str:
    """Return a day since 1970 as ISO 8601."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


def read_figures(connection: sqlite3.Connection, since: int, k: int) -> Figures:
    """Read all groups of the days from `since` on; of those below `k`, who they are."""
    traits: dict[int, tuple[str, str]] = {
        number: (kind, text)
        for number, kind, text in connection.execute("SELECT id, kind, text FROM traits")
    }
    installations: dict[int, int] = dict(
        connection.execute(
            "SELECT trait, sum(installations) FROM recency WHERE last_day >= ? GROUP BY trait",
            (since,),
        ).fetchall()
    )
    small = [trait for trait, count in installations.items() if count < k]
    who: defaultdict[int, set[int]] = defaultdict(set)
    if small:
        for trait, installation in connection.execute(
            "SELECT trait, installation FROM seen WHERE last_day >= ?"
            " AND trait IN (SELECT value FROM json_each(?))",
            (since, json.dumps(small)),
        ):
            who[trait].add(installation)
    buckets: defaultdict[int, dict[int, int]] = defaultdict(dict)
    counts: Counter[int] = Counter()
    failures: Counter[int] = Counter()
    for trait, bucket, count, failed in connection.execute(
        "SELECT trait, bucket, sum(spans), sum(failed) FROM counts WHERE day >= ?"
        " GROUP BY trait, bucket",
        (since,),
    ):
        counts[trait] += count
        failures[trait] += failed
        if bucket >= 0:
            buckets[trait][bucket] = count
    groups: defaultdict[str, list[Group]] = defaultdict(list)
    for trait, count in counts.items():
        kind, text = traits[trait]
        groups[kind].append(
            Group(
                of=_of(kind, text),
                count=count,
                failed=failures[trait],
                installations=installations[trait],
                who=frozenset(who[trait]),
                buckets=buckets[trait],
            )
        )
    groups[DAY] = _days(connection, since, k)
    (total,) = groups.pop(TOTAL, None) or [Group((), 0, 0, 0)]
    return Figures(total, groups)


def _of(kind: str, text: str) -> tuple[str, ...]:
    if kind in {CI, COUNTRY, PROGRAM, PROVIDER, TOTAL}:
        return (text,)
    if kind == FIELD_VALUE:
        program, key, value = text.split(" ", 2)
        plain = json.loads(value)
        return program, key, plain if isinstance(plain, str) else value
    return tuple(text.split(" ", 1))


def _days(connection: sqlite3.Connection, since: int, k: int) -> list[Group]:
    rows = connection.execute(
        "SELECT day, counts.spans, counts.failed, installations"
        " FROM counts JOIN traits ON traits.id = trait JOIN ("
        "  SELECT day, count(*) AS installations FROM days"
        "  WHERE day >= ? AND operations > 0 GROUP BY day) USING (day)"
        " WHERE kind = ? ORDER BY day",
        (since, TOTAL),
    ).fetchall()
    who: defaultdict[int, set[int]] = defaultdict(set)
    for day in [day for day, _, _, installations in rows if installations < k]:
        for (installation,) in connection.execute(
            "SELECT installation FROM days WHERE day = ? AND operations > 0", (day,)
        ):
            who[day].add(installation)
    return [
        Group((date(day),), count, failed, installations, frozenset(who[day]))
        for day, count, failed, installations in rows
    ]
