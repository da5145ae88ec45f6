"""The walks of the documentation, each command run as it is written there."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from cqtel_tui.gate.observing import strace_problem

from ..cli.machines import PATIENCE, Machine

MOST_COMMANDS = 5
NOTHING_CAN_BE_MOUNTED = 77
seen = pytest.mark.skipif(bool(strace_problem()), reason=strace_problem())


def page(name: str) -> str:
    """Return a page of `docs`."""
    return (files("cqtel_tui") / "docs" / f"{name}.md").read_text(encoding="utf-8")


def walk(text: str, name: str) -> list[str]:
    """Return the commands of a walk."""
    block = text.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]
    lines = [line for line in block.strip().splitlines() if not line.startswith("```")]
    assert 0 < len(lines) <= MOST_COMMANDS
    return lines


@seen
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can lay a folder of its own over /etc/xdg",
)
def test_an_administrator_refuses_for_everybody_and_proves_it(tmp_path: Path) -> None:
    """In a mount namespace, so that this machine's own /etc/xdg stays as it is."""
    machine = Machine(tmp_path)
    witness = machine.witness("cloudquery")
    commands = [
        line.removeprefix("sudo ") for line in walk(page("administrators"), "administrator")
    ]
    assert commands[0] == "cq-telemetry policy-file --off"
    script = "\n".join(
        [
            f"mount -t tmpfs tmpfs /etc/xdg || exit {NOTHING_CAN_BE_MOUNTED}",
            f'cq-telemetry() {{ {" ".join(map(str, machine.command()))} "$@"; }}',
            *(f"{command} || exit 1; echo ==" for command in commands),
        ]
    )
    ended = subprocess.run(
        [str(shutil.which("unshare")), "-m", str(shutil.which("bash")), "-c", script],
        env=machine.environment,
        cwd=machine.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )
    if ended.returncode == NOTHING_CAN_BE_MOUNTED:
        pytest.skip("nothing can be mounted here")
    assert ended.returncode == 0, ended.stderr
    written, in_force, status, verified = ended.stdout.split("==\n", 3)
    path = "/etc/xdg/cqtel/choices.json"
    assert not written
    assert f"written to {path}" in ended.stderr
    assert in_force == f"{path}: telemetry of all programs is off\n"
    assert path in status.splitlines()[0]
    assert verified.splitlines()[0].split() == ["decision", "off"]
    assert "It tried to reach nothing outside this machine." in verified
    assert witness.last["environment"][b"CQ_NO_TELEMETRY"] == b"1"


@seen
def test_an_engineer_looks_refuses_and_proves_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    witness = machine.witness("cloudquery")
    readme = Path(__file__).parents[2] / "README.md"
    commands = walk(readme.read_text(encoding="utf-8"), "engineer")
    ended = [machine.cq(*command.split()[1:]) for command in commands]
    assert [one.code for one in ended] == [0] * len(commands)
    _, pending, refused, verified, status = ended
    [line] = pending.lines
    assert line.endswith("no destination: no endpoint is set")
    assert "deleted: 1 pending payload" in refused.said
    assert verified.lines[0].split() == ["decision", "off"]
    assert status.lines[0].startswith("telemetry  off")
    assert not list(machine.state.rglob("*.envelope"))
    first, last = (run["environment"] for run in witness.runs)
    assert (first.get(b"DO_NOT_TRACK"), last[b"DO_NOT_TRACK"]) == (None, b"1")
