"""`--inspect-telemetry` writes `cq-telemetry.txt` in the current directory, and nothing else."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.errors import CqtelError
from cqtel_tui.record.inspection import is_ours, write

from ..cookies import record_cookie
from .conftest import NOWHERE, Payload

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Machine

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has it, Windows does not")

# What a release of 2021 wrote: Go's stdouttrace, one object after the other.
OF_2021 = '{\n\t"Name": "fetch",\n\t"SpanContext": {\n\t\t"TraceID": "a1"\n\t}\n}\n' * 2


def inspect(**more: Any) -> Telemetry:
    """Record one operation that is only inspected."""
    telemetry = Telemetry("cloudquery", version="0.20.0", inspect_telemetry=True, **more)
    with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
        pass
    assert telemetry.lost == 0
    assert operation.held is None
    return telemetry


def inspected(machine: Machine) -> list[Payload]:
    """Return the payloads in the file of inspection."""
    text = machine.inspection.read_text("utf-8").strip()
    found = []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(Payload(json.dumps(document).encode()))
        text = text[end:].lstrip()
    return found


@pytest.mark.parametrize("choice", [None, "on", "off"])
def test_the_file_is_written_whatever_was_chosen_and_nothing_else_is(
    machine: Machine, capfd: pytest.CaptureFixture[str], choice: str | None
) -> None:
    machine.folder.mkdir()
    machine.choose(choice, endpoint=NOWHERE)
    before = set(machine.files())
    inspect(no_telemetry=choice == "off")
    assert set(machine.files()) - before == {str(machine.inspection)}
    (payload,) = inspected(machine)
    assert payload.tree() == {("fetch", ""), ("fetch.aws", "fetch")}
    assert "service.instance.id" not in payload.resource
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ("cq-telemetry: telemetry was written to cq-telemetry.txt; nothing was sent\n")


def test_the_file_has_the_very_payload_that_would_have_been_held(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(Telemetry, "clock", staticmethod(lambda: 1_700_000_000_000_000_000))
    monkeypatch.setattr(Telemetry, "stopwatch", staticmethod(lambda: next(ticks) % 8))
    monkeypatch.setattr(Telemetry, "entropy", staticmethod(lambda size: b"\x07" * size))
    with Telemetry("cloudquery").operation("fetch") as operation:
        operation.exit(3)
    ticks = iter(range(10_000))
    with Telemetry("cloudquery", inspect_telemetry=True).operation("fetch") as operation:
        operation.exit(3)
    held, (shown,) = machine.payload(), inspected(machine)
    assert shown.document == held.document


@pytest.mark.parametrize("value", ["1", "true", "whatever"])
def test_the_variable_asks_for_it_as_well(machine: Machine, value: str) -> None:
    machine.run(
        'from cqtel_tui import Telemetry\nwith Telemetry("x").operation("y"): pass',
        CQ_INSPECT_TELEMETRY=value,
    )
    assert len(inspected(machine)) == 1
    assert not machine.state.exists()


def test_a_cookie_that_is_there_is_shown_when_it_would_be_sent(machine: Machine) -> None:
    machine.choose("on")
    machine.folder.mkdir()
    machine.cookie.write_text("f47ac10b-58cc-4372-a567-0e02b2c3d479\n")
    record_cookie(machine.state, "f47ac10b-58cc-4372-a567-0e02b2c3d479", machine.project)
    inspect()
    (payload,) = inspected(machine)
    assert payload.resource["service.instance.id"] == "f47ac10b-58cc-4372-a567-0e02b2c3d479"


def test_the_operations_of_one_process_are_kept_together(machine: Machine) -> None:
    telemetry = Telemetry("cloudquery", inspect_telemetry=True)
    for name in ("fetch", "policy"):
        with telemetry.operation(name):
            pass
    assert [each.spans[0]["name"] for each in inspected(machine)] == ["fetch", "policy"]


def test_the_next_process_replaces_the_file(machine: Machine) -> None:
    inspect()
    inspect()
    assert len(inspected(machine)) == 1


def test_error_texts_are_shown_in_debug_mode_as_they_would_be_sent(machine: Machine) -> None:
    telemetry = Telemetry("cloudquery", inspect_telemetry=True, debug_telemetry=True)
    with telemetry.operation("fetch") as operation:
        operation.fail(ValueError('"ünicode" \x1b[31m \ud800'))
    (payload,) = inspected(machine)
    assert payload.attributes("fetch")["exception.message"] == '"ünicode" \x1b[31m ?'


@pytest.mark.parametrize(
    "content",
    [
        OF_2021,
        "my notes\n",
        "",
        "{}",
        "[]",
        "[" * 100_000,
        '{"resourceSpans": []} and a note',
        '{"resourceSpans": 7}',
        '{"resourceSpans": [{"scopeSpans": [{"scope": {"name": "other"}}]}]}',
        '{"resourceSpans": [], "notes": "mine"}',
        "\ufeff",
    ],
)
def test_what_somebody_else_wrote_is_left_alone(
    machine: Machine, capfd: pytest.CaptureFixture[str], content: str
) -> None:
    machine.inspection.write_text(content, "utf-8")
    inspect()
    assert machine.inspection.read_text("utf-8") == content
    assert "was not written: it was written by something else" in capfd.readouterr().err
    assert list(machine.project.iterdir()) == [machine.inspection]


@POSIX
@pytest.mark.parametrize("kind", ["link to a file", "link to ours", "link to nothing", "FIFO"])
def test_a_link_is_never_followed_nor_anything_odd_replaced(machine: Machine, kind: str) -> None:
    target = machine.home / "target"
    inspect()
    ours = machine.inspection.read_bytes()
    machine.inspection.unlink()
    if kind == "FIFO":
        os.mkfifo(machine.inspection)
    else:
        machine.inspection.symlink_to(target)
    if kind == "link to a file":
        target.write_text("precious")
    if kind == "link to ours":
        target.write_bytes(ours)
    before = machine.inspection.lstat()
    inspect()
    after = machine.inspection.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert target.exists() == (kind in {"link to a file", "link to ours"})
    if kind == "link to a file":
        assert target.read_text() == "precious"


def test_a_directory_of_that_name_is_left_alone(machine: Machine) -> None:
    machine.inspection.mkdir()
    inspect()
    assert list(machine.inspection.iterdir()) == []
    assert [path.name for path in machine.project.iterdir()] == ["cq-telemetry.txt"]


@POSIX
def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(machine: Machine) -> None:
    inspect()
    before = machine.inspection.read_bytes()
    done = machine.run("""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from cqtel_tui import Telemetry
with Telemetry("cloudquery", inspect_telemetry=True).operation("fetch"):
    pass
""")
    assert "was not written" in done.stderr
    assert machine.inspection.read_bytes() == before
    assert len(list(machine.project.iterdir())) == 1


@POSIX
def test_the_file_is_for_its_owner_alone(machine: Machine) -> None:
    inspect()
    assert machine.inspection.stat().st_mode & 0o777 == 0o600


def test_a_program_that_changed_its_directory_writes_it_where_it_was_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Telemetry("cloudquery", inspect_telemetry=True).operation("fetch"):
        monkeypatch.chdir(machine.home)
    assert machine.inspection.exists()
    assert not (machine.home / "cq-telemetry.txt").exists()


def test_a_file_of_ours_is_told_from_others(machine: Machine) -> None:
    inspect()
    ours = machine.inspection.read_bytes()
    assert is_ours(ours)
    assert is_ours(ours * 3)
    assert not is_ours(ours + OF_2021.encode())
    assert not is_ours(ours + b"\xff")
    assert not is_ours(b"")


def test_writing_says_why_it_refuses(machine: Machine, tmp_path: Path) -> None:
    machine.inspection.write_text("mine")
    with pytest.raises(CqtelError, match=r"written by something else\. Move it away"):
        write([b"{}"], str(machine.project))
    with pytest.raises(FileNotFoundError):
        write([b"{}"], str(tmp_path / "nowhere"))
