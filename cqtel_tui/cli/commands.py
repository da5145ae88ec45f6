"""What each command of `cq-telemetry` is made with: its parser, its help, the function it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..sanitize import printable
from .json_keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Command = Callable[[argparse.Namespace], int]
    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001  # it has no other name


class Parser(argparse.ArgumentParser):
    """A parser that takes no option by half its name, and prints nothing that a terminal obeys."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2."""
        super().error(printable(message))


def late(module: str, name: str) -> Command:
    """Return a command that imports what it needs only when it is run."""

    def command(arguments: argparse.Namespace) -> int:
        from importlib import import_module

        chosen: Command = getattr(import_module(f".{module}", __package__), name)
        return chosen(arguments)

    return command


def add(commands: Commands, name: str, help_text: str, module: str, function: str) -> Parser:
    """Add a command that calls `function` of `module`, a module of this folder.

    It takes `--json` if `KEYS` has keys for it.
    """
    keys = KEYS.get(name)
    command = commands.add_parser(
        name, help=help_text, description=help_text, epilog=keys and f"Keys of --json: {keys}."
    )
    command.set_defaults(command=late(module, function))
    if keys:
        command.add_argument("--json", action="store_true", help="as JSON, under stable keys")
    return command
