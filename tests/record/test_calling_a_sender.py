"""A sender is started only when one is due, by itself, and never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver import starting
from cqtel_tui.deliver.starting import CALLED, RETRY_AT, start_if_due

from .conftest import NOWHERE, PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Machine

NOW = 1_800_000_000.0
pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="there is no posix_spawn")

# Stands in for the sender: tells what it was given, then waits to be let go.
SPY = """
import os, sys, time
told = {
    "arguments": sys.orig_argv[1:],
    "streams": [os.path.realpath(f"/proc/self/fd/{n}") for n in range(3)],
    "handles": sorted(int(n) for n in os.listdir("/proc/self/fd")),
    "session": os.getsid(0) == os.getpid(),
    "directory": os.getcwd(),
    "path": sys.path,
}
where = os.environ["TELL"]
with open(where + ".new", "w") as file:
    file.write(repr(told))
os.rename(where + ".new", where)
"""


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Keep a sender from being started, and tell with what it would have been."""
    started: list[list[str]] = []

    def spawn(_: str, arguments: list[str], __: object, **___: object) -> int:
        started.append(arguments)
        return 0

    monkeypatch.setattr(os, "posix_spawn", spawn)
    monkeypatch.setattr(starting, "_started", [])
    return started


@pytest.fixture
def outbox(machine: Machine) -> Path:
    machine.outbox.folder.mkdir(parents=True, mode=0o700)
    return machine.outbox.folder


def stamp(path: Path, seconds: float) -> None:
    path.write_text("")
    os.utime(path, (seconds, seconds))


def importable(folder: Path) -> str:
    """Return a PYTHONPATH with one folder more, and never the current one."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def wait_for(path: Path) -> str:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.01)
    return path.read_text()


def test_nobody_is_called_before_the_next_attempt_is_due(
    machine: Machine, outbox: Path, spawned: list[list[str]]
) -> None:
    stamp(outbox / RETRY_AT, NOW + 1)
    assert not start_if_due(str(machine.state), now=NOW)
    assert start_if_due(str(machine.state), now=NOW + 1)
    assert len(spawned) == 1


def test_of_many_who_call_one_does(
    machine: Machine, outbox: Path, spawned: list[list[str]]
) -> None:
    assert [start_if_due(str(machine.state)) for _ in range(3)] == [True, False, False]
    assert len(spawned) == 1
    (outbox / CALLED).unlink()  # as the sender does, before it looks at what is pending
    assert start_if_due(str(machine.state))


def test_a_call_that_nobody_answered_is_forgotten(
    machine: Machine, outbox: Path, spawned: list[list[str]]
) -> None:
    for when in (NOW - 121, NOW + 121):  # a clock that was put back, too
        stamp(outbox / CALLED, when)
        assert not start_if_due(str(machine.state), now=NOW)
        assert start_if_due(str(machine.state), now=NOW)
    stamp(outbox / CALLED, NOW - 100)
    assert not start_if_due(str(machine.state), now=NOW)
    assert not start_if_due(str(machine.state), now=NOW)
    assert len(spawned) == 2


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/opt/app/app"])
def test_a_program_that_only_has_python_in_it_does_not_start_itself(
    machine: Machine,
    outbox: Path,
    spawned: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    executable: str | None,
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    assert not start_if_due(str(machine.state))
    assert not (outbox / CALLED).exists()
    assert spawned == []


def test_a_frozen_program_does_not_start_itself(
    machine: Machine, outbox: Path, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert not start_if_due(str(machine.state))
    assert not (outbox / CALLED).exists()
    assert spawned == []


def test_a_python_that_is_gone_is_no_error_and_the_next_command_tries_again(
    machine: Machine, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(machine.home / "python"))
    assert not start_if_due(str(machine.state))
    assert not (outbox / CALLED).exists()


def test_an_outbox_that_is_not_there_is_no_error(machine: Machine) -> None:
    assert not start_if_due(str(machine.state))


def test_the_sender_is_given_the_options_and_nothing_else(
    machine: Machine, outbox: Path, spawned: list[list[str]]
) -> None:
    assert outbox.is_dir()
    start_if_due(str(machine.state), ["--debug-telemetry"])
    assert spawned == [[sys.executable, "-P", "-m", "cqtel_tui.deliver", "--debug-telemetry"]]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="its handles are seen in /proc")  # noqa: PTH112
def test_the_sender_is_alone_and_holds_nothing_of_the_program(
    machine: Machine, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "spy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(SPY)
    monkeypatch.setenv("PYTHONPATH", importable(package.parent))
    monkeypatch.setenv("TELL", str(tmp_path / "told"))
    monkeypatch.setattr(starting, "_MODULE", "spy")
    kept, given = os.pipe()
    os.set_inheritable(given, True)
    try:
        assert outbox.is_dir()
        assert start_if_due(str(machine.state))
    finally:
        os.close(given)
        # Nobody else has that end, so that this does not wait.
        assert os.read(kept, 1) == b""
        os.close(kept)
    told = eval(wait_for(tmp_path / "told"))  # noqa: S307  # a test's own text
    assert told["streams"] == ["/dev/null"] * 3
    assert told["session"]
    assert told["directory"] == str(machine.project)
    assert str(machine.project) not in told["path"]
    assert "" not in told["path"]
    assert len(told["handles"]) == 4  # the streams, and the listing itself


def test_a_module_in_the_current_directory_is_not_imported(machine: Machine) -> None:
    machine.choose("on", endpoint=NOWHERE)
    for name in ("httpx", "json", "cqtel_tui", "ssl", "random"):
        (machine.project / f"{name}.py").write_text(
            f"open({str(machine.home / 'owned')!r}, 'w').close()\n"
        )
    # A program that is installed does not import from the current directory, either.
    done = subprocess.run(
        [sys.executable, "-P", "-c", RECORDING],
        cwd=machine.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    # The sender came, and met nobody at that endpoint.
    wait_for(machine.outbox.folder / RETRY_AT)
    assert not (machine.home / "owned").exists()


RECORDING = """
from cqtel_tui import Telemetry
with Telemetry("cloudquery").operation("fetch") as operation:
    pass
assert operation.held and not operation.telemetry.lost
"""


def test_a_sender_that_has_ended_does_not_stay_as_a_zombie(
    machine: Machine, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_MODULE", "this")  # ends at once
    monkeypatch.setattr(starting, "_started", [])
    assert start_if_due(str(machine.state))
    (process,) = starting._started
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    stamp(outbox / RETRY_AT, time.time() + 3600)
    assert not start_if_due(str(machine.state))
    assert starting._started == []
    with pytest.raises(ChildProcessError):
        os.waitpid(process, 0)


def test_a_program_that_waits_for_all_its_children_is_no_trouble(
    machine: Machine, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_MODULE", "this")
    monkeypatch.setattr(starting, "_started", [])
    assert start_if_due(str(machine.state))
    (process,) = starting._started
    os.waitpid(process, 0)
    (outbox / CALLED).unlink()
    assert start_if_due(str(machine.state))
    assert process not in starting._started
    os.waitpid(starting._started.pop(), 0)


def test_the_command_does_not_wait_for_a_sender(machine: Machine, tmp_path: Path) -> None:
    package = tmp_path / "packages" / "sleeper"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(f"import time; time.sleep({PATIENCE})")
    machine.choose("on", endpoint=NOWHERE)
    began = time.monotonic()
    done = machine.run(
        "from cqtel_tui.deliver import starting; starting._MODULE = 'sleeper'\n"
        + RECORDING
        + "print(starting._started[0])",
        PYTHONPATH=importable(package.parent),
    )
    assert time.monotonic() - began < PATIENCE
    os.kill(int(done.stdout), 9)
