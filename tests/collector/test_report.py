"""A report tells what is true, of everybody, and nothing of anybody."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections import Counter, defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cqtel_tui.cli import main
from cqtel_tui.collector import report as reports
from cqtel_tui.collector.durations import bucket, in_words, middle, percentile
from cqtel_tui.collector.figures import Figures, Group, date
from cqtel_tui.collector.report import COLUMNS, TIMED, ReportRow, read, report
from cqtel_tui.collector.settling import settle_all
from cqtel_tui.collector.store import Store

from .arriving import COUNTRIES, DAY, NOW, OPERATIONS, PLUGINS, VERSIONS, arrival, cookie, some
from .own import with_own

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cqtel_tui.collector.arrivals import Arrival
    from cqtel_tui.collector.report import Report

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def kept(path: Path, arrivals: Sequence[Arrival]) -> Path:
    path.unlink(missing_ok=True)
    with closing(Store(path, clock=lambda: NOW)) as store:
        store.keep(arrivals).result()
    return path


def who(arrival: Arrival) -> str:
    return arrival.cookie or arrival.origin.address_hash


def of(arrival: Arrival, table: str) -> list[tuple[str, ...]]:
    """Return what the rows of a table would be of, for one operation."""
    app = arrival.app
    root, *parts = arrival.spans
    found: dict[str, list[tuple[str, ...]]] = {
        "days": [(date(root.started // 10**9 // DAY),)],
        "operations": [(app, root.name)],
        "spans": [(app, part.name) for part in parts],
        "versions": [(app, arrival.version or "")],
        "providers": [tuple(plugin.split("@")) for plugin in arrival.plugins],
        "ci": [("" if arrival.ci is None else "yes" if arrival.ci else "no",)],
        "countries": [(arrival.origin.country or "",)],
        "fields": [],  # see `test_own_fields`
    }
    return found[table]


# What is true -------------------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1))
def test_a_bucket_stands_for_each_of_its_durations_within_a_percent(duration: int) -> None:
    assert abs(middle(bucket(duration)) - duration) <= 0.01 * duration


@given(st.lists(st.integers(1, 10**13), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_right_within_a_percent(durations: list[int], share: float) -> None:
    exact = sorted(durations)[max(0, -(-int(share * 100) * len(durations) // 100) - 1)]
    found = percentile(Counter(map(bucket, durations)), share)
    assert abs(found - exact) <= 0.01 * exact


def test_no_durations_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no durations"):
        percentile({}, 0.5)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "0 µs"),
        (0.0000123, "12.3 µs"),
        (0.0456, "45.6 ms"),
        (0.789, "789 ms"),
        (1.0, "1 s"),
        (65.43, "65.4 s"),
        (123456.0, "123,456 s"),
    ],
)
def test_a_duration_is_told_in_three_digits(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize("days", [1, 7, 30])
def test_it_tells_what_counting_tells(tmp_path: Path, days: int) -> None:
    arrivals = some(500, installations=40)
    path = kept(tmp_path / "store", arrivals)
    found = read(path, now=NOW, days=days, k=1)
    recent = [each for each in arrivals if each.received > NOW - days * DAY]
    assert found.total is not None
    assert found.total.count == len(recent)
    assert found.total.installations == len(set(map(who, recent)))
    for table in COLUMNS:
        counts: Counter[tuple[str, ...]] = Counter()
        failures: Counter[tuple[str, ...]] = Counter()
        people = defaultdict(set)
        for each in recent:
            for key in of(each, table):
                counts[key] += 1
                failures[key] += each.spans[0].failed and table != "spans"
                people[key].add(who(each))
        told = {
            row.of: (row.count, row.success_rate, row.installations) for row in found.tables[table]
        }
        assert told == {
            key: (count, 1 - failures[key] / count, len(people[key]))
            for key, count in counts.items()
        }, table


def test_its_percentiles_are_those_of_the_period(tmp_path: Path) -> None:
    arrivals = some(400, installations=30)
    found = read(kept(tmp_path / "store", arrivals), now=NOW, days=10, k=2)
    for row in found.tables["operations"]:
        durations = sorted(
            each.spans[0].duration / 1e9
            for each in arrivals
            if each.received > NOW - 10 * DAY and each.spans[0].name == row.of[1]
        )
        for told, share in ((row.p50, 50), (row.p95, 95), (row.p99, 99)):
            exact = durations[-(-share * len(durations) // 100) - 1]
            assert told == pytest.approx(exact, rel=0.01)


def test_what_is_erased_or_expired_is_in_no_report(tmp_path: Path) -> None:
    arrivals = some(300, installations=12)
    clock = [float(NOW)]
    path = tmp_path / "store"
    with closing(Store(path, clock=lambda: clock[0], retention_days=40)) as store:
        store.keep(arrivals).result()
        for number in (1, 2, 3):
            store.erase(cookie(number)).result()
        left = [each for each in arrivals if each.cookie not in {cookie(n) for n in (1, 2, 3)}]
        assert _same(read(path, now=NOW, k=2), kept(tmp_path / "other", left), 30)
        clock[0] = NOW + 25 * DAY
        store.expire()
        left = [each for each in left if each.received >= clock[0] - 40 * DAY]
        assert 0 < len(left) < 280
        found = read(path, now=clock[0], days=60, k=2)
        other = kept(tmp_path / "third", left)
        assert found == read(other, now=clock[0], days=60, k=2)


def _same(found: Report, path: Path, days: int) -> bool:
    return found == read(path, now=NOW, days=days, k=found.k)


def test_who_has_no_cookie_counts_by_address(tmp_path: Path) -> None:
    """Ten runs of one machine that removes its cookie each time are not ten installations."""
    runs = [arrival(number, who=7, with_cookie=False) for number in range(10)]
    assert read(kept(tmp_path / "store", runs), now=NOW, k=2).total is None
    runs.append(arrival(11, who=8, with_cookie=False))
    found = read(kept(tmp_path / "store", runs), now=NOW, k=2)
    assert found.total is not None
    assert found.total.installations == 2


# What is not told ---------------------------------------------------------------------------------

people = st.integers(0, 11)
operations = st.lists(
    st.builds(
        lambda number, who, with_cookie, name, version, plugins, ci, country, day: arrival(
            number,
            who=who,
            with_cookie=with_cookie,
            operation=name,
            parts=1,
            version=version,
            plugins=tuple(plugins),
            ci=ci,
            country=country,
            received=NOW - day * DAY,
        ),
        number=st.integers(0, 10**9),
        who=people,
        with_cookie=st.sampled_from([True, True, True, False]),
        name=st.sampled_from(OPERATIONS),
        version=st.sampled_from([*VERSIONS, None]),
        plugins=st.lists(
            st.sampled_from([*PLUGINS, "source/cloudquery/aws@22.2.0"]), unique=True, max_size=3
        ),
        ci=st.sampled_from([True, False, False, None]),
        country=st.sampled_from(COUNTRIES),
        day=st.integers(0, 5),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda each: each.spans[0].trace_id,
)


@SLOW
@given(operations, st.integers(2, 5), st.integers(1, 8))
def test_no_row_and_no_rest_is_of_fewer_than_k(
    tmp_path: Path, arrivals: list[Arrival], k: int, days: int
) -> None:
    found = read(kept(tmp_path / "store", arrivals), now=NOW, days=days, k=k)
    recent = [each for each in arrivals if each.received > NOW - days * DAY]
    everybody = set(map(who, recent))
    if len(everybody) < k:
        assert found.total is None
        assert not any(found.tables.values())
        return
    assert found.total is not None
    assert found.total.count == len(recent)
    for table, rows in found.tables.items():
        _is_of_enough(table, rows, recent, k)
        # All tables but three are of all operations: nothing is left to be found by subtraction.
        if table not in {"spans", "providers", "fields"}:
            assert sum(row.count for row in rows) == len(recent), table


def _is_of_enough(table: str, rows: Sequence[ReportRow], recent: list[Arrival], k: int) -> None:
    """Count, from what arrived, whom each row is about."""
    members: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    counts: Counter[tuple[str, ...]] = Counter()
    for each in recent:
        for key in of(each, table):
            members[key].add(who(each))
            counts[key] += 1
    told = {row.of for row in rows if None not in row.of}
    families = {row.of[0] for row in rows if row.of[-1] is None and row.of[0] is not None}
    for row in rows:
        assert row.installations % k == 0
        assert k <= row.installations
        if None not in row.of:
            assert row.count == counts[row.of]  # type: ignore[index]
            assert len(members[row.of]) >= k, (table, row)  # type: ignore[index]
            assert row.installations <= len(members[row.of])  # type: ignore[index]
        elif row.of[0] is not None:  # the other versions of one program
            rest = [key for key in counts if key[0] == row.of[0] and key not in told]
            assert len(set().union(*(members[key] for key in rest))) >= k, (table, row)
        elif table != "providers":
            rest = [key for key in counts if key not in told and key[0] not in families]
            assert row.count == sum(counts[key] for key in rest)
            assert len(set().union(*(members[key] for key in rest))) >= k, (table, row)


@SLOW
@given(operations, st.integers(2, 5))
def test_all_operations_without_a_provider_are_of_k_installations_or_none(
    tmp_path: Path, arrivals: list[Arrival], k: int
) -> None:
    found = read(kept(tmp_path / "store", arrivals), now=NOW, k=k)
    providers = {row.of[0] for row in found.tables["providers"] if row.of[0] is not None}
    for provider in providers:
        without = {
            who(each)
            for each in arrivals
            if not any(plugin.startswith(f"{provider}@") for plugin in each.plugins)
        }
        assert not without or len(without) >= k, provider


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("1234"), st.sets(people, min_size=1)),
        unique_by=lambda each: each[:2],
        max_size=12,
    ),
    st.integers(1, 6),
)
def test_merging_loses_nobody_unless_all_are_too_few(
    parts: list[tuple[str, str, set[int]]], k: int
) -> None:
    groups = [
        Group(
            (family, name), len(who), 0, len(who), frozenset(who) if len(who) < k else frozenset()
        )
        for family, name, who in parts
    ]
    merged = reports.merge(groups, k)
    assert all(group.installations >= k for group in merged)
    everybody = set[int]().union(*(who for _, _, who in parts))
    if any(group.installations >= k for group in groups):
        assert sum(group.count for group in merged) == sum(group.count for group in groups)
    elif len(everybody) < k:
        assert merged == []


def test_the_smallest_row_joins_the_others_when_these_are_too_few(tmp_path: Path) -> None:
    lands = {"DE": range(10), "US": range(10, 16), "VA": range(16, 18)}
    arrivals = [
        arrival(who, who=who, country=land) for land, people in lands.items() for who in people
    ]
    found = read(kept(tmp_path / "store", arrivals), now=NOW, k=5)
    assert [(row.of, row.count, row.installations) for row in found.tables["countries"]] == [
        (("DE",), 10, 10),
        ((None,), 8, 5),
    ]


def test_versions_are_merged_within_their_program_first(tmp_path: Path) -> None:
    arrivals = []
    for number, (app, version, people) in enumerate(
        [
            ("cloudquery", "6.0.0", range(6)),
            ("cloudquery", "5.0.0", range(6, 8)),
            ("cloudquery", "4.0.0", range(8, 11)),
            ("other", "1.0.0", range(11, 13)),
            ("third", "1.0.0", range(13, 16)),
        ]
    ):
        for who in people:
            made = arrival(number * 100 + who, who=who, version=version)
            arrivals.append(replace(made, app=app))
    found = read(kept(tmp_path / "store", arrivals), now=NOW, k=5)
    assert [(row.of, row.count) for row in found.tables["versions"]] == [
        (("cloudquery", "6.0.0"), 6),
        (("cloudquery", None), 5),
        ((None, None), 5),
    ]


def test_a_provider_that_all_but_a_few_have_is_not_told() -> None:
    def found(lacking: int) -> list[tuple[str | None, ...]]:
        aws = Group(("aws",), 20 - lacking, 0, 20 - lacking)
        figures = Figures(
            Group((), 20, 0, 20),
            {"provider": [aws], "provider version": [dataclasses.replace(aws, of=("aws", "1.0"))]},
        )
        told = report(figures, 5, since="", until="")
        return [row.of for row in told.tables["providers"]]

    assert found(0) == [("aws", "1.0")]
    assert found(1) == []
    assert found(4) == []
    assert found(5) == [("aws", "1.0")]


# How it is told -----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("cqtel_tui.cli.reporting.time.time", lambda: float(NOW))
    return kept(tmp_path / "store", some(400, installations=60))


def run(path: Path, *arguments: str) -> int:
    return main(["collector", "report", "--store", str(path), *arguments])


def test_as_json_it_has_stable_keys(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [*told] == ["since", "until", "k", "total", *COLUMNS]
    assert (told["since"], told["until"], told["k"]) == ("2025-12-17", "2026-01-15", 5)
    assert told["total"]["count"] == 400
    for table, columns in COLUMNS.items():
        for row in told[table]:
            numbers = ["count", "success_rate", "installations"]
            assert [*row] == [*columns, *numbers, *(["p50", "p95", "p99"] * (table in TIMED))]
    assert {row["country"] for row in told["countries"]} == {"DE", "US", "FR", "JP", "BR", ""}
    assert [row["version"] for row in told["versions"]][-1] is None


def test_as_csv_it_is_one_table(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--csv", "--since", "7d") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["table"] for row in rows} == {"total", *COLUMNS} - {"fields"}, "nobody has any"
    total = int(rows[0]["count"])
    for table in ("days", "operations", "versions", "ci", "countries"):
        assert sum(int(row["count"]) for row in rows if row["table"] == table) == total
    assert [row["detail"] for row in rows if row["other"] == "yes" and row["table"] == "days"] == []


def test_as_text_it_has_a_table_of_each(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path) == 0
    text = capsys.readouterr().out
    assert "2025-12-17 to 2026-01-15; rows cover at least 5 installations (k-anonymity)" in text
    assert "400 operations, " in text
    for table, title in reports.TITLES.items():
        assert (f"\n{title}\n" in text) is (table != "fields")
    assert "  cloudquery  (other)" in text


def test_of_too_few_it_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "-k", "61") == 0
    output = capsys.readouterr()
    assert "fewer than 61 installations" in output.err
    assert "operations" not in output.out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "yesterday"], "such as 30d"),
        (["--since", "0d"], "such as 30d"),
        (["-k", "1"], "2 or more"),
        (["--json", "--csv"], "--json or --csv"),
    ],
)
def test_what_it_cannot_take_is_wrong_usage(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert run(path, *arguments) == 2
    assert why in capsys.readouterr().err


def test_no_store_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none") == 1
    assert "cannot be opened" in capsys.readouterr().err


def test_the_store_may_be_named_before_what_is_asked_of_it(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collector", "--store", str(path), "report"]) == 0
    assert "400 operations" in capsys.readouterr().out


def test_check_tells_whether_a_store_is_whole(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    assert main(["collector", "--check", "--store", str(path)]) == 0
    assert "is whole" in capsys.readouterr().err
    settle_all(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE counts SET spans = 7")
        connection.commit()
    assert main(["collector", "--check", "--store", str(path)]) == 1
    assert "The table counts" in capsys.readouterr().out


def test_the_fields_of_programs_are_a_table_in_each_form(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(path, with_own(some(300, installations=40)))
    assert run(path) == 0
    text = capsys.readouterr().out
    assert re.search(r"\n  shop +shop\.name +light +\d+", text)
    assert run(path, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    told = {row["detail"] for row in rows if row["table"] == "fields" and row["of"] == "shop"}
    assert {"shop.name=light", "shop.name=dark", "shop.name=blue"} <= told
