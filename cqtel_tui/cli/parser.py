"""The commands of `cq-telemetry` and their options, in one table that help and completion read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[[argparse.Namespace], int]

SHELLS = ("bash", "zsh", "fish", "powershell")


def _late(module: str, name: str) -> Command:
    """Return a command that imports what it needs only when it is run."""

    def command(given: argparse.Namespace) -> int:
        from importlib import import_module

        chosen: Command = getattr(import_module(f".{module}", __package__), name)
        return chosen(given)

    return command


def parser() -> argparse.ArgumentParser:
    """Return the whole command line of `cq-telemetry`."""
    top = argparse.ArgumentParser(
        prog="cq-telemetry",
        description="See, hold, refuse or send what a command-line program wants to phone home.",
        epilog="cq-telemetry-ui is the same with a face.",
    )
    top.add_argument("--version", action="version", version=f"cqtel {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _choosing(commands)
    _reviewing(commands)
    _running(commands)
    return top


def _add(  # noqa: PLR0913  # a row of the table of commands
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help_text: str,
    module: str,
    function: str,
    *,
    json: bool = False,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_text, description=help_text)
    command.set_defaults(command=_late(module, function))
    if json:
        command.add_argument("--json", action="store_true", help="as JSON, under stable keys")
    return command


def _choosing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _add(commands, "status", "what is decided, and why", "choosing", "status", json=True)
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
    debug = _add(commands, "debug", "let error texts be recorded, or not", "choosing", "debug")
    debug.add_argument("choice", choices=("on", "off"))
    _scope(debug)
    endpoint = _add(commands, "endpoint", "where to deliver to", "choosing", "endpoint")
    endpoint.add_argument("url", metavar="URL|none")
    _scope(endpoint)
    cookie = _add(
        commands, "cookie", "the installation's random id", "choosing", "cookie", json=True
    )
    cookie.add_argument(
        "action", nargs="?", default="show", choices=("show", "reset", "lock", "unlock")
    )
    shell = _add(
        commands,
        "env",
        "what to evaluate in a shell so that its `cloudquery` runs through here",
        "choosing",
        "environment",
    )
    shell.add_argument("--shell", choices=SHELLS, default="bash")


def _scope(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--project", action="store_true", help="for the current directory, instead of everywhere"
    )
    command.add_argument(
        "--replace-unreadable",
        action="store_true",
        help="if the saved choices cannot be read, keep them beside a new file",
    )


def _reviewing(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for box, help_text in (
        ("pending", "the payloads that are held"),
        ("sent", "what was sent, with receipts"),
        ("rejected", "what the collector refused, and why"),
    ):
        listing = _add(commands, box, help_text, "reviewing", "listing", json=True)
        listing.set_defaults(box=box)
    show = _add(commands, "show", "one payload, field by field", "reviewing", "show", json=True)
    show.add_argument("id", metavar="ID")
    how = show.add_mutually_exclusive_group()
    how.add_argument("--raw", action="store_true", help="the exact bytes")
    how.add_argument("--explain", action="store_true", help="field by field (the default)")
    drop = _add(commands, "drop", "delete payloads unsent", "reviewing", "drop")
    _chosen(drop, "held payloads")
    send = _add(commands, "send", "send payloads now", "reviewing", "send", json=True)
    _chosen(send, "held payloads")
    retry = _add(commands, "retry", "hold rejected payloads again", "reviewing", "retry")
    _chosen(retry, "rejected payloads")
    export = _add(commands, "export", "the requests as they would be sent", "reviewing", "export")
    export.add_argument("id", metavar="ID", nargs="+")
    export.add_argument("--format", choices=("json", "har", "curl"), default="json")
    inspect = _add(
        commands, "inspect", "read a cq-telemetry.txt", "reviewing", "inspect", json=True
    )
    inspect.add_argument("file", metavar="FILE", nargs="?", default="cq-telemetry.txt")
    catalogue = _add(
        commands, "catalogue", "every field that may ever be stored", "reviewing", "catalogue"
    )
    form = catalogue.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a Markdown table")


def _chosen(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("id", metavar="ID", nargs="*")
    command.add_argument("--all", action="store_true", help=f"all {what}")


def _running(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _add(
        commands,
        "run",
        "run a program, and hold what it reports",
        "running",
        "run",
    )
    run.usage = (
        "cq-telemetry run [--no-telemetry] [--debug-telemetry] [--inspect-telemetry] -- COMMAND ..."
    )
    run.add_argument("--no-telemetry", action="store_true", help="record nothing, send nothing")
    run.add_argument("--debug-telemetry", action="store_true", help="record error texts, too")
    run.add_argument(
        "--inspect-telemetry", action="store_true", help="write cq-telemetry.txt instead"
    )
    run.add_argument("program", metavar="COMMAND", nargs=argparse.REMAINDER)
    completion = _add(commands, "completion", "completion for a shell", "completing", "completion")
    completion.add_argument("shell", choices=SHELLS[:3])
    _add(
        commands,
        "demo",
        "look around in a throw-away home with payloads that were really recorded",
        "running",
        "demo",
    )
