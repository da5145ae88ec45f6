"""Tell one payload in one or two plain sentences: what happened, and what identifies somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sanitize import one_line
from .destination import INTERCEPTED, UNREAD, UNREDACTED
from .durations import duration
from .exposure import exposure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope
    from .explain import Explanation
    from .exposure import Trait

_MAX_NAME = 60
_MILLION = 1_000_000


def sentences(envelope: Envelope, explanation: Explanation) -> str:
    """Return what a payload says, in plain sentences.

    Args:
        envelope: its envelope.
        explanation: its fields.
    """
    if envelope.kind == UNREAD:
        return f"{_program(envelope)} reported something that nobody can read here."
    if envelope.kind == UNREDACTED:
        return f"{_program(envelope)} reported something that could not be redacted."
    if explanation.unreadable:
        return f"{_program(envelope)} recorded something that cannot be read."
    sentence = (
        _intercepted(envelope)
        if envelope.origin == INTERCEPTED
        else _recorded(envelope, explanation)
    )
    return f"{sentence} {_identifies(explanation)}"


def _program(envelope: Envelope) -> str:
    return one_line(f"{envelope.app} {envelope.version}".strip(), _MAX_NAME)


def _recorded(envelope: Envelope, explanation: Explanation) -> str:
    operation = one_line(envelope.operation, _MAX_NAME)
    article = "An" if operation[:1].lower() in set("aeiou") else "A"
    ended = {"ok": "succeeded", "failed": "failed"}.get(envelope.outcome, "ended")
    took = _duration(envelope.duration)
    details = [f"{ended} after {took}"]
    values = {row.key: row.value for row in explanation.rows}
    if "cloudquery.ci" in values:
        details.append("in CI" if values["cloudquery.ci"] == "true" else "not in CI")
    if "cloudquery.plugins" in values:
        plugins = len(values["cloudquery.plugins"].split(", "))
        details.append(f"with {_count(plugins, 'plugin')}")
    return f"{article} {operation} by {_program(envelope)} {', '.join(details)}."


def _intercepted(envelope: Envelope) -> str:
    event = one_line(envelope.operation, _MAX_NAME)
    ended = {"ok": ", which succeeded", "failed": ", which failed"}.get(envelope.outcome, "")
    gone = (
        f" Removed or replaced before it could leave: {_count(envelope.dropped, 'value')}."
        if envelope.dropped
        else ""
    )
    return f"{_program(envelope)} reported {event}{ended}.{gone}"


def _identifies(explanation: Explanation) -> str:
    traits = exposure(explanation.rows).identifying
    high = [trait for trait in traits if trait.risk == "high"]
    medium = [trait for trait in traits if trait.risk == "medium"]
    if high:
        verb = "identifies" if len(high) == 1 else "identify"
        return f"{_capital(_listed(high))} {verb} you."
    if medium:
        return f"Nothing identifies you but {_listed(medium)}."
    return "Nothing in it identifies you."


def _listed(traits: Sequence[Trait]) -> str:
    names = [trait.name for trait in traits]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _duration(milliseconds: int) -> str:
    if milliseconds < 60_000:  # noqa: PLR2004  # a minute
        return f"{milliseconds / 1000:.3g} s" if milliseconds >= 1000 else f"{milliseconds} ms"  # noqa: PLR2004
    return duration(milliseconds * _MILLION)
