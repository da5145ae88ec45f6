"""The commands of `cq-telemetry` and their options, in one table that help and completion read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Command = Callable[[argparse.Namespace], int]
    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001  # it has no other name

SHELLS = ("bash", "zsh", "fish", "powershell")

_OPTIONS = "[--no-telemetry] [--debug-telemetry] [--inspect-telemetry]"
_COOKIE = "state, path, value, reason, modified"
_RUN = (
    "operation, created, app, version, caught, lost, closed (name, reason, attempts), "
    "id, refused (reason, requests), late, is_over"
)
_RECEIPT = "id, sha256, length, url, status, time, answer, rejected_spans, proxy"
_ENVELOPE = (
    "id, created, attempt, size, origin, app, version, operation, outcome, duration, "
    f"receipt ({_RECEIPT}), problem"
)
KEYS = {
    "status": (
        "program, decision, debug, inspect, reasons (layer, says, source, note, won), "
        "programs (program, decision, debug, endpoint, why), "
        f"cookie ({_COOKIE}, tracked), legacy_cookies ({_COOKIE}), "
        "outbox (pending, sent, rejected, set_aside, dropped), endpoint, proxy, retry_at, "
        f"retry_why, problem, problems (kind, text, time), runs ({_RUN})"
    ),
    "cookie": f"{_COOKIE}, tracked",
    "pending": _ENVELOPE,
    "sent": _ENVELOPE,
    "rejected": _ENVELOPE,
    "show": (
        "id, sha256, length, headers, dropped, unreadable, left_out, "
        "fields (group, key, value, known, problem, promise, why, risk, path), url, stays_because, "
        "run (operation, caught); with --leaks: "
        "findings (kind, what, disguise, offset, length, line, group, key, path, excerpt, advice, "
        "count), looked_for, not_looked_for, left_out; with --caught: method, path, headers, "
        "when, length, operation, problem, kept, removed, replaced, added, left_out, "
        "values (within, name, path, fate, caught, sent, why), "
        "header_fates (name, value, sent, why)"
    ),
    "trim": "path, value",
    "verify": (
        "means, why_not_seen, decision, exit_code, outside, destinations "
        "(family, protocol, address, port, times, what), caught, closed_attempts"
    ),
    "send": "id, outcome, why",
    "policy": (
        "endpoint, proxy, policy (software, catalogue, ip_hash, location, derived (field, how), "
        "retention_days, error_days, forwards, keeps_data), me (derived, ip_hash, stored)"
    ),
    "mine": "endpoint, operations",
    "inspect": (
        "shape, traces (resource, scope_name, scope_version, spans (name, trace_id, span_id, "
        "parent_span_id, start_unix_nano, end_unix_nano, kind, status_code, status_message, "
        "attributes, events (name, time_unix_nano, attributes), problems, other), problems), "
        "unknown, problems (offset, line, reason)"
    ),
    "report": (
        "since, until, k, total; days (day), operations (program, operation), spans (program, "
        "span), versions (program, version), providers (provider, version), ci (ci), countries "
        "(country): each row also has count, success_rate, installations, those of operations and "
        "spans p50, p95, p99 in seconds; null is the other ones"
    ),
}
"""The stable keys of each command's `--json`, those of objects within it in parentheses."""


class Parser(argparse.ArgumentParser):
    """A parser that takes no option by half its name, and prints nothing that a terminal obeys."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2."""
        super().error(printable(message))


def _late(module: str, name: str) -> Command:
    """Return a command that imports what it needs only when it is run."""

    def command(given: argparse.Namespace) -> int:
        from importlib import import_module

        chosen: Command = getattr(import_module(f".{module}", __package__), name)
        return chosen(given)

    return command


def parser() -> Parser:
    """Return the whole command line of `cq-telemetry`."""
    top = Parser(
        prog="cq-telemetry",
        description="See, hold, refuse or send what a command-line program wants to phone home.",
        epilog="cq-telemetry-ui is the same with a face.",
    )
    top.add_argument("--version", action="version", version=f"cqtel {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _choosing(commands)
    _reviewing(commands)
    _asking(commands)
    _running(commands)
    _collecting(commands)
    return top


def _add(commands: Commands, name: str, help_text: str, module: str, function: str) -> Parser:
    keys = KEYS.get(name)
    command = commands.add_parser(
        name, help=help_text, description=help_text, epilog=keys and f"Keys of --json: {keys}."
    )
    command.set_defaults(command=_late(module, function))
    if keys:
        command.add_argument("--json", action="store_true", help="as JSON, under stable keys")
    return command


def _choosing(commands: Commands) -> None:
    status = _add(commands, "status", "what is decided, and why", "choosing", "status")
    _whose(status)
    for name, help_text in (
        ("on", "allow telemetry from now on"),
        ("off", "refuse telemetry"),
        ("undecide", "take the choice back: payloads are held, nothing is sent"),
    ):
        command = _add(commands, name, help_text, "choosing", "telemetry")
        command.set_defaults(choice=name)
        _scope(command)
        if name == "on":
            command.add_argument(
                "--include-held",
                action="store_true",
                help="let the yes cover what was held before it, too",
            )
        if name == "off":
            command.add_argument(
                "--discard",
                action="store_true",
                help="delete what is pending, what is kept of what was sent, and the cookie",
            )
            _erasing(command)
    debug = _add(commands, "debug", "let error texts be recorded, or not", "choosing", "debug")
    debug.add_argument("choice", choices=("on", "off"))
    _scope(debug)
    endpoint = _add(commands, "endpoint", "where to deliver to", "choosing", "endpoint")
    endpoint.add_argument("url", metavar="URL|none")
    _scope(endpoint)
    cookie = _add(commands, "cookie", "the installation's random id", "choosing", "cookie")
    cookie.add_argument(
        "action", nargs="?", default="show", choices=("show", "reset", "lock", "unlock")
    )
    _erasing(cookie)
    shell = _add(
        commands,
        "env",
        "what to evaluate in a shell so that its `cloudquery` runs through here",
        "running",
        "environment",
    )
    shell.add_argument("--shell", choices=SHELLS, default="bash")


def _whose(command: Parser) -> None:
    whose = command.add_mutually_exclusive_group()
    whose.add_argument(
        "--program", metavar="NAME", help="of which program; may be left out where there is one"
    )
    whose.add_argument(
        "--all-programs",
        action="store_true",
        help="of all programs, those that are not known yet as well",
    )


def _scope(command: Parser) -> None:
    _whose(command)
    command.add_argument(
        "--project", action="store_true", help="for the current directory, instead of everywhere"
    )
    command.add_argument(
        "--replace-unreadable",
        action="store_true",
        help="if the saved choices cannot be read, keep them beside a new file",
    )


def _erasing(command: Parser) -> None:
    command.add_argument(
        "--erase",
        action="store_true",
        help="first have the collector erase all that it has of the cookie",
    )


def _reviewing(commands: Commands) -> None:
    for box, help_text in (
        ("pending", "the payloads that are held"),
        ("sent", "what was sent, with receipts"),
        ("rejected", "what the collector refused, and why"),
    ):
        listing = _add(commands, box, help_text, "reviewing", "listing")
        listing.set_defaults(box=box)
    show = _add(commands, "show", "one payload, field by field", "reviewing", "show_payload")
    show.add_argument("id", metavar="ID")
    how = show.add_mutually_exclusive_group()
    how.add_argument(
        "--raw",
        action="store_true",
        help="the exact bytes; on a terminal with control characters made visible",
    )
    how.add_argument("--explain", action="store_true", help="field by field (the default)")
    how.add_argument(
        "--leaks", action="store_true", help="what should not be in it; exit code 1 if anything is"
    )
    how.add_argument(
        "--caught", action="store_true", help="what was caught, beside what would be sent of it"
    )
    _reveal(show)
    trim = _add(
        commands, "trim", "take fields out of a held payload, or list them", "reviewing", "trim"
    )
    trim.add_argument("id", metavar="ID")
    trim.add_argument("path", metavar="PATH", nargs="*")
    drop = _add(commands, "drop", "delete payloads unsent", "reviewing", "drop")
    _chosen(drop, "held payloads")
    send = _add(commands, "send", "send payloads now", "reviewing", "send")
    _chosen(send, "held payloads")
    retry = _add(commands, "retry", "hold rejected payloads again", "reviewing", "retry")
    _chosen(retry, "rejected payloads")
    export = _add(commands, "export", "the requests as they would be sent", "reviewing", "export")
    export.add_argument("id", metavar="ID", nargs="+")
    export.add_argument("--format", choices=("json", "har", "curl"), default="json")
    _reveal(export)
    inspect = _add(commands, "inspect", "read a cq-telemetry.txt", "reviewing", "inspect")
    inspect.add_argument("file", metavar="FILE", nargs="?")
    catalogue = _add(
        commands, "catalogue", "every field that may ever be stored", "reviewing", "catalogue"
    )
    form = catalogue.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a Markdown table")


def _reveal(command: Parser) -> None:
    command.add_argument(
        "--reveal", action="store_true", help="show the credentials in headers, too"
    )


def _chosen(command: Parser, what: str) -> None:
    command.add_argument("id", metavar="ID", nargs="*")
    command.add_argument("--all", action="store_true", help=f"all {what}")


def _asking(commands: Commands) -> None:
    policy = _add(
        commands,
        "policy",
        "ask the collector what it derives and keeps, and what it would derive from you; "
        "that shows it your address",
        "rights",
        "policy",
    )
    _collector_of(policy)
    mine = _add(commands, "mine", "ask the collector for all that it has of you", "rights", "mine")
    _collector_of(mine)
    mine.add_argument("--export", metavar="FILE", help="write it to a new file, as JSON")
    erase = _add(
        commands, "erase", "have the collector erase all that it has of you", "rights", "erase"
    )
    _collector_of(erase)
    erase.add_argument("--yes", action="store_true", help="without a question, for scripts")


def _collector_of(command: Parser) -> None:
    command.add_argument(
        "--program", metavar="NAME", help="whose collector; may be left out where there is one"
    )


def _program(command: Parser) -> None:
    command.add_argument("--no-telemetry", action="store_true", help="record nothing, send nothing")
    command.add_argument("--debug-telemetry", action="store_true", help="record error texts, too")
    command.add_argument(
        "--inspect-telemetry", action="store_true", help="write cq-telemetry.txt instead"
    )
    command.add_argument("program", metavar="COMMAND", nargs=argparse.REMAINDER)


def _running(commands: Commands) -> None:
    run = _add(
        commands,
        "run",
        "run a program, or a shell, and hold what all in it reports",
        "running",
        "run",
    )
    run.usage = f"cq-telemetry run {_OPTIONS} [-- COMMAND ...]"
    _program(run)
    verify = _add(
        commands, "verify", "run a program, and list where it tried to send to", "running", "verify"
    )
    verify.usage = f"cq-telemetry verify [--json] {_OPTIONS} -- COMMAND ..."
    _program(verify)
    completion = _add(commands, "completion", "completion for a shell", "completing", "completion")
    completion.add_argument("shell", choices=SHELLS[:3])
    _add(
        commands,
        "demo",
        "look around in a throw-away home with payloads that were really recorded",
        "running",
        "demo",
    )


def _collecting(commands: Commands) -> None:
    collector = _add(commands, "collector", "receive payloads", "collecting", "serve")
    collector.add_argument(
        "--listen", metavar="ADDRESS:PORT", default="127.0.0.1:4318", help="default: %(default)s"
    )
    _store(collector)
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
        "--city-database", metavar="FILE", help="an mmdb that knows regions and cities"
    )
    collector.add_argument(
        "--workers", metavar="N", type=int, default=1, help="processes on one port (default: 1)"
    )
    collector.add_argument(
        "--retention", metavar="DAYS", type=int, default=396, help="default: %(default)s"
    )
    collector.add_argument(
        "--error-retention",
        metavar="DAYS",
        type=int,
        default=30,
        help="how long error texts are kept (default: %(default)s)",
    )
    collector.add_argument(
        "--rate",
        metavar="N",
        type=float,
        default=50.0,
        help="requests a second that one network may send; 0: no limit (default: 50)",
    )
    collector.add_argument(
        "--forward",
        metavar="URL",
        help="keep nothing: hand what is allowed on to an OpenTelemetry Collector",
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
        help="a name by which people ask here for their data; may be given more than once",
    )
    collector.add_argument(
        "--believe-clock",
        action="store_true",
        help="forget at once what is too old by the clock, however long this was not running",
    )
    collector.add_argument(
        "--check",
        dest="command",
        action="store_const",
        const=_late("reporting", "check"),
        help="do not serve, but tell whether the store is whole; exit code 1 if it is not",
    )
    # What else a collector can be asked to do, instead of serving.
    _acting(collector.add_subparsers(metavar="ACTION"))


def _acting(actions: Commands) -> None:
    report = _add(actions, "report", "what a store tells of everybody", "reporting", "report")
    report.add_argument(
        "--since", metavar="DAYS", default="30d", help="30d is today and 29 days before (default)"
    )
    report.add_argument("--csv", action="store_true", help="as CSV, all tables in one")
    report.add_argument(
        "-k",
        metavar="N",
        type=int,
        default=5,
        help="the fewest installations that a row may tell of (default: %(default)s)",
    )
    _store(report, default=argparse.SUPPRESS)  # it may be given before the action, too
    _add(
        actions,
        "engine-config",
        "the configuration of an OpenTelemetry Collector behind --forward, as YAML",
        "collecting",
        "engine_configuration",
    )
    tables = _add(
        actions,
        "clickhouse",
        "the tables of ClickHouse behind the edges, as SQL",
        "collecting",
        "clickhouse_schema",
    )
    tables.add_argument("what", choices=("schema",))
    tables.add_argument("--database", metavar="NAME", default="cqtel", help="default: %(default)s")
    unit = _add(
        actions,
        "packaging",
        "a systemd unit, or what to build a container from",
        "collecting",
        "packaging",
    )
    unit.add_argument("what", choices=("systemd", "container"))


def _store(command: Parser, *, default: str | None = None) -> None:
    command.add_argument(
        "--store",
        metavar="FILE",
        default=default,
        help="the SQLite file (default: collector/store.sqlite3 in the state folder)",
    )
