"""Explain a decision: each layer's say, where it comes from, and which one won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ADMIN, COMMAND_LINE, DEBUG, ENVIRONMENT, INSPECT, NO_DEBUG, OFF, ON, PROJECT, USER

if TYPE_CHECKING:
    from .decision import Decision

LAYERS = (COMMAND_LINE, ENVIRONMENT, ADMIN, PROJECT, USER)
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that one layer says.

    Attributes:
        layer: one of `LAYERS`.
        says: `on`, `off`, `debug`, `no debug`, `inspect` or `nothing`.
        source: the option, the variable or the file it comes from.
        note: more about it, such as why a file cannot be trusted; empty if there is no more.
        won: whether the decision is what it is because of this.
    """

    layer: str
    says: str
    source: str
    note: str
    won: bool


def reasons(decision: Decision) -> list[Reason]:
    """Return each layer's say, be it nothing, in the order of `LAYERS`."""
    deciding = {decision.state, DEBUG if decision.debug else NO_DEBUG, INSPECT}
    listed = []
    for layer in LAYERS:
        own = [one for one in decision.statements if one[0] == layer] or [(layer, NOTHING, "", "")]
        for _, says, source, note in own:
            listed.append(Reason(layer, says, source, note, says in deciding))
            deciding.discard(says)
    return listed


def why(decision: Decision) -> str:
    """Return the reason that won, in words: what says so, and where."""
    for reason in reasons(decision):
        if reason.won and reason.says in {ON, OFF}:
            return f"{reason.source} ({reason.note})" if reason.note else reason.source
    return "you have not decided yet"
