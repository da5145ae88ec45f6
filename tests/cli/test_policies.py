"""`policy-file`: what an administrator refuses for everybody on a machine."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from .machines import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Here
    from .machines import Machine

NO_POLICY = "no policy is in force. To write one, as root: cq-telemetry policy-file --off"


@pytest.fixture
def policy(cq: Here) -> Path:
    """Return the file of an administrator of this machine, which is not there yet."""
    return cq.policy


def done(cq: Here, *arguments: str) -> None:
    ended = cq(*arguments)
    assert ended.code == 0, ended.said


def test_without_one_it_is_said_how_one_is_written(cq: Here) -> None:
    assert cq("policy-file").lines == [NO_POLICY]
    assert cq("policy-file", "--json").json == {"files": []}


def test_a_policy_that_was_written_is_in_force_for_every_program(cq: Here, policy: Path) -> None:
    done(cq, "on", "--all-programs")
    ended = cq("policy-file", "--off", "--output", str(policy))
    assert ended.code == 0
    assert "telemetry of all programs is off for everybody on this machine" in ended.said
    assert cq("policy-file").lines == [f"{policy}: telemetry of all programs is off"]
    status = cq("status", "--json").json
    assert status["decision"] == "off"
    assert [one["source"] for one in status["reasons"] if one["won"]] == [str(policy)]


def test_a_policy_for_one_program_leaves_the_others_alone(cq: Here, policy: Path) -> None:
    done(cq, "on", "--program", "cloudquery")
    done(cq, "on", "--program", "shop")
    done(cq, "policy-file", "--off", "--program", "shop", "--output", str(policy))
    decisions = {
        name: cq("status", "--json", "--program", name).json["decision"]
        for name in ("shop", "cloudquery")
    }
    assert decisions == {"shop": "off", "cloudquery": "on"}


def test_a_second_policy_adds_to_the_first_one(cq: Here, policy: Path) -> None:
    done(cq, "policy-file", "--off", "--program", "shop", "--output", str(policy))
    done(cq, "policy-file", "--no-debug", "--output", str(policy))
    [file] = cq("policy-file", "--json").json["files"]
    assert file == {
        "path": str(policy),
        "problem": None,
        "refused": [
            {"program": None, "refused": "debug"},
            {"program": "shop", "refused": "telemetry"},
        ],
    }


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_everybody_can_read_it_and_nobody_else_can_change_it(
    cq: Here, policy: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        done(cq, "policy-file", "--off", "--output", str(policy))
    finally:
        os.umask(before)
    assert stat.S_IMODE(policy.stat().st_mode) == 0o644
    assert stat.S_IMODE(policy.parent.stat().st_mode) == 0o755


@pytest.mark.parametrize("torn", ["{", "[]", '{"version": 99}', '{"telemetry": "on"}'])
def test_one_that_cannot_be_trusted_is_not_written_over(cq: Here, policy: Path, torn: str) -> None:
    policy.parent.mkdir(parents=True)
    policy.write_text(torn)
    policy.chmod(0o644)
    ended = cq("policy-file", "--off", "--output", str(policy))
    assert ended.code == 1
    assert f"{policy} was not changed" in ended.said
    assert policy.read_text() == torn
    [told] = cq("policy-file").lines
    assert told.startswith(f"{policy}: telemetry of all programs is off, because ")


def test_for_another_machine_it_is_printed(cq: Here) -> None:
    ended = cq("policy-file", "--off", "--no-debug", "--program", "shop", "--output", "-")
    assert ended.json == {
        "version": 2,
        "programs": {"shop": {"telemetry": "off", "debug": False}},
    }


@pytest.mark.parametrize(
    "options", [["--program", "shop"], ["--output", "x"], ["--off", "--program", "a b"]]
)
def test_what_cannot_be_a_policy_is_refused(cq: Here, options: list[str]) -> None:
    assert cq("policy-file", *options).code in {1, 2}
    assert not (cq.project / "x").exists()


def test_the_former_name_of_the_collectors_policy_says_what_it_is_called_now(cq: Here) -> None:
    assert "cq-telemetry collector-policy" in cq("policy").said


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can lay a folder of its own over /etc/xdg",
)
def test_the_system_wide_one_holds_whatever_a_user_sets(machine: Machine) -> None:
    """Written where no argument says, in a mount namespace of its own, and read by a plain user."""
    script = """
        mount -t tmpfs tmpfs /etc/xdg || exit 77
        "$@" policy-file --off || exit
        XDG_CONFIG_DIRS=/nowhere "$@" policy-file
        XDG_CONFIG_DIRS=/nowhere "$@" status --json
    """
    ended = subprocess.run(
        [str(shutil.which("unshare")), "-m", "sh", "-c", script, "sh", *machine.command()],
        env=machine.environment,
        cwd=machine.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if ended.returncode == 77:
        pytest.skip("nothing can be mounted here")
    assert ended.returncode == 0, ended.stderr
    told, _, status = ended.stdout.partition("\n")
    assert told == "/etc/xdg/cqtel/choices.json: telemetry of all programs is off"
    assert json.loads(status)["decision"] == "off"
