"""What is small as it comes is small as it is read: elements are counted before any is made."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from cqtel_tui.collector.allowing import MAX_ELEMENTS
from cqtel_tui.collector.arrivals import Origin
from cqtel_tui.collector.bodies import Body, read
from cqtel_tui.collector.json_reading import elements, from_json
from cqtel_tui.collector.protobuf_reading import from_protobuf
from cqtel_tui.formats import MAX_BODY_BYTES
from cqtel_tui.formats.encodings import TooLargeError

from .requests import as_json, as_protobuf, request, span

if TYPE_CHECKING:
    from collections.abc import Callable

JSON_TYPE = "application/json"
ORIGIN = Origin("ab" * 20, "DE")
CPU_UNITS = 6
"""Of `MEASURE`, some 0.01 s each where nothing else is at work: a busy machine slows both down."""
MEMORY_BYTES = 32 << 20

SPANS = b'{"resourceSpans":[{"scopeSpans":[{"spans":['
ATTRIBUTES = b'{"resourceSpans":[{"resource":{"attributes":['
VALUES = ATTRIBUTES + b'{"key":"cloudquery.plugins","value":{"arrayValue":{"values":['
JSON = {
    "empty objects": (b'{"resourceSpans":[', b"{},", b"{}]}"),
    "nulls": (b'{"resourceSpans":[', b"null,", b"null]}"),
    "programs": (b'{"resourceSpans":[', b'{"resource":{},"scopeSpans":[{}]},', b"{}]}"),
    "scopes": (b'{"resourceSpans":[{"scopeSpans":[', b"{},", b"{}]}]}"),
    "spans": (SPANS, b"{},", b"{}]}]}]}"),
    "spans that are null": (SPANS, b"null,", b"null]}]}]}"),
    "statuses": (SPANS, b'{"status":{}},', b"{}]}]}]}"),
    "attributes": (ATTRIBUTES, b"{},", b"{}]}}]}"),
    "attributes with keys": (ATTRIBUTES, b'{"key":"a"},', b"{}]}}]}"),
    "values": (VALUES, b"{},", b"{}]}}}]}}]}"),
    "numbers": (VALUES, b"0,", b"0]}}}]}}]}"),
    "arrays": (VALUES, b"[],", b"[]]}}}]}}]}"),
    "arrays where an id is": (SPANS + b'{"traceId":[', b"[],", b"[]]}]}]}]}"),
    "members of what nobody knows": (b'{"x":{', b'"a":0,', b'"a":0}}'),
    "spaces": (b"", b" ", b"{}"),
    "one text": (b'{"x":"', b"a", b'"}'),
    "one escaped text": (b'{"x":"', b"\\u0061", b'"}'),
    "one number": (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":1', b"1", b"}]}]}]}"),
}


def filled(before: bytes, each: bytes, after: bytes, size: int = MAX_BODY_BYTES) -> bytes:
    return before + each * ((size - len(before) - len(after)) // len(each)) + after


def within(*fields: int, data: bytes) -> bytes:
    """Wrap a message in those that it is a field of, the innermost first."""
    for number in fields:
        length = bytearray()
        left = len(data)
        while left >= 0x80:
            length.append(left & 0x7F | 0x80)
            left >>= 7
        length.append(left)
        data = bytes((number << 3 | 2,)) + length + data
    return data


PROTOBUF = {
    "programs": ((), b"\x0a\x00"),
    "scopes": ((1,), b"\x12\x00"),
    "spans": ((2, 1), b"\x12\x00"),
    "spans, their tags longer than need be": ((2, 1), b"\x92\x00\x00"),
    "spans with a status": ((2, 1), b"\x12\x02\x7a\x00"),
    "attributes of a span": ((2, 2, 1), b"\x4a\x00"),
    "events": ((2, 2, 1), b"\x5a\x00"),
    "links": ((2, 2, 1), b"\x6a\x00"),
    "attributes of a program": ((1, 1), b"\x0a\x00"),
    "attributes of a scope": ((1, 2, 1), b"\x1a\x00"),
    "values": ((5, 2, 1, 1, 1), b"\x0a\x00"),
    "pairs": ((6, 2, 1, 1, 1), b"\x0a\x00"),
    "what nobody knows": ((), b"\xfa\x01\x00"),
    "numbers that nobody knows": ((), b"\x78\x00"),
    "groups": ((), b"\x7b\x7c"),
    "spans behind a group": ((2, 1), b"\x7b\x7c\x12\x00"),
}


def protobuf_of(fields: tuple[int, ...], each: bytes) -> bytes:
    size = MAX_BODY_BYTES - 8 * (len(fields) + 1)
    return within(*fields, data=each * (size // len(each)))


def most(before: bytes, each: bytes, after: bytes) -> bytes:
    """Return JSON of nearly as many elements as there may be."""
    count = (MAX_ELEMENTS - elements(before + after)) // elements(each)
    return before + b"".join(each.replace(b"%d", b"%x" % n) for n in range(count)) + after


def attributes_of(count: int) -> bytes:
    """Return that many attributes of a span, each with a key of its own."""
    return b"".join(within(9, data=within(1, data=b"%x" % number)) for number in range(count))


MOST = {
    "as deep as may be": (b'{"x":[', b"[" * 60 + b"]" * 60 + b",", b"0]}"),
    "attributes": (ATTRIBUTES, b'{"key":"%d"},', b"{}]}}]}"),
    "attributes with values": (ATTRIBUTES, b'{"key":"%d","value":{"intValue":1}},', b"{}]}}]}"),
    "spans": (SPANS, b'{"name":"%d"},', b"{}]}]}]}"),
    "programs": (b'{"resourceSpans":[', b'{"scopeSpans":[{"schemaUrl":"%d"}]},', b"{}]}"),
}
BODIES = {
    **{f"JSON: {name}": (filled(*parts), JSON_TYPE) for name, parts in JSON.items()},
    **{
        f"protobuf: {name}": (protobuf_of(*parts), "application/x-protobuf")
        for name, parts in PROTOBUF.items()
    },
    **{
        f"the most JSON: {name}": (most(*parts), "application/json") for name, parts in MOST.items()
    },
    "the most protobuf: attributes": (
        within(2, 2, 1, data=attributes_of(MAX_ELEMENTS // 2 - 9)),
        "application/x-protobuf",
    ),
    "the most protobuf: without counting": (
        within(2, 2, 1, data=b"\x4a\x00" * ((MAX_ELEMENTS - 16) // 2)),
        "application/x-protobuf",
    ),
}
"""The costliest bodies that a request may have: as long as may be, of one kind of element."""

MEASURE = """
import resource, sys, time
from cqtel_tui.collector.arrivals import Origin
from cqtel_tui.collector.bodies import Body, read
encoding = sys.argv[1]
origin = Origin("ab" * 20, "DE")
read(Body(b"", "", encoding), origin, 1.0) if "protobuf" in encoding else None
data = sys.stdin.buffer.read()
def peak():
    return int(next(line for line in open("/proc/self/status") if "VmHWM" in line).split()[1]) << 10
def unit():
    begun, table = time.process_time(), {}
    for number in range(100_000):
        table[number & 1023] = str(number)
    return time.process_time() - begun
units = [unit() for _ in range(3)]
before, begun = peak(), time.process_time()
try:
    read(Body(data, "gzip", encoding), origin, 1.0)
except ValueError as error:
    print(type(error).__name__, file=sys.stderr)
seconds, size = time.process_time() - begun, peak() - before
print(seconds / sorted(units + [unit() for _ in range(2)])[2], size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
@pytest.mark.parametrize("name", BODIES)
def test_no_body_costs_more_than_it_may(name: str) -> None:
    data, encoding = BODIES[name]
    assert name.startswith("the most") or MAX_BODY_BYTES - 64 < len(data) <= MAX_BODY_BYTES
    costs = []
    for _ in range(6):  # the least of them is what it costs: a machine under load adds to it
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, encoding],
            input=gzip.compress(data, mtime=0),
            capture_output=True,
            cwd=Path(__file__).parents[2],
            check=True,
        )
        units, size = map(float, done.stdout.split())
        costs.append(units)
        assert size < MEMORY_BYTES, done.stderr
        if units < CPU_UNITS:
            break
    assert min(costs) < CPU_UNITS


def test_as_many_as_there_may_be_are_read_and_one_more_is_refused() -> None:
    whole = filled(SPANS, b"{},", b"{}]}]}]}", len(SPANS) + 3 * (MAX_ELEMENTS // 2 - 4) + 8)
    assert elements(whole) <= MAX_ELEMENTS
    assert from_json(whole, ORIGIN, 1.0).rejected > MAX_ELEMENTS // 2 - 9
    with pytest.raises(TooLargeError, match="50,000 elements"):
        from_json(whole.replace(b"{},", b"{},{},{},", 4) + b" " * MAX_ELEMENTS, ORIGIN, 1.0)


def test_a_batch_of_an_sdk_is_far_from_any_bound() -> None:
    about = {f"key.{number}": "v" for number in range(10)}
    listed = [{"key": key, "value": {"stringValue": value}} for key, value in about.items()]
    batch = request(*(span(attributes=listed) for _ in range(512)))
    assert from_json(as_json(batch), ORIGIN, time.time()).spans == 512
    assert from_protobuf(as_protobuf(batch), ORIGIN, time.time()).spans == 512


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)],
)
def test_no_compression_gets_around_the_count(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    data, encoding = BODIES["JSON: spans"]
    with pytest.raises(TooLargeError):
        read(Body(compress(data), coding, encoding), ORIGIN, 1.0)
    with pytest.raises(TooLargeError):
        read(Body(data, "", encoding), ORIGIN, 1.0)
