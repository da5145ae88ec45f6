"""The commands of the receiving end: collector."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..collector import SHARED_FOLDER, store_path
from ..errors import CqtelError, WrongUsageError
from ..paths import places
from .output import show

if TYPE_CHECKING:
    import argparse

    from ..collector.settings import Settings
    from ..consent.contracts import Contract

_EXTRA = frozenset(
    {
        *("starlette", "uvicorn", "iptocc", "maxminddb", "msgspec", "opentelemetry", "google"),
        "prometheus_client",
    }
)
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PACKAGING = {"systemd": "cqtel-collector.service", "container": "Containerfile"}
NOT_INSTALLED = "The collector needs {module}, which is not installed. Install it with: {how}"


def serve(arguments: argparse.Namespace) -> int:
    """Receive payloads until told to stop."""
    settings = settings_of(arguments)
    # Where we count is not the environment's to say: a folder that is not there would end us.
    os.environ.pop(SHARED_FOLDER, None)
    try:
        from ..collector.serving import run
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA:
            raise
        from ..extras import how_to_install

        words = NOT_INSTALLED.format(module=module, how=how_to_install("collector"))
        raise CqtelError(words) from None
    return run(settings)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Read the options of `collector`.

    Raises:
        WrongUsageError: one has a value that it cannot have.
    """
    from ..collector.clickhouse_asking import read_place
    from ..collector.settings import (
        HMAC_DAILY,
        Settings,
        read_forward,
        read_listen,
        read_network,
        read_origin,
    )

    host, port = read_listen(arguments.listen)
    for option in ("workers", "retention", "error_retention"):
        if getattr(arguments, option) < 1:
            raise WrongUsageError(f"--{option.replace('_', '-')} takes 1 or more")
    if arguments.clickhouse and not arguments.forward:
        raise WrongUsageError("--clickhouse is for an edge: give --forward as well")
    if arguments.hmac_key_file and arguments.ip_hash != HMAC_DAILY:
        raise WrongUsageError(f"--hmac-key-file is for --ip-hash {HMAC_DAILY}: give that as well")
    if not arguments.rate >= 0:
        raise WrongUsageError("--rate takes 0 (no limit) or more")
    return Settings(
        store=store_of(arguments),
        host=host,
        port=port,
        trusted_proxies=tuple(map(read_network, arguments.trusted_proxy)),
        ip_hash=arguments.ip_hash,
        city_database=Path(arguments.city_database) if arguments.city_database else None,
        workers=arguments.workers,
        retention_days=arguments.retention,
        error_days=arguments.error_retention,
        rate=arguments.rate,
        forward=read_forward(arguments.forward) if arguments.forward else "",
        cors=tuple(map(read_origin, arguments.cors)),
        hosts=tuple(name.lower() for name in arguments.host),
        believes_clock=arguments.believe_clock,
        clickhouse=read_place(arguments.clickhouse) if arguments.clickhouse else None,
        hmac_key_file=Path(arguments.hmac_key_file) if arguments.hmac_key_file else None,
        contracts=_contracts(arguments),
    )


def _contracts(arguments: argparse.Namespace) -> tuple[Contract, ...]:
    """Read the contracts whose fields are taken, too.

    Raises:
        CqtelError: one cannot be read, or two are of one program.
    """
    from ..consent.contracts import read_contract

    contracts = tuple(map(read_contract, arguments.contract))
    programs = [contract.program for contract in contracts]
    if len(set(programs)) < len(programs):
        raise WrongUsageError("--contract takes one contract for each program")
    return contracts


def store_of(arguments: argparse.Namespace) -> Path:
    """Return the store that is named, or the one below the state folder."""
    return Path(arguments.store) if arguments.store else store_path(places().state)


def engine_configuration(arguments: argparse.Namespace) -> int:
    """Print the configuration of an OpenTelemetry Collector that stands behind an edge."""
    from ..collector.engine import configuration

    for line in configuration(_contracts(arguments)).splitlines():
        show(line)
    return 0


def clickhouse_schema(arguments: argparse.Namespace) -> int:
    """Print the statements that make the tables of ClickHouse behind the edges.

    Raises:
        WrongUsageError: a database should not have such a name.
    """
    from ..collector.clickhouse import schema

    if not _DATABASE.fullmatch(arguments.database):
        raise WrongUsageError("--database takes a name of letters, digits and _, at most 64")
    made = schema(
        database=arguments.database,
        retention_days=arguments.retention,
        error_days=arguments.error_retention,
        contracts=_contracts(arguments),
    )
    for line in made.splitlines():
        show(line)
    return 0


def packaging(arguments: argparse.Namespace) -> int:
    """Print what an operator installs a collector with."""
    from importlib.resources import files

    name = _PACKAGING[arguments.what]
    text = files("cqtel_tui.collector").joinpath("packaging", name).read_text("utf-8")
    for line in text.splitlines():
        show(line)
    return 0
