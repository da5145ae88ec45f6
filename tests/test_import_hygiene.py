"""What each part of this program makes another program import, seen in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Imported = set[str]

# What a program that records must never be made to import: each costs more than recording does.
DECIDING = {
    *("catalogue", "consent", "consent.decision", "folders", "formats", "opening"),
    *("record", "record.telemetry"),
}
RECORDING = {"outbox", "outbox.writing", "record.ending", "record.payload"}
CHOSEN = {"consent.choice_file", "consent.endpoint", "consent.trusted"}
IN_A_PROJECT = {"record.plugins"}
HEAVY = {
    *("argparse", "ast", "asyncio", "collections", "concurrent", "contextlib", "copy", "ctypes"),
    *("dataclasses", "datetime", "email", "enum", "fnmatch", "functools", "getpass", "glob"),
    *("hashlib", "heapq", "importlib.metadata", "importlib.resources", "inspect", "ipaddress"),
    *("itertools", "json", "keyword", "locale", "logging", "operator", "pathlib", "platform"),
    *("queue", "random", "re", "secrets", "select", "shutil", "signal", "socket", "ssl", "string"),
    *("struct", "subprocess", "tempfile", "textwrap", "threading", "tokenize", "traceback"),
    *("types", "typing", "typing_extensions", "unicodedata", "urllib", "uuid", "warnings", "zlib"),
    *("__future__", "_contextvars", "_hashlib", "_socket", "_ssl", "_struct", "zipfile"),
    *("httpx", "httpcore", "platformdirs", "rich", "textual", "google", "opentelemetry"),
}
# One recording in sixteen makes room.
_BY_CHANCE = {"files", "outbox.bounds", "outbox.expiry", "outbox.losses"}
WALLED = {"textual", "rich", "httpx"}

RECORD = """
from cqtel_tui import Telemetry
with Telemetry("cloudquery", version="0.20.0", build_date="2021-11-26").operation("fetch") as it:
    for number in range(5):
        with it.span(f"fetch.{number}"):
            pass
assert not it.telemetry.lost
assert bool(it.held) == RECORDED
"""


@pytest.fixture
def home(scrubbed: Path) -> Path:
    return scrubbed


def imported(home: Path, program: str) -> Imported:
    """Run a program on its own, and return what it has imported that a bare Python has not."""
    # -I keeps the current directory and PYTHON* variables out; -S would keep out site-packages.
    tell = "\nimport sys\nprint(*sorted(sys.modules), sep='\\n', file=open(sys.argv[1], 'w'))"
    found = []
    for number, each in enumerate(("", program)):
        told = home / f"modules-{number}"
        done = subprocess.run(
            [sys.executable, "-I", "-W", "error", "-c", each + tell, str(told)],
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(set(told.read_text().split()))
    return found[1] - found[0]


def ours(modules: Iterable[str]) -> Imported:
    return {name.removeprefix("cqtel_tui.") for name in modules if name.startswith("cqtel_tui.")}


def heavy(modules: Iterable[str]) -> Imported:
    return {name for name in modules if name in HEAVY or name.partition(".")[0] in HEAVY}


def choose(home: Path, **chosen: object) -> None:
    folder = home / ".config" / "cqtel"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "choices.json").write_text(json.dumps({"version": 1, "all": chosen}))
    (folder / "choices.json").chmod(0o600)


def test_importing_the_package_imports_nothing_of_it(home: Path) -> None:
    modules = imported(home, "import cqtel_tui; cqtel_tui.__version__")
    assert modules == {"cqtel_tui"}


def test_asking_for_a_name_that_is_not_there_is_the_usual_error(home: Path) -> None:
    imported(home, "import cqtel_tui; assert not hasattr(cqtel_tui, 'nothing')")


def test_recording_undecided_imports_nothing_heavy(home: Path) -> None:
    # The first one makes the folders, and writes down where the project is.
    for once in {"files", "outbox.projects"}, set[str]():
        modules = imported(home, RECORD.replace("RECORDED", "True"))
        assert heavy(modules) == set()
        assert ours(modules) <= {*DECIDING, *RECORDING, *once, *_BY_CHANCE}


def test_recording_after_a_yes_imports_nothing_heavy(home: Path) -> None:
    choose(home, telemetry="on", catalogue=1, endpoint="http://127.0.0.1:9/")
    (home / ".cq" / "plugins" / "source" / "cloudquery" / "aws" / "v1.0.0").mkdir(parents=True)
    outbox = home / ".local" / "state" / "cqtel" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "retry-at").write_text("")
    soon = time.time() + 3600
    os.utime(outbox / "retry-at", (soon, soon))
    modules = imported(home, RECORD.replace("RECORDED", "True"))
    assert heavy(modules) == set()
    assert "deliver" not in ours(modules)
    assert (home / ".cq" / "telemetry-cookie").is_file()
    modules = imported(home, RECORD.replace("RECORDED", "True"))
    in_a_project = {*IN_A_PROJECT, "consent.cookie_file"}
    assert ours(modules) <= {*DECIDING, *RECORDING, *CHOSEN, *in_a_project, *_BY_CHANCE}
    assert "_json" not in modules


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="there is no posix_spawn")
def test_calling_a_sender_imports_nothing_heavy(home: Path) -> None:
    choose(home, telemetry="on", catalogue=1, endpoint="http://127.0.0.1:9/")
    modules = imported(home, RECORD.replace("RECORDED", "True"))
    assert heavy(modules) <= {"__future__"}
    assert "outbox.dispatch" in ours(modules)
    assert "deliver.sender" not in ours(modules)


def test_recording_nothing_imports_nothing_heavy(home: Path) -> None:
    choose(home, telemetry="off")
    modules = imported(home, RECORD.replace("RECORDED", "False"))
    assert heavy(modules) == set()
    assert ours(modules) <= {*DECIDING, *CHOSEN}


@pytest.mark.parametrize(
    "room",
    [
        *("catalogue", "errors", "extras", "files", "formats", "paths", "sanitize"),
        *("consent", "consent.choices", "consent.layers", "consent.saving", "consent.cookie"),
        *("record", "record.inspection", "record.telemetry", "review.promises"),
        *("outbox", "outbox.bounds", "outbox.envelope", "outbox.store", "outbox.receipts"),
        *("formats.strict_json", "formats.inspection", "review", "review.explain"),
    ],
)
def test_the_core_never_imports_a_terminal_or_a_network(home: Path, room: str) -> None:
    modules = imported(home, f"import cqtel_tui.{room}")
    assert {name.partition(".")[0] for name in modules} & WALLED == set()
    assert not ours(modules) & {"tui", "deliver", "gate", "collector", "cli"}


@pytest.mark.parametrize(
    "module", ["cqtel_tui.cli", "cqtel_tui.__main__", "cqtel_tui.actions.status"]
)
def test_the_scriptable_face_imports_no_terminal_and_no_network(home: Path, module: str) -> None:
    modules = imported(home, f"import {module}")
    assert {name.partition(".")[0] for name in modules} & WALLED == set()
