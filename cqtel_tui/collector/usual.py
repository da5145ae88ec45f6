"""Read requests as our own clients write them by a shorter way: typed, and by columns.

Whatever is different, or has something that is to be left out and reported, is read by
`json_reading`, which is authoritative; what is read here reads the same there.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ..catalogue import MAX_NAME
from ..record import SCOPE  # noqa: TC001  # msgspec reads the annotations
from .allowing import Allowed, bounds, fits, fits_as_name, is_plain
from .arrivals import Arrival, Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .arrivals import Origin

MOST_USUAL_BYTES = 1 << 18
"""As much as a client of ours records (`outbox.writing`)."""
_MOST_SPANS = 512
_TRACE, _SPAN = 32, 16
_LONGEST_TIME = 19
_NOBODY = "0" * _SPAN
_ERROR = 2
_FEW = 10

_SpanId = Annotated[str, msgspec.Meta(min_length=_SPAN, max_length=_SPAN)]
_Time = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_TIME)]


class _Typed(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    pass


class _Text(_Typed):
    string_value: str


class _Texts(_Typed):
    values: list[_Text]


class _Value(_Typed, omit_defaults=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    array_value: _Texts | None = None


class _Attribute(_Typed):
    key: str
    value: _Value


class _Resource(_Typed):
    attributes: list[_Attribute]


class _Scope(_Typed):
    name: Literal["", SCOPE] = ""  # type: ignore[valid-type]  # it is one text


class _Status(_Typed):
    code: Literal[0, 1, 2] = 0


class _Span(_Typed):
    trace_id: Annotated[str, msgspec.Meta(min_length=_TRACE, max_length=_TRACE)]
    span_id: _SpanId
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
    start_time_unix_nano: _Time
    end_time_unix_nano: _Time
    parent_span_id: Literal[""] | _SpanId = ""
    kind: Literal[0, 1] = 0
    attributes: list[_Attribute] | None = None
    status: _Status | None = None
    flags: int = 0


class _ScopeSpans(_Typed):
    spans: Annotated[list[_Span], msgspec.Meta(min_length=1, max_length=_MOST_SPANS)]
    scope: _Scope | None = None


class _ResourceSpans(_Typed):
    resource: _Resource
    scope_spans: Annotated[list[_ScopeSpans], msgspec.Meta(min_length=1, max_length=1)]


class _Request(_Typed):
    resource_spans: Annotated[list[_ResourceSpans], msgspec.Meta(min_length=1, max_length=1)]


_decoder = msgspec.json.Decoder(_Request)
_numbers = msgspec.json.Decoder(list[int])


def usual(body: bytes, origin: Origin, received: float) -> Allowed | None:
    """Read a request that is as our own clients write it; None if it is not wholly so.

    Args:
        body: without compression.
        origin: what was derived from the address.
        received: seconds since 1970.
    """
    try:
        (request,) = _decoder.decode(body).resource_spans
        (scope,) = request.scope_spans
        about = _allowed_values(request.resource.attributes, on_span=False)
        spans = _spans(scope.spans, *bounds(received))
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    get = about.get
    arrival = Arrival(
        int(received),
        origin,
        about["service.name"],
        get("service.version"),
        get("cloudquery.build_date"),
        get("cloudquery.ci"),
        tuple(get("cloudquery.plugins", ())),
        get("service.instance.id"),
        spans,
    )
    return Allowed((arrival,), len(spans), 0, "")


def _spans(spans: Sequence[_Span], earliest: int, latest: int) -> Columns:
    """Return what is kept of spans.

    Raises:
        ValueError: one of them has something that only `json_reading` handles.
    """
    trace = spans[0].trace_id
    ids = [span.span_id for span in spans]
    parents = [span.parent_span_id for span in spans]
    if [span.trace_id for span in spans].count(trace) != len(ids):
        raise ValueError
    _check_ids(trace, ids, parents)
    names = [span.name for span in spans]
    if not all(map(fits_as_name, names)):
        raise ValueError
    starts, durations = _times(
        [span.start_time_unix_nano for span in spans],
        [span.end_time_unix_nano for span in spans],
        earliest,
        latest,
    )
    failed = [span.status is not None and span.status.code == _ERROR for span in spans]
    outcomes = {}
    for at, span in enumerate(spans):
        if span.attributes:
            get = _allowed_values(span.attributes, on_span=True).get
            outcomes[at] = (get("process.exit.code"), get("error.type"))
    return Columns(trace, ids, parents, names, starts, durations, failed, outcomes)


def _check_ids(trace: str, ids: Sequence[str], parents: Sequence[str]) -> None:
    """Check that these are ids in lower-case hex, and none of them all zeros.

    Raises:
        ValueError: one of them is not.
    """
    digits = "".join([trace, *ids, *parents])
    if 2 * len(bytes.fromhex(digits)) != len(digits) or not digits.islower():  # it skips spaces
        raise ValueError
    if _NOBODY in ids or _NOBODY in parents or trace == 2 * _NOBODY:
        raise ValueError


def _times(
    starts: Sequence[str], ends: Sequence[str], earliest: int, latest: int
) -> tuple[list[int], list[int]]:
    """Return starts and durations in nanoseconds.

    Raises:
        ValueError: one of them cannot be read, or cannot be.
    """
    digits = "".join([*starts, *ends])
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError
    # The parser reads so many digits several times as fast as `int`.
    began = _numbers.decode(f"[{','.join(starts)}]")
    ended = _numbers.decode(f"[{','.join(ends)}]")
    durations = list(map(sub, ended, began))
    if min(began) < earliest or max(ended) > latest or min(durations) < 0:
        raise ValueError
    return began, durations


def _allowed_values(attributes: Sequence[_Attribute], *, on_span: bool) -> dict[str, Any]:
    """Return the values of attributes by their keys.

    Raises:
        ValueError: one of them is not allowed, or is there twice; or no program is named.
    """
    values: dict[str, Any] = {}
    for one in attributes:
        key, value = one.key, _value(one.value)
        if key in values or not is_plain(key, on_span=on_span) or not fits(key, value):
            raise ValueError
        values[key] = value
    if not on_span and "service.name" not in values:
        raise ValueError
    return values


def _value(value: _Value) -> object:
    """Return the one value that an AnyValue holds.

    Raises:
        ValueError: it says none, or two.
    """
    text, flag, number, texts = (
        value.string_value,
        value.bool_value,
        value.int_value,
        value.array_value,
    )
    if text is not None:
        if flag is None and number is None and texts is None:
            return text
    elif flag is not None:
        if number is None and texts is None:
            return flag
    elif number is not None:
        if texts is None:
            return _small(number)
    elif texts is not None:
        return [one.string_value for one in texts.values]
    raise ValueError


def _small(number: int | str) -> int:
    """Return a number of few digits.

    Raises:
        ValueError: it is written in another way.
    """
    if type(number) is str and not (number.isascii() and number.isdigit() and len(number) < _FEW):
        raise ValueError
    return int(number)
