"""Write the spans of one request as their row in the store has them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from .arrivals import Columns
from .durations import bucket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .arrivals import ArrivedSpan

_encoder = msgspec.json.Encoder()


def own_texts(span: ArrivedSpan) -> list[tuple[str, str]]:
    """Return the own fields of a span's program, each with its value as JSON."""
    return [(key, _encoder.encode(value).decode()) for key, value in span.own]


def body(
    spans: Sequence[ArrivedSpan],
    names: Sequence[int | None],
    own: Mapping[tuple[str, str], tuple[int, int]] = MappingProxyType({}),
) -> str:
    """Return spans as JSON, given the numbers of names and of own fields; see `migrations`."""
    columns = spans if isinstance(spans, Columns) else columns_of(spans)
    rows = _rows_of(columns, names)
    if not isinstance(spans, Columns):
        for at, span in enumerate(spans):
            other = None if span.trace_id == spans[0].trace_id else span.trace_id.hex()
            if span.exit_code is not None or span.error_type is not None or other or span.own:
                rows[at] = (*rows[at], span.exit_code, span.error_type, other)
            if span.own:
                numbers = [number for one in own_texts(span) for number in own[one]]
                rows[at] = (*rows[at], numbers)
    return _encoder.encode(rows).decode("ascii")


def columns_of(spans: Sequence[ArrivedSpan]) -> Columns:
    """Return the columns of spans, as if they were of one trace."""
    return Columns(
        spans[0].trace_id.hex(),
        [span.span_id.hex() for span in spans],
        [span.parent_id.hex() for span in spans],
        [span.name for span in spans],
        [span.started for span in spans],
        [span.duration for span in spans],
        [span.failed for span in spans],
        {},
    )


def traces_of(spans: Sequence[ArrivedSpan]) -> set[bytes]:
    """Return the ids of the traces that spans are of."""
    if isinstance(spans, Columns):
        return {bytes.fromhex(spans.trace)}
    return {span.trace_id for span in spans}


def _rows_of(columns: Columns, names: Sequence[int | None]) -> list[tuple[Any, ...]]:
    """Return the list of each span, as the table has it, given the numbers of their names."""
    began = columns.starts[0]
    numbers: dict[str, int | None] = dict(zip(columns.ids, range(len(names)), strict=True))
    numbers[""] = None
    rows: list[tuple[Any, ...]] = list(
        zip(
            columns.ids,
            [numbers.get(parent, parent) for parent in columns.parents],
            names,
            [start - began for start in columns.starts],
            columns.durations,
            map(bucket, columns.durations),
            map(int, columns.failed),
            strict=True,
        )
    )
    for at, (exit_code, error_type) in columns.outcomes.items():
        rows[at] = (*rows[at], exit_code, error_type, None)
    return rows
