from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.formats.otlp_traces import read_otlp
from cqtel_tui.formats.spans import Trace, TraceSpan
from cqtel_tui.formats.strict_json import parse
from cqtel_tui.review import waterfall as module
from cqtel_tui.review.waterfall import Bar, Waterfall, waterfall
from cqtel_tui.sanitize import is_printable

from ..cost import at_most
from . import payloads

SECOND = 1_000_000_000
BEGAN = 1_700_000_000 * SECOND

quick = settings(deadline=None, database=None)


def part(
    name: str, start: int, end: int, parent: str | None = None, *, identity: str | None = None
) -> TraceSpan:
    """Give a span of these nanoseconds after the beginning; its name is its id, too."""
    return TraceSpan(
        name=name,
        trace_id="t",
        span_id=name if identity is None else identity,
        parent_span_id=parent,
        start_unix_nano=BEGAN + start,
        end_unix_nano=BEGAN + end,
    )


def laid_out(*spans: TraceSpan, width: int = 40) -> Waterfall:
    return waterfall(Trace((), "", "", spans), width)


def tree(fall: Waterfall) -> list[str]:
    return ["  " * bar.depth + bar.name for bar in fall.bars]


def problems(fall: Waterfall) -> dict[str, str]:
    return {bar.name: bar.problem for bar in fall.bars if bar.problem}


# Nesting


def test_parts_stand_below_what_they_are_part_of_in_the_order_of_their_starts() -> None:
    fall = laid_out(
        part("aws.s3", 30, 40, "aws"),
        part("gcp", 50, 90, "fetch"),
        part("aws", 10, 50, "fetch"),
        part("aws.ec2", 20, 30, "aws"),
        part("fetch", 0, 100),
    )
    assert tree(fall) == ["fetch", "  aws", "    aws.ec2", "    aws.s3", "  gcp"]
    assert problems(fall) == {}
    assert [(bar.left, bar.length) for bar in fall.bars] == [
        (0, 40),
        (4, 16),
        (8, 4),
        (12, 4),
        (20, 16),
    ]


def test_a_part_of_something_that_is_not_there_stands_for_itself() -> None:
    fall = laid_out(part("a", 0, 10), part("lost", 5, 6, "elsewhere"), part("b", 5, 6, "lost"))
    assert tree(fall) == ["a", "lost", "  b"]
    assert problems(fall) == {"lost": module.ORPHAN}


def test_a_circle_is_cut_at_its_earliest_part() -> None:
    fall = laid_out(
        part("early", 0, 1, "b"),
        part("c", 30, 40, "b"),
        part("a", 10, 20, "c"),
        part("b", 20, 30, "a"),
        part("self", 50, 60, "self"),
        part("root", 70, 80),
    )
    assert tree(fall) == ["a", "  b", "    early", "    c", "self", "root"]
    assert problems(fall) == {"a": module.CYCLE, "self": module.CYCLE}


def test_of_two_with_one_id_the_first_has_the_children() -> None:
    fall = laid_out(part("a", 0, 9), part("twin", 1, 9, identity="a"), part("b", 2, 3, "a"))
    assert tree(fall) == ["a", "  b", "twin"]
    assert problems(fall) == {"twin": module.TWIN}
    nameless = laid_out(part("x", 0, 1, identity=""), part("y", 1, 2, "", identity=""))
    assert problems(nameless) == {"y": module.ORPHAN}


def test_ids_of_another_trace_are_not_taken_for_a_parent() -> None:
    other = replace(part("b", 1, 2, "a"), trace_id="u")
    assert problems(laid_out(part("a", 0, 3), other)) == {"b": module.ORPHAN}


def test_all_traces_of_a_payload_share_one_axis() -> None:
    traces = (Trace((), "", "", (part("a", 0, 50),)), Trace((), "", "", (part("b", 50, 100),)))
    fall = waterfall(traces, 10)
    assert [(bar.name, bar.left, bar.length) for bar in fall.bars] == [("a", 0, 5), ("b", 5, 5)]
    assert fall.duration == 100


def test_a_payload_as_it_is_recorded_is_laid_out() -> None:
    data = payloads.encoded(
        payloads.document(
            payloads.RESOURCE,
            payloads.span("fetch", 1, nanoseconds=2 * SECOND, failed=True),
            payloads.span("fetch.aws", 2, 1, start=payloads.START + SECOND, nanoseconds=SECOND),
        )
    )
    fall = waterfall(read_otlp(parse(data)), 8)
    assert fall.bars == (
        Bar("fetch", 0, 0, 2 * SECOND, True, 0, 8, 8, ""),
        Bar("fetch.aws", 1, SECOND, SECOND, False, 4, 4, 8, ""),
    )
    assert [bar.blocks for bar in fall.bars] == ["█" * 8, "█" * 4]


# Times


def test_nothing_is_laid_out_of_nothing() -> None:
    assert laid_out() == Waterfall((), (module.Tick(0, 0, "0"),), 0, 40)
    assert waterfall([], 40).bars == ()


def test_what_takes_no_time_takes_the_thinnest_cell() -> None:
    alone = laid_out(part("a", 0, 0)).bars[0]
    assert (alone.left, alone.length, alone.blocks) == (0, 1, "▏")
    _, at_the_end = laid_out(part("a", 0, 100), part("b", 100, 100, "a")).bars
    assert (at_the_end.left, at_the_end.length, at_the_end.duration) == (39, 1, 0)


def test_a_bar_ends_in_eighths_of_a_cell() -> None:
    lengths = [
        laid_out(part("a", 0, 80), part("b", 0, n, "a"), width=10).bars[1] for n in (1, 4, 9)
    ]
    assert [bar.blocks for bar in lengths] == ["▏", "▌", "█▏"]


def test_times_that_are_not_known_are_said_and_not_drawn() -> None:
    fall = laid_out(
        replace(part("no start", 0, 0), start_unix_nano=0),
        replace(part("no end", 10, 0), end_unix_nano=0),
        part("backwards", 20, 15),
        part("whole", 0, 100),
        replace(part("negative", 0, 0), start_unix_nano=-5, end_unix_nano=-1),
    )
    assert problems(fall) == {
        "no start": module.UNTIMED,
        "no end": module.UNENDED,
        "backwards": module.BACKWARDS,
        "negative": module.UNTIMED,
    }
    drawn = {bar.name: (bar.start, bar.duration, bar.left, bar.length) for bar in fall.bars}
    assert drawn["no start"] == drawn["negative"] == (0, 0, 0, 0)
    assert drawn["no end"] == (10, 0, 4, 1)
    assert drawn["backwards"] == (20, 0, 8, 1)
    assert [bar.name for bar in fall.bars][-2:] == ["negative", "no start"]
    assert {bar.blocks for bar in fall.bars if not bar.length} == {""}


@pytest.mark.parametrize(
    ("duration", "labels"),
    [
        (0, ["0"]),
        (7, ["0", "2 ns", "4 ns", "6 ns"]),
        (1_500, ["0", "0.5 µs", "1.0 µs"]),
        (2_500_000, ["0", "0.5 ms", "1.0 ms", "1.5 ms", "2.0 ms"]),
        (1_900_000_000, ["0", "0.5 s", "1.0 s", "1.5 s"]),
        (61 * SECOND, ["0", "15 s", "30 s", "45 s"]),
        (600 * SECOND, ["0", "2 min", "4 min", "6 min", "8 min"]),
        (5 * 3600 * SECOND, ["0", "1 h", "2 h", "3 h", "4 h"]),
        (10 * 86_400 * SECOND, ["0", "2 d", "4 d", "6 d", "8 d"]),
    ],
)
def test_ticks_are_round(duration: int, labels: list[str]) -> None:
    assert [tick.label for tick in laid_out(part("a", 0, duration), width=60).ticks] == labels


times = st.integers(-10, 1 << 64) | st.sampled_from([0, 1, (1 << 64) - 1])
ids = st.sampled_from(["", "a", "b", "c", "d", "e"])
any_span = st.builds(
    TraceSpan,
    name=st.text(max_size=200),
    trace_id=st.sampled_from(["", "t"]),
    span_id=ids,
    parent_span_id=st.none() | ids,
    start_unix_nano=times,
    end_unix_nano=times,
    status_code=st.sampled_from(["unset", "ok", "error"]),
)


@quick
@given(st.lists(any_span, max_size=12), st.integers(-5, 200))
def test_any_spans_are_laid_out_within_the_axis(spans: list[TraceSpan], width: int) -> None:
    fall = laid_out(*spans, width=width)
    assert fall.width == max(1, width)
    assert len(fall.bars) == len(spans)
    depth = -1
    for bar in fall.bars:
        assert is_printable(bar.name)
        assert len(bar.name) <= module.MAX_NAME
        assert 0 <= bar.depth <= depth + 1
        depth = bar.depth
        assert 0 <= bar.start <= bar.start + bar.duration <= fall.duration
        assert bar.left >= 0
        assert bar.left + bar.length <= fall.width
        assert len(bar.blocks) == bar.length
        assert bool(bar.length) == (1 <= bar.eighths <= 8)
        assert bar.length or bar.problem
    end = -1
    for tick in fall.ticks:
        assert tick.cell > end
        assert 0 <= tick.offset <= fall.duration
        end = tick.cell + len(tick.label)
        assert end <= max(fall.width, 1)
    assert fall.ticks[0].label == "0"


@quick
@given(st.lists(st.integers(0, 11), min_size=12, max_size=12))
def test_whoever_is_inside_of_whom_each_span_stands_once(parents: list[int]) -> None:
    spans = [part(str(n), n, n + 1, str(parent)) for n, parent in enumerate(parents)]
    fall = laid_out(*spans)
    assert sorted(bar.name for bar in fall.bars) == sorted(str(n) for n in range(12))
    above: list[str] = []
    for bar in fall.bars:
        del above[bar.depth :]
        if bar.depth:
            assert above[-1] == str(parents[int(bar.name)])
        else:
            assert bar.problem == module.CYCLE
        above.append(bar.name)


@pytest.mark.parametrize("shape", ["chain", "circle", "flat", "star"])
def test_ten_thousand_spans_are_laid_out_at_once(shape: str) -> None:
    parents: dict[str, list[str | None]] = {
        "chain": [None, *map(str, range(9_999))],
        "circle": ["9999", *map(str, range(9_999))],
        "flat": [None] * 10_000,
        "star": [None, *["0"] * 9_999],
    }
    spans = [part(str(n), n, 20_000 - n, parent) for n, parent in enumerate(parents[shape])]
    with at_most(2):
        fall = laid_out(*spans, width=100)
    assert [bar.name for bar in fall.bars] == [str(n) for n in range(10_000)]
    assert fall.bars[-1].depth == {"flat": 0, "star": 1}.get(shape, 9_999)
