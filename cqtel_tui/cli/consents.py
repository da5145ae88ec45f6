"""The command that tells what was chosen, when and how, and what was sent under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions import erasing
from ..actions.consents import as_record, consents, words
from ..actions.forgetting import forget as remove
from ..actions.forgetting import read_forgetting
from ..actions.status import time_words
from ..consent.history import TELEMETRY
from ..errors import WrongUsageError
from ..paths import places
from ..tui.terminal import has_terminal
from .output import ask, number, say, show, show_json, tell, tell_message

if TYPE_CHECKING:
    import argparse

_NANOSECONDS = 1_000_000_000


def consent(arguments: argparse.Namespace) -> int:
    """Print every choice that was made here, the newest first."""
    here = places()
    listed = consents(here)[::-1]
    if arguments.program is not None:
        listed = [one for one in listed if one.chosen.program in {None, arguments.program}]
    if arguments.record:
        show_json([as_record(here, one) for one in listed if one.chosen.what == TELEMETRY])
        return 0
    if arguments.json:
        show_json([one.as_json() for one in listed])
        return 0
    for one in listed:
        show(f"{time_words(one.chosen.time / _NANOSECONDS)}  {words(one)}")
        for line in one.notice.splitlines():
            show(f"{'':21}| {line}")
        if one.sent:
            urls = sorted({receipt.url for receipt in one.sent})
            show(f"{'':21}sent since: {number(len(one.sent), 'payload')} to {', '.join(urls)}")
    if not listed:
        say("no choice was made here yet")
    return 0


def forget(arguments: argparse.Namespace) -> int:
    """Remove everything of ours from this machine, after a question; erase it elsewhere first."""
    plan = read_forgetting(places(), with_choices=arguments.choices)
    if plan.confirmation is None:
        say("there is nothing of cqtel here")
        return 0
    if not arguments.yes and not has_terminal():
        raise WrongUsageError("No terminal to ask at; pass --yes")
    for erasure in plan.erasures:
        if arguments.erase or (not arguments.yes and ask(erasure.offer)):
            tell(erasing.erase(erasure))
        else:
            tell_message(erasure.unasked)
    if not arguments.yes and not ask(plan.confirmation):
        say("nothing was removed")
        return 1
    tell(remove(places(), plan))
    return 0
