"""What each command of `cq-telemetry` is made with: its parser, its help, the function it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..sanitize import printable
from .json_keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    Command = Callable[[argparse.Namespace], int]
    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001  # it has no other name


class Parser(argparse.ArgumentParser):
    """A parser that takes no option by half its name, and prints nothing that a terminal obeys."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2; of a command that there is not, what was meant."""
        before, invalid, rest = message.partition(": invalid choice: ")
        if invalid and before.endswith("COMMAND"):
            word = rest.partition(" (choose")[0]
            meant = did_you_mean(word.strip("'"), subcommands(self))
            message = f"there is no command {word}.{meant} All of them: {self.prog} --help"
        super().error(printable(message))


def subcommands(parser: Parser) -> dict[str, Parser]:
    """Return the parser of each command that a parser has."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question about the word that was meant; empty if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


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
