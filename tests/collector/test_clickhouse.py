"""The tables of ClickHouse are typed, hold each span once, and no error text for long."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.cli import main
from cqtel_tui.collector import clickhouse
from cqtel_tui.collector.engine import configuration

from .own import contract

if TYPE_CHECKING:
    from pathlib import Path

HAS_CHDB = importlib.util.find_spec("chdb") is not None
NO_CHDB = "ClickHouse's engine is not installed: pip install chdb"


def test_the_command_prints_the_statements(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["collector", "--retention", "90", "--error-retention", "7", "clickhouse", "schema"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed == clickhouse.schema(database="cqtel", retention_days=90, error_days=7)
    assert "TTL day + INTERVAL 90 DAY" in printed
    assert "TTL day + INTERVAL 7 DAY" in printed
    assert main(["collector", "clickhouse", "schema", "--database", "other_1"]) == 0
    assert "`other_1`.spans" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "a b", "a`b", "a.b", "x" * 65, "1a"])
def test_a_name_that_none_should_have_is_wrong_usage(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collector", "clickhouse", "schema", "--database", name]) == 2
    assert "--database" in capsys.readouterr().err


def test_the_engine_makes_no_table_and_so_starts_without_its_database() -> None:
    assert re.search(r"^    create_schema: false$", configuration(), re.MULTILINE)
    assert "ttl:" not in configuration()


def test_no_table_has_room_for_a_cookie_or_for_what_nobody_allowed() -> None:
    made = clickhouse.schema(database="cqtel", retention_days=396, error_days=30)
    assert "service.instance.id" not in made
    [kept] = re.findall(r"\.spans \((.*?)\) ENGINE", made, re.DOTALL)
    [room] = [line for line in kept.splitlines() if "Map(" in line]
    assert room.startswith(
        "    own Map(LowCardinality(String), String) COMMENT 'the fields of its own"
    )
    assert "text" not in kept


def run(folder: Path, *statements: str) -> list[list[dict[str, Any]]]:
    """Run statements in the real engine, in a process of its own; return the rows of each."""
    code = (
        "import json, sys\n"
        "from chdb import session\n"
        "opened = session.Session(sys.argv[1])\n"
        "for statement in json.load(sys.stdin):\n"
        "    print(json.dumps(str(opened.query(statement, 'JSONEachRow'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]
    return [[json.loads(row) for row in answer.splitlines()] for answer in answers]


INSERT = """
INSERT INTO cqtel.otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName,
    SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration,
    StatusCode, StatusMessage)
VALUES (now64(9), repeat('a', 32), repeat('b', 16), '', '', 'sync', 'Internal', 'cloudquery',
    {'service.name': 'cloudquery', 'service.version': '6.21.1', 'cloudquery.ci': 'true',
     'cloudquery.plugins': '["source/cloudquery/aws@v1.2.3"]',
     'cloudquery.installation': 'cc', 'cloudquery.ip_sha1': 'dd', 'geo.country.iso_code': 'DE'},
    'cqtel', '',
    {'process.exit.code': '3', 'error.type': 'OSError', 'exception.message': 'no such file'},
    1500, 'Error', '')
"""


@pytest.mark.skipif(not HAS_CHDB, reason=NO_CHDB)
def test_the_real_engine_keeps_each_span_once_in_typed_columns(tmp_path: Path) -> None:
    made = clickhouse.schema(database="cqtel", retention_days=396, error_days=30)
    statements = [each.strip() for each in made.split(";") if each.strip()]
    *_, rows, errors, raw, maker = run(
        tmp_path / "data",
        *statements,
        *statements,  # as often as one likes
        INSERT,
        INSERT,
        "SELECT * FROM cqtel.spans FINAL",
        "SELECT text, installation FROM cqtel.errors FINAL",
        "SELECT count() AS count FROM cqtel.otel_traces",
        "SELECT DISTINCT comment FROM system.tables WHERE database = 'cqtel' AND comment != ''",
    )
    [row] = rows
    assert {key: row[key] for key in ("program", "name", "version", "ci", "plugins")} == {
        "program": "cloudquery",
        "name": "sync",
        "version": "6.21.1",
        "ci": True,
        "plugins": ["source/cloudquery/aws@v1.2.3"],
    }
    assert (row["installation"], row["address_hash"], row["country"]) == ("cc", "dd", "DE")
    assert (row["failed"], row["exit_code"], row["error_type"]) == (True, 3, "OSError")
    assert "no such file" not in json.dumps(row)
    assert errors == [{"text": "no such file", "installation": "cc"}]
    assert raw in ([{"count": 0}], [{"count": "0"}])
    assert maker == [{"comment": f"cqtel schema {clickhouse.VERSION}"}]
    assert row["own"] == {}


@pytest.mark.skipif(not HAS_CHDB, reason=NO_CHDB)
def test_tables_of_the_version_before_get_what_contracts_add(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"database": "cqtel", "retention_days": 396, "error_days": 30}
    made = clickhouse.schema(**settings)
    view = re.findall(r"MODIFY QUERY\n(.*?);", made, re.DOTALL)[0]
    before = re.sub(r",\n    mapFilter[^\n]* AS own", "", view)
    assert before != view
    whole = clickhouse.schema(**settings, contracts=[contract("cloudquery")])
    private = INSERT.replace("{'process", "{'private': 'x', 'cloudquery.name': 'dark', 'process")
    *_, rows, makers = run(
        tmp_path / "data",
        *filter(None, map(str.strip, made.split(";"))),
        f"ALTER TABLE cqtel.to_spans MODIFY QUERY {before}",
        "ALTER TABLE cqtel.spans DROP COLUMN own",
        "ALTER TABLE cqtel.spans MODIFY COMMENT 'cqtel schema 2'",
        private,
        *filter(None, map(str.strip, whole.split(";"))),
        private.replace("'b'", "'c'"),
        "SELECT own FROM cqtel.spans FINAL ORDER BY span_id",
        "SELECT DISTINCT comment FROM system.tables WHERE database = 'cqtel' AND comment != ''",
    )
    assert rows == [{"own": {}}, {"own": {"cloudquery.name": "dark"}}]
    assert makers == [{"comment": f"cqtel schema {clickhouse.VERSION}"}]


@pytest.mark.skipif(not HAS_CHDB, reason=NO_CHDB)
def test_what_has_a_time_that_no_edge_accepts_keeps_nothing_else_out(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"database": "cqtel", "retention_days": 396, "error_days": 396}
    before = clickhouse.schema(**settings, oldest_days=10_000)  # its tables get what is new
    statements = [*before.split(";"), *clickhouse.schema(**settings).split(";")]
    insert = (
        "INSERT INTO cqtel.otel_traces (Timestamp, TraceId, SpanId, SpanName, ServiceName,"
        " SpanAttributes, Duration) SELECT now64(9) {}, repeat('a', 32),"
        " leftPad(hex(number), 16, '{}'), '{}', 'cloudquery', map('exception.message', 'boom'), {}"
        " FROM numbers(150)"
    )
    *_, spans, errors, letters = run(
        tmp_path / "data",
        *filter(None, map(str.strip, statements)),
        # Of more days, and of more months, than one insert may write.
        insert.format("- toIntervalHour(24 * number + 1)", "1", "by_day", "5"),
        insert.format("- toIntervalHour(31 * 24 * number + 1)", "2", "by_month", "5"),
        insert.format("+ toIntervalDay(number + 3)", "3", "ahead", "5"),
        insert.format("", "4", "backwards", "toUInt64(-1)"),
        "SELECT name, toUInt16(count()) AS count FROM cqtel.spans FINAL GROUP BY name ORDER BY 1",
        "SELECT toUInt16(count()) AS count FROM cqtel.errors FINAL",
        "SELECT name, toUInt16(count()) AS count FROM cqtel.dead_letters GROUP BY 1 ORDER BY 1",
    )
    assert spans == [{"name": "by_day", "count": 90}, {"name": "by_month", "count": 3}]
    assert errors == [{"count": 93}]
    assert {row["name"]: row["count"] for row in letters} == {
        "ahead": 150,
        "backwards": 150,
        "by_day": 60,
        "by_month": 147,
    }
