"""The commands that run something: a program, or the demonstration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..consent import OPTIONS
from ..errors import CqtelError

if TYPE_CHECKING:
    import argparse


def run(given: argparse.Namespace) -> int:  # noqa: RET503  # `end_like` does not return
    """Run a program, hold what it reports, and end as it ended."""
    from ..gate.process import CommandNotFound, end_like
    from ..gate.wrapper import wrap

    command = given.program[1:] if given.program[:1] == ["--"] else given.program
    if not command:
        raise CqtelError("Name the program to run: cq-telemetry run -- cloudquery sync spec.yml")
    flags = (given.no_telemetry, given.debug_telemetry, given.inspect_telemetry)
    options = [option for option, is_given in zip(OPTIONS, flags, strict=True) if is_given]
    try:
        outcome = wrap(command, options)
    except CommandNotFound as error:
        sys.stderr.write(f"cq-telemetry: {error}\n")
        return error.status
    end_like(outcome)


def demo(given: argparse.Namespace) -> int:
    """Open the UI over a throw-away home."""
    del given
    from ..__main__ import main

    return main(["--demo"])
