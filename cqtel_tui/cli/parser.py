"""The commands of `cq-telemetry` and their options, in one table that help and completion read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import __version__
from .collector_options import add_collector
from .commands import Parser, add, subcommands
from .contract_options import add_contract

if TYPE_CHECKING:
    from .commands import Commands

SHELLS = ("bash", "zsh", "fish", "powershell")

OLD_POLICY = "policy"
"""The name that `collector-policy` had, taken for one version more."""

_ID = "a payload's id, or as much of its beginning as no other id has"
_OPTIONS = "[--no-telemetry] [--debug-telemetry] [--inspect-telemetry]"


def parser() -> Parser:
    """Return the whole command line of `cq-telemetry`."""
    top = Parser(
        prog="cq-telemetry",
        description="Review what command-line programs want to phone home: send it, or refuse it.",
        epilog="cq-telemetry-ui does the same in a terminal UI.",
    )
    top.add_argument("--version", action="version", version=f"cqtel {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _choosing(commands)
    _listing(commands)
    _reviewing(commands)
    _asking(commands)
    _running(commands)
    add_collector(commands)
    add_contract(commands)
    return top


def commands() -> dict[str, Parser]:
    """Return the parser of each command."""
    return subcommands(parser())


def _choosing(commands: Commands) -> None:
    status = add(commands, "status", "the decision, and the reasons for it", "choosing", "status")
    _whose(status)
    _remembering(commands)
    _deciding(commands)
    debug = add(commands, "debug", "allow error texts to be recorded, or not", "choosing", "debug")
    debug.add_argument("choice", choices=("on", "off"))
    _scope(debug)
    endpoint = add(commands, "endpoint", "where payloads are delivered to", "choosing", "endpoint")
    endpoint.add_argument("url", metavar="URL|none")
    _scope(endpoint)
    cookie = add(commands, "cookie", 'the random installation ID ("cookie")', "choosing", "cookie")
    cookie.add_argument(
        "action", nargs="?", default="show", choices=("show", "reset", "lock", "unlock")
    )
    cookie.add_argument(
        *("--data-dir", "--cq-dir"),
        dest="named",
        action="append",
        default=[],
        metavar="FOLDER",
        help="look into this folder as well, which a program keeps its files in instead of .cq",
    )
    _erasing(cookie)
    _policy(commands)
    shell = add(
        commands,
        "env",
        "shell code that makes `cloudquery` run through cq-telemetry",
        "running",
        "environment",
    )
    shell.add_argument("--shell", choices=SHELLS, default="bash")


def _remembering(commands: Commands) -> None:
    consent = add(
        commands,
        "consent",
        "each choice: when, how, after which words, and what was sent under it",
        "consents",
        "consent",
    )
    consent.add_argument("--program", metavar="NAME", help="for this program alone")
    consent.add_argument(
        "--record",
        action="store_true",
        help="as consent records of ISO/IEC TS 27560, in DPV's terms",
    )
    forget = add(
        commands,
        "forget",
        "remove everything of cqtel from this machine, every project's installation ID included",
        "consents",
        "forget",
    )
    forget.add_argument("--choices", action="store_true", help="your choices, too")
    forget.add_argument("--yes", action="store_true", help="without a question, for scripts")
    _erasing(forget)


def _policy(commands: Commands) -> None:
    policy = add(
        commands,
        "policy-file",
        "an administrator's policies on this machine; or write one, which can only refuse",
        "policies",
        "policy_file",
    )
    policy.add_argument("--off", action="store_true", help="refuse telemetry")
    policy.add_argument("--no-debug", action="store_true", help="refuse error texts")
    policy.add_argument(
        "--program",
        metavar="NAME",
        action="append",
        default=[],
        help="of this program alone; may be given several times",
    )
    policy.add_argument(
        "--output",
        metavar="FILE",
        help="write it there, for another machine; - for standard output",
    )


def _deciding(commands: Commands) -> None:
    for name, help_text in (
        ("on", "allow telemetry from now on"),
        ("off", "refuse telemetry"),
        ("undecide", "undo the choice: payloads stay here, nothing is sent"),
    ):
        command = add(commands, name, help_text, "choosing", "telemetry")
        command.set_defaults(choice=name)
        _scope(command)
        if name == "on":
            command.add_argument(
                "--include-held",
                action="store_true",
                help="send what is already pending, too",
            )
        if name == "off":
            command.add_argument(
                "--discard",
                action="store_true",
                help="delete pending payloads, the sent history and the installation ID",
            )
            _erasing(command)


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
    command.add_argument("--project", action="store_true", help="for the current directory only")
    command.add_argument(
        "--replace-unreadable",
        action="store_true",
        help="if the saved choices cannot be read, set them aside and start anew",
    )


def _erasing(command: Parser) -> None:
    command.add_argument(
        "--erase",
        action="store_true",
        help="first have the collector erase all data under the installation ID",
    )


def _listing(commands: Commands) -> None:
    for box, help_text in (
        ("pending", "payloads that wait to be sent"),
        ("sent", "sent payloads, with receipts"),
        ("rejected", "payloads the collector rejected, and why"),
    ):
        listing = add(commands, box, help_text, "listing", "listing")
        listing.set_defaults(box=box)
        _narrowing(listing)
    runs = add(commands, "runs", "the last runs, and what was intercepted", "listing", "runs")
    _narrowing(runs)


def _reviewing(commands: Commands) -> None:
    show = add(commands, "show", "one payload, field by field", "reviewing", "show_payload")
    show.add_argument("id", metavar="ID", help=_ID)
    how = show.add_mutually_exclusive_group()
    how.add_argument(
        "--raw",
        action="store_true",
        help="the exact bytes; on a terminal with control characters made visible",
    )
    how.add_argument("--explain", action="store_true", help="field by field (the default)")
    how.add_argument(
        "--leaks", action="store_true", help="check for leaks; exit code 1 if there are any"
    )
    how.add_argument(
        "--intercepted",
        action="store_true",
        help="what was intercepted, beside what would be sent",
    )
    _reveal(show)
    trim = add(
        commands, "trim", "remove fields from a pending payload, or list them", "reviewing", "trim"
    )
    trim.add_argument("id", metavar="ID", help=_ID)
    trim.add_argument("path", metavar="PATH", nargs="*")
    drop = add(commands, "drop", "delete payloads unsent", "reviewing", "drop")
    _chosen(drop, "pending payloads")
    _sending(commands)
    retry = add(commands, "retry", "requeue rejected payloads", "reviewing", "retry")
    _chosen(retry, "rejected payloads")
    export = add(commands, "export", "the requests as they would be sent", "reviewing", "export")
    export.add_argument("id", metavar="ID", nargs="+", help=_ID)
    export.add_argument("--format", choices=("json", "har", "curl"), default="json")
    _reveal(export)
    inspect = add(commands, "inspect", "read a cq-telemetry.txt", "reviewing", "inspect")
    inspect.add_argument("file", metavar="FILE", nargs="?")
    catalogue = add(
        commands, "catalogue", "every field that may be stored", "reviewing", "catalogue"
    )
    form = catalogue.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="as a Markdown table")


def _narrowing(command: Parser) -> None:
    command.add_argument(
        "--since", metavar="TIME", help="no older than that: 30m, 12h, 7d, or a date"
    )
    command.add_argument("--program", metavar="NAME", help="of this program alone")
    command.add_argument("--operation", metavar="NAME", help="of this operation alone")
    command.add_argument("--to", metavar="TEXT", help="whose destination has this in it")


def _sending(commands: Commands) -> None:
    send = add(commands, "send", "send payloads now", "reviewing", "send")
    _chosen(send, "pending payloads")
    send.add_argument(
        "--once",
        action="store_true",
        help="also of an undecided program, without deciding; an opt-out still applies",
    )


def _reveal(command: Parser) -> None:
    command.add_argument("--reveal", action="store_true", help="show credentials in headers")


def _chosen(command: Parser, what: str) -> None:
    command.add_argument("id", metavar="ID", nargs="*", help=_ID)
    command.add_argument("--all", action="store_true", help=f"all {what}")


def _asking(commands: Commands) -> None:
    for name, help_text, function in (
        (
            "collector-policy",
            (
                "ask the collector what it derives and stores, and what it would derive from you; "
                "it sees your address"
            ),
            "policy",
        ),
        (OLD_POLICY, "the former name of collector-policy", "old_policy"),
    ):
        _collector_of(add(commands, name, help_text, "rights", function))
    mine = add(commands, "mine", "ask the collector for all data about you", "rights", "mine")
    _collector_of(mine)
    mine.add_argument("--export", metavar="FILE", help="write it to a new file, as JSON")
    erase = add(commands, "erase", "have the collector erase all data about you", "rights", "erase")
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
    run = add(
        commands,
        "run",
        "run a program, or a shell, and intercept its telemetry for review",
        "running",
        "run",
    )
    run.usage = f"cq-telemetry run {_OPTIONS} [-- COMMAND ...]"
    _program(run)
    verify = add(
        commands, "verify", "run a program, and list where it connects to", "running", "verify"
    )
    verify.usage = f"cq-telemetry verify [--json] {_OPTIONS} -- COMMAND ..."
    _program(verify)
    audit = add(
        commands,
        "audit",
        "run a program four times, and see which opt-outs it heeds",
        "auditing",
        "audit_program",
    )
    audit.usage = (
        "cq-telemetry audit [--json] [--report FILE] [--offline] [--opt-out NAME=VALUE] "
        "-- COMMAND ..."
    )
    audit.add_argument("--report", metavar="FILE", help="write a page for a security team, too")
    audit.add_argument("--offline", action="store_true", help="without a network but loopback")
    audit.add_argument(
        "--opt-out",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a variable of the program's own that turns its telemetry off",
    )
    audit.add_argument("program", metavar="COMMAND", nargs=argparse.REMAINDER)
    completion = add(commands, "completion", "print shell completions", "completing", "completion")
    completion.add_argument("shell", choices=SHELLS[:3])
    topic = add(commands, "help", "all commands, one of them, or a topic", "helping", "help_topic")
    topic.add_argument("topic", metavar="TOPIC", nargs="?")
    add(
        commands,
        "demo",
        "explore with really recorded payloads in a temporary home",
        "running",
        "demo",
    )
