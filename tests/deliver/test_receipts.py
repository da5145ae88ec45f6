"""A receipt's place is made sure of before the request; what was sent is never sent again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver.permission import ALL, NAMED
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.errors import CqtelError
from cqtel_tui.outbox.losses import UNSENT, read_losses
from cqtel_tui.outbox.receipts import Reservation
from cqtel_tui.outbox.store import REJECTED, SENDING, SENT
from cqtel_tui.outbox.writing import PENDING

from .collectors import PATIENCE, QUICK, reply
from .conftest import Machine

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..disks import Disk
    from .collectors import Collector, Request

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has it, Windows does not")


def on(disk: Disk, machine: Machine, collector: Collector) -> Machine:
    """Let the machine's state be on a disk of its own; hold one payload and say yes."""
    small = Machine(disk.folder)
    small.allow(collector.url)
    small.hold(b"payload")
    return small


def send_all(machine: Machine) -> list[Outcome]:
    return [one.outcome for one in machine.sender().send(machine.labels(), ALL)]


def test_on_a_full_disk_nothing_is_sent_and_it_is_said_how_to_go_on(
    machine: Machine, collector: Collector, disk: Disk
) -> None:
    small = on(disk, machine, collector)
    disk.fill()
    for send in (send_all, lambda it: it.sender().send_due()):
        with pytest.raises(CqtelError) as raised:
            send(small)
        assert "nothing was sent" in str(raised.value)
        assert str(small.outbox.folder) in str(raised.value)
        assert "cq-telemetry drop --all" in str(raised.value)
        assert "No space left on device" in str(raised.value)
        small.retry_at.unlink()
    assert collector.connections == 0
    assert [what for _, what, _ in read_losses(small.places.state)] == [UNSENT, UNSENT]
    assert len(small.pending) == 1
    disk.make_room()
    assert send_all(small) == [Outcome.SENT]
    assert collector.bodies == [b"payload"]


def test_on_a_full_disk_what_is_pending_can_be_deleted(
    machine: Machine, collector: Collector, disk: Disk
) -> None:
    small = on(disk, machine, collector)
    disk.fill()
    assert small.outbox.clear(PENDING) == 1
    assert small.pending == []


@pytest.mark.parametrize(("box", "status"), [(SENT, 200), (REJECTED, 400)])
def test_a_disk_that_fills_while_the_answer_comes_has_room_for_the_receipt(
    machine: Machine, collector: Collector, disk: Disk, box: str, status: int
) -> None:
    small = on(disk, machine, collector)

    def answer(_: Request, __: socket.socket) -> bytes:
        disk.fill()
        return reply(status, "\N{PILE OF POO}".encode() * 15_000)

    collector.always = answer
    assert send_all(small) == [Outcome(box)]
    [label] = small.labels(box)
    receipt = small.outbox.receipt(box, label)
    assert receipt is not None
    assert receipt.status == status
    assert receipt.url == collector.url
    assert small.outbox.open(box, label).payload == b"payload"
    assert list((small.outbox.folder / SENDING).iterdir()) == []


def test_a_folder_that_is_taken_away_while_the_answer_comes_makes_nothing_be_sent_twice(
    machine: Machine, collector: Collector, disk: Disk
) -> None:
    small = on(disk, machine, collector)

    def answer(_: Request, __: socket.socket) -> bytes:
        (small.outbox.folder / SENT).rename(small.outbox.folder / "taken away")
        return QUICK

    collector.replies.append(answer)
    with pytest.raises(CqtelError, match="It is not sent again"):
        send_all(small)
    (small.outbox.folder / "taken away").rename(small.outbox.folder / SENT)
    assert [one.outcome for one in small.sender().send_due()] == []
    assert collector.bodies == [b"payload"]
    assert len(small.sent) == 1


def test_on_a_disk_that_can_only_be_read_nothing_is_sent(
    machine: Machine, collector: Collector, disk: Disk
) -> None:
    small = on(disk, machine, collector)
    disk.mount_read_only()
    for send in (send_all, lambda it: it.sender().send_due()):
        with pytest.raises(CqtelError, match="Read-only file system"):
            send(small)
    assert collector.connections == 0


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("after", ["written", "moved", "envelope moved"])
def test_whatever_fails_after_the_answer_the_payload_is_not_sent_again(
    ready: Machine,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    after: str,
) -> None:
    ready.hold()
    ready.hold()

    def answer(_: Request, __: socket.socket) -> bytes:
        if after == "written":
            monkeypatch.setattr(Reservation, "_write", failing(number))
        else:
            replace = Path.replace

            def fail(path: Path, target: Path) -> Path:
                if (SENDING in path.parts) == (after == "moved"):
                    failing(number)()
                return replace(path, target)

            monkeypatch.setattr(Path, "replace", fail)
        return QUICK

    collector.replies.append(answer)
    with pytest.raises(CqtelError, match="It is not sent again") as raised:
        ready.sender().send_due()
    assert os.strerror(number) in str(raised.value)
    assert len(collector.requests) == 1
    monkeypatch.undo()
    monkeypatch.chdir(ready.project)
    results = ready.sender().send_due()
    assert [result.outcome for result in results][-1] is Outcome.SENT
    assert len(collector.requests) == 2
    if after == "written":
        assert ready.in_doubt() == ready.pending
        assert len(ready.sent) == 1
    else:
        assert len(ready.sent) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_without_a_place_for_the_receipt_nothing_is_sent(
    ready: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    ready.hold()
    monkeypatch.setattr(Reservation, "_write", failing(number))
    with pytest.raises(CqtelError, match=f"nothing was sent.*{os.strerror(number)}"):
        ready.sender().send_due()
    assert collector.connections == 0
    assert len(ready.pending) == 1
    assert list((ready.outbox.folder / SENDING).iterdir()) == []
    assert ready.in_doubt() == []


@POSIX
def test_a_limit_on_the_size_of_files_keeps_it_here(ready: Machine, collector: Collector) -> None:
    ready.hold()
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "from cqtel_tui.deliver.sender import Sender; from cqtel_tui.errors import CqtelError\n"
        "from cqtel_tui.paths import places\n"
        "try: Sender(places()).send_due()\n"
        "except CqtelError as error: print(error)"
    )
    process = ready.python("-c", program)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert b"nothing was sent" in printed
    assert b"File too large" in printed
    assert collector.connections == 0


@POSIX
def test_an_outbox_that_is_moved_while_the_answer_comes_takes_its_receipt_along(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    moved = ready.home / "moved"

    def answer(_: Request, __: socket.socket) -> bytes:
        ready.outbox.folder.rename(moved)
        return QUICK

    collector.replies.append(answer)
    with pytest.raises(CqtelError, match="It is not sent again"):
        ready.sender().send_due()
    if ready.outbox.folder.exists():
        shutil.rmtree(ready.outbox.folder)
    moved.rename(ready.outbox.folder)
    assert ready.sender().send_due() == []
    assert len(ready.sent) == 1
    assert len(collector.requests) == 1


def test_a_payload_that_was_copied_back_is_not_sent_again(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    [label] = ready.labels()
    data = ready.outbox.read(PENDING, label)
    ready.sender().send_due()
    tried = label.tried_again()
    ready.outbox.path(PENDING, tried).write_bytes(data)
    other = ready.hold(b"other")
    results = ready.sender().send_due()
    assert [(one.id, one.outcome) for one in results] == [
        (other, Outcome.SENT),
        (label.id, Outcome.REFUSED),
    ]
    [result] = ready.sender().send([tried], NAMED)
    assert result.outcome is Outcome.REFUSED
    assert "it was sent before" in result.why
    assert len(collector.requests) == 2


@pytest.mark.parametrize("answer", [reply(503), b""])
def test_what_was_not_taken_is_tried_again(
    ready: Machine, collector: Collector, answer: bytes
) -> None:
    collector.replies.append(answer)
    ready.hold()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.POSTPONED
    assert list((ready.outbox.folder / SENDING).iterdir()) == []
    ready.retry_at.unlink()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.SENT


@pytest.mark.parametrize("content", ["", "{", "[]", "\0" * 100, '{"url": 5}', '{"status": 200}'])
def test_a_mark_that_cannot_be_read_keeps_the_payload_here(
    ready: Machine, collector: Collector, content: str
) -> None:
    identity = ready.hold()
    (ready.outbox.folder / SENDING).mkdir()
    (ready.outbox.folder / SENDING / identity).write_text(content)
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert "it may have been sent" in result.why
    assert collector.connections == 0


def test_a_mark_of_what_is_no_longer_pending_goes(ready: Machine, collector: Collector) -> None:
    identity = ready.hold()
    (ready.outbox.folder / SENDING).mkdir()
    (ready.outbox.folder / SENDING / identity).write_text("{}")
    ready.outbox.clear(PENDING)
    ready.sender().send_due()
    assert list((ready.outbox.folder / SENDING).iterdir()) == []


@POSIX
def test_a_link_in_a_marks_place_is_not_followed(ready: Machine, collector: Collector) -> None:
    identity = ready.hold()
    (ready.outbox.folder / SENDING).mkdir()
    target = ready.home / "target"
    target.write_text("precious")
    (ready.outbox.folder / SENDING / identity).symlink_to(target)
    with pytest.raises(CqtelError, match="nothing was sent"):
        list(ready.sender().send(ready.labels(), NAMED))
    assert target.read_text() == "precious"
    assert collector.connections == 0


@POSIX
def test_a_sender_that_is_killed_between_the_answer_and_the_move_sends_nothing_again(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    program = (
        "import os, signal; from pathlib import Path\n"
        "from cqtel_tui.deliver.sender import Sender; from cqtel_tui.paths import places\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Sender(places()).send_due()"
    )
    process = ready.python("-c", program)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert len(ready.pending) == 1
    assert ready.sender().send_due() == []
    assert len(collector.requests) == 1
    [label] = ready.labels(SENT)
    receipt = ready.outbox.receipt(SENT, label)
    assert receipt is not None
    assert receipt.status == 200


def test_a_receipt_has_no_more_in_it_than_before(ready: Machine, collector: Collector) -> None:
    ready.hold()
    ready.sender().send_due()
    [label] = ready.labels(SENT)
    path = ready.outbox.path(SENT, label)
    data = path.with_name(path.name + ".receipt").read_bytes()
    assert data.endswith(b"\n")
    assert list(json.loads(data)) == [
        *("id", "sha256", "length", "url", "status", "time", "answer", "rejected_spans", "proxy")
    ]
