"""Measure the collector's store: keeping, reporting, erasing and expiring 1,000,000 operations.

    python -m tests.benchmarks.reporting [--operations N] [--check] [--json FILE]

All operations go the way that those of a request go: `Store.keep`, one future for 100 of them (as
where many connections wait for one commit), each commit with its fsync. Nothing is loaded in bulk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cqtel_tui.collector import report
from cqtel_tui.collector.store import Store, StoreBusyError

from ..collector.arriving import DAY, NOW, cookie, some

if TYPE_CHECKING:
    from cqtel_tui.collector.sinks import KeepResult
    from cqtel_tui.collector.waiting import Awaited

DAYS = 30
BLOCK = 5_000
REQUEST = 100
OPERATIONS_OF_ONE = 20
"""How many operations an installation has in the period."""

LIMIT_SECONDS = 1.0


def fill(store: Store, operations: int) -> dict[str, float]:
    """Keep operations in the order of their days; return what it took."""
    blocks = max(1, operations // BLOCK)
    took = cpu = 0.0
    rates = []
    for block in range(blocks):
        moment = NOW - (DAYS - 1) * DAY + block * DAYS // blocks * DAY
        arrivals = some(
            BLOCK,
            installations=operations // OPERATIONS_OF_ONE,
            days=1,
            seed=block + 1,
            now=moment,
        )
        began, began_cpu = time.perf_counter(), time.process_time()
        futures: list[Awaited[KeepResult]] = []
        while len(futures) * REQUEST < BLOCK:
            at = len(futures) * REQUEST
            try:
                futures.append(store.keep(arrivals[at : at + REQUEST]))
            except StoreBusyError:
                futures[-1].result()
        kept = sum(future.result().new for future in futures)
        if kept != sum(len(arrival.spans) for arrival in arrivals):
            raise AssertionError(f"{kept} spans were kept")
        block_took = time.perf_counter() - began
        took += block_took
        cpu += time.process_time() - began_cpu
        rates.append(BLOCK / block_took)
    return {
        "operations": blocks * BLOCK,
        "keep_per_second": blocks * BLOCK / took,
        "keep_per_second_first": statistics.median(rates[: max(1, blocks // 10)]),
        "keep_per_second_last": statistics.median(rates[-max(1, blocks // 10) :]),
        "keep_cpu_us": cpu / (blocks * BLOCK) * 1e6,
    }


def plain_sql(path: Path) -> float:
    """Return how long the report's durations alone take when they are counted from the spans."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        began = time.perf_counter()
        connection.execute(
            "SELECT name, bucket, count(*), sum(failed) FROM spans GROUP BY 1, 2"
        ).fetchall()
        return time.perf_counter() - began


def measure(operations: int, *, checks: bool) -> dict[str, Any]:
    """Fill a store, and do with it what there is to do."""
    clock = [float(NOW)]
    with tempfile.TemporaryDirectory(prefix="cqtel-bench-") as folder:
        path = Path(folder, "store")
        with closing(Store(path, clock=lambda: clock[0])) as store:
            found: dict[str, Any] = {**fill(store, operations)}
            found["file_mb"] = path.stat().st_size / 1e6
            found["resident_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
            told = report.read(path, now=NOW, days=DAYS)
            reports = []
            for _ in range(7):
                began = time.perf_counter()
                told = report.read(path, now=NOW, days=DAYS)
                reports.append(time.perf_counter() - began)
            found["report_seconds"] = statistics.median(reports)
            found["report_seconds_longest"] = max(reports)
            assert told.total is not None
            found["reported"] = told.total.count
            found["plain_sql_seconds"] = plain_sql(path)
            erased = []
            spans = 0
            for who in range(1, 6):
                began = time.perf_counter()
                spans += store.erase(cookie(who)).result()
                erased.append(time.perf_counter() - began)
            found["erased_spans"] = spans
            found["erase_seconds_first"] = erased[0]
            found["erase_seconds"] = statistics.median(erased[1:])
            clock[0] = NOW + (store.retention_days - DAYS + 2) * DAY
            began = time.perf_counter()
            found["expired_spans"] = store.expire()
            found["expire_seconds"] = time.perf_counter() - began
            if checks:
                began = time.perf_counter()
                found["problems"] = store.check()
                found["check_seconds"] = time.perf_counter() - began
    found |= {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    return found


def table(found: dict[str, Any]) -> str:
    """Return what was measured beside its limits."""
    first, last = found["keep_per_second_first"], found["keep_per_second_last"]
    longest, spans = found["report_seconds_longest"], found["expired_spans"]
    verdict = "kept" if found["report_seconds"] < LIMIT_SECONDS else "NOT KEPT"
    rows = [
        ("operations kept", f"{found['operations']:,}"),
        ("kept a second, with fsync", f"{found['keep_per_second']:,.0f}"),
        ("  the first and the last tenth", f"{first:,.0f}, {last:,.0f}"),
        ("processor time of one", f"{found['keep_cpu_us']:.0f} µs"),
        ("the file", f"{found['file_mb']:,.0f} MB"),
        ("memory of the process", f"{found['resident_mb']:,.0f} MB"),
        ("operations reported", f"{found['reported']:,}"),
        (
            f"the report (limit {LIMIT_SECONDS:.0f} s: {verdict})",
            f"{found['report_seconds']:.3f} s",
        ),
        ("  the longest of 7", f"{longest:.3f} s"),
        ("  durations alone, by plain SQL", f"{found['plain_sql_seconds']:.3f} s"),
        ("erase one, and overwrite", f"{found['erase_seconds_first']:.3f} s"),
        ("erase one more right after", f"{found['erase_seconds']:.3f} s"),
        ("expire the oldest day", f"{found['expire_seconds']:.1f} s, {spans:,} spans"),
    ]
    if "problems" in found:
        rows.append(
            ("check all", f"{found['check_seconds']:.1f} s: {found['problems'] or 'whole'}")
        )
    lines = [f"{name:<36} {value}" for name, value in rows]
    lines.append(
        f"\nPython {found['python']}, SQLite {found['sqlite']}, {found['cores']} cores, "
        f"load {found['load']:.1f}"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write JSON if asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--operations", type=int, default=1_000_000)
    options.add_argument("--check", action="store_true", help="check the store at the end, too")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    found = measure(given.operations, checks=given.check)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
