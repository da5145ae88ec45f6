from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.errors import CqtelError
from cqtel_tui.files import locked
from cqtel_tui.formats import sha256
from cqtel_tui.outbox.envelope import TornEnvelopeError
from cqtel_tui.outbox.store import LOCK, SENT, NoSuchEnvelopeError
from cqtel_tui.outbox.writing import PENDING

from .conftest import Box, receipt

if TYPE_CHECKING:
    from ..disks import Disk

INTERCEPTED = b'{"method": "POST"}\n\x00all of it'


@pytest.mark.parametrize("payload", [b"{}", b'{"resourceSpans":[]}', b"\x00" * 1000, b""])
@pytest.mark.parametrize("intercepted", [b"", INTERCEPTED])
def test_only_the_payload_its_hash_and_its_length_change(
    box: Box, payload: bytes, intercepted: bytes
) -> None:
    label = box.hold(
        intercepted=intercepted, origin="gate", target="https://upstream.example/", dropped=2
    )
    before = box.outbox.open(PENDING, label)
    found = box.outbox.replace(label, payload, dropped=3)
    assert box.outbox.labels(PENDING) == [found]
    after = box.outbox.open(PENDING, found)
    assert after == replace(before, payload=payload, sha256=sha256(payload), dropped=5)
    assert after.intercepted == intercepted
    assert found == replace(label, size=len(payload) + len(intercepted))
    assert stat.S_IMODE(box.outbox.path(PENDING, found).stat().st_mode) == 0o600
    assert len(list(box.pending.iterdir())) == 1


def test_a_payload_that_is_no_longer_pending_stays_as_it_is(box: Box) -> None:
    label = box.hold()
    box.outbox.close(label, SENT, receipt(label))
    sent = box.outbox.read(SENT, label)
    with pytest.raises(NoSuchEnvelopeError):
        box.outbox.replace(label, b"{}")
    assert box.outbox.read(SENT, label) == sent
    assert box.outbox.names(PENDING) == []


def test_what_was_answered_before_a_crash_is_not_changed_any_more(box: Box) -> None:
    label = box.hold()
    path = box.outbox.path(PENDING, label)
    data = path.read_bytes()
    box.outbox.close(label, SENT, receipt(label))
    path.write_bytes(data)  # as if the crash had come before the move
    box.outbox.path(SENT, label).unlink()
    with pytest.raises(NoSuchEnvelopeError):
        box.outbox.replace(label, b"{}")
    assert box.outbox.open(SENT, label).payload == b'{"resourceSpans":[]}'


def test_a_torn_envelope_is_not_mended(box: Box) -> None:
    label = box.hold()
    path = box.outbox.path(PENDING, label)
    path.write_bytes(path.read_bytes()[:-1])
    torn = path.read_bytes()
    with pytest.raises(TornEnvelopeError):
        box.outbox.replace(label, b"{}")
    assert path.read_bytes() == torn


def test_while_a_sender_is_at_work_nothing_is_changed_and_nobody_waits(box: Box) -> None:
    label = box.hold()
    with (
        locked(box.outbox.folder / LOCK),
        pytest.raises(CqtelError, match=r"being sent right now\. Try again"),
    ):
        box.outbox.replace(label, b"{}")
    assert box.outbox.open(PENDING, label).payload == b'{"resourceSpans":[]}'
    box.outbox.replace(label, b"{}")


def test_what_cannot_be_written_is_told_of_and_stays_as_it_was(box: Box) -> None:
    label = box.hold()
    before = box.outbox.open(PENDING, label)
    in_the_way = box.outbox.path(PENDING, replace(label, size=2))
    in_the_way.mkdir()
    with pytest.raises(CqtelError, match="cannot be changed"):
        box.outbox.replace(label, b"{}")
    assert box.outbox.open(PENDING, label) == before


class FullError(OSError):
    """There is no space left."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["write", "rename", "replace"])
@pytest.mark.parametrize("payload", [b"{}", b'{"resourceSpans":[ ]}', b"x" * 5000])
def test_on_a_full_disk_nothing_is_changed(
    box: Box, monkeypatch: pytest.MonkeyPatch, call: str, payload: bytes
) -> None:
    label = box.hold()
    before = {path.name: path.read_bytes() for path in box.pending.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise FullError

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr("os.write", full)
        elif call == "rename":
            patch.setattr("pathlib.Path.rename", full)
        else:
            patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(CqtelError, match="No space left"):
            box.outbox.replace(label, payload)
    assert {path.name: path.read_bytes() for path in box.pending.iterdir()} == before
    assert box.outbox.open(PENDING, label).payload == b'{"resourceSpans":[]}'


def test_on_a_disk_that_is_really_full_nothing_is_changed(disk: Disk) -> None:
    box = Box(disk.folder)
    label = box.hold()
    before = {path.name: path.read_bytes() for path in box.pending.iterdir()}
    disk.fill()
    with pytest.raises(CqtelError, match="No space left"):
        box.outbox.replace(label, b"x" * 20_000)
    assert {path.name: path.read_bytes() for path in box.pending.iterdir()} == before
    disk.make_room()
    assert box.outbox.replace(label, b"x" * 20_000).size == 20_000
