"""Keep of an OTLP request what the catalogue allows, and say what was left out, and why.

Arrivals are what comes out of it, whatever the encoding was (`json_reading`, `protobuf_reading`). A
key that is not allowed is lost, and the span stays; a span is refused where what is left would mean
nothing or something else: no program, no id, no time, or a time far from now. Nothing of a request
is quoted but the names of its keys.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..catalogue import (
    CATALOGUE_VERSION,
    MAX_NAME,
    MAX_PLUGINS,
    ON_SPANS,
    RECORDED,
    allows,
    is_name,
    is_plugin,
    is_plugins,
)
from ..consent import UNNAMED
from ..formats.encodings import TooLargeError
from ..record import SCOPE
from ..sanitize import printable
from .arrivals import Arrival, ArrivedSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..consent.contracts import Contract, Shape
    from .arrivals import Origin

    Read: TypeAlias = tuple[
        bytes | None,
        bytes | None,
        bytes | None,
        object,
        int | None,
        int | None,
        object,
        dict[str, Any],
    ]
    """A span as it came: three ids, name, start, end, code, attributes; None for what cannot be
    read."""

MAX_ELEMENTS = 50_000
"""Of one request: values, members and messages, however few bytes they have. They are counted
before anything is made of them, since an empty one costs a hundred times its bytes."""
MAX_SPANS = 5_000
"""Of one request; those beyond are refused."""
OLDEST_DAYS = 60
"""A payload is held for 30 days at most, and may be rejected and tried again."""
AHEAD_DAYS = 1
"""How far ahead a client's clock may be."""

OwnFields: TypeAlias = "Mapping[str, Mapping[str, Shape]]"
"""The own fields that may be kept, by key, of each program that has a contract here."""
NO_FIELDS: OwnFields = MappingProxyType({})
_NO_OWN: Mapping[str, Shape] = MappingProxyType({})

MAX_REASONS = 20
_MAX_KEY = 60
_DAY = 86_400 * 10**9
_ERROR = 2
_WENT_WELL = (None, 0, 1)
"""Codes of a status: not said, unset, or ok."""
_KINDS = (None, 0, 1)
"""Of a span: not said, or internal."""
NO_TRACE = bytes(16)
NO_SPAN = bytes(8)

_ONLY_IN_DEBUG = frozenset(key for key, (_, _, only) in RECORDED.items() if only)
_COMMON = frozenset({"service.name", "service.version", "cloudquery.build_date", "error.type"})
"""Keys whose values many requests share, so that each value is checked once."""
_MAX_COMMON = 100
_PLUGINS = frozenset(key for key, (accepts, _, _) in RECORDED.items() if accepts is is_plugins)
"""Keys of lists of plugins, which many requests share as well."""

UNKNOWN = "not in the catalogue"
_MISPLACED = "not in the catalogue at that place"
_UNFIT_SHAPE = "not of the shape in the catalogue"
_UNFIT_OWN = "not of the shape in the contract"
_TWICE = "there twice"
_NO_DEBUG = "allowed in debug mode only"


class MalformedError(ValueError):
    """A request is no OTLP; the message says why, and quotes nothing of it."""


class Allowed(NamedTuple):
    """What may be kept of a request.

    Attributes:
        arrivals: those with at least one span.
        spans: how many spans they have.
        rejected: how many spans were refused.
        message: what was left out and why, one line; empty if nothing was.
    """

    arrivals: tuple[Arrival, ...]
    spans: int
    rejected: int
    message: str


def own_fields(contracts: Iterable[Contract]) -> OwnFields:
    """Return the fields that contracts allow, beside the catalogue's."""
    return {
        contract.program: {field.key: field.shape for field in contract.fields}
        for contract in contracts
    }


def _none(_: str) -> None:
    """Stand for the `get` of a span without attributes."""


class Unfit:
    """Stands for a value of a kind that no field has."""


UNFIT = Unfit()


def too_many() -> TooLargeError:
    """Return the error of a request that has more elements than it may have."""
    return TooLargeError(f"it has more than {MAX_ELEMENTS:,} elements")


def bounds(received: float) -> tuple[int, int]:
    """Return when the spans of a request may begin and end, in nanoseconds since 1970."""
    now = int(received * 10**9)
    return now - OLDEST_DAYS * _DAY, now + AHEAD_DAYS * _DAY


class Allowing:
    """One request on its way through the catalogue, and the contracts of programs.

    Args:
        origin: what was derived from the address.
        received: seconds since 1970.
        own: the own fields of each program that may be kept.
    """

    def __init__(self, origin: Origin, received: float, own: OwnFields = NO_FIELDS) -> None:
        self._own = own
        self._origin = origin
        self._received = int(received)
        self._earliest, self._latest = bounds(received)
        self._arrivals: list[Arrival] = []
        self._spans = 0
        self._refused: dict[str, int] = {}
        self._left_out: dict[tuple[str, str, str], int] = {}
        self._more = 0

    def take(self, resource: dict[str, Any], spans: Iterable[Read]) -> None:
        """Take the spans of one program, and what is said of it."""
        debug = resource.get("cloudquery.debug") is True
        about = self._allowed(resource, "resource", on_span=False, debug=debug)
        if "service.name" not in about:
            for _ in spans:
                self._refuse("without a service.name that the catalogue allows")
            return
        own = self._own.get(about["service.name"], _NO_OWN) if self._own else _NO_OWN
        kept = self._kept(spans, own, debug=debug)
        if kept:
            self._spans += len(kept)
            self._arrivals.append(
                Arrival(
                    self._received,
                    self._origin,
                    about["service.name"],
                    about.get("service.version"),
                    about.get("cloudquery.build_date"),
                    about.get("cloudquery.ci"),
                    tuple(about.get("cloudquery.plugins", ())),
                    about.get("service.instance.id"),
                    tuple(kept),
                )
            )

    def _kept(
        self, spans: Iterable[Read], own: Mapping[str, Shape], *, debug: bool
    ) -> list[ArrivedSpan]:
        """Return what may be kept of the spans of one program."""
        kept: list[ArrivedSpan] = []
        most = MAX_SPANS - self._spans
        for trace_id, span_id, parent_id, name, start, end, code, attributes in spans:
            if len(kept) >= most:
                self._refuse(f"beyond {MAX_SPANS:,} spans in one request")
            elif trace_id is None or span_id is None or parent_id is None:
                self._refuse("without valid ids")
            elif not start or not end or end < start:
                self._refuse("without a valid start and end")
            elif start < self._earliest:
                self._refuse(f"from more than {OLDEST_DAYS} days ago")
            elif end > self._latest:
                self._refuse(f"from more than {AHEAD_DAYS} day ahead")
            else:
                rest, its_own = self._parted(attributes, own) if own else (attributes, ())
                get = self._allowed(rest, "span", on_span=True, debug=debug).get if rest else _none
                kept.append(
                    ArrivedSpan(
                        trace_id,
                        span_id,
                        parent_id,
                        self._name(name),
                        start,
                        end - start,
                        code not in _WENT_WELL and self._is_failure(code),
                        get("process.exit.code"),
                        get("error.type"),
                        get("exception.message"),
                        its_own,
                    )
                )
        return kept

    def _parted(
        self, attributes: dict[str, Any], own: Mapping[str, Shape]
    ) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
        """Return what is for the catalogue to judge, and what the program's contract allows."""
        kept = []
        for key in sorted(own.keys() & attributes.keys()):
            value = attributes[key]
            if own[key].accepts(value):
                kept.append((key, tuple(value) if type(value) is list else value))
            else:
                self.left_out("span", _UNFIT_OWN, key)
        return {key: value for key, value in attributes.items() if key not in own}, tuple(kept)

    def done(self) -> Allowed:
        """Return what may be kept."""
        remarks = [f"refused {count} spans {why}" for why, count in self._refused.items()]
        remarks += [
            f"left out {_named(where, key)} ({why}{f', {count} times' if count > 1 else ''})"
            for (where, key, why), count in self._left_out.items()
        ]
        if self._more:
            remarks.append(f"and left out {self._more} more")
        return Allowed(
            tuple(self._arrivals), self._spans, sum(self._refused.values()), "; ".join(remarks)
        )

    def left_out(self, where: str, why: str, key: str = "") -> None:
        """Note that something was left out; its key may be untrusted."""
        what = (where, key, why)
        if what in self._left_out or len(self._left_out) < MAX_REASONS:
            self._left_out[what] = self._left_out.get(what, 0) + 1
        else:
            self._more += 1

    def _refuse(self, why: str) -> None:
        self._refused[why] = self._refused.get(why, 0) + 1

    def kind(self, kind: object) -> None:
        """Note that a span states its kind, which is not kept."""
        if kind not in _KINDS:
            self.left_out("kind", _UNFIT_SHAPE)

    def scope(self, name: object, *, has_more: bool) -> None:
        """Note that a scope states something, which is not kept."""
        if has_more or (name and name != SCOPE):
            self.left_out("scope", UNKNOWN)

    def twice(self, key: str) -> None:
        """Note that a key is there twice."""
        self.left_out("", _TWICE, key)

    def _is_failure(self, code: object) -> bool:
        """Count a code that is not a success as a failure; note one that is not known."""
        if code != _ERROR:
            self.left_out("status code", _UNFIT_SHAPE)
        return True

    def _name(self, name: object) -> str:
        if type(name) is str and len(name) <= MAX_NAME and fits_as_name(name):
            return name
        self.left_out("name", _UNFIT_SHAPE)
        return UNNAMED

    def _allowed(
        self, attributes: dict[str, Any], where: str, *, on_span: bool, debug: bool
    ) -> dict[str, Any]:
        kept = {}
        for key, value in attributes.items():
            if (
                (key in ON_SPANS) is on_span
                and (debug or key not in _ONLY_IN_DEBUG)
                and fits(key, value)
            ):
                kept[key] = value
            elif key != "cloudquery.debug" or value is not False:
                self.left_out(where, _why(key, on_span=on_span, debug=debug), key)
        return kept


def _why(key: str, *, on_span: bool, debug: bool) -> str:
    if key not in RECORDED:
        return UNKNOWN
    if (key in ON_SPANS) is not on_span:
        return _MISPLACED
    return _NO_DEBUG if key in _ONLY_IN_DEBUG and not debug else _UNFIT_SHAPE


def _named(where: str, key: str) -> str:
    """Say where something was, and by which key, if it had one."""
    shown = printable(key if len(key) <= _MAX_KEY else key[:_MAX_KEY] + "…")
    return f"{where} {shown}".strip()


def is_plain(key: str, *, on_span: bool) -> bool:
    """Tell whether the catalogue has a key at that place, in any mode."""
    return key in RECORDED and (key in ON_SPANS) is on_span and key not in _ONLY_IN_DEBUG


def fits(key: str, value: object) -> bool:
    """Tell whether the catalogue allows a value of a key, whatever the mode."""
    if type(value) is str and len(value) <= _MAX_COMMON and key in _COMMON:
        return _fits_again(key, value)
    if type(value) is list and key in _PLUGINS:
        return len(value) <= MAX_PLUGINS and all(map(_fits_as_plugin, value))
    return allows(key, value, CATALOGUE_VERSION, debug=True) and (
        type(value) is not str or _is_text(value)
    )


@lru_cache(maxsize=4096)
def _fits_again(key: str, value: str) -> bool:
    """Tell the same, from a cache; nothing that identifies an installation is in it."""
    return allows(key, value, CATALOGUE_VERSION, debug=True) and _is_text(value)


@lru_cache(maxsize=4096)
def fits_as_name(name: str) -> bool:
    """Tell whether a text may be the name of an operation or a part of it, from memory."""
    return is_name(name)


@lru_cache(maxsize=4096)
def _fits_as_plugin(plugin: object) -> bool:
    return is_plugin(plugin)


def _is_text(value: str) -> bool:
    """Tell whether a text can be written anywhere: JSON may hold half of a character."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)
