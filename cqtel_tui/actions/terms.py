"""What a program's contract asks, as it is put to its user before a yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..consent.contract_seen import asked, endpoint_after_yes, last_seen
from ..consent.decision import ON, ask_each
from ..sanitize import one_line
from .results import number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..consent.decision import Decision
    from ..paths import Places

_MAX_LINE = 900


@dataclass(frozen=True, slots=True)
class Terms:
    """What a yes to a program agrees to, beside the catalogue.

    Attributes:
        digest: the SHA-256 of its contract.
        version: the contract's.
        endpoint: where payloads go after a yes; None for nowhere.
        is_endpoint_new: whether a yes would set that.
        news: what is not agreed to yet, a line each.
        is_again: whether telemetry is on, and the yes does not cover the news.
        about: who is behind it, in a line.
    """

    digest: str
    version: int
    endpoint: str | None
    is_endpoint_new: bool
    news: tuple[str, ...]
    is_again: bool
    about: str

    @property
    def heading(self) -> str:
        """What stands above the news."""
        return "New since your yes:" if self.is_again else "Its contract adds:"

    @property
    def lines(self) -> list[str]:
        """All of it, a line each."""
        news = [self.heading, *(f"  {line}" for line in self.news)] if self.news else []
        return [*news, self.about]

    def as_json(self) -> dict[str, Any]:
        """Return it under its stable keys."""
        return {
            "version": self.version,
            "sha256": self.digest,
            "asks": list(self.news),
            "endpoint": self.endpoint,
        }


def read_terms(places: Places, decision: Decision) -> Terms | None:
    """Return what a program's contract asks; None if none was seen here.

    Args:
        places: where contracts are kept.
        decision: what holds for the program.
    """
    latest = last_seen(places.state, decision.program)
    if latest is None:
        return None
    contract = latest.contract
    about = (
        f"Contract of {contract.program}, version {contract.version}: {contract.documentation}. "
        f"Questions go to {contract.contact}. What was sent is deleted after "
        f"{number(contract.retention_days, 'day')}."
    )
    endpoint = endpoint_after_yes(places.state, decision)
    news = tuple(one_line(change.text, _MAX_LINE) for change in asked(places.state, decision))
    return Terms(
        latest.digest,
        contract.version,
        endpoint,
        endpoint != decision.endpoint or decision.is_proposed,
        news,
        decision.state == ON and bool(news),
        one_line(about, _MAX_LINE),
    )


def read_terms_of(
    places: Places, programs: Iterable[str], directory: str | None = None
) -> dict[str, Terms]:
    """Return what the contracts of programs ask, of those that have one.

    Args:
        places: where the choices and the contracts are.
        programs: their names.
        directory: the project that it is asked for; None for the current directory.
    """
    decisions = ask_each(tuple(programs), places, directory=directory)
    each = {str(name): read_terms(places, decision) for name, decision in decisions.items()}
    return {name: terms for name, terms in each.items() if terms is not None}
