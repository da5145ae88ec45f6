"""Whatever is altered in an envelope, inside or outside, is seen before anything is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.formats import sha256
from cqtel_tui.outbox.envelope import (
    Envelope,
    Label,
    TornEnvelopeError,
    identity_of,
    open_envelope,
    read_label,
)
from cqtel_tui.outbox.writing import PENDING

from .conftest import PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Box

LONG = "a number of more digits than Python reads"
INTERCEPTED = b'{"method":"POST"}\nwhat was intercepted'


def held(box: Box, **more: Any) -> tuple[Label, bytes]:
    label = box.hold(
        **{"intercepted": INTERCEPTED, "origin": "gate", "target": "https://up.example/", **more}
    )
    return label, box.outbox.path(PENDING, label).read_bytes()


def resealed(data: bytes, **change: Any) -> bytes:
    """Change the header of an envelope, and seal it anew: as we would not, but anybody can."""
    line, _, inside = data.partition(b"\n")
    header = {**json.loads(line), **change}
    del header["seal"]
    opened = json.dumps(header, separators=(",", ":")).encode()[:-1]
    seal = sha256(opened + inside)
    return opened + f',"seal":"{seal}"}}\n'.encode() + inside


def unsealed(data: bytes, **change: Any) -> bytes:
    """Return an envelope as earlier releases wrote it."""
    line, _, inside = data.partition(b"\n")
    header = json.loads(line)
    for key in ("seal", "operation", "outcome", "duration", "consent", "has_error_text"):
        del header[key]
    return json.dumps({**header, "v": 1, **change}, separators=(",", ":")).encode() + b"\n" + inside


def test_an_envelope_torn_at_any_byte_is_seen(box: Box) -> None:
    label, data = held(box)
    assert open_envelope(data, label).payload == PAYLOAD
    for end in range(len(data)):
        with pytest.raises(TornEnvelopeError):
            open_envelope(data[:end], label)
    with pytest.raises(TornEnvelopeError):
        open_envelope(data + b"\n", label)


def test_an_envelope_with_any_bit_changed_is_seen(box: Box) -> None:
    label, data = held(box)
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(TornEnvelopeError):
                open_envelope(bytes(changed), label)


def test_a_name_with_any_bit_changed_is_seen_but_for_the_attempts_that_are_counted_on_it(
    box: Box,
) -> None:
    label, data = held(box)
    name = label.file_name.encode()
    for at in range(len(name)):
        for bit in range(8):
            changed = bytearray(name)
            changed[at] ^= 1 << bit
            other = read_label(changed.decode("utf-8", "surrogateescape"))
            if other is not None and replace(other, attempt=0) != label:
                with pytest.raises(TornEnvelopeError, match="do not agree"):
                    open_envelope(data, other)
    assert open_envelope(data, replace(label, attempt=3)).id == label.id


@pytest.mark.parametrize(
    "field",
    ["created", "id", "size", "origin", "app", "version", "operation", "outcome", "duration"],
)
def test_everything_that_a_name_says_stands_within_as_well(box: Box, field: str) -> None:
    label, data = held(box)
    said = getattr(label, field)
    other = said + 1 if isinstance(said, int) else said.replace(said[:1], "b", 1)
    with pytest.raises(TornEnvelopeError, match="do not agree"):
        open_envelope(data, replace(label, **{field: other}))  # type: ignore[arg-type]


def test_one_envelope_under_the_name_of_another_is_seen(box: Box) -> None:
    _, data = held(box)
    other, _ = held(box)
    box.outbox.path(PENDING, other).write_bytes(data)
    with pytest.raises(TornEnvelopeError, match="do not agree"):
        box.outbox.open(PENDING, other)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 3},
        {"v": "2"},
        {"v": None},
        {"v": 2.0},
        {"v": True},
        {"headers": []},
        {"headers": {"A": 1}},
        {"headers": {"\ud800": "x"}},
        {"headers": {"X": "\udfff"}},
        {"app": "cloudquery"},
        {"app": {"name": 1, "version": ""}},
        {"target": 5},
        {"target": ["https://up.example/"]},
        {"created": "now"},
        {"created": True},
        {"created": 1e999},
        {"created": -1},
        {"dropped": None},
        {"dropped": float("nan")},
        {"sha256": None},
        {"length": "20"},
        {"length": 1e999},
        {"length": 20.0},
        {"length": -1},
        {"length": 10**400},
        {"length": LONG},
        {"created": LONG},
        {"intercepted": None},
        {"intercepted": {}},
        {"intercepted": {"length": 1e999, "sha256": "0" * 64}},
        {"intercepted": {"length": 10**30, "sha256": "0" * 64}},
        {"id": 7},
        {"id": "\ud800" * 16},
        {"kind": None},
        {"project": 1},
        {"consent": None},
        {"has_error_text": "no"},
        {"has_error_text": 0},
        {"operation": None},
        {"duration": 1.5},
    ],
    ids=lambda change: str(change)[:40],
)
@pytest.mark.parametrize("seal", [resealed, unsealed])
def test_a_header_of_another_shape_is_torn_and_nothing_else(
    box: Box, change: dict[str, Any], seal: Callable[..., bytes]
) -> None:
    label, data = held(box)
    altered = seal(data, **change)
    if LONG in change.values():
        altered = altered.replace(b'"%b"' % LONG.encode(), b"9" * 5000)
    only_read_with_a_seal = {"consent", "has_error_text", "operation", "duration"}
    if seal is unsealed and only_read_with_a_seal.intersection(change):
        return
    with pytest.raises(TornEnvelopeError):
        open_envelope(altered, label)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 10_000,
        b'{"a":' * 3_000,
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b"NaN",
        b'{"v":2,"v":2}',
        b'{"v":1,"length":Infinity}',
        b"\xff\xfe",
        b"",
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_line_that_is_no_header_is_torn_and_nothing_else(box: Box, line: bytes) -> None:
    label, _ = held(box)
    with pytest.raises(TornEnvelopeError):
        open_envelope(line + b"\n", label)


def test_a_key_that_stands_twice_is_torn_even_under_a_seal(box: Box) -> None:
    label, data = held(box)
    line, _, inside = data.partition(b"\n")
    opened = line[: line.index(b',"seal"')] + b',"target":"https://evil.example/"'
    doubled = opened + f',"seal":"{sha256(opened + inside)}"}}\n'.encode() + inside
    with pytest.raises(TornEnvelopeError, match="twice"):
        open_envelope(doubled, label)


def test_what_an_earlier_release_wrote_is_read_and_said_to_have_no_seal(box: Box) -> None:
    label, data = held(box)
    old = open_envelope(unsealed(data), label)
    assert (old.payload, old.intercepted, old.is_sealed) == (PAYLOAD, INTERCEPTED, False)
    assert old.has_error_text, "nobody knows"
    assert not old.consent


def test_what_an_earlier_release_wrote_is_never_given_a_seal(box: Box) -> None:
    label, data = held(box)
    path = box.outbox.path(PENDING, label)
    path.write_bytes(unsealed(data))
    with pytest.raises(TornEnvelopeError, match="earlier release"):
        box.outbox.replace(label, b"{}")
    assert path.read_bytes() == unsealed(data)


def test_an_envelope_that_lost_its_seal_is_not_one_of_an_earlier_release(box: Box) -> None:
    label, data = held(box)
    for altered in (
        data.replace(b'{"v":2', b'{"v":1'),
        data.replace(data[data.index(b',"seal"') : data.index(b"}\n")], b""),
    ):
        with pytest.raises(TornEnvelopeError):
            open_envelope(altered, label)


def test_its_bytes_are_made_anew_as_they_were(box: Box) -> None:
    for more in (
        {},
        {"intercepted": b"", "target": None, "headers": {"X": 'ü" \\'}, "has_error_text": True},
    ):
        label, data = held(box, **more)
        assert open_envelope(data, label).data == data


def test_the_id_is_read_from_a_name_alone(box: Box) -> None:
    label, _ = held(box)
    assert identity_of(label.file_name) == label.id
    assert [identity_of(name) for name in ("", "notes.txt", "a,b")] == ["", "", "b"]


def test_two_labels_of_one_envelope_are_the_same_but_for_the_attempt(box: Box) -> None:
    label, data = held(box)
    envelope: Envelope = open_envelope(data, label)
    assert envelope.label(2) == label.tried_again().tried_again()
