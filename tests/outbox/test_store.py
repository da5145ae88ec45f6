from __future__ import annotations

import json
import os
import stat
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.errors import CqtelError
from cqtel_tui.outbox.envelope import Label, TornEnvelopeError
from cqtel_tui.outbox.store import (
    BOXES,
    REJECTED,
    SENT,
    SET_ASIDE,
    NoSuchEnvelopeError,
    Outbox,
    OutboxCounts,
)
from cqtel_tui.outbox.writing import PENDING

from ..cost import at_most
from .conftest import DAY, NOW, PAYLOAD, receipt

if TYPE_CHECKING:
    from .conftest import Box

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has it, Windows does not")


def beside(path: Path) -> Path:
    return path.with_name(path.name + ".receipt")


def test_an_outbox_that_was_never_used_is_empty_and_stays_unmade(box: Box) -> None:
    assert box.outbox.counts() == OutboxCounts(0, 0, 0, 0, 0)
    assert [box.outbox.labels(name) for name in (*BOXES, SET_ASIDE)] == [[], [], [], []]
    box.outbox.sweep()
    box.outbox.settle()
    assert not box.state.exists()


def test_a_box_that_cannot_be_read_says_which(box: Box) -> None:
    box.pending.parent.mkdir(parents=True)
    box.pending.write_text("")
    with pytest.raises(CqtelError, match="pending cannot be read"):
        box.outbox.labels(PENDING)


def test_a_few_letters_of_an_id_find_the_envelope(box: Box) -> None:
    first, second = box.hold(), box.hold()
    box.outbox.close(second, SENT, receipt(second))
    assert box.outbox.find(first.id) == (PENDING, first)
    assert box.outbox.find(second.id[:16]) == (SENT, second)
    with pytest.raises(NoSuchEnvelopeError, match="2 payloads begin with 'a00'"):
        box.outbox.find("a00")
    for nobody in ("", "f00", "no such id"):
        with pytest.raises(NoSuchEnvelopeError, match="No payload has the id"):
            box.outbox.find(nobody)
    with pytest.raises(NoSuchEnvelopeError):
        box.outbox.find(second.id, [PENDING])


def test_an_envelope_that_is_torn_is_set_aside_and_stops_nobody(box: Box) -> None:
    torn, whole = box.hold(), box.hold()
    path = box.outbox.path(PENDING, torn)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TornEnvelopeError, match="19 bytes of 20"):
        box.outbox.open(PENDING, torn)
    lies = box.outbox.set_aside(PENDING, torn)
    assert lies.read_bytes().endswith(PAYLOAD[:-1])
    assert box.outbox.labels(PENDING) == [whole]
    assert box.outbox.counts().set_aside == 1


@POSIX
@pytest.mark.parametrize("kind", ["link", "FIFO", "directory", "garbage", "empty", "huge"])
def test_what_only_looks_like_an_envelope_is_set_aside(box: Box, kind: str) -> None:
    label = box.hold()
    path = box.outbox.path(PENDING, label)
    moved = box.state / "moved"
    path.rename(moved)
    if kind == "link":
        path.symlink_to(moved)
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, {"garbage": 50, "empty": 0, "huge": 9 * 1024 * 1024}[kind])
    other = box.hold()
    handles = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(TornEnvelopeError):
        box.outbox.open(PENDING, label)
    assert len(list(Path("/dev/fd").iterdir())) == handles
    box.outbox.set_aside(PENDING, label)
    assert box.outbox.labels(PENDING) == [other]
    assert moved.read_bytes().endswith(PAYLOAD)


def test_hostile_names_in_the_folder_are_passed_over(box: Box) -> None:
    label = box.hold()
    for name in ("notes", "\x1b[31m.envelope", ",,,,,,,,,.envelope", "[bold].envelope", ".x"):
        (box.pending / name).write_text("")
    assert box.outbox.labels(PENDING) == [label]
    assert box.outbox.open(PENDING, label).payload == PAYLOAD


def test_an_envelope_that_is_gone_is_told_from_one_that_is_torn(box: Box) -> None:
    label = box.hold()
    box.outbox.drop(PENDING, label)
    with pytest.raises(NoSuchEnvelopeError, match="no longer pending"):
        box.outbox.open(PENDING, label)
    box.outbox.drop(PENDING, label)  # twice is no error


def test_what_was_answered_moves_with_its_receipt(box: Box) -> None:
    sent, rejected = box.hold(), box.hold()
    box.outbox.close(sent, SENT, receipt(sent))
    box.outbox.close(rejected, REJECTED, receipt(rejected, 400))
    assert box.outbox.labels(PENDING) == []
    assert box.outbox.open(SENT, sent).payload == PAYLOAD
    assert box.outbox.receipt(SENT, sent) == receipt(sent)
    assert box.outbox.receipt(REJECTED, rejected) == receipt(rejected, 400)
    assert box.outbox.counts() == OutboxCounts(0, 1, 1, 0, 0)
    box.outbox.drop(SENT, sent)
    assert list((box.outbox.folder / SENT).iterdir()) == []


@POSIX
def test_a_receipt_is_for_its_owner_alone(box: Box) -> None:
    label = box.hold()
    box.outbox.close(label, SENT, receipt(label))
    path = beside(box.outbox.path(SENT, label))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_crash_after_the_answer_is_settled_without_another_request(box: Box) -> None:
    answered, waiting = box.hold(), box.hold()
    box.outbox.close(answered, SENT, receipt(answered))
    # As if the process had been killed between the receipt and the move.
    box.outbox.path(SENT, answered).rename(box.outbox.path(PENDING, answered))
    box.outbox.settle()
    assert box.outbox.labels(PENDING) == [waiting]
    assert box.outbox.labels(SENT) == [answered]
    assert box.outbox.receipt(SENT, answered) == receipt(answered)
    box.outbox.settle()  # twice changes nothing
    assert box.outbox.labels(SENT) == [answered]


def test_an_envelope_dropped_while_it_is_sent_leaves_its_receipt(box: Box) -> None:
    label = box.hold()
    data = box.outbox.read(PENDING, label)
    box.outbox.drop(PENDING, label)
    with pytest.raises(FileNotFoundError):
        box.outbox.close(label, SENT, receipt(label))
    box.outbox.put_back(SENT, label, data)
    assert box.outbox.receipt(SENT, label) == receipt(label)


def test_an_attempt_in_vain_is_counted_on_the_label(box: Box) -> None:
    label = box.hold()
    box.outbox.postpone(label)
    (again,) = box.outbox.labels(PENDING)
    assert again == replace(label, attempt=1)
    assert box.outbox.open(PENDING, again).payload == PAYLOAD


def test_a_rejected_envelope_can_be_tried_again(box: Box) -> None:
    label = box.hold()
    box.outbox.close(label, REJECTED, receipt(label, 400))
    box.outbox.retry(label)
    assert box.outbox.labels(PENDING) == [label]
    assert list((box.outbox.folder / REJECTED).iterdir()) == []


@POSIX
def test_what_was_dropped_is_put_back_byte_for_byte(box: Box) -> None:
    label = box.hold()
    data = box.outbox.read(PENDING, label)
    box.outbox.drop(PENDING, label)
    (box.pending / f".{label.file_name}").symlink_to(box.state / "target")
    box.outbox.put_back(PENDING, label, data)
    assert box.outbox.read(PENDING, label) == data
    assert stat.S_IMODE(box.outbox.path(PENDING, label).stat().st_mode) == 0o600
    assert not (box.state / "target").exists()


@POSIX
def test_a_full_disk_leaves_nothing_half_put_back(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = box.hold()
    data = box.outbox.read(PENDING, label)
    box.outbox.drop(PENDING, label)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        box.outbox.put_back(PENDING, label, data)
    assert list(box.pending.iterdir()) == []


def test_clearing_a_box_tells_how_many_there_were(box: Box) -> None:
    for _ in range(3):
        box.hold()
    assert box.outbox.clear(PENDING) == 3
    assert box.outbox.clear(PENDING) == 0


def test_sweeping_takes_what_is_old_from_every_box_and_counts_what_was_never_sent(
    box: Box,
) -> None:
    old = [box.hold(created=NOW - 31 * DAY + at) for at in range(4)]
    new = box.hold(created=NOW - 29 * DAY)
    box.outbox.close(old[0], SENT, receipt(old[0]))
    box.outbox.close(old[1], REJECTED, receipt(old[1]))
    box.outbox.set_aside(PENDING, old[2])
    box.outbox.sweep((NOW - DAY * 2) / 1e6, ("this start", 0))
    box.outbox.sweep(NOW / 1e6, ("this start", 2 * DAY))
    assert box.outbox.labels(PENDING) == [new]
    for name in (SENT, REJECTED, SET_ASIDE):
        assert list((box.outbox.folder / name).iterdir()) == []
    assert box.outbox.losses() == 1


def test_sweeping_takes_what_a_crash_left_but_not_what_is_being_written(box: Box) -> None:
    label = box.hold()
    now = time.time()
    half, fresh = box.pending / ".half.envelope", box.pending / ".fresh.envelope"
    orphan = box.pending / "of nothing.receipt"
    for path in (half, fresh, orphan):
        path.write_bytes(b"")
    (box.pending / ".folder").mkdir()
    for path in (half, orphan, box.pending / ".folder"):
        os.utime(path, (now - 7200, now - 7200))
    if sys.platform != "win32":
        (box.pending / ".link").symlink_to(label.file_name)
    box.outbox.sweep(now)
    left = {path.name for path in box.pending.iterdir()}
    assert {label.file_name, fresh.name, ".folder"} <= left
    assert not left & {half.name, orphan.name}


def write_receipt(box: Box, content: bytes) -> Label:
    label = box.hold()
    box.outbox.close(label, SENT, receipt(label))
    beside(box.outbox.path(SENT, label)).write_bytes(content)
    return label


@pytest.mark.parametrize(
    "change",
    [
        {"status": "200"},
        {"status": True},
        {"status": None},
        {"url": 5},
        {"time": 1.5},
        {"answer": ["text"]},
        {"sha256": {}},
    ],
)
def test_a_receipt_of_another_shape_is_no_receipt(box: Box, change: dict[str, object]) -> None:
    content = {**asdict(receipt(box.hold())), **change}
    label = write_receipt(box, json.dumps(content).encode())
    with pytest.raises(CqtelError, match="is not a receipt"):
        box.outbox.receipt(SENT, label)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"[" * 50_000, b"\xff", b"7" * 100_000])
def test_a_receipt_that_is_garbage_is_no_receipt(box: Box, content: bytes) -> None:
    label = write_receipt(box, content)
    with pytest.raises(CqtelError, match="is not a receipt"):
        box.outbox.receipt(SENT, label)


@POSIX
@pytest.mark.parametrize("kind", ["link", "FIFO", "directory"])
def test_a_receipt_that_is_no_file_is_an_error_and_does_not_hang(box: Box, kind: str) -> None:
    label = write_receipt(box, b"")
    path = beside(box.outbox.path(SENT, label))
    path.unlink()
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(CqtelError):
        box.outbox.receipt(SENT, label)


def test_a_later_key_in_a_receipt_is_no_reason_to_refuse_it(box: Box) -> None:
    content = {**asdict(receipt(box.hold())), "since": 2}
    label = write_receipt(box, json.dumps(content).encode())
    assert box.outbox.receipt(SENT, label) is not None


def test_a_hundred_thousand_names_are_listed_in_a_moment(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    folder = outbox.folder / SENT
    folder.mkdir(parents=True)
    for at in range(20_000):
        name = f"{NOW + at:016d},{at:016x},0,1733,record,cloudquery,0.20.0,fetch,ok,1.envelope"
        os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY))
    with at_most(5):
        assert len(outbox.labels(SENT)) == 20_000
