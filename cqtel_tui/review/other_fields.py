"""What the fields of the protocols that other programs report by say, in words.

They are described by their kinds, as the tables in `formats` have them: what a value may be says
how well it could tell one installation from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats import (
    cloudquery_fields,
    posthog_fields,
    queries,
    rudderstack_fields,
    sentry_fields,
    snowplow_fields,
)
from ..formats.fields import ERROR_TEXT, EVENT, ID, KEY, MOMENT, PROPERTIES, TIME
from .promises import DEBUG, UNPROMISED, CatalogueField

if TYPE_CHECKING:
    from ..formats.fields import Field

_WORDS = {
    ERROR_TEXT: (
        "string",
        "Helps to find the cause of a failure.",
        "high",
        "error texts can contain paths, names, addresses and credentials",
    ),
    EVENT: (
        "string",
        "Names what happened.",
        "none",
        "chosen by the program's makers, never an argument",
    ),
    ID: (
        "string",
        "Ties what one run reports together.",
        "low",
        "random, and another one in each run: the program's own id is not sent",
    ),
    KEY: (
        "string",
        "Tells the service which program reports.",
        "none",
        "the same for everybody who uses that program",
    ),
    TIME: (
        "string",
        "Tells when it happened.",
        "medium",
        "an exact time can be matched with other logs",
    ),
}
_WORDS[MOMENT] = _WORDS[TIME]
_OTHERWISE = (
    "any",
    "The protocol asks for it, or the program's makers.",
    "low",
    "what kind of value it is leaves little room to tell you apart",
)
_TABLES = (
    cloudquery_fields.REQUEST,
    posthog_fields.BATCH,
    posthog_fields.MESSAGE,
    queries.REQUEST,
    rudderstack_fields.BATCH,
    sentry_fields.ENVELOPE,
    snowplow_fields.POSTED,
)


def _field(field: Field) -> CatalogueField:
    kind, why, risk, because = _WORDS.get(field.kind, _OTHERWISE)
    promise = DEBUG if field.kind == ERROR_TEXT else UNPROMISED
    return CatalogueField(field.key, "event", kind, field.kind, promise, why, risk, because)


OTHER_FIELDS = {
    field.key: _field(field)
    for table in _TABLES
    for field in table.everything()
    if field.key and field.kind != PROPERTIES
}
"""Each field of these protocols, by its key; what CloudQuery sends has words of its own."""
