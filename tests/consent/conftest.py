from __future__ import annotations

import grp
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent.decision import Decision, ask
from cqtel_tui.paths import Places

from ..cookies import record_cookie
from ..groups import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PATIENCE = 60  # seconds, for a machine under load; nothing here takes so long by design


class Machine:
    """A whole machine below one folder: its user, its administrator and one project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.config = self.home / ".config" / "cqtel"
        self.state = self.home / ".local" / "state" / "cqtel"
        self.policy = root / "etc" / "xdg" / "cqtel"
        self.project = root / "project"
        for folder in (self.config, self.policy, self.project / ".cq"):
            folder.mkdir(parents=True, mode=0o755)
        self.choices = self.config / "choices.json"
        self.policy_file = self.policy / "choices.json"
        self.project_file = self.project / ".cq" / "telemetry.json"
        self.cookie = self.project / ".cq" / "telemetry-cookie"
        self.places = Places(str(self.config), str(self.state), (str(self.policy),))

    def ask(
        self,
        options: Iterable[str] = (),
        environ: Mapping[str, str] | None = None,
        program: str | None = "cloudquery",
    ) -> Decision:
        return ask(self.places, options, environ or {}, str(self.project), (), program)

    def has_cookie(self, value: str) -> None:
        """Put a cookie there as one that was made here."""
        self.cookie.write_text(f"{value}\n")
        record_cookie(self.state, value, self.project)

    def user_chose(
        self, every: Mapping[str, object] | None, here: Mapping[str, object] | None = None
    ) -> None:
        """Write the user's choices by hand, as version 0.1 did; None for no choice."""
        content: dict[str, object] = {"version": 1}
        if every is not None:
            content["all"] = every
        if here is not None:
            content["projects"] = {str(self.project): here}
        write(self.choices, content)


def write(path: Path, content: object) -> None:
    """Put JSON, text or bytes in a file; None removes it."""
    if content is None:
        path.unlink(missing_ok=True)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


@pytest.fixture(autouse=True)
def scrubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of the machine that runs the tests: no variable that counts, and a plain umask."""
    for name in list(os.environ):
        if name.startswith(("CQ_", "XDG_", "ANDROID_")) or name in {"DO_NOT_TRACK", "CI"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def shared_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody else be in the group of this user's files."""
    monkeypatch.setattr(grp, "getgrgid", lambda gid: Group("staff", gid, ["somebody"]))


@pytest.fixture
def put() -> Callable[[Path, object], None]:
    return write


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder for a program that is not root's, for root reads and writes everything."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def run() -> Callable[..., str]:
    """Run a Python program in a process of its own, and return what it printed."""

    def run(program: str, *arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return done.stdout

    return run
