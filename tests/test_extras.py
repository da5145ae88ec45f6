"""No message names a package that the index does not have: it says what works from here."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cqtel_tui.extras import DISTRIBUTION, PLAIN, command, how_to_install

HERE = Path(__file__).parent.parent
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRES = ["httpx>=0.28", "h11<0.17,>=0.16; extra == 'gate'", 'a_b (>=2) ; extra == "serve"']


def test_a_clone_is_installed_from_where_it_is(tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    for is_editable in (True, False):
        origin = json.dumps({"url": clone.as_uri(), "dir_info": {"editable": is_editable}})
        assert shlex.split(command("gate", origin, REQUIRES)) == [f"{clone}[gate]"]


def test_a_wheel_is_installed_from_its_file(tmp_path: Path) -> None:
    wheel = tmp_path / "cqtel_tui-1-py3-none-any.whl"
    wheel.touch()
    origin = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    assert shlex.split(command("gate", origin, REQUIRES)) == [f"{wheel}[gate]"]


def test_what_came_from_a_url_or_a_repository_comes_from_there_again() -> None:
    origin = json.dumps({"url": "https://files.example/x.whl", "archive_info": {}})
    assert shlex.split(command("gate", origin, [])) == [
        f"{DISTRIBUTION}[gate] @ https://files.example/x.whl"
    ]
    git = {"vcs": "git", "commit_id": "abc"}
    origin = json.dumps({"url": "https://git.example/x", "vcs_info": git})
    assert shlex.split(command("gate", origin, [])) == [
        f"{DISTRIBUTION}[gate] @ git+https://git.example/x@abc"
    ]


@pytest.mark.parametrize(
    "origin",
    [None, "", "{", "[]", "{}", '{"url": 1}', '{"url": "file:///no/such/folder", "dir_info": {}}'],
)
def test_where_the_source_is_gone_the_dependencies_are_named(origin: str | None) -> None:
    assert command("gate", origin, REQUIRES) == "'h11<0.17,>=0.16'"
    assert command("serve", origin, REQUIRES) == "'a_b(>=2)'"
    assert command("gate", origin, []) == "h11 opentelemetry-proto"


def test_the_plain_names_are_those_of_the_extras() -> None:
    for extra, names in PLAIN.items():
        declared = {
            "".join(c if c not in "<>=! ;" else " " for c in each).split()[0]
            for each in PROJECT["optional-dependencies"][extra]
        }
        faster_alone = {"httptools", "uvloop"}
        assert declared - faster_alone == set(names)


def test_this_very_copy_can_be_resolved_by_pip_without_an_index() -> None:
    words = shlex.split(how_to_install("gate"))
    assert words[:2] == ["pip", "install"]
    tried = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index",
         "--no-build-isolation", "--quiet", *words[2:]],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert "No matching distribution" not in tried.stderr


def test_no_string_of_ours_names_the_package_to_an_index() -> None:
    told = [
        str(path)
        for path in (HERE / "cqtel_tui").rglob("*")
        if path.suffix in {".py", ".md"} and f"install '{DISTRIBUTION}" in path.read_text("utf-8")
    ]
    assert told == []
    assert f"install '{DISTRIBUTION}" not in (HERE / "README.md").read_text("utf-8")
