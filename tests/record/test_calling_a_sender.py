"""A sender is started only when one is due, by itself, and never waited for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import zipapp
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox import dispatch as starting
from cqtel_tui.outbox.dispatch import CALLED, PROBLEM, start_if_due
from cqtel_tui.outbox.writing import RETRY_AT

from .conftest import NOWHERE, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "session": os.getsid(0),
    "parent": os.getppid(),
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

    monkeypatch.setattr(starting, "_start", started.append)
    return started


@pytest.fixture
def outbox(machine: Machine) -> Path:
    machine.outbox.folder.mkdir(parents=True, mode=0o700)
    return machine.outbox.folder


def stamp(path: Path, seconds: float) -> None:
    path.write_text("")
    os.utime(path, (seconds, seconds))


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
    (arguments,) = spawned
    assert arguments[:2] == [sys.executable, "-I"]
    assert arguments[-1] == "--debug-telemetry"
    assert "cqtel_tui.deliver" in arguments
    assert starting._parent() in arguments
    assert str(machine.project) not in " ".join(arguments)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="its handles are seen in /proc")  # noqa: PTH112
def test_the_sender_is_alone_and_holds_nothing_of_the_program(
    machine: Machine, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "spy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(SPY)
    monkeypatch.setenv("TELL", str(tmp_path / "told"))
    monkeypatch.setattr(starting, "_MODULE", "spy")
    monkeypatch.setattr(starting, "_folders", lambda: [str(package.parent)])
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
    assert told["session"] != os.getsid(0)
    assert told["parent"] != os.getpid()
    assert str(machine.project) not in told["path"]
    assert "" not in told["path"]
    at = told["path"].index(str(package.parent))
    assert "-packages" not in "".join(told["path"][:at])
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


SLEEPER = "import time; time.sleep(60)"


def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sender be a package that tells its number, and sleeps."""
    package = tmp_path / "packages" / "sleeper"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    told = tmp_path / "told"
    (package / "__main__.py").write_text(
        f"import os; open({str(told)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(told)!r} + '.new', {str(told)!r})\n{SLEEPER}"
    )
    monkeypatch.setattr(starting, "_MODULE", "sleeper")
    monkeypatch.setattr(starting, "_folders", lambda: [str(package.parent)])


@pytest.fixture
def asleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let the sender sleep; it is ended afterwards."""
    sleeper(tmp_path, monkeypatch)
    yield tmp_path / "told"
    os.kill(int(wait_for(tmp_path / "told")), 9)


# A process of its own: whoever runs the tests may have other children.
WAITING = """
import os, sys
from cqtel_tui.outbox import dispatch as starting
starting._MODULE, packages, state = "sleeper", *sys.argv[1:]
starting._folders = lambda: [packages]
own = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
assert starting.start_if_due(state)
assert os.wait()[0] == own
try:
    os.wait()
except ChildProcessError:
    sys.exit(0)
sys.exit("the sender is a child of the program")
"""


def test_a_program_that_waits_for_all_its_children_does_not_see_the_sender(
    machine: Machine, outbox: Path, asleep: Path
) -> None:
    machine.run(WAITING, str(asleep.parent / "packages"), str(machine.state))


# A program of one thread, which has a handler of its own for the end of children.
HANDLING = """
import os, signal, sys, time
from cqtel_tui.outbox import dispatch as starting
starting._MODULE, packages, state, with_own = "sleeper", *sys.argv[1:]
starting._folders = lambda: [packages]
ended, own, spawn = [], [], starting._spawn

def handler(*_):
    try:
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.append(pid)
    except ChildProcessError:
        ended.append(0)

def spawn_both(arguments):
    own.append(os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ))
    os.waitid(os.P_PID, own[0], os.WEXITED | os.WNOWAIT)
    return spawn(arguments)

signal.signal(signal.SIGCHLD, handler)
if with_own == "yes":
    starting._spawn = spawn_both
assert starting.start_if_due(state)
until = time.monotonic() + 60
while own and not ended and time.monotonic() < until:
    time.sleep(0.01)
assert signal.SIGCHLD not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
assert [pid for pid in ended if pid] == own, (ended, own)
assert own or not ended, ended
"""


@pytest.mark.parametrize("with_own", ["no", "yes"])
def test_a_handler_for_the_end_of_children_hears_of_its_own_alone(
    machine: Machine, outbox: Path, asleep: Path, with_own: str
) -> None:
    machine.run(HANDLING, str(asleep.parent / "packages"), str(machine.state), with_own)


def test_a_program_that_ignores_the_end_of_children_starts_one_as_well(
    machine: Machine, outbox: Path, asleep: Path
) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert start_if_due(str(machine.state))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_without_a_shell_one_is_started_all_the_same(
    machine: Machine, outbox: Path, asleep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_SHELL", str(machine.home / "sh"))
    assert start_if_due(str(machine.state))
    wait_for(asleep)


def test_the_command_does_not_wait_for_a_sender(machine: Machine, tmp_path: Path) -> None:
    machine.choose("on", endpoint=NOWHERE)
    packages = tmp_path / "packages"
    with pytest.MonkeyPatch.context() as patched:
        sleeper(tmp_path, patched)
    began = time.monotonic()
    machine.run(
        "from cqtel_tui.outbox import dispatch as starting; starting._MODULE = 'sleeper'\n"
        f"starting._folders = lambda: [{str(packages)!r}]\n" + RECORDING
    )
    assert time.monotonic() - began < PATIENCE
    os.kill(int(wait_for(tmp_path / "told")), 9)


# Where a sender imports from --------------------------------------------------------------------


def planted(folder: Path, owned: Path) -> None:
    """Put modules into a folder that must not be imported from."""
    folder.mkdir(parents=True, exist_ok=True)
    code = f"open({str(owned)!r}, 'a').write(__file__)\n"
    for name in ("sitecustomize", "usercustomize", "httpx", "platformdirs", "h11"):
        (folder / f"{name}.py").write_text(code)
    for name in ("cqtel_tui", "httpcore"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize("flag", ["-I", "-E", "-P", "-s", "-IB"])
def test_a_sender_imports_nothing_from_where_the_program_was_told_not_to(
    machine: Machine, tmp_path: Path, flag: str
) -> None:
    machine.choose("on", endpoint=NOWHERE)
    owned = tmp_path / "owned"
    user_site = machine.home / ".local" / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    planted(user_site, owned)
    planted(machine.project, owned)
    environment = {**os.environ}
    if flag in {"-I", "-E", "-IB"}:  # with -P alone the program itself heeds PYTHONPATH
        planted(tmp_path / "planted", owned)
        environment["PYTHONPATH"] = str(tmp_path / "planted")
    done = subprocess.run(
        [sys.executable, flag, *(["-P"] if flag in {"-E", "-s"} else []), "-c", RECORDING],
        cwd=machine.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wait_for(machine.outbox.folder / RETRY_AT)  # the sender came, and met nobody there
    assert not owned.exists()


HTTPX = Path(importlib.util.find_spec("httpx").origin).parents[1]  # type: ignore[union-attr, arg-type]
NEEDED = ("httpx", "httpcore", "h11", "anyio", "certifi", "idna", "platformdirs", "sniffio")


def vendor(folder: Path, *, needed: bool) -> Path:
    """Copy the package, and what it needs where that is wanted, as `pip --target` does."""
    folder.mkdir(parents=True)
    shutil.copytree(Path(starting._parent(), "cqtel_tui"), folder / "cqtel_tui")
    if needed:
        copy_needed(folder)
    return folder


def copy_needed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*NEEDED, "typing_extensions.py"):
        if (HTTPX / name).is_dir():
            shutil.copytree(HTTPX / name, folder / name)
        elif (HTTPX / name).is_file():
            shutil.copy(HTTPX / name, folder / name)


def bare_python(machine: Machine, *arguments: str, **variables: str) -> None:
    """Run a program by a Python that has nothing installed."""
    bare = machine.home / "bare"
    if not bare.exists():
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(bare)],
            timeout=PATIENCE,
            check=True,
        )
    done = subprocess.run(
        [str(bare / "bin" / "python"), *arguments],
        cwd=machine.project,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["target", "without site", "beside", "apart", "zip"])
def test_a_copy_that_was_never_installed_delivers(
    machine: Machine, tmp_path: Path, kind: str
) -> None:
    machine.choose("on", endpoint=NOWHERE)
    folders = [vendor(tmp_path / "copy", needed=kind in {"target", "without site", "zip"})]
    if kind == "beside":
        copy_needed(tmp_path / "needed")
        folders.append(tmp_path / "needed")
    if kind == "apart":  # as pex has it, each in a folder of its own
        copy_needed(tmp_path / "all")
        for path in (tmp_path / "all").iterdir():
            (tmp_path / "each" / path.stem).mkdir(parents=True)
            path.rename(tmp_path / "each" / path.stem / path.name)
        folders += (tmp_path / "each").iterdir()
    program = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}\n" + RECORDING
    if kind == "zip":
        (folders[0] / "__main__.py").write_text(RECORDING)
        zipapp.create_archive(folders[0], tmp_path / "program.pyz", compressed=True)
        shutil.rmtree(folders[0])
        bare_python(machine, os.path.relpath(tmp_path / "program.pyz", machine.project))
    else:
        bare_python(machine, *(["-S", "-I"] if kind == "without site" else []), "-c", program)
    wait_for(machine.outbox.folder / RETRY_AT)
    assert not (machine.outbox.folder / PROBLEM).exists()


def test_a_copy_without_what_it_needs_says_so(machine: Machine, tmp_path: Path) -> None:
    machine.choose("on", endpoint=NOWHERE)
    folder = vendor(tmp_path / "copy", needed=False)
    planted(tmp_path / "planted", tmp_path / "owned")
    for name in ("sitecustomize", "usercustomize"):  # those are the program's own, too
        (tmp_path / "planted" / f"{name}.py").unlink()
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n" + RECORDING
    bare_python(machine, "-c", program, PYTHONPATH=str(tmp_path / "planted"))
    assert "httpx could not be imported" in wait_for(machine.outbox.folder / PROBLEM)
    assert not (tmp_path / "owned").exists()


def test_a_package_that_is_gone_since_is_told(
    machine: Machine, outbox: Path, spawned: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "_parent", lambda: str(machine.home / "gone"))
    assert not start_if_due(str(machine.state))
    assert "no longer where it was" in (outbox / PROBLEM).read_text()
    assert not (outbox / CALLED).exists()
