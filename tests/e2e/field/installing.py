"""What installs a wheel of this tree, and a user's machine on which nothing else is installed."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from ...cli.machines import SYSTEM_PATH, Machine, Result, run

PROJECT = Path(__file__).parents[3]
OPERATION = """\
from cqtel_tui import Telemetry
with Telemetry("cloudquery", version="1.0.0").operation("fetch") as operation:
    operation.exit(0)
"""


def install(folder: Path) -> Path:
    """Install a wheel into an environment that sees this one's libraries, and fetch nothing.

    Returns:
        the folder of its commands; what is there is not made anew.
    """
    commands = folder / "venv" / "bin"
    if (folder / "is-whole").exists():
        return commands
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = folder / "wheels"
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, PROJECT)
    venv.EnvBuilder(symlinks=True).create(folder / "venv")
    [packages] = (folder / "venv" / "lib").glob("python3*/site-packages")
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")
    [wheel] = wheels.glob("cqtel_tui-*.whl")
    # What is seen of the other environment is not to be removed from there: this one is new.
    options = ["install", "--ignore-installed", "--no-deps", "--no-index"]
    _run(*pip, "--python", commands / "python", *options, wheel)
    (folder / "is-whole").touch()
    return commands


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Installed(Machine):
    """A machine on which the wheel is installed."""

    def __init__(self, root: Path, commands: Path) -> None:
        super().__init__(root)
        self.commands = commands
        self.environment["PATH"] = f"{self.programs}:{commands}:{SYSTEM_PATH}"

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        return [str(self.commands / "cq-telemetry"), *arguments]

    def ui(self, *arguments: str) -> list[str]:
        """Return the command line of `cq-telemetry-ui`."""
        return [str(self.commands / "cq-telemetry-ui"), *arguments]

    def sh(self, script: str, *, more: dict[str, str] | None = None) -> Result:
        """Run a line of shell in the project."""
        return run(
            ["/bin/sh", "-c", script], environment=self.environment | (more or {}), cwd=self.project
        )

    def python(self, source: str, *arguments: str, more: dict[str, str] | None = None) -> Result:
        """Run Python with the wheel installed in it."""
        command: list[str | bytes] = [str(self.commands / "python"), "-c", source, *arguments]
        return run(command, environment=self.environment | (more or {}), cwd=self.project)

    def record(self) -> None:
        """Record one operation of a program in Python."""
        assert self.python(OPERATION) == Result(0, b"", b"")

    def answering(self, name: str, script: str, *, at: str = "") -> Path:
        """Put a stand-in for CloudQuery somewhere: it answers `--version`, else runs a script."""
        answer = '[ "$1" = --version ] && { echo "cloudquery version 6.21.1"; exit; }\n'
        return self.program(name, f"#!/bin/sh\n{answer}{script}\n", at=at)

    def posting(self, name: str, source: str) -> Path:
        """Put a program somewhere that posts with Python's own library, and heeds no proxy."""
        return self.program(name, f"#!{sys.executable}\n{_POST}{source}\n")

    def profile(self, name: str, *, without: str = "") -> Path:
        """Copy the shipped profile for an OpenTelemetry program of a name."""
        [shipped] = self.commands.parent.glob("lib/*/site-packages/cqtel_tui/**/opentelemetry.toml")
        folder = self.config / "profiles"
        folder.mkdir(parents=True, mode=0o700)
        self.config.chmod(0o700)
        lines = shipped.read_text().splitlines()
        changed = {"programs = ": f'programs = ["{name}"]', "name = ": f'name = "{name}"'}
        for start, line in changed.items():
            at = next(at for at, old in enumerate(lines) if old.startswith(start))
            lines[at] = line
        kept = [line for line in lines if not without or not line.startswith(without)]
        path = folder / f"{name}.toml"
        path.write_text("\n".join(kept) + "\n")
        path.chmod(0o600)
        return path

    def status(self, word: str) -> str:
        """Return the line of the status that begins with a word; nothing if there is none."""
        lines = self.cq("status").lines
        return next((line for line in lines if line.startswith(word)), "")

    def intercepted(self) -> list[str]:
        """Return the ids of what was intercepted of a program and is held."""
        return [row["id"] for row in self.cq("pending", "--json").json if row["origin"] == "gate"]


_POST = """\
import json, os, sys, urllib.error, urllib.request
def post(url, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **named})
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__
"""
