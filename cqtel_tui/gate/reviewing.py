"""Read an envelope for those who show it, the command line and the terminal UI.

The review takes documents; what an intercepted request is one of, only the gate knows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..formats.documents import as_document, is_plain_json
from ..formats.values import as_json
from ..review.destination import UNREDACTED, UNREDACTED_WORDS
from ..review.explain import explain
from ..review.headers import OF_HTTP, masked
from ..review.intercepted import Comparison, compare
from ..review.own import own_field
from ..review.requests import scan_request
from .field_shapes import EACH, SHAPES
from .holding import read_original
from .profile_files import read_profiles
from .profiles import CLOUDQUERY as CLOUDQUERY_PROFILE
from .protocols import document_intercepted
from .protocols.unknown import KIND as UNKNOWN
from .redaction import ONLY_IN_DEBUG
from .shipped import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..outbox.envelope import Envelope
    from ..review.explain import Explanation
    from ..review.leaks import LeakReport
    from ..review.needles import Surroundings
    from ..review.promises import CatalogueField
    from .field_shapes import Schema
    from .holding import Original

_UNKNOWN_KIND = (
    "This format is unknown, so nothing was removed: what would be sent is what was "
    "intercepted, byte for byte. It is sent only if you select it by itself."
)
_KEPT_AS_IT_CAME = {UNKNOWN: _UNKNOWN_KIND, UNREDACTED: UNREDACTED_WORDS}
_UNREADABLE = "The intercepted request cannot be read as {kind}, so it is shown as it came."
_SPECIAL = {
    "event": "an event's name",
    "id": "an id, replaced by a random one",
    "error text": "an error's text, in debug mode",
}


@dataclass(frozen=True, slots=True)
class HeaderFate:
    """What becomes of one header.

    Attributes:
        name: in lower case; untrusted.
        value: as it was intercepted; a credential is masked; untrusted.
        sent: the name it is sent under; empty if it is not.
        why: why it is not, or not as it was; empty if it is.
    """

    name: str
    value: str
    sent: str
    why: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What was intercepted, beside what would be sent.

    Attributes:
        original: the request; credentials in its headers are masked.
        comparison: each value's fate.
    """

    original: Original
    comparison: Comparison


def beside(envelope: Envelope) -> Beside:
    """Return what an envelope of the gate was made of, beside what would be sent.

    Raises:
        TornEnvelopeError: what was intercepted is not what the gate put there.
    """
    original = read_original(envelope.intercepted)
    if problem := _KEPT_AS_IT_CAME.get(envelope.kind):
        return Beside(original, Comparison((), problem=problem))
    intercepted = document_intercepted(original.request, envelope.kind)
    sent = as_document(envelope.kind, envelope.payload)
    if intercepted is None or sent is None:
        problem = _UNREADABLE.format(kind=envelope.kind)
        return Beside(original, Comparison((), problem=problem))
    by_user = envelope.dropped > len(original.removals) + original.more_removals
    comparison = compare(
        intercepted, sent, original.removals, more=original.more_removals, by_user=by_user
    )
    return Beside(original, comparison)


def leak_report(envelope: Envelope, surroundings: Surroundings) -> LeakReport:
    """Look for leaks in what would be sent of what was intercepted.

    Raises:
        TornEnvelopeError: what was intercepted is not what the gate put there.
    """
    arguments = read_original(envelope.intercepted).arguments
    return scan_request(envelope.payload, envelope.headers, surroundings, envelope.kind, arguments)


def header_fates(envelope: Envelope, original: Original) -> list[HeaderFate]:
    """Return what becomes of each header of a request; credentials are masked."""
    sent = {name.lower(): value for name, value in envelope.headers.items()}
    fates = []
    for name, value in original.request.headers:
        replacement = sent.get(name)
        if name in OF_HTTP:
            why = "of this connection; the request has its own"
        elif replacement is None:
            why = "not on the list of headers that may leave"
        else:
            why = "" if masked(name, replacement) == value else "replaced by the body's own"
        fates.append(HeaderFate(name, value, "" if replacement is None else name, why))
    return fates


def withheld_errors(original: Original) -> int:
    """Count the error texts that were intercepted and would not be sent."""
    return sum(removal.why == ONLY_IN_DEBUG for removal in original.removals)


def readable(envelope: Envelope) -> bytes:
    """Return a payload as JSON: as it is, or what its encoding says."""
    if is_plain_json(envelope.kind):
        return envelope.payload
    document = as_document(envelope.kind, envelope.payload)
    return envelope.payload if document is None else as_json(document)


def explained(envelope: Envelope, config: str) -> Explanation:
    """Explain a payload of any kind.

    Args:
        envelope: its envelope.
        config: the user's configuration folder, whose profiles may know fields of their own;
            empty for none.
    """
    return explain(readable(envelope), envelope.kind, _own_fields(envelope.app, config))


def _own_fields(app: str, config: str) -> Mapping[str, CatalogueField]:
    """Return what a program's profile lets through of its own fields."""
    if app == CLOUDQUERY_PROFILE.name:
        return {}
    profiles = list(PROFILES)
    if config:
        with contextlib.suppress(CqtelError):  # what nobody vouches for is told of as unknown
            profiles += read_profiles(config)
    profile = next((one for one in reversed(profiles) if one.name == app), None)
    if profile is None:
        return {}
    each = _each_field(profile.channels.fields, "")
    return {key: own_field(key, shape) for key, shape in each}


def _each_field(fields: Mapping[str, Schema], before: str) -> Iterator[tuple[str, str]]:
    """Give each field that may leave, by where it stands, with its shape in words."""
    for name, schema in fields.items():
        here, inside = f"{before}{name}", schema
        if isinstance(schema, tuple) and isinstance(schema[0], Mapping):
            here, inside = f"{here}/{EACH}", schema[0]
        if isinstance(inside, Mapping):
            yield from _each_field(inside, f"{here}/")
        else:
            yield here, _words(schema)
            if isinstance(schema, tuple):
                yield f"{here}/{EACH}", _words(schema)


def _words(schema: Schema) -> str:
    if isinstance(schema, str):
        return _SPECIAL.get(schema) or SHAPES[schema][1]
    if isinstance(schema, frozenset):
        return f"one of {', '.join(sorted(schema))}"
    return f"a list, each {_words(schema[0])}" if isinstance(schema, tuple) else "an object"
