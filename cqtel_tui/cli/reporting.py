"""What a collector's store tells: collector report, collector check."""

from __future__ import annotations

import csv
import re
import sys
import time
from typing import TYPE_CHECKING

from ..errors import WrongUsageError
from ..sanitize import printable
from .collecting import store_of
from .output import say, show, show_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from ..collector.report import Report, ReportRow

_PERIOD = re.compile(r"([1-9][0-9]{0,4})d?")
_FEWEST = 2


def report(arguments: argparse.Namespace) -> int:
    """Print statistics over all installations."""
    from ..collector import report as reports
    from ..collector.clickhouse_asking import is_place

    if arguments.json and arguments.csv:
        raise WrongUsageError("Choose one: --json or --csv")
    if arguments.k < _FEWEST:
        raise WrongUsageError(f"-k takes {_FEWEST} or more: no row may cover a single installation")
    days = days_of(arguments.since)
    if arguments.clickhouse and not is_place(arguments.clickhouse):
        raise WrongUsageError("--clickhouse takes a URL, such as clickhouse://127.0.0.1:8123/cqtel")
    source = (
        reports.source_of(arguments.clickhouse) if arguments.clickhouse else store_of(arguments)
    )
    figures = reports.read(source, now=time.time(), days=days, k=arguments.k)
    if arguments.json:
        show_json(reports.as_json(figures))
    elif arguments.csv:
        csv.writer(sys.stdout).writerows(_csv(figures))
    else:
        for line in _lines(figures):
            show(line)
    if figures.total is None:
        say(
            f"fewer than {figures.k} installations reported since {figures.since}: no figures shown"
        )
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a store; fail if anything is."""
    from ..collector.checking import check as checked

    store = store_of(arguments)
    problems = checked(store)
    for problem in problems:
        show(problem)
    if not problems:
        say(f"{store} is whole")
    return 1 if problems else 0


def days_of(text: str) -> int:
    """Read a period such as 30d.

    Raises:
        WrongUsageError: it is none.
    """
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise WrongUsageError(f"--since takes a number of days, such as 30d, and not {text}")
    return int(match[1])


def _csv(report: Report) -> Iterator[Sequence[object]]:
    """Yield one table of all: the two columns that each row is of are named by the first one."""
    yield ("table", "of", "detail", "other", "count", "success_rate", "installations",
           "p50", "p95", "p99")  # fmt: skip
    if report.total is not None:
        yield "total", "", "", "no", *_numbers(report.total)
    for name, rows in report.tables.items():
        for row in rows:
            first, *rest = (text or "" for text in row.of)
            of = (printable(first), printable("=".join(filter(None, rest))))
            yield name, *of, "yes" if None in row.of else "no", *_numbers(row)


def _numbers(row: ReportRow) -> tuple[object, ...]:
    rate = round(row.success_rate, 4)
    return row.count, rate, row.installations, row.p50, row.p95, row.p99


def _lines(report: Report) -> Iterator[str]:
    from ..collector.report import COLUMNS, TIMED, TITLES

    covered = f"rows cover at least {report.k} installations (k-anonymity)"
    yield f"{report.since} to {report.until}; {covered}"
    if report.total is None:
        return
    total = report.total
    yield (
        f"{total.count:,} operations, {total.success_rate:.1%} succeeded, "
        f"{total.installations:,}+ installations"
    )
    for name, rows in report.tables.items():
        if not rows:
            continue
        yield ""
        yield TITLES[name]
        timed = ("p50", "p95", "p99") if name in TIMED else ()
        header = [*COLUMNS[name], "count", "share", "success", "inst.", *timed]
        everything = sum(row.count for row in rows)
        table = [header, *(_cells(row, everything, is_timed=bool(timed)) for row in rows)]
        yield from _aligned(table, len(COLUMNS[name]))


def _cells(row: ReportRow, everything: int, *, is_timed: bool) -> list[str]:
    from ..collector.durations import in_words
    from ..collector.report import named

    timed = [in_words(each) for each in (row.p50, row.p95, row.p99)] if is_timed else []
    return [
        *(named(text) for text in row.of),
        f"{row.count:,}",
        f"{row.count / everything:.1%}",
        f"{row.success_rate:.1%}",
        f"{row.installations:,}+",
        *timed,
    ]


def _aligned(table: Sequence[Sequence[str]], words: int) -> Iterator[str]:
    """Align words left and numbers right."""
    printed = [[printable(cell, limit=60) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*printed, strict=True)]
    for row in printed:
        cells = [
            cell.ljust(width) if at < words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()
