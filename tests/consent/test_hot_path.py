from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cqtel_tui

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Machine

PATIENCE = 60

# What every Python with a `site` has loaded already, and the C parts that cost nothing.
FREE = {
    "__future__",  # no annotation is evaluated, for this
    "_abc",
    "_collections_abc",
    "_sha2",  # a recording needs it in any case
    "_sha256",
    "_stat",
    "abc",
    "errno",
    "genericpath",
    "os",
    "os.path",
    "posixpath",
    "stat",
}

DECIDING = {
    *("cqtel_tui", "catalogue", "consent", "consent.decision", "folders", "formats", "opening"),
}
CHOSEN = {
    *("consent.choice_file", "consent.cookie_file", "consent.endpoint", "consent.trusted"),
}

ASK = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import os
from cqtel_tui.consent.decision import ask
from cqtel_tui.folders import folders
decision = ask(folders(os.environ), program="cloudquery")
if decision.state == "on":
    from cqtel_tui.consent.cookie_file import cookie_of
    assert cookie_of(os.getcwd(), folders(os.environ)[1], create=True)
print(decision.state, *sorted(set(sys.modules) - before))
"""


def asked(machine: Machine) -> tuple[str, set[str]]:
    """Ask in a bare process, and return the state and what was imported of ours."""
    root = str(Path(cqtel_tui.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK, root],
        env={**os.environ, "XDG_STATE_HOME": str(machine.state.parent)},
        cwd=machine.project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state, *modules = done.stdout.split()
    return state, {name.removeprefix("cqtel_tui.") for name in modules} - FREE


def test_who_chose_nothing_pays_for_nothing_more(machine: Machine) -> None:
    assert asked(machine) == ("hold", DECIDING)


def test_nor_does_who_chose_and_has_a_cookie(machine: Machine) -> None:
    machine.has_cookie("f47ac10b-58cc-4372-a567-0e02b2c3d479")
    machine.user_chose(
        {"telemetry": "on", "catalogue": 1, "endpoint": "http://127.0.0.1:4318/v1/traces"},
        {"debug": True},
    )
    assert asked(machine) == ("on", DECIDING | CHOSEN)


def test_a_project_s_file_imports_nothing_of_python_s(
    machine: Machine, put: Callable[[Path, object], None]
) -> None:
    machine.has_cookie("f47ac10b-58cc-4372-a567-0e02b2c3d479")
    machine.user_chose(
        {"telemetry": "on", "catalogue": 1, "endpoint": "http://127.0.0.1:4318/v1/traces"},
        {"debug": True},
    )
    put(machine.project_file, {"debug": False})
    assert asked(machine) == (
        "on",
        DECIDING | CHOSEN | {"consent.choices", "consent.spelling", "errors"},
    )
