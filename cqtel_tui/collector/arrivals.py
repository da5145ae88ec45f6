"""What the collector keeps of a request, between the room's modules: nothing but catalogue fields.

The address that a request came from is in none of these: only what was derived from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, overload

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """What was derived from the address of a request; the address itself is gone.

    Attributes:
        address_hash: its SHA-1 (40 hex digits), or its HMAC-SHA-256 of the day (64 hex digits).
        country: ISO 3166 alpha-2, or None if unknown.
        region: a name, with an operator's city database only.
        city: a name, with an operator's city database only.
    """

    address_hash: str
    country: str | None = None
    region: str | None = None
    city: str | None = None


class ArrivedSpan(msgspec.Struct, frozen=True, gc=False):
    """One span, as far as the catalogue allows it.

    Attributes:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_id: 8 bytes, or none for the operation itself.
        name: of the operation or of the part.
        started: nanoseconds since 1970.
        duration: nanoseconds.
        failed: whether its status is an error.
        exit_code: 0 to 255, or None.
        error_type: the name of a class, or None.
        message: the error text, in debug mode only.
        own: the fields of its program's own that a contract allows, by key, lists as tuples.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    started: int
    duration: int
    failed: bool
    exit_code: int | None = None
    error_type: str | None = None
    message: str | None = None
    own: tuple[tuple[str, Any], ...] = ()


class Columns(Sequence[ArrivedSpan]):
    """The spans of one trace, as far as none says more than its status, by columns.

    Columns are read and written in a fraction of the time that an object for each span takes;
    indexing makes these objects.

    Attributes:
        trace: the trace's id, in lower-case hex.
        ids: the spans' ids, likewise.
        parents: those of their parents; empty for the operation itself.
        names: as an `ArrivedSpan` has them, as have the others.
        starts: nanoseconds since 1970.
        durations: nanoseconds.
        failed: whether each has failed.
        outcomes: exit code and error type of the spans that have them, by their index.
    """

    __slots__ = ("durations", "failed", "ids", "names", "outcomes", "parents", "starts", "trace")

    def __init__(  # noqa: PLR0913, PLR0917  # the columns
        self,
        trace: str,
        ids: Sequence[str],
        parents: Sequence[str],
        names: Sequence[str],
        starts: Sequence[int],
        durations: Sequence[int],
        failed: Sequence[bool],
        outcomes: dict[int, tuple[int | None, str | None]],
    ) -> None:
        self.trace = trace
        self.ids = ids
        self.parents = parents
        self.names = names
        self.starts = starts
        self.durations = durations
        self.failed = failed
        self.outcomes = outcomes

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> ArrivedSpan: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ArrivedSpan, ...]: ...

    def __getitem__(self, place: int | slice) -> ArrivedSpan | tuple[ArrivedSpan, ...]:
        if isinstance(place, slice):
            return tuple(self[at] for at in range(*place.indices(len(self))))
        exit_code, error_type = self.outcomes.get(place % len(self), (None, None))
        return ArrivedSpan(
            bytes.fromhex(self.trace),
            bytes.fromhex(self.ids[place]),
            bytes.fromhex(self.parents[place]),
            self.names[place],
            self.starts[place],
            self.durations[place],
            self.failed[place],
            exit_code,
            error_type,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


class Arrival(msgspec.Struct, frozen=True):
    """The spans of one program from one request.

    Attributes:
        received: seconds since 1970.
        origin: what was derived from the address.
        app: the program's name.
        version: the program's version, or None.
        build_date: as in the catalogue, or None.
        ci: whether it ran in CI, or None if unknown.
        plugins: `kind/organisation/name@version` each.
        cookie: the installation's, or None.
        spans: in the order of the request.
    """

    received: int
    origin: Origin
    app: str
    version: str | None
    build_date: str | None
    ci: bool | None
    plugins: tuple[str, ...]
    cookie: str | None
    spans: Sequence[ArrivedSpan]


def digest_of(cookie: str) -> bytes:
    """Return the digest that stands for a cookie in everything kept: it opens nobody's data."""
    return hashlib.sha256(cookie.encode()).digest()
