"""Whatever bytes lie in an outbox, reading them raises one type of error, and believes nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.formats import sha256
from cqtel_tui.outbox.envelope import Label, TornEnvelopeError, open_envelope, read_label
from cqtel_tui.outbox.writing import SUFFIX, sealed

from .conftest import examples

PAYLOAD = b'{"resourceSpans":[]}'
INTERCEPTED = b'{"method":"POST"}\nbody'
NAME, WHOLE = sealed(
    PAYLOAD,
    1_800_000_000_000_000,
    "0123456789abcdef",
    app="cloudquery",
    version="6.21.1",
    operation="sync",
    outcome="ok",
    duration=12,
    headers={"Content-Type": "application/json"},
    project="f" * 16,
    has_error_text=False,
    consent="e" * 16,
    origin="gate",
    kind="rudderstack",
    target="https://up.example/v1/batch",
    intercepted=INTERCEPTED,
)
KEYS = list(json.loads(WHOLE.partition(b"\n")[0]))

ODD = st.sampled_from(
    [
        "1e999",
        "-1e999",
        "1e-999",
        "NaN",
        "Infinity",
        "-0",
        "9" * 5000,
        "[" * 3000,
        '"\\ud800"',
        "1.0",
    ]
)
VALUES = st.one_of(
    ODD,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ).map(json.dumps),
)


def label() -> Label:
    found = read_label(NAME)
    assert found is not None
    return found


def read(data: bytes, at: Label | None = None) -> Any:
    """Return what is read; None for the one error that there may be."""
    try:
        return open_envelope(data, at or label())
    except TornEnvelopeError as error:
        torn = str(error)
    assert 0 < len(torn) < 500
    return None


def resealed(line: str, inside: bytes) -> bytes:
    opened = line.encode("utf-8", "surrogatepass")[:-1]
    return b'%b,"seal":"%b"}\n%b' % (opened, sha256(opened + inside).encode(), inside)


@examples(300)
@given(st.binary(max_size=600))
def test_no_bytes_at_all_are_more_than_torn(data: bytes) -> None:
    for each in (data, data + b"\n", b"{" + data + b"}\n", b'{"v":2,"headers":' + data + b"}\n"):
        assert read(each) is None


@examples(500)
@given(st.dictionaries(st.sampled_from([*KEYS, "more"]), VALUES, max_size=4), st.booleans())
def test_a_header_with_any_values_is_read_or_torn(changed: dict[str, str], is_old: bool) -> None:
    line, _, inside = WHOLE.partition(b"\n")
    header = {key: json.dumps(value) for key, value in json.loads(line).items()} | changed
    header.pop("seal", None)
    if is_old:
        header["v"] = "1"
    text = "{" + ",".join(f'"{key}":{value}' for key, value in header.items()) + "}"
    found = read(text.encode() + b"\n" + inside if is_old else resealed(text, inside))
    assert found is None or (found.payload, found.is_sealed) == (PAYLOAD, not is_old)


@examples(500)
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_what_was_altered_anywhere_is_never_believed(edits: list[tuple[int, bytes, int]]) -> None:
    data = WHOLE
    for at, put, removed in edits:
        data = data[:at] + put + data[at + removed :]
    found = read(data)
    assert (found is not None) is (data == WHOLE)


@examples(500)
@given(
    st.lists(st.tuples(st.integers(0, len(NAME) - 1), st.text(max_size=2)), min_size=1, max_size=3)
)
def test_a_name_that_was_altered_is_none_or_not_what_stands_within(
    edits: list[tuple[int, str]],
) -> None:
    name = NAME
    for at, put in edits:
        name = name[:at] + put + name[at + 1 :]
    found = read_label(name)
    if found is not None and read(WHOLE, found) is not None:
        attempts = len(str(found.attempt))
        assert name.split(",")[2] == str(found.attempt)
        assert attempts < 20
        assert [*name.split(",")[:2], *name.split(",")[3:]] == [
            *NAME.split(",")[:2],
            *NAME.split(",")[3:],
        ]


@examples(300)
@given(st.text(max_size=300))
def test_no_name_at_all_is_an_error(name: str) -> None:
    for each in (name, name + SUFFIX, name.replace(" ", ",") + SUFFIX):
        found = read_label(each)
        assert found is None or found.file_name == each
