"""`--plain`: the same actions line by line, with nothing drawn."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.store import SENT

from .driving import environment
from .hostile import PAYLOADS
from .terminal import UI, terminal

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .driving import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")


def test_a_session_shows_asks_and_changes(machine: Machine, collector: Collector) -> None:
    payload = machine.payloads()[0]
    identity = machine.labels()[0].id
    with terminal("--plain", size=(120, 60), TERM="dumb") as it:
        it.shows("undecided", "Type a command", "cqtel>")
        for typed, shown in [
            ("pending", "validate-config"),
            (f"show {identity}", "service.name = cloudquery"),
            ("help", "show this help"),
            ("nonsense", 'There is no command "nonsense".'),
            ("sned 1", "Did you mean send?"),
            ("list", "5 payloads pending."),
            ("more", "That is all."),
            ("show 1", f"id {identity}"),
            ("help send", "usage: cq-telemetry send"),
            ("run -- sh -c 'echo ran'", "are you sure?"),
            ("y", "It ended with 0."),
            ("'unclosed", "Cannot parse this"),
            ("", "cqtel>"),
            (f"endpoint {collector.url}", "are you sure?"),
            ("y", "cqtel>"),
            ("on", "are you sure?"),
            ("n", "cqtel>"),
        ]:  # fmt: skip
            it.type(f"{typed}\n".encode())
            it.shows(shown)
            it.screen.reset()
        assert machine.chosen.telemetry is None
        it.type(b"on\n")
        it.shows("are you sure?")
        it.type(b"y\n")
        it.until(lambda: machine.chosen.telemetry == "on", "the yes")
        it.type(f"send {identity}\n".encode())
        it.shows("send " + identity, "are you sure?")
        it.type(b"y\n")
        it.until(lambda: len(machine.labels(SENT)) == 1, "the delivery")
        it.type(b"quit\n")
        assert it.end() == 0
        assert b"\x1b" not in it.written, "nothing is drawn"
    assert collector.bodies == [payload]


@pytest.mark.parametrize("last", [b"\x04", b"quit\n", b"exit\n", b"\x03"])
def test_a_session_ends_by_a_word_and_by_the_end_of_the_input(
    machine: Machine, last: bytes
) -> None:
    with terminal("--plain") as it:
        it.shows("cqtel>")
        it.type(last)
        assert it.end() == 0
        assert b"Traceback" not in it.written


def test_a_readonly_session_changes_nothing(machine: Machine) -> None:
    with terminal("--plain", "--readonly", size=(120, 60)) as it:
        it.shows("cqtel>")
        for typed in ("on", "off --discard", "drop --all", "endpoint none", "cookie lock", "run x"):
            it.screen.reset()
            it.type(f"{typed}\n".encode())
            it.shows("This session is read-only.")
        it.screen.reset()
        it.type(b"cookie show\n")
        it.shows("absent")
        it.type(b"quit\n")
        assert it.end() == 0
    assert not machine.choices.exists()
    assert len(machine.labels()) == 5


def test_it_serves_a_pipe_too(machine: Machine) -> None:
    ended = subprocess.run(
        [*UI, "--plain"], input=b"pending\n", capture_output=True, check=True, env=environment()
    )
    assert b"validate-config" in ended.stdout + ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_hostile_payload_is_text_here_too(empty: Machine) -> None:
    label = empty.hold(PAYLOADS["everywhere"])
    with terminal("--plain", size=(120, 60)) as it:
        it.shows("cqtel>")
        for command in ("pending", f"show {label.id}", f"show {label.id} --raw"):
            it.type(f"{command}\n".encode())
            it.until(lambda: it.text.endswith("cqtel>") or "cqtel>" in it.text[-200:], "the prompt")
        it.type(b"quit\n")
        assert it.end() == 0
        assert b"\x1b" not in it.written
        assert it.screen.title == ""
