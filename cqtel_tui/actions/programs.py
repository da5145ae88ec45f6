"""Know which programs there are on this machine that choices can be made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..consent import CLOUDQUERY, UNNAMED
from ..consent.choices import read_user
from ..consent.decision import ON, ask, ask_each
from ..errors import CqtelError, WrongUsageError
from ..outbox.envelope import app_of
from ..outbox.store import Outbox
from ..outbox.writing import PENDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..consent import Program
    from ..consent.decision import Decision
    from ..paths import Places

ALL_PROGRAMS = "all programs"
"""What all programs together are called."""


def name_of(program: Program) -> str:
    """Return what a program is called, and all of them."""
    return ALL_PROGRAMS if program is None else program


def known_programs(places: Places, pending: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the programs that have something pending here, or a choice of their own.

    Args:
        places: where the choices and the outbox are.
        pending: the names of the pending envelopes, where they are known already.
    """
    if pending is None:
        try:
            pending = Outbox(places.state).names(PENDING)
        except CqtelError:  # the status says what is wrong
            pending = ()
    chosen = {name for name in read_user(places.config).programs if name is not None}
    return tuple(sorted((chosen | set(map(app_of, pending))) - {"", UNNAMED}))


def usual_program(known: Sequence[str]) -> str:
    """Return the program that is shown where none was named."""
    return CLOUDQUERY if CLOUDQUERY in known or not known else known[0]


def only_program(places: Places) -> str:
    """Return the program that is meant where none was named: the only one that there is.

    Raises:
        WrongUsageError: there are several.
    """
    known = known_programs(places)
    if len(known) > 1:
        raise WrongUsageError(
            f"Several programs have payloads or choices here: {', '.join(known)}. Name one by "
            "--program, or all of them by --all-programs."
        )
    return usual_program(known)


def decisions_here(places: Places, directory: str | None = None) -> dict[Program, Decision]:
    """Return what holds for each known program, and under None for one that nothing is said of."""
    return ask_each((*known_programs(places), None), places, directory=directory)


def is_any_on(places: Places, directory: str | None = None) -> bool:
    """Tell whether the payloads of any program may be sent by themselves."""
    return any(one.state == ON for one in decisions_here(places, directory).values())


def collectors(places: Places, program: Program = "") -> list[str]:
    """Return the collectors that the user has set, that of the usual program first.

    Args:
        places: where the choices and the outbox are.
        program: whose collector, None for that of all programs; empty for those of each.
    """
    if program != "":
        return [url for url in (ask(places, program=program).endpoint,) if url is not None]
    decisions = decisions_here(places)
    usual = usual_program(tuple(name for name in decisions if name is not None))
    order = [usual, *decisions] if usual in decisions else [*decisions]
    urls = (decisions[name].endpoint for name in order)
    return list(dict.fromkeys(url for url in urls if url is not None))


def only_collector(places: Places, program: Program = "") -> str | None:
    """Return the collector that is meant; None if there is none.

    Raises:
        WrongUsageError: there are several.
    """
    urls = collectors(places, program)
    if len(urls) > 1:
        raise WrongUsageError(
            f"There are several collectors: {', '.join(urls)}. Name the program by --program."
        )
    return urls[0] if urls else None
