"""A choice, a cookie and what lies in a repository, on the file systems that people have."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from ...cli.machines import run

if TYPE_CHECKING:
    from .installing import Installed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths and rights of Unix")
needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or sys.platform != "linux",
    reason="a C compiler stands in for such a file system, on Linux",
)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
NO_LOCKS = "#include <errno.h>\nint flock(int a, int b) { errno = ENOLCK; return -1; }\n"
NO_LINKS = """#include <errno.h>
int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }
int link(const char *a, const char *b) { errno = EPERM; return -1; }
"""
COMMITTED = "11111111-2222-4333-8444-555555555555"


def without(machine: Installed, source: str) -> dict[str, str]:
    """Let a function of the C library be as it is on a file system that does not have it."""
    code, library = machine.outside / "missing.c", machine.outside / "missing.so"
    code.write_text(source)
    built = machine.sh(f"gcc -shared -fPIC -o '{library}' '{code}'")
    assert built.code == 0, built
    return {"LD_PRELOAD": str(library)}


@pytest.mark.parametrize("way", ["a file", "the command"])
def test_a_no_of_a_project_holds_in_its_subfolders(machine: Installed, way: str) -> None:
    below = machine.project / "below" / "it"
    below.mkdir(parents=True)
    if way == "a file":
        (machine.project / ".cq").mkdir()
        (machine.project / ".cq" / "telemetry.json").write_text('{"telemetry":"off"}')
    else:
        assert machine.cq("off", "--project").code == 0
    for folder in (machine.project, below):
        ended = run(machine.command("status"), environment=machine.environment, cwd=folder)
        assert ended.lines[0].startswith("telemetry  off:")
    beside = machine.root / "beside"
    beside.mkdir()
    ended = run(machine.command("status"), environment=machine.environment, cwd=beside)
    assert ended.lines[0].startswith("telemetry  undecided:")


@needs_gcc
def test_a_no_is_saved_where_nothing_can_be_locked(machine: Installed) -> None:
    ended = machine.cq("off", more=without(machine, NO_LOCKS))
    assert ended.code == 0, ended
    assert machine.status("telemetry").startswith("telemetry  off:")


@needs_gcc
def test_a_cookie_is_made_where_there_are_no_hard_links(machine: Installed) -> None:
    machine.cq("on")
    ended = machine.cq("cookie", "reset", more=without(machine, NO_LINKS))
    assert ended.code == 0, ended
    assert (machine.project / ".cq" / "telemetry-cookie").read_text().strip().count("-") == 4


@needs_git
def test_a_cookie_that_a_repository_ships_is_not_used(machine: Installed) -> None:
    git = "git -c user.email=a@example.org -c user.name=a"
    machine.sh(
        f"git init -q && mkdir .cq && echo {COMMITTED} > .cq/telemetry-cookie && git add -A && "
        f"{git} commit -qm x && git clone -q . '{machine.root}/clone'"
    )
    machine.project = machine.root / "clone"
    assert (machine.project / ".cq" / "telemetry-cookie").is_file()
    machine.cq("on")
    machine.record()
    assert COMMITTED.encode() not in machine.envelopes()[0].read_bytes()
    assert COMMITTED not in machine.cq("show", _only_id(machine), "--raw").out.decode()


@needs_git
def test_git_sees_nothing_of_a_cookie_of_ones_own(machine: Installed) -> None:
    machine.sh("git init -q")
    machine.cq("on")
    machine.record()
    assert (machine.project / ".cq" / "telemetry-cookie").is_file()
    assert machine.sh("git status --porcelain -uall").lines == []
    machine.sh("git add -A")
    assert machine.sh("git ls-files").lines == []


def _only_id(machine: Installed) -> str:
    [row] = machine.cq("pending", "--json").json
    return str(row["id"])


def test_a_repository_cannot_say_yes_by_a_relative_home(machine: Installed) -> None:
    machine.cq("on")
    machine.cq("endpoint", "http://127.0.0.1:9/v1/traces")
    shutil.copytree(machine.config, machine.project / ".tele")
    ended = machine.cq("status", more={"CQ_TELEMETRY_HOME": ".tele"})
    assert ended.code != 0
    assert "CQ_TELEMETRY_HOME=.tele is not an absolute path" in ended.said
    assert "Unset it" in ended.said
    assert (
        machine.python(
            "from cqtel_tui import Telemetry\n"
            'with Telemetry("cloudquery", version="1.0.0").operation("fetch") as o: o.exit(0)',
            more={"CQ_TELEMETRY_HOME": ".tele"},
        ).code
        == 0
    )
    assert not (machine.project / ".tele" / "outbox").exists()


@pytest.mark.parametrize(
    "written",
    [
        '{"telemetry":"off"}',
        '{"Telemetry":"off"}',
        '{"version":99,"telemetry":"off"}',
        '{"telemetry":"off","all":{"telemetry":"on"}}',
        '{"all":{"telemetry":"OFF"}}',
        '{"all":{"telemetry":false}}',
        '{"enabled":false}',
        '{"telemetry_enabled":"no","all":{"telemetry":"on","catalogue":1,"consented":5}}',
        "telemetry: off",
        "off\n",
    ],
)
def test_a_no_that_somebody_wrote_by_hand_is_heard(machine: Installed, written: str) -> None:
    machine.config.mkdir(parents=True, mode=0o700)
    machine.config.chmod(0o700)
    choices = machine.config / "choices.json"
    choices.write_text(written)
    choices.chmod(0o600)
    machine.record()
    assert machine.envelopes() == []
    assert machine.status("telemetry").startswith("telemetry  off:")
    assert choices.read_text() == written


def test_a_hand_written_yes_needs_what_the_command_writes(machine: Installed) -> None:
    machine.cq("on")
    saved = json.loads((machine.config / "choices.json").read_text())
    assert saved["programs"]["cloudquery"]["all"]["telemetry"] == "on"
    machine.record()
    assert len(machine.envelopes()) == 1
