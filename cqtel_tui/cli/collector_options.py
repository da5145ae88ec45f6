"""The options of `cq-telemetry collector`, and what else a collector can be asked to do."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .commands import add, late

if TYPE_CHECKING:
    from .commands import Commands, Parser


def add_collector(commands: Commands) -> None:
    """Add the collector's command: it serves, unless an action or a check is asked for."""
    collector = add(commands, "collector", "receive payloads", "collecting", "serve")
    collector.add_argument(
        "--listen", metavar="ADDRESS:PORT", default="127.0.0.1:4318", help="default: %(default)s"
    )
    _store(collector)
    _addresses(collector)
    _keeping(collector)
    _clients(collector)
    collector.add_argument(
        "--check",
        dest="command",
        action="store_const",
        const=late("reporting", "check"),
        help="check the store instead of serving; exit code 1 if it is damaged",
    )
    # What else a collector can be asked to do, instead of serving.
    _acting(collector.add_subparsers(metavar="ACTION"))


def _addresses(collector: Parser) -> None:
    """What is derived from an address."""
    collector.add_argument(
        "--trusted-proxy",
        metavar="NETWORK",
        action="append",
        default=[],
        help="whose X-Forwarded-For to believe; may be given more than once",
    )
    collector.add_argument(
        "--ip-hash",
        choices=("sha1", "hmac-daily"),
        default="sha1",
        help="sha1 as documented; hmac-daily forgets its key each day (default: %(default)s)",
    )
    collector.add_argument(
        "--hmac-key-file",
        metavar="FILE",
        help="with hmac-daily: the keys of days, as several edges share them",
    )
    collector.add_argument(
        "--city-database", metavar="FILE", help="an mmdb file with regions and cities"
    )


def _keeping(collector: Parser) -> None:
    """How long what is kept is kept, or where it is handed on to."""
    collector.add_argument(
        "--retention", metavar="DAYS", type=int, default=396, help="default: %(default)s"
    )
    collector.add_argument(
        "--error-retention",
        metavar="DAYS",
        type=int,
        default=30,
        help="how long error texts are stored (default: %(default)s)",
    )
    collector.add_argument(
        "--forward",
        metavar="URL",
        help="store nothing: forward what is allowed to an OpenTelemetry Collector",
    )
    collector.add_argument(
        "--clickhouse",
        metavar="URL",
        help="with --forward: give people their data from there, and erase it there",
    )
    _contract(collector, default=[])
    collector.add_argument(
        "--believe-clock",
        action="store_true",
        help="trust the clock: delete what is too old at once, even after a long stop",
    )


def _clients(collector: Parser) -> None:
    """Who may ask, by what name, and how often."""
    collector.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=1,
        help="worker processes on one port (default: 1)",
    )
    collector.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=50.0,
        help="requests a second that one network may send; 0: no limit (default: 50)",
    )
    collector.add_argument(
        "--cors",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="an origin whose pages may send traces from a browser; may be given more than once",
    )
    collector.add_argument(
        "--host",
        metavar="NAME",
        action="append",
        default=[],
        help="a host name under which people request their data; may be given more than once",
    )


def _acting(actions: Commands) -> None:
    report = add(actions, "report", "statistics over all installations", "reporting", "report")
    report.add_argument(
        "--since", metavar="DAYS", default="30d", help="30d is today and 29 days before (default)"
    )
    report.add_argument(
        "--clickhouse",
        metavar="URL",
        help="read from ClickHouse behind the edges, such as clickhouse://127.0.0.1:8123/cqtel",
    )
    report.add_argument("--csv", action="store_true", help="as CSV, all tables in one")
    report.add_argument(
        "-k",
        metavar="N",
        type=int,
        default=5,
        help="the fewest installations a row may cover (default: %(default)s)",
    )
    _store(report, default=argparse.SUPPRESS)  # it may be given before the action, too
    engine = add(
        actions,
        "engine-config",
        "the configuration of an OpenTelemetry Collector behind --forward, as YAML",
        "collecting",
        "engine_configuration",
    )
    _contract(engine, default=argparse.SUPPRESS)  # it may be given before the action, too
    tables = add(
        actions,
        "clickhouse",
        "the ClickHouse schema behind the edges, as SQL",
        "collecting",
        "clickhouse_schema",
    )
    tables.add_argument("what", choices=("schema",))
    _contract(tables, default=argparse.SUPPRESS)
    tables.add_argument("--database", metavar="NAME", default="cqtel", help="default: %(default)s")
    unit = add(
        actions,
        "packaging",
        "a systemd unit, or a Containerfile",
        "collecting",
        "packaging",
    )
    unit.add_argument("what", choices=("systemd", "container"))


def _contract(command: Parser, *, default: object) -> None:
    command.add_argument(
        "--contract",
        metavar="FILE",
        action="append",
        default=default,
        help="a program's telemetry.toml, whose fields are taken, too; may be given more than once",
    )


def _store(command: Parser, *, default: str | None = None) -> None:
    command.add_argument(
        "--store",
        metavar="FILE",
        default=default,
        help="the SQLite file (default: collector/store.sqlite3 in the state folder)",
    )
