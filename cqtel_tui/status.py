"""How things stand: the decision and why, the cookie, the outbox and the endpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .consent import ask, cookie
from .consent.layers import Reason, reasons, why
from .deliver.starting import RETRY_AT
from .outbox.store import Counts, Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .consent import Decision
    from .consent.cookie import Cookie
    from .paths import Places

_MAX_WHY = 500

WORDS = {
    "on": "on: payloads are recorded and delivered",
    "hold": "undecided: payloads are held on this machine, nothing is sent",
    "off": "off: nothing is recorded, nothing is sent",
}
"""The decision, in words."""


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand in one directory.

    Attributes:
        decision: what all layers come to.
        reasons: each layer's say.
        cookie: the cookie of this directory.
        legacy: what earlier releases left here or in the home folder.
        counts: what is in the outbox.
        retry_at: when the next attempt is due, in seconds since 1970; 0 if none is put off.
        retry_why: why it was put off; the server's part in it is untrusted.
    """

    decision: Decision
    reasons: Sequence[Reason]
    cookie: Cookie
    legacy: Sequence[Cookie]
    counts: Counts
    retry_at: float
    retry_why: str

    @property
    def why(self) -> str:
        """The reason that won, in words."""
        return why(self.decision)

    def as_json(self) -> dict[str, Any]:
        """Return the status under the stable keys of `cq-telemetry status --json`."""
        return {
            "decision": self.decision.state,
            "debug": self.decision.debug,
            "inspect": self.decision.inspect,
            "reasons": [asdict(reason) for reason in self.reasons],
            "cookie": cookie_json(self.cookie),
            "legacy_cookies": [cookie_json(each) for each in self.legacy],
            "outbox": asdict(self.counts),
            "endpoint": self.decision.endpoint,
            "retry_at": time_json(self.retry_at) if self.retry_at else None,
        }


def look(
    places: Places, directory: str, options: Sequence[str] = (), counts: Counts | None = None
) -> Status:
    """Return how things stand in `directory` (a real path), without changing anything.

    Args:
        places: where the choices and the outbox are.
        directory: the project.
        options: the telemetry options given on the command line.
        counts: what is in the outbox, where that is known already.
    """
    decision = ask(places, options, directory=directory)
    outbox = Outbox(places.state)
    retry_at, retry_why = _next_attempt(outbox)
    return Status(
        decision,
        reasons(decision),
        cookie.look(directory),
        cookie.legacy(directory),
        outbox.counts() if counts is None else counts,
        retry_at,
        retry_why,
    )


def _next_attempt(outbox: Outbox) -> tuple[float, str]:
    stamp = outbox.folder / RETRY_AT
    try:
        return stamp.stat().st_mtime, stamp.read_text("utf-8", "replace")[:_MAX_WHY].strip()
    except OSError:
        return 0.0, ""


def cookie_json(found: Cookie) -> dict[str, Any]:
    """Return a cookie under its stable keys."""
    return {
        "state": found.state,
        "path": found.path,
        "value": found.value,
        "reason": found.reason,
        "modified": None if found.modified is None else time_json(found.modified),
    }


def time_json(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
