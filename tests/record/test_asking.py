"""What is recorded is what the user, the project and the environment let be recorded."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.consent.decision import OFF
from cqtel_tui.outbox.writing import RETRY_AT

from ..cookies import record_cookie
from .conftest import NOWHERE

if TYPE_CHECKING:
    from .conftest import Machine

# Tells of everything that reaches the network, another program, or a file of the test's own.
WATCHED = """
import os, sys
seen = []
def watch(event, arguments):
    if event.startswith(("socket.", "os.posix_spawn", "os.fork", "os.exec", "subprocess.")):
        seen.append((event, repr(arguments)))
    elif event in {"os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.utime"}:
        if os.environ["ROOT"] in str(arguments[0]) or not os.path.isabs(str(arguments[0])):
            seen.append((event, repr(arguments)))
    elif event == "open" and (arguments[1] or "r") != "r" or (
        event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        if os.environ["ROOT"] in str(arguments[0]) or not os.path.isabs(str(arguments[0])):
            seen.append((event, repr(arguments)))
sys.addaudithook(watch)
from cqtel_tui import Telemetry
with Telemetry("cloudquery", no_telemetry="no" in sys.argv).operation("fetch") as operation:
    with operation.span("fetch.aws"):
        pass
assert operation.held is None
assert operation.telemetry.lost == 0
print(seen)
"""

WAYS_TO_SAY_NO = {
    "the option": {"argument": "no"},
    "CQ_NO_TELEMETRY": {"CQ_NO_TELEMETRY": "1"},
    "CQ_NO_TELEMETRY, whatever it says": {"CQ_NO_TELEMETRY": "whatever"},
    "DO_NOT_TRACK": {"DO_NOT_TRACK": "1"},
    "CQ_TELEMETRY_LEVEL": {"CQ_TELEMETRY_LEVEL": "none"},
    "the user": {"choice": "off"},
    "the project": {"project": '{"telemetry": "off"}'},
    "a project's file that cannot be read": {"project": "{"},
}


@pytest.mark.parametrize("way", WAYS_TO_SAY_NO)
def test_off_means_that_nothing_is_written_and_nothing_is_opened(
    machine: Machine, way: str
) -> None:
    said = dict(WAYS_TO_SAY_NO[way])
    if "choice" in said or way != "the user":
        # A yes with an endpoint stands behind every other no.
        machine.choose(said.pop("choice", "on"), endpoint=NOWHERE)
    machine.folder.mkdir()
    if "project" in said:
        (machine.folder / "telemetry.json").write_text(said.pop("project"))
    arguments = [said.pop("argument")] if "argument" in said else []
    before = machine.files()
    done = machine.run(WATCHED, *arguments, exits=0, ROOT=str(machine.home.parent), **said)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert machine.files() == before


def test_undecided_is_held_without_a_cookie_a_socket_or_another_program(machine: Machine) -> None:
    machine.folder.mkdir()
    watched = WATCHED.replace("is None", "is not None").replace(
        "print(seen)",
        """
allowed = ("open", "os.mkdir", "os.rename")
print([each for each in seen if each[0] not in allowed or "cookie" in each[1]])
""",
    )
    done = machine.run(watched, ROOT=str(machine.home.parent))
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert "service.instance.id" not in machine.payload().resource
    assert list(machine.folder.iterdir()) == []


def test_a_cookie_is_made_only_after_a_yes_and_is_the_same_ever_after(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch"):
        pass
    assert not machine.folder.exists()
    machine.choose("on")
    for _ in range(2):
        with telemetry.operation("fetch"):
            pass
    held, *others = [machine.payload_of(each).resource for each in machine.envelopes()]
    assert "service.instance.id" not in held
    assert {each["service.instance.id"] for each in others} == {machine.cookie.read_text().strip()}


def test_a_cookie_from_before_stays_at_home_while_undecided(
    machine: Machine, telemetry: Telemetry
) -> None:
    machine.folder.mkdir()
    machine.cookie.write_text("f47ac10b-58cc-4372-a567-0e02b2c3d479\n")
    record_cookie(machine.state, "f47ac10b-58cc-4372-a567-0e02b2c3d479", machine.project)
    with telemetry.operation("fetch"):
        pass
    assert b"f47ac10b" not in machine.payload().data


def test_a_locked_cookie_identifies_nobody(machine: Machine, telemetry: Telemetry) -> None:
    machine.choose("on")
    machine.cookie.mkdir(parents=True)
    with telemetry.operation("fetch"):
        pass
    assert "service.instance.id" not in machine.payload().resource
    assert machine.envelope().dropped == 0


def test_a_no_that_comes_during_the_operation_counts(
    machine: Machine, telemetry: Telemetry
) -> None:
    machine.choose("on", endpoint=NOWHERE)
    with telemetry.operation("fetch") as operation:
        machine.choose("off")
    assert operation.held is None
    assert not machine.state.exists()
    assert not machine.folder.exists()
    assert telemetry.lost == 0


def test_a_no_at_the_beginning_covers_the_operation_to_its_end(
    machine: Machine, telemetry: Telemetry
) -> None:
    machine.choose("off")
    with telemetry.operation("fetch") as operation:
        machine.choose("on", endpoint=NOWHERE)
    assert operation.held is None
    assert not machine.state.exists()
    assert not machine.folder.exists()


def test_a_yes_that_comes_during_the_operation_counts(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch"):
        machine.choose("on")
    assert machine.payload().resource["service.instance.id"] == machine.cookie.read_text().strip()


def test_debug_that_is_taken_back_during_the_operation_is_off(machine: Machine) -> None:
    machine.choose(None, debug=True)
    with Telemetry("cloudquery").operation("fetch") as operation:
        operation.fail(ValueError("secret"))
        machine.choose(None)
    assert b"secret" not in machine.payload().data


def test_a_program_that_changes_its_directory_is_of_the_project_it_was_started_in(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "plugins" / "source" / "cloudquery" / "aws" / "v1.0.0").mkdir(parents=True)
    elsewhere = machine.home / "elsewhere"
    elsewhere.mkdir()
    machine.choose("on")
    with telemetry.operation("fetch"):
        monkeypatch.chdir(elsewhere)
    assert machine.cookie.is_file()
    assert list(elsewhere.iterdir()) == []
    assert machine.payload().resource["cloudquery.plugins"] == ["source/cloudquery/aws@v1.0.0"]


def test_the_project_left_for_another_still_says_no(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.folder.mkdir()
    with telemetry.operation("fetch") as operation:
        (machine.folder / "telemetry.json").write_text(json.dumps({"telemetry": OFF}))
        monkeypatch.chdir(machine.home)
    assert operation.held is None


def test_without_an_endpoint_nobody_is_called(machine: Machine, telemetry: Telemetry) -> None:
    machine.choose("on")
    with telemetry.operation("fetch"):
        pass
    assert not list(machine.outbox.folder.glob("sender*"))


def test_a_field_that_is_newer_than_the_yes_is_left_out(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cqtel_tui import catalogue

    shape, _, in_debug = catalogue.RECORDED["cloudquery.build_date"]
    monkeypatch.setitem(catalogue.RECORDED, "cloudquery.build_date", (shape, 2, in_debug))
    machine.choose("on", catalogue=1)
    with telemetry.operation("fetch"):
        pass
    assert "cloudquery.build_date" not in machine.payload().resource
    assert machine.envelope().dropped == 1


def test_a_stamp_in_the_future_keeps_the_sender_from_being_called(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    machine.choose("on", endpoint=NOWHERE)
    machine.outbox.folder.mkdir(parents=True, mode=0o700)
    stamp = machine.outbox.folder / RETRY_AT
    stamp.write_text("")
    soon = time.time() + 3600
    os.utime(stamp, (soon, soon))
    monkeypatch.delattr(os, "posix_spawn", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "subprocess", None)
    with telemetry.operation("fetch"):
        pass
    assert telemetry.lost == 0
    assert len(machine.envelopes()) == 1


@pytest.mark.parametrize("home", [".tele", "~/tele", "/proc/self/cwd/.tele"])
def test_nothing_is_recorded_where_the_current_folder_would_answer(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    machine.choose("on")
    before = sorted(machine.project.rglob("*"))
    monkeypatch.setenv("CQ_TELEMETRY_HOME", home)
    with telemetry.operation("fetch"):
        pass
    assert telemetry.held is None
    assert telemetry.lost == 1
    assert sorted(machine.project.rglob("*")) == before


def test_nothing_is_recorded_beneath_a_project_that_refuses(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.folder.mkdir()
    (machine.folder / "telemetry.json").write_text('{"telemetry": "off"}')
    (machine.project / "below").mkdir()
    monkeypatch.chdir(machine.project / "below")
    with telemetry.operation("fetch"):
        pass
    assert telemetry.held is None
    assert telemetry.lost == 0


def test_no_cookie_that_came_with_a_repository_is_sent(
    machine: Machine, telemetry: Telemetry
) -> None:
    machine.choose("on")
    machine.folder.mkdir()
    machine.cookie.write_text("f47ac10b-58cc-4372-a567-0e02b2c3d479\n")
    with telemetry.operation("fetch"):
        pass
    assert "service.instance.id" not in machine.payload().resource
    assert machine.cookie.read_text() == "f47ac10b-58cc-4372-a567-0e02b2c3d479\n"
