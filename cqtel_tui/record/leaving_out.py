"""Name what was left out of a payload: to the user in the status, and to a developer who asks.

`CQTEL_STRICT=1` has it said on stderr by the program that recorded it. Annotations are quoted: a
program that records may have to import this (DESIGN §11).
"""

import os

from ..catalogue import MAX_STRING_BYTES, RECORDED
from ..consent.decision import boolean
from ..outbox.left_out import BROKEN, UNFIT, UNKNOWN, keep, left_out_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

STRICT = "CQTEL_STRICT"


def note_left_out(
    state: str,
    program: str,
    keys: "Iterable[str]",
    own: "Collection[str]" = (),
    problem: "Exception | None" = None,
) -> None:
    """Name the attributes that were left out of a payload.

    Args:
        state: the state folder; empty where nothing is to be kept.
        program: the program that recorded.
        keys: those of the attributes.
        own: the keys of its own that may be recorded.
        problem: what is wrong with its contract, so that no field of it can be recorded.
    """
    named = [] if problem is None else [(str(problem)[:MAX_STRING_BYTES], BROKEN)]
    named += [
        (key, UNFIT if key in RECORDED or key in own else UNKNOWN) for key in dict.fromkeys(keys)
    ]
    if state:
        keep(state, program, named)
    _say([f"{program} left out {left_out_words(*one)}" for one in named])


def _say(lines: "list[str]") -> None:
    if boolean(os.environ.get(STRICT, ""), otherwise=True):
        from ..standard_streams import say_if_possible

        for line in lines:
            say_if_possible(line)
