from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cqtel_tui
from cqtel_tui.files import make_folder
from cqtel_tui.formats import quote
from cqtel_tui.outbox.bounds import MAX_PENDING, MAX_PENDING_BYTES
from cqtel_tui.outbox.envelope import read_label
from cqtel_tui.outbox.expiry import EXPIRY
from cqtel_tui.outbox.losses import LOSSES, count_loss, read_losses
from cqtel_tui.outbox.writing import (
    LONGEST_PAUSE_SECONDS,
    PENDING,
    RETRY_AT,
    hold,
    is_sender_due,
    project_mark,
)

from .conftest import DAY, NOW, PAYLOAD

if TYPE_CHECKING:
    from .conftest import Box


def test_what_is_held_is_read_back_byte_for_byte(box: Box) -> None:
    payload = bytes(range(256)) * 3
    headers = {"Content-Type": "application/json", "X-Odd": 'ünicode "quoted" \\ \n'}
    label = box.hold(
        payload,
        app="cloudquery",
        version="v6.21.1",
        operation="sync",
        outcome="failed",
        duration=98765,
        headers=headers,
        dropped=7,
        kind="rudderstack",
        origin="gate",
        target="https://telemetry.example/v1/batch?x=ü",
    )
    envelope = box.outbox.open(PENDING, label)
    assert envelope.payload == payload
    assert (envelope.id, envelope.created) == (label.id, label.created)
    assert (envelope.kind, envelope.origin) == ("rudderstack", "gate")
    assert (envelope.app, envelope.version) == ("cloudquery", "v6.21.1")
    assert envelope.target == "https://telemetry.example/v1/batch?x=ü"
    assert envelope.headers == headers
    assert envelope.dropped == 7
    assert envelope.project == project_mark("/home/ada/project")
    assert (label.size, label.attempt, label.origin) == (len(payload), 0, "gate")
    assert (label.app, label.version, label.operation) == ("cloudquery", "v6.21.1", "sync")
    assert (label.outcome, label.duration) == ("failed", 98765)


def test_the_first_line_is_json_with_the_documented_keys(box: Box) -> None:
    label = box.hold()
    header, payload = box.outbox.path(PENDING, label).read_bytes().split(b"\n", 1)
    assert payload == PAYLOAD
    assert set(json.loads(header)) == {
        *("v", "id", "kind", "created", "origin", "app", "operation", "outcome", "duration"),
        *("target", "headers", "project", "consent", "has_error_text", "dropped"),
        *("sha256", "length", "seal"),
    }
    assert header.isascii()
    assert b"ada" not in header


def test_the_newest_is_last_however_many_there_are(box: Box) -> None:
    for created in (NOW + 5, NOW, NOW + 999_999_999, NOW - DAY):
        box.hold(created=created)
    times = [label.created for label in box.outbox.labels(PENDING)]
    assert times == sorted(times)


def test_two_of_the_same_moment_do_not_collide(box: Box) -> None:
    for _ in range(10):
        box.hold(created=NOW)
    assert len(box.outbox.labels(PENDING)) == 10


def test_the_same_name_twice_is_an_error_and_the_first_one_stays(box: Box) -> None:
    label = box.hold()
    whole = box.outbox.path(PENDING, label).read_bytes()
    temporary = box.pending / f".{label.file_name}"
    temporary.write_bytes(b"of another process")
    box.held -= 1
    with pytest.raises(FileExistsError):
        box.hold(created=label.created)
    assert box.outbox.path(PENDING, label).read_bytes() == whole
    assert temporary.read_bytes() == b"of another process"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_everything_is_for_its_owner_alone(box: Box) -> None:
    label = box.hold()
    count_loss(str(box.state), "error")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (box.state, box.outbox.folder, box.pending, box.outbox.folder / LOSSES)
    }
    assert modes == {"state": 0o700, "outbox": 0o700, "pending": 0o700, "losses": 0o600}
    assert stat.S_IMODE(box.outbox.path(PENDING, label).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["../../escape", "a,b", "a/b", "a\0b"])
def test_a_name_can_never_lead_out_of_the_folder(box: Box, name: str) -> None:
    with pytest.raises(ValueError, match="can be called"):
        box.hold(operation=name)
    assert not box.state.exists()


def test_a_hundred_processes_that_record_at_once_hold_a_hundred_whole_envelopes(
    box: Box, scrubbed: Path
) -> None:
    program = """
import sys
from cqtel_tui import Telemetry
with Telemetry("cloudquery").operation("fetch") as operation:
    sys.stdin.read()
assert operation.held
"""
    assert scrubbed.is_dir()
    packages = str(Path(cqtel_tui.__file__).parents[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", program],
            cwd=scrubbed,
            stdin=subprocess.PIPE,
            env={**os.environ, "CQ_TELEMETRY_HOME": str(box.state), "PYTHONPATH": packages},
        )
        for _ in range(100)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 100
    labels = box.outbox.labels(PENDING)
    assert len(labels) == len(list(box.pending.iterdir())) == 100
    payloads = {box.outbox.open(PENDING, label).payload for label in labels}
    assert len(payloads) == 100
    assert box.outbox.losses() == 0


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".envelope",
        "a,b,c.envelope",
        "1800000000000000,aaaaaaaaaaaaaaaa,0,1,record,a,,b,ok,1",
        "1800000000000000,aaaaaaaaaaaaaaaa,0,1,record,a,,b,ok,1,2.envelope",
        "180000000000000,aaaaaaaaaaaaaaaa,0,1,record,a,,b,ok,1.envelope",
        "1800000000000000,AAAAAAAAAAAAAAAA,0,1,record,a,,b,ok,1.envelope",
        "1800000000000000,aaaaaaaaaaaaaaaa,00,1,record,a,,b,ok,1.envelope",
        "1800000000000000,aaaaaaaaaaaaaaaa,0,-1,record,a,,b,ok,1.envelope",
        "1800000000000000,aaaaaaaaaaaaaaaa,0,1,record,a,,b,ok,².envelope",
        "18000000000000\u0660\u0660,aaaaaaaaaaaaaaaa,0,1,record,a,,b,ok,1.envelope",
    ],
)
def test_a_name_that_is_no_label_is_none(name: str) -> None:
    assert read_label(name) is None


@given(st.text(max_size=300))
def test_no_name_at_all_is_an_error(name: str) -> None:
    for each in (name, name + ".envelope"):
        label = read_label(each)
        assert label is None or label.file_name == each


def test_the_oldest_make_room_and_are_counted(box: Box) -> None:
    box.fill(MAX_PENDING)
    newest = box.hold(look=True)
    labels = box.outbox.labels(PENDING)
    assert MAX_PENDING * 3 // 4 < len(labels) <= MAX_PENDING
    assert labels[-1] == newest
    assert labels[0].created > NOW - DAY
    lost = MAX_PENDING + 1 - len(labels)
    assert box.outbox.losses() == lost
    assert [what for _, what, _ in read_losses(str(box.state))] == ["full"] * lost


def test_the_bytes_are_bounded_as_well(box: Box) -> None:
    box.fill(100, size=256 * 1024)
    box.hold(b"x" * 100_000)  # a large one always looks
    total = sum(label.size for label in box.outbox.labels(PENDING))
    assert MAX_PENDING_BYTES // 2 < total <= MAX_PENDING_BYTES
    assert box.outbox.losses() + len(box.outbox.labels(PENDING)) == 101


def keep_clock(box: Box, clock: int) -> None:
    """Let the retention clock say this, and be due to move by a day."""
    (box.outbox.folder / EXPIRY).write_text(f"{clock}\n{clock}\nanother start\n0")


def test_what_is_older_than_thirty_days_goes(box: Box) -> None:
    box.fill(3, created=NOW - 31 * DAY)
    kept = box.hold(created=NOW - 29 * DAY)
    keep_clock(box, NOW - DAY)
    newest = box.hold(look=True)
    assert box.outbox.labels(PENDING) == [kept, newest]
    assert [what for _, what, _ in read_losses(str(box.state))] == ["expired"] * 3


def test_the_newest_stays_even_if_it_is_too_large_for_all(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cqtel_tui.outbox.bounds.MAX_PENDING_BYTES", 100)
    box.hold()
    newest = box.hold(b"x" * 20_000)
    assert box.outbox.labels(PENDING) == [newest]


def test_the_bound_holds_over_thousands_of_recordings(box: Box) -> None:
    most, name = 0, ""
    for at in range(2_500):
        name = hold(
            str(box.state),
            PAYLOAD,
            NOW + at,
            f"{at * 0x9E3779B97F4A7C15 % 2**64:016x}",  # as spread as random ones are
            app="a",
            version="",
            operation="b",
            outcome="ok",
            duration=1,
            headers={},
            project="/",
            has_error_text=False,
        )
        if at % 50 == 0:
            most = max(most, len(list(box.pending.iterdir())))
    left = box.outbox.labels(PENDING)
    assert max(most, len(left)) <= MAX_PENDING
    assert left[-1].file_name == name
    assert len(left) + box.outbox.losses() == 2_500


def test_making_room_leaves_alone_what_is_no_envelope(box: Box) -> None:
    box.fill(MAX_PENDING)
    (box.pending / "0000 notes of the user").write_text("mine")
    (box.pending / ".0000 hidden.envelope").write_text("mine")
    (box.pending / "0000 folder.envelope").mkdir()
    box.hold(look=True)
    assert len(box.outbox.labels(PENDING)) <= MAX_PENDING
    names = {path.name for path in box.pending.iterdir()}
    assert {"0000 notes of the user", ".0000 hidden.envelope", "0000 folder.envelope"} <= names


def test_losses_are_counted_up_to_a_bound_and_never_through_a_link(box: Box) -> None:
    box.hold()
    losses = box.outbox.folder / LOSSES
    losses.write_bytes(b"full\n" * 13_107)
    for _ in range(3):
        count_loss(str(box.state), "full")
    assert losses.stat().st_size <= 64 * 1024 + 50
    losses.unlink()
    if sys.platform != "win32":
        target = box.state / "target"
        losses.symlink_to(target)
        count_loss(str(box.state), "full")
        assert not target.exists()


def test_a_sender_is_due_unless_the_stamp_says_later(box: Box) -> None:
    assert is_sender_due(str(box.state), 5.0)
    box.hold()
    stamp = box.outbox.folder / RETRY_AT
    stamp.write_text("")
    os.utime(stamp, (5.0, 5.0))
    assert not is_sender_due(str(box.state), 4.9)
    assert is_sender_due(str(box.state), 5.0)


def test_a_stamp_that_is_further_away_than_any_pause_is_not_believed(box: Box) -> None:
    box.hold()
    stamp = box.outbox.folder / RETRY_AT
    stamp.write_text("")
    os.utime(stamp, (2e9, 2e9))
    assert is_sender_due(str(box.state), 1.8e9)
    assert is_sender_due(str(box.state), 2e9 - LONGEST_PAUSE_SECONDS - 1)
    assert not is_sender_due(str(box.state), 2e9 - LONGEST_PAUSE_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_can_never_be_made_is_an_error_and_not_for_ever() -> None:
    with pytest.raises(OSError):  # noqa: PT011  # which one is the kernel's to say
        make_folder("/proc/cqtel/outbox/pending")


def test_folders_made_at_the_same_time_are_no_error(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = os.mkdir

    def make_after_another(path: str, mode: int = 0o777) -> None:
        make(path, mode)
        make(path, mode)

    box.state.parent.mkdir(exist_ok=True)
    monkeypatch.setattr(os, "mkdir", make_after_another)
    make_folder(str(box.pending))
    assert box.pending.is_dir()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_quoting_is_json_in_plain_ascii(text: str) -> None:
    quoted = quote(text)
    assert quoted.isascii()
    assert json.loads(quoted) == text


def test_a_mark_tells_projects_apart_and_holds_no_path(tmp_path: Path) -> None:
    one, other = project_mark(str(tmp_path)), project_mark(str(tmp_path / "other"))
    assert one != other
    assert len(one) == len(other) == 16
    assert project_mark("/caf\udce9") != project_mark("/caf\udce8")
