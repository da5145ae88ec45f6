"""The README says what the code knows; `CQTEL_WRITE=1` writes its tables anew."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli.parser import parser
from cqtel_tui.files import locked, publish
from cqtel_tui.review import promises
from cqtel_tui.tui import keys

if TYPE_CHECKING:
    from collections.abc import Callable

README = Path(__file__).parent.parent / "README.md"


def commands() -> str:
    lines = ["| command | what |", "|---|---|"]
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                usage = " ".join(command.format_usage().split())
                usage = usage.removeprefix("usage: cq-telemetry ").replace(" [-h]", "")
                usage = usage.replace("|", "\\|")
                lines.append(f"| `{usage}` | {helps[name]} |")
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "catalogue": promises.as_markdown,
    "keys": keys.as_markdown,
    "commands": commands,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_readme_is_what_the_code_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    pattern = re.compile(re.escape(begin) + "(.*?)" + re.escape(end), re.DOTALL)
    wanted = TABLES[name]()
    if os.environ.get("CQTEL_WRITE"):
        # Several processes may write tables: one after the other, and each the whole file.
        with locked(Path(tempfile.gettempdir(), "cqtel-readme.lock")):
            text = README.read_text(encoding="utf-8")
            publish(README, pattern.sub(lambda _: begin + wanted + end, text).encode())
        return
    found = pattern.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[1] == wanted, "stale: CQTEL_WRITE=1 python -m pytest tests/test_documentation.py"


def test_every_picture_that_the_readme_shows_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((screenshots/[^)]+)\)", text)
    assert len(pictures) >= 4
    assert [name for name in pictures if not (README.parent / name).is_file()] == []


SECURITY = README.parent / "cqtel_tui" / "docs" / "security.md"


def rows() -> list[list[str]]:
    """Return the rows of the threat model: who, what they may try, what holds, which tests."""
    lines = SECURITY.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


def test_each_row_of_the_threat_model_names_a_test_that_is_there() -> None:
    defined = {
        name
        for path in Path(__file__).parent.rglob("test_*.py")
        for name in re.findall(
            r"^\s*(?:async )?def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE
        )
    }
    assert len(rows()) > 20
    for who, tried, holds, proofs in rows():
        assert tried, who
        assert holds, tried
        names = re.findall(r"`(test_\w+)`", proofs)
        assert names, tried
        assert [name for name in names if name not in defined] == []


def test_the_threat_model_speaks_of_everybody_who_could_do_harm() -> None:
    text = " ".join(row[0] for row in rows())
    for who in (
        "repository",
        "another user",
        "environment",
        "program",
        "server",
        "network",
        "disk",
    ):
        assert who in text


def test_the_threat_model_is_shipped_and_the_readme_leads_to_it() -> None:
    assert "](cqtel_tui/docs/security.md)" in README.read_text(encoding="utf-8")
    from importlib.resources import files

    assert (files("cqtel_tui") / "docs" / "security.md").is_file()


def test_the_top_level_holds_what_it_may_and_nothing_else() -> None:
    listed = subprocess.run(
        [shutil.which("git") or "git", "ls-files", "-z"],
        cwd=README.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a checkout")
    names = {name.partition("/")[0] for name in listed.stdout.split("\0") if name}
    visible = {name for name in names if not name.startswith(".")}
    assert visible <= {
        *("CHANGELOG.md", "LICENSE", "README.md", "cqtel_tui", "pyproject.toml"),
        *("screenshots", "tests"),
    }
