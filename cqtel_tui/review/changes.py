"""Say how a payload differs from what it could have been: with debug mode, or another catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..catalogue import CATALOGUE_VERSION
from ..formats.otlp_traces import read_otlp
from ..formats.strict_json import UnreadableError, parse
from ..sanitize import printable
from .promises import BY_KEY, FIELDS, CatalogueField

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..formats.spans import TraceSpan
    from ..formats.strict_json import JsonValue

MAX_ADDITIONS = 1_000
ERROR_TEXT = BY_KEY["exception.message"]

_ERROR_TYPE = "error.type"
_EXIT_CODE = "process.exit.code"
_MAX_NAME = 80
_MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class Addition:
    """One field that debug mode would have added. All texts are printable and bounded.

    Attributes:
        part: the name of the failed part that would have it.
        field: what the catalogue says of it.
        value: what its value would be, in words: an error's text is not kept, so it is not known.
    """

    part: str
    field: CatalogueField
    value: str


@dataclass(frozen=True, slots=True)
class Changes:
    """In what a payload differs from what it could have been.

    Attributes:
        unreadable: why nothing is known of debug mode; empty if it is.
        added_by_debug: what debug mode would have added; empty if nothing.
        debug: what debug mode would change, as a sentence.
        dropped: how many values and spans were left out when it was recorded.
        left_out: what was left out, as a sentence.
        newer: the fields that came after the catalogue that the user agreed to.
    """

    unreadable: str
    added_by_debug: tuple[Addition, ...]
    debug: str
    dropped: int
    left_out: str
    newer: tuple[CatalogueField, ...]


def changes(
    payload: bytes,
    *,
    dropped: int = 0,
    agreed: int = CATALOGUE_VERSION,
) -> Changes:
    """Compare a payload with what it could have been; never raises, whatever the bytes are.

    Args:
        payload: the bytes that would be sent.
        dropped: how many values and spans its envelope says were left out.
        agreed: the catalogue version that the user agreed to.
    """
    unreadable = ""
    spans: list[TraceSpan] = []
    try:
        spans = [span for trace in read_otlp(parse(payload)) for span in trace.spans]
    except UnreadableError as error:
        unreadable = printable(str(error), limit=_MAX_WORDS)
    failed = [span for span in spans if span.status_code == "error"]
    texts = sum(ERROR_TEXT.key in _attributes(span) for span in spans)
    additions = tuple(_addition(span) for span in failed if _lacks_error_text(span))
    return Changes(
        unreadable,
        additions[:MAX_ADDITIONS],
        _debug_in_words(unreadable, len(failed), len(additions), texts),
        dropped,
        _left_out_in_words(dropped),
        new_fields(agreed),
    )


def new_fields(
    agreed: int, fields: Iterable[CatalogueField] = FIELDS
) -> tuple[CatalogueField, ...]:
    """Return the fields that came after the catalogue version `agreed`."""
    return tuple(field for field in fields if field.since > agreed)


def _attributes(span: TraceSpan) -> dict[str, JsonValue]:
    return dict(span.attributes)


def _lacks_error_text(span: TraceSpan) -> bool:
    """Tell whether debug mode would have added the text of an error.

    A program that only ends with an exit code other than 0 has no error, and so no text.
    """
    attributes = _attributes(span)
    has_error = _ERROR_TYPE in attributes or _EXIT_CODE not in attributes
    return has_error and ERROR_TEXT.key not in attributes


def _addition(span: TraceSpan) -> Addition:
    kind = _attributes(span).get(_ERROR_TYPE)
    what = f"the text of its {kind}" if isinstance(kind, str) else "the text of its error"
    return Addition(
        printable(span.name, limit=_MAX_NAME),
        ERROR_TEXT,
        printable(f"{what}, which was not recorded and is no longer known", limit=_MAX_WORDS),
    )


def _debug_in_words(unreadable: str, failed: int, additions: int, texts: int) -> str:
    if unreadable:
        return "It cannot be read, so it is unknown what debug mode would add."
    if texts:
        return f"It was recorded in debug mode: it has {_counted(texts, 'error text')} in it."
    if not failed:
        return "Debug mode would add nothing: nothing failed."
    if not additions:
        return "Debug mode would add nothing: it failed by its exit code alone, without an error."
    return (
        f"Debug mode would add {_counted(additions, 'error text')}, which can contain "
        "paths, names, addresses and credentials, and cloudquery.debug, which tells the collector "
        "that you allowed them. They were not recorded."
    )


def _left_out_in_words(dropped: int) -> str:
    if dropped <= 0:
        return "Nothing was left out when it was recorded."
    return (
        f"{_counted(dropped, 'value')} or parts were left out when it was recorded: the catalogue "
        "does not have them, they had another shape, or there were too many."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
