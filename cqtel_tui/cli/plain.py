"""`cq-telemetry-ui --plain`: the same actions line by line, for screen readers.

One text that only grows: nothing is drawn over. What is pending can be named by its number in the
list, by the beginning of its id, or by its id.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

from ..actions.status import time_words
from ..errors import CqtelError
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..paths import places
from ..sanitize import printable
from .commands import did_you_mean
from .entry import run_command
from .output import is_sure, number
from .parser import commands, parser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Label

PAGE = 10
_LEAVE = frozenset({"quit", "exit", "q"})
_OWN = ("list", "more", "help", "quit")
_READS = frozenset(
    {"catalogue", "env", "export", "help", "inspect", "pending", "rejected", "sent", "show",
     "status"}
)  # fmt: skip
_ASKS_ITSELF = frozenset({"erase"})
_TAKES_IDS = frozenset({"show", "trim", "drop", "send", "export"})
_STARTS_PROGRAMS = frozenset({"run", "verify", "demo"})
_ALSO_READ = (["cookie"], ["cookie", "show"])
_HELP = (
    "list           the pending payloads, numbered\n"
    "more           the next ones\n"
    "show 1         one of them, by its number, its id, or the beginning of its id\n"
    "help COMMAND   how a command is used\n"
    "quit           leave"
)


def run(*, readonly: bool = False) -> int:
    """Read commands until the input ends; each is a command of `cq-telemetry`."""
    try:
        return Session(readonly=readonly).read_commands()
    except KeyboardInterrupt:
        print()
        return 0


class Session:
    """A conversation, line by line.

    Args:
        readonly: change nothing and send nothing.
    """

    def __init__(self, *, readonly: bool = False) -> None:
        self.readonly = readonly
        self._listed: Sequence[Label] = ()
        self._told = 0

    def read_commands(self) -> int:
        """Read commands until the input ends."""
        _do(["status"])
        print('Type a command: list, show 1, send 1, drop 1, on, off … "help" lists all, "quit".')
        while True:
            sys.stdout.write("cqtel> ")
            sys.stdout.flush()
            line = sys.stdin.readline()
            if not line:
                return 0
            try:
                words = shlex.split(line)
            except ValueError as error:
                print(f"Cannot parse this: {error}")
                continue
            if words and words[0] in _LEAVE:
                return 0
            if words:
                self._answer(words)

    def _answer(self, words: list[str]) -> None:
        if words == ["list"]:
            self._list()
        elif words == ["more"]:
            self._more()
        elif words == ["help"]:
            print(_HELP)
            parser().print_help()
        elif words[0] not in commands():
            known = [*commands(), *_OWN]
            named = printable(words[0], limit=60)
            print(f'There is no command "{named}".{did_you_mean(words[0], known)} Try "help".')
        elif words[0] in _READS or words in _ALSO_READ:
            _do(self._by_id(words))
        elif self.readonly:
            print("This session is read-only.")
        else:
            words = self._by_id(words)
            if words[0] in _ASKS_ITSELF or is_sure(f'"{shlex.join(words)}": are you sure?'):
                _do(words)

    def _list(self) -> None:
        try:
            self._listed = Outbox(places().state).labels(PENDING)[::-1]
        except CqtelError as error:
            print(printable(str(error)))
            return
        self._told = 0
        print(f"{number(len(self._listed), 'payload')} pending.")
        self._more()

    def _more(self) -> None:
        page = self._listed[self._told : self._told + PAGE]
        if not page:
            print("That is all.")
            return
        for label in page:
            self._told += 1
            print(f"{self._told}. {_words(label)}")
        left = len(self._listed) - self._told
        if left:
            print(f'{left:,} more: "more".')

    def _by_id(self, words: list[str]) -> list[str]:
        """Put the id in the place of each number that was chosen, and say which it is."""
        if words[0] not in _TAKES_IDS:
            return words
        chosen = []
        for word in words[1:]:
            at = int(word) if re.fullmatch(r"[1-9][0-9]{0,5}", word) else 0
            if 0 < at <= len(self._listed):
                label = self._listed[at - 1]
                print(f"Chosen: {at}. {_words(label)}")
                chosen.append(label.id)
            else:
                chosen.append(word)
        return [words[0], *chosen]


def _words(label: Label) -> str:
    outcome = label.outcome or "unknown"
    when = time_words(label.created / 1_000_000)
    return printable(f"{label.operation}, {outcome}, {when}, {label.app}, id {label.id}")


def _do(words: list[str]) -> None:
    if words[0] in _STARTS_PROGRAMS:
        _start(words)
        return
    try:
        run_command(words)
    except SystemExit:
        pass  # argparse has said what is wrong
    except KeyboardInterrupt:
        print("Stopped.")


def _start(words: list[str]) -> None:
    """Run a command in a process of its own: it may become the program that it runs."""
    import subprocess

    sys.stdout.flush()
    try:
        ended = subprocess.run([sys.executable, "-P", "-m", "cqtel_tui.cli", *words], check=False)
    except KeyboardInterrupt:
        print("Stopped.")
    else:
        print(f"It ended with {ended.returncode}.")
