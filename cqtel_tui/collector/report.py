"""What a store tells of everybody, and of nobody: rows of at least k installations each.

An installation is a cookie; a payload without one counts as an installation of its address's hash,
for who deletes the cookie before each run would else be as many as the runs (and who removes both
is as many as there were days, with a key per day).

No row is about fewer than k installations, nor is what is left when rows are taken from others:

- What each operation has exactly one of (a day, a name, a version, a country, CI) splits all
  operations. What is too small becomes "other"; if that is too small, the smallest row joins it. So
  each row, each sum of rows, and all without them, has k installations or nobody.
- An operation may have several providers. If fewer than k installations could be all those without
  one, it is left out, with its versions: all operations without its own would be theirs.
- Installations are told as a multiple of k, rounded down: their differences tell of nobody.

What this cannot do: two reports over different periods can be compared, so publish one, not each
day's; and whoever sends as many made-up installations makes up a row that has one real one in it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .durations import percentile
from .health import refuse_damaged
from .kinds import (
    CI,
    COUNTRY,
    DAY_SECONDS,
    OPERATION,
    PROVIDER,
    PROVIDER_VERSION,
    SPAN,
    TOTAL,
    VERSION,
    day_of,
)
from .schema import connected_to_read
from .settling import settle_all

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

K = 5
"""How many installations a row has at least."""

DAYS = 30
DAY = "day"
COLUMNS = {
    "days": ("day",),
    "operations": ("program", "operation"),
    "spans": ("program", "span"),
    "versions": ("program", "version"),
    "providers": ("provider", "version"),
    "ci": ("ci",),
    "countries": ("country",),
}
"""The tables of a report, and what each row of them is of."""

TITLES = {
    "days": "Operations per day",
    "operations": "Operations",
    "spans": "Parts of operations",
    "versions": "Versions",
    "providers": "Providers",
    "ci": "In CI",
    "countries": "Countries",
}
TIMED = ("operations", "spans")
"""The tables whose rows have durations."""

_KINDS = {
    "days": DAY,
    "operations": OPERATION,
    "spans": SPAN,
    "versions": VERSION,
    "providers": PROVIDER_VERSION,
    "ci": CI,
    "countries": COUNTRY,
}
_CHECK_SECONDS = 0.25
_PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Group:
    """All operations, or spans, that have something in common.

    Attributes:
        of: what it is; less than a table's columns for the other ones of it.
        count: how many.
        failed: how many of these failed.
        installations: how many had any, at least.
        who: these installations, where they are too few to be told of.
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


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        of: a text for each of the table's columns; empty: not said, None: the other ones.
        count: how many operations, or spans.
        success_rate: the share that did not fail, 0 to 1.
        installations: how many had any, rounded down to a multiple of k.
        p50: the median of the durations, in seconds; None in a table without durations.
        p95: likewise.
        p99: likewise.
    """

    of: tuple[str | None, ...]
    count: int
    success_rate: float
    installations: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of each table.

    Attributes:
        since: the first day, as ISO 8601.
        until: the last day.
        k: how many installations each row has at least.
        total: all operations; None if they are of fewer than k installations.
        tables: by the names of `COLUMNS`, each largest first, days in their order; the other ones
            are last.
    """

    since: str
    until: str
    k: int
    total: Row | None
    tables: Mapping[str, Sequence[Row]]


def read(path: Path, *, now: float, days: int = DAYS, k: int = K) -> Report:
    """Read the report of the last `days` days from a store.

    Args:
        path: the store.
        now: seconds since 1970.
        days: the period, today included.
        k: the least installations of a row.

    Raises:
        StoreError: the store cannot be read, or is damaged.
    """
    refuse_damaged(path, _CHECK_SECONDS)
    settle_all(path)
    today = day_of(now)
    since = today - days + 1
    with connected_to_read(path) as connection:
        found = figures(connection, since, k)
    return report(found, k, since=date(since), until=date(today))


def date(day: int) -> str:
    """Return a day since 1970 as ISO 8601."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


# What is read -------------------------------------------------------------------------------------


def figures(connection: sqlite3.Connection, since: int, k: int) -> Figures:
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
                of=(text,) if kind in {CI, COUNTRY, PROVIDER, TOTAL} else tuple(text.split(" ", 1)),
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


# What is told -------------------------------------------------------------------------------------


def report(found: Figures, k: int, *, since: str, until: str) -> Report:
    """Tell of figures what is true of at least `k` installations each."""
    if found.total.installations < k:
        return Report(since, until, k, None, dict.fromkeys(COLUMNS, ()))
    tables: dict[str, Sequence[Row]] = {}
    for name, columns in COLUMNS.items():
        groups = found.groups.get(_KINDS[name], ())
        if name == "providers":
            groups = _told_providers(found, k)
        merged = merge(groups, k)
        if name == "providers":
            merged = _without_telling_other(merged, groups, found.total.installations, k)
        rows = [_row(group, len(columns), k) for group in merged]
        tables[name] = sorted(rows, key=_by_name if name == "days" else _by_count)
    return Report(since, until, k, _row(found.total, 0, k), tables)


def merge(groups: Iterable[Group], k: int) -> list[Group]:
    """Merge what has fewer than `k` installations: versions of one program first, then all.

    What cannot be merged into enough is left out.
    """
    families: defaultdict[tuple[str, ...], list[Group]] = defaultdict(list)
    for group in groups:
        families[group.of[:-1]].append(group)
    told: list[Group] = []
    left: list[Group] = []
    for of, family in families.items():
        if of:
            enough, rest = _split(family, of, k)
            told += enough
            left += rest
        else:
            left += family
    enough, _ = _split([*left, *told], (), k)
    return enough


def _split(groups: Sequence[Group], of: tuple[str, ...], k: int) -> tuple[list[Group], list[Group]]:
    """Return the groups of enough installations, the other ones as one group, and what is left."""
    enough = sorted(
        (group for group in groups if group.installations >= k),
        key=lambda group: (-group.installations, -group.count, group.of),
    )
    small = [group for group in groups if group.installations < k]
    if not small:
        return enough, []
    other = _together(small, of, k)
    if other.installations < k:
        if not enough:
            return [], [other]
        other = _together([other, enough.pop()], of, k)
    return [*enough, other], []


def _together(groups: Sequence[Group], of: tuple[str, ...], k: int) -> Group:
    who = frozenset[int]().union(*(group.who for group in groups))
    buckets: Counter[int] = Counter()
    for group in groups:
        buckets.update(group.buckets)
    return Group(
        of=of,
        count=sum(group.count for group in groups),
        failed=sum(group.failed for group in groups),
        installations=max(len(who), *(g.installations for g in groups if g.installations >= k), 0),
        who=who,
        buckets=buckets,
    )


def _told_providers(found: Figures, k: int) -> list[Group]:
    """Return the versions of those providers that nobody has, or that k installations lack."""
    told = {
        group.of[0]
        for group in found.groups.get(PROVIDER, ())
        if group.count == found.total.count or found.total.installations - group.installations >= k
    }
    return [group for group in found.groups.get(PROVIDER_VERSION, ()) if group.of[0] in told]


def _without_telling_other(
    merged: Sequence[Group], groups: Iterable[Group], installations: int, k: int
) -> list[Group]:
    """Leave the other providers out if fewer than k installations could be those without any."""
    told = {group.of[0] for group in merged if group.of}
    others = sum(group.installations for group in groups if group.of[0] not in told)
    return [group for group in merged if group.of or installations - others >= k]


def _row(group: Group, columns: int, k: int) -> Row:
    of: tuple[str | None, ...] = group.of
    seconds: Iterable[float] = ()
    if group.buckets:
        seconds = (percentile(group.buckets, share) / 1e9 for share in _PERCENTILES)
    return Row(
        (*of, *[None] * (columns - len(of)))[:columns],
        group.count,
        1 - group.failed / group.count,
        group.installations // k * k,
        *seconds,
    )


def _by_name(row: Row) -> tuple[Any, ...]:
    return row.of.count(None), tuple(map(str, row.of))


def _by_count(row: Row) -> tuple[Any, ...]:
    return row.of.count(None), -row.count, tuple(map(str, row.of))


def named(text: str | None) -> str:
    """Say what a row is of; the parentheses tell it from any name."""
    return "(other)" if text is None else text or "(not said)"


def as_json(found: Report) -> dict[str, Any]:
    """Return a report under stable keys.

    A row's own keys are those of `COLUMNS`: null for the other ones, an empty text for what was not
    said.
    """
    total = None if found.total is None else _told(found.total, ())
    return {
        "since": found.since,
        "until": found.until,
        "k": found.k,
        "total": total,
        **{
            name: [_told(row, columns) for row in found.tables[name]]
            for name, columns in COLUMNS.items()
        },
    }


def _told(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        **dict(zip(columns, row.of, strict=True)),
        "count": row.count,
        "success_rate": round(row.success_rate, 4),
        "installations": row.installations,
    }
    if row.p50 is not None:
        told |= {"p50": row.p50, "p95": row.p95, "p99": row.p99}
    return told
