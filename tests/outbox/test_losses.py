"""What was lost is written down as well as the disk allows, and read again."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.files import make_folder
from cqtel_tui.outbox.losses import LOSSES, count_loss, forget_losses, read_losses
from cqtel_tui.outbox.writing import OUTBOX

if TYPE_CHECKING:
    from pathlib import Path

    from cqtel_tui.outbox.losses import Loss

    from ..disks import Disk

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX has it, Windows does not")


@pytest.fixture
def state(scrubbed: Path) -> Path:
    state = scrubbed / "state"
    make_folder(str(state / OUTBOX))
    return state


def noted(state: Path) -> list[tuple[str, str]]:
    return [(what, why) for _, what, why in read_losses(str(state))]


def without_room(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_loss_is_told_with_its_time_and_its_reason(state: Path) -> None:
    before = time.time() - 1
    count_loss(str(state), "error", OSError(errno.EDQUOT, "Disk quota exceeded"))
    count_loss(str(state), "full")
    first, second = sorted(read_losses(str(state)), key=lambda loss: loss[1])
    assert first[1:] == ("error", "Disk quota exceeded")
    assert second[1:] == ("full", "")
    assert before < first[0] < time.time() + 1


def test_what_an_earlier_version_wrote_is_still_counted(state: Path) -> None:
    (state / OUTBOX / LOSSES).write_text("full\nerror\n")
    assert noted(state) == [("error", ""), ("full", "")]


@POSIX
def test_a_disk_without_room_for_a_line_takes_a_name(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", without_room)
    for _ in range(3):
        count_loss(str(state), "error", OSError(errno.ENOSPC, "No space left on device"))
    assert noted(state) == [("error", "No space left on device")] * 3
    assert list((state.parents[1] / "runtime").iterdir()) == []


@POSIX
def test_a_line_of_which_only_a_part_had_room_is_taken_back(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_loss(str(state), "full")
    whole = (state / OUTBOX / LOSSES).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    count_loss(str(state), "error")
    assert (state / OUTBOX / LOSSES).read_bytes() == whole
    assert sorted(noted(state)) == [("error", ""), ("full", "")]


@POSIX
def test_where_the_state_folder_takes_nothing_it_is_written_elsewhere(
    scrubbed: Path, tmp_path: Path
) -> None:
    state = scrubbed / "state"
    state.write_text("a file where a folder should be")
    count_loss(str(state), "error", "Not a directory")
    assert noted(state) == [("error", "Not a directory")]
    assert noted(scrubbed / "another") == []
    (folder,) = (tmp_path / "runtime").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    forget_losses(str(state))
    assert noted(state) == []


@POSIX
def test_a_folder_that_others_may_have_made_is_neither_written_nor_read(
    scrubbed: Path, tmp_path: Path
) -> None:
    state = scrubbed / "state"
    state.write_text("")
    count_loss(str(state), "error")
    (folder,) = (tmp_path / "runtime").iterdir()
    folder.chmod(0o777)
    assert noted(state) == []
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    count_loss(str(state), "error")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@POSIX
def test_the_names_are_bounded(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", without_room)
    for _ in range(150):
        count_loss(str(state), "error")
    assert len(list((state / OUTBOX).iterdir())) == 101


@pytest.mark.parametrize("why", ["a/b", "../../x", "\x1b[31m", "x" * 1000, "a,b\nc", "é", "\0"])
def test_a_reason_may_hold_anything(state: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    count_loss(str(state), "error", why)
    if os.name == "posix":
        monkeypatch.setattr(os, "write", without_room)
        count_loss(str(state), "error", why)
    kept = read_losses(str(state))
    assert {what for _, what, _ in kept} == {"error"}
    assert all(each.isprintable() and len(each) <= 100 for _, _, each in kept)


@pytest.mark.parametrize("data", [b"\xff" * 100 + b"\n", b"9" * 99 + b" x\n", b"\n\n", b"no end"])
def test_whatever_lies_there_is_no_error(state: Path, data: bytes) -> None:
    (state / OUTBOX / LOSSES).write_bytes(data)
    (state / OUTBOX / ".lost,x,y").touch()
    (state / OUTBOX / ".lost,²,y,z").touch()
    assert len(read_losses(str(state))) == data.count(b"\n")


@pytest.mark.parametrize("is_made", [False, True])
def test_a_disk_that_is_really_full_takes_it_too(
    scrubbed: Path, disk: Disk, *, is_made: bool
) -> None:
    state = disk.folder / "state"
    make_folder(str(state / OUTBOX) if is_made else str(state))
    disk.fill()
    loss: list[Loss] = []
    for _ in range(5):
        count_loss(str(state), "error", "No space left on device")
        loss = read_losses(str(state))
    assert [(what, why) for _, what, why in loss] == [("error", "No space left on device")] * 5
