"""Take further fields out of one payload, because its user does not want to send them.

Pure: an envelope in, bytes out; `Outbox.replace` puts them in its place. It works for all payloads
that can be read here, our own as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..formats.documents import as_document, as_payload
from ..formats.json_paths import attribute_key, item_step, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..formats.json_paths import Path
    from ..formats.strict_json import JsonValue
    from ..outbox.envelope import Envelope


class UntrimmableError(CqtelError):
    """A field is not there, or nothing can be taken out of such a payload."""


@dataclass(frozen=True, slots=True)
class PayloadField:
    """A value in a payload.

    Attributes:
        path: where it stands, as the review writes it; printable.
        value: what it says; untrusted.
    """

    path: str
    value: JsonValue


def fields(envelope: Envelope) -> list[PayloadField]:
    """Return all values that can be taken out of a payload, in its order.

    Raises:
        UntrimmableError: nobody can read it here.
    """
    return list(_fields(_document(envelope), None))


def without(envelope: Envelope, paths: Iterable[str]) -> bytes:
    """Return a payload without the values at these paths; all else says what it said.

    Args:
        envelope: whose payload it is.
        paths: of values, as `fields` has them, or of the objects and lists around them.

    Raises:
        UntrimmableError: nobody can read it here, or nothing is at one of the paths.
    """
    wanted = set(paths)
    missed = set(wanted)
    value = _without(_document(envelope), None, wanted, missed)
    if missed:
        raise UntrimmableError(
            f"{envelope.id} has nothing at {', '.join(sorted(missed))}. "
            f"See what it has: cq-telemetry trim {envelope.id}"
        )
    return as_payload(envelope.kind, value)


def _document(envelope: Envelope) -> JsonValue:
    document = as_document(envelope.kind, envelope.payload)
    if document is None:
        raise UntrimmableError(
            f"Nothing can be removed from {envelope.id}, as it cannot be read here. "
            f"Send it whole, or not at all: cq-telemetry drop {envelope.id}"
        )
    return document


def _steps(value: JsonValue, path: Path) -> Iterator[tuple[str | int, Path, JsonValue]]:
    """Give what an object or a list holds: its key or index, its path and its value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, (path, key), inner
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield at, (path, item_step(inner, at)), inner


def _fields(value: JsonValue, path: Path) -> Iterator[PayloadField]:
    for _, here, inner in _steps(value, path):
        if isinstance(value, list) and isinstance(inner, dict) and attribute_key(inner) is not None:
            yield PayloadField(path_text(here), inner["value"])
        elif isinstance(inner, dict | list):
            yield from _fields(inner, here)
        else:
            yield PayloadField(path_text(here), inner)


def _without(value: JsonValue, path: Path, wanted: set[str], missed: set[str]) -> JsonValue:
    kept: list[tuple[str | int, JsonValue]] = []
    for step, here, inner in _steps(value, path):
        text = path_text(here)
        if text in wanted:
            missed.discard(text)
        else:
            kept.append((step, _without(inner, here, wanted, missed)))
    if isinstance(value, dict):
        return {str(step): inner for step, inner in kept}
    return [inner for _, inner in kept] if isinstance(value, list) else value
