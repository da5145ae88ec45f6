"""`cq-telemetry-ui --plain`: the same actions line by line, for screen readers."""

from __future__ import annotations

import shlex
import sys

from .entry import run_command
from .output import is_sure
from .parser import parser

_LEAVE = frozenset({"quit", "exit", "q"})
_READS = frozenset(
    {"catalogue", "env", "export", "inspect", "pending", "rejected", "sent", "show", "status"}
)
_ASKS_ITSELF = frozenset({"erase"})
_ALSO_READ = (["cookie"], ["cookie", "show"])


def run(*, readonly: bool = False) -> int:
    """Read commands until the input ends; each is a command of `cq-telemetry`."""
    try:
        return _read_commands(readonly=readonly)
    except KeyboardInterrupt:
        print()
        return 0


def _read_commands(*, readonly: bool) -> int:
    _do(["status"])
    print('Type a command: pending, show ID, send ID, drop ID, on, off … "help" lists all, "quit".')
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
        if not words:
            continue
        if words[0] in _LEAVE:
            return 0
        if words[0] == "help":
            parser().print_help()
        elif words[0] in _READS or words in _ALSO_READ:
            _do(words)
        elif readonly:
            print("This session is read-only.")
        elif words[0] in _ASKS_ITSELF or is_sure(f'"{line.strip()}": are you sure?'):
            _do(words)


def _do(words: list[str]) -> None:
    try:
        run_command(words)
    except SystemExit:
        pass  # argparse has said what is wrong
    except KeyboardInterrupt:
        print("Stopped.")
