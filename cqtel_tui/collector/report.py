"""Report on everybody without telling of anybody: rows of at least k installations each.

An installation is a cookie; a payload without one counts as an installation of its address's hash,
for who deletes the cookie before each run would else be as many as the runs (and who removes both
is as many as there were days, with a key per day).

No row is about fewer than k installations, nor is what is left when rows are taken from others:

- What each operation has exactly one of (a day, a name, a version, a country, CI) splits all
  operations. What is too small becomes "other"; if that is too small, the smallest row joins it. So
  each row, each sum of rows, and all without them, has k installations or nobody.
- An operation may have several providers. If fewer than k installations could be all those without
  one, it is left out, with its versions: all operations without its own would be theirs.
- Not all operations of a program may have a field of its own. If fewer than k installations could
  be all those without it, it is left out.
- Installations are shown as a multiple of k, rounded down: their differences reveal nobody.

What this cannot do: two reports over different periods can be compared, so publish one, not each
day's; and whoever sends as many made-up installations makes up a row that has one real one in it.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clickhouse_asking import ClickHouse, DatabasePlace, is_place, read_place
from .durations import percentile
from .figures import DAY, Group, date, read_figures
from .health import refuse_damaged
from .kinds import (
    CI,
    COUNTRY,
    FIELD,
    FIELD_VALUE,
    OPERATION,
    PROGRAM,
    PROVIDER,
    PROVIDER_VERSION,
    SPAN,
    VERSION,
    day_of,
)
from .schema import connected_to_read
from .settling import settle_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .figures import Figures

K = 5
"""How many installations a row has at least."""

DAYS = 30
COLUMNS = {
    "days": ("day",),
    "operations": ("program", "operation"),
    "spans": ("program", "span"),
    "versions": ("program", "version"),
    "providers": ("provider", "version"),
    "ci": ("ci",),
    "countries": ("country",),
    "fields": ("program", "field", "value"),
}
"""The tables of a report, and what each row of them is of."""

TITLES = {
    "days": "Operations per day",
    "operations": "Operations",
    "spans": "Spans",
    "versions": "Versions",
    "providers": "Providers",
    "ci": "In CI",
    "countries": "Countries",
    "fields": "Fields of programs' own",
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
    "fields": FIELD_VALUE,
}
_CHECK_SECONDS = 0.25
_PERCENTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line of a table.

    Attributes:
        of: a text for each of the table's columns; empty: unknown, None: the other ones.
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
    total: ReportRow | None
    tables: Mapping[str, Sequence[ReportRow]]


def source_of(text: str) -> Path | DatabasePlace:
    """Return what a report is read from: a store, or ClickHouse if that is what is named.

    Raises:
        WrongUsageError: it is named in a way that it cannot be.
    """
    return read_place(text) if is_place(text) else Path(text)


def read(source: Path | DatabasePlace, *, now: float, days: int = DAYS, k: int = K) -> Report:
    """Read the report of the last `days` days.

    Args:
        source: the store, or where ClickHouse is.
        now: seconds since 1970.
        days: the period, today included.
        k: the least installations of a row.

    Raises:
        StoreError: the store cannot be read, or is damaged.
    """
    today = day_of(now)
    since = today - days + 1
    if isinstance(source, DatabasePlace):
        from . import clickhouse_figures

        with contextlib.closing(ClickHouse(source)) as clickhouse:
            figures = clickhouse_figures.read_figures(clickhouse, date(since), date(today), k)
    else:
        refuse_damaged(source, _CHECK_SECONDS)
        settle_all(source)
        with connected_to_read(source) as connection:
            figures = read_figures(connection, since, k)
    return report(figures, k, since=date(since), until=date(today))


def report(figures: Figures, k: int, *, since: str, until: str) -> Report:
    """Make a report of figures, each of its rows about at least `k` installations."""
    if figures.total.installations < k:
        return Report(since, until, k, None, dict.fromkeys(COLUMNS, ()))
    tables: dict[str, Sequence[ReportRow]] = {}
    for name, columns in COLUMNS.items():
        groups = figures.groups.get(_KINDS[name], ())
        if name == "providers":
            groups = _shown_providers(figures, k)
        merged = _merged_fields(figures, k) if name == "fields" else merge(groups, k)
        if name == "providers":
            merged = _without_telling_other(merged, groups, figures.total.installations, k)
        rows = [_row(group, len(columns), k) for group in merged]
        tables[name] = sorted(rows, key=_by_name if name == "days" else _by_count)
    return Report(since, until, k, _row(figures.total, 0, k), tables)


def merge(groups: Iterable[Group], k: int) -> list[Group]:
    """Merge what has fewer than `k` installations: versions of one program first, then all.

    What cannot be merged into enough is left out.
    """
    families: defaultdict[tuple[str, ...], list[Group]] = defaultdict(list)
    for group in groups:
        families[group.of[:-1]].append(group)
    within: list[Group] = []
    left: list[Group] = []
    for of, family in families.items():
        if of:
            enough, rest = _split(family, of, k)
            within += enough
            left += rest
        else:
            left += family
    enough, _ = _split([*left, *within], (), k)
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


def _shown_providers(figures: Figures, k: int) -> list[Group]:
    """Return the versions of those providers that nobody has, or that k installations lack."""
    providers = {
        group.of[0]
        for group in figures.groups.get(PROVIDER, ())
        if group.count == figures.total.count
        or figures.total.installations - group.installations >= k
    }
    return [group for group in figures.groups.get(PROVIDER_VERSION, ()) if group.of[0] in providers]


def _merged_fields(figures: Figures, k: int) -> list[Group]:
    """Return the values of each field that all of a program have, or that k installations lack.

    Values that fewer have are told together; if these are of too few, no value of that field is.
    """
    programs = {group.of[0]: group for group in figures.groups.get(PROGRAM, ())}
    families: defaultdict[tuple[str, ...], list[Group]] = defaultdict(list)
    for group in figures.groups.get(FIELD_VALUE, ()):
        families[group.of[:-1]].append(group)
    merged: list[Group] = []
    for field in figures.groups.get(FIELD, ()):
        program = programs.get(field.of[0])
        if program is not None and (
            field.count == program.count or program.installations - field.installations >= k
        ):
            enough, left = _split(families[field.of], field.of, k)
            merged += [] if left else enough
    return merged


def _without_telling_other(
    merged: Sequence[Group], groups: Iterable[Group], installations: int, k: int
) -> list[Group]:
    """Leave the other providers out if fewer than k installations could be those without any."""
    shown = {group.of[0] for group in merged if group.of}
    others = sum(group.installations for group in groups if group.of[0] not in shown)
    return [group for group in merged if group.of or installations - others >= k]


def _row(group: Group, columns: int, k: int) -> ReportRow:
    of: tuple[str | None, ...] = group.of
    seconds: Iterable[float] = ()
    if group.buckets:
        seconds = (percentile(group.buckets, share) / 1e9 for share in _PERCENTILES)
    return ReportRow(
        (*of, *[None] * (columns - len(of)))[:columns],
        group.count,
        1 - group.failed / group.count,
        group.installations // k * k,
        *seconds,
    )


def _by_name(row: ReportRow) -> tuple[Any, ...]:
    return row.of.count(None), tuple(map(str, row.of))


def _by_count(row: ReportRow) -> tuple[Any, ...]:
    return row.of.count(None), -row.count, tuple(map(str, row.of))


def named(text: str | None) -> str:
    """Return the name of a row; parentheses tell a placeholder from any real name."""
    return "(other)" if text is None else text or "(not given)"


def as_json(report: Report) -> dict[str, Any]:
    """Return a report under stable keys.

    A row's own keys are those of `COLUMNS`: null for the other ones, an empty text for what is
    unknown.
    """
    total = None if report.total is None else _row_as_json(report.total, ())
    return {
        "since": report.since,
        "until": report.until,
        "k": report.k,
        "total": total,
        **{
            name: [_row_as_json(row, columns) for row in report.tables[name]]
            for name, columns in COLUMNS.items()
        },
    }


def _row_as_json(row: ReportRow, columns: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        **dict(zip(columns, row.of, strict=True)),
        "count": row.count,
        "success_rate": round(row.success_rate, 4),
        "installations": row.installations,
    }
    if row.p50 is not None:
        document |= {"p50": row.p50, "p95": row.p95, "p99": row.p99}
    return document
