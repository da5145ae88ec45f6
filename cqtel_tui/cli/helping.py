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


def help_topic(given: argparse.Namespace) -> int:
    """Show all commands and topics, the help of one command, or a topic."""
    if given.topic is None:
        parser().print_help()
        show()
        show("Topics: " + ", ".join(topics()))
        return 0
    command = commands().get(given.topic)
    if command is not None:
        command.print_help()
    elif given.topic in topics():
        for line in text_of(given.topic).splitlines():
            show(line)
    else:
        known = [*commands(), *topics()]
        raise WrongUsageError(
            f"there is no help on {given.topic!r}.{did_you_mean(given.topic, known)} "
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
