"""`cq-telemetry help`: all commands, one of them, or a topic of the documentation."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from ..errors import WrongUsageError
from .commands import did_you_mean
from .output import show
from .parser import commands, parser

if TYPE_CHECKING:
    import argparse

_SUFFIX = ".md"


def help_topic(arguments: argparse.Namespace) -> int:
    """Show all commands and topics, the help of one command, or a topic."""
    if arguments.topic is None:
        parser().print_help()
        show()
        show("Topics: " + ", ".join(topics()))
        return 0
    command = commands().get(arguments.topic)
    if command is not None:
        command.print_help()
    elif arguments.topic in topics():
        for line in text_of(arguments.topic).splitlines():
            show(line)
    else:
        known = [*commands(), *topics()]
        raise WrongUsageError(
            f"there is no help on {arguments.topic!r}.{did_you_mean(arguments.topic, known)} "
            "All of it: cq-telemetry help"
        )
    return 0


def topics() -> list[str]:
    """Return the names of the topics that are shipped."""
    folder = files(__package__.rpartition(".")[0]) / "docs"
    return sorted(
        path.name.removesuffix(_SUFFIX) for path in folder.iterdir() if path.name.endswith(_SUFFIX)
    )


def text_of(topic: str) -> str:
    """Return the text of a topic, as Markdown."""
    folder = files(__package__.rpartition(".")[0]) / "docs"
    return (folder / f"{topic}{_SUFFIX}").read_text(encoding="utf-8")
