"""Prove the promises here and now: record a throw-away operation among canaries, and look.

The real client records it, in a process, a home and a project of its own, all of which are gone
afterwards. Nothing is sent, for no endpoint is chosen there.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.cookie import look
from ..consent.saving import decide_telemetry, save
from ..errors import CqtelError
from ..gate.surroundings import surroundings_here
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..paths import HOME_VARIABLE
from ..sanitize import printable
from .evidence import UNTOLD, Canary, Expected, Proof, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..outbox.envelope import Envelope
    from ..review.needles import Surroundings

PATIENCE_SECONDS = 60.0
VERSION = "0.20.0"
BUILD_DATE = "2021-12-09"
PLUGIN = "source/cloudquery/aws/1.2.3"

PROGRAM = """
import contextlib, json, logging, os, sys
from cqtel_tui import Telemetry

notes = json.load(sys.stdin)
print(notes["output"])
print(notes["complaint"], file=sys.stderr)
logging.basicConfig(filename=notes["log file"], level=logging.DEBUG, encoding="utf-8")
logging.getLogger("cloudquery").error("%s", notes["log"])

telemetry = Telemetry("cloudquery", version=notes["version"], build_date=notes["build date"])
with contextlib.suppress(RuntimeError), telemetry.operation("fetch") as operation:
    # What a careless program might note: none of it is in the catalogue.
    operation.set("process.command_args", sys.argv[1:])
    operation.set("process.environment", dict(os.environ))
    operation.set("log.record", notes["log"])
    operation.set("client.address", os.environ["SSH_CONNECTION"].split()[0])
    with operation.span("fetch.aws") as part:
        part.set("file.path", sys.argv[-1])
        part.set("error.type", notes["error"] + " is no class")
        with open(sys.argv[-1], encoding="utf-8") as file:
            part.set("file.content", file.read())
    with contextlib.suppress(ValueError), operation.span("read " + sys.argv[-1]):
        raise ValueError(notes["inner error"])
    raise RuntimeError(notes["error"])
"""
"""What is run: a program that meets every canary, and notes most of them."""

_KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "LANG")


def prove(directory: str | Path | None = None, *, program: str = PROGRAM) -> Proof:
    """Record a throw-away operation, and hold its payload against every promise.

    Args:
        directory: where the throw-away home is made; where the system has such things by default.
        program: the program that is run.

    Returns:
        a verdict on each promise, or a problem: nothing is raised.
    """
    try:
        with tempfile.TemporaryDirectory(
            prefix="cqtel-proof-", dir=directory, ignore_cleanup_errors=True
        ) as base:
            return _prove(Path(base).resolve(), program)
    except (CqtelError, OSError, subprocess.SubprocessError) as error:
        return Proof((), problem=printable(f"Nothing could be proved: {error}", limit=500))


class _NothingRecordedError(CqtelError):
    """The throw-away program did not run, or left no envelope."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A throw-away home and project, full of canaries.

    Attributes:
        state: where the envelope will be held.
        project: the project, with a `.cq` of its own.
        arguments: the program's.
        environment: the program's, whole.
        notes: what the program reads from its standard input.
        canaries: every canary that was put anywhere.
    """

    state: str
    project: Path
    arguments: list[str]
    environment: dict[str, str]
    notes: dict[str, str]
    canaries: list[Canary]


def _prove(base: Path, program: str) -> Proof:
    scene = _set_scene(base)
    save(scene.state, decide_telemetry("on"))
    envelope = _record(scene, program)
    verdicts = check(
        envelope.payload,
        scene.canaries,
        list(_expected(look(str(scene.project), scene.state).value)),
        _surroundings(scene),
    )
    return Proof(verdicts, envelope.payload, envelope.dropped)


def _set_scene(base: Path) -> _Scene:
    canaries = _Canaries()
    home = base / canaries.put(UNTOLD, "the name of the home folder")
    project = base / canaries.put(UNTOLD, "the name of the project's folder")
    spec = project / canaries.put(UNTOLD, "the name of a file in the project")
    _install_plugins(project, canaries)
    spec.write_text(canaries.put("credentials", "a password in a file that was read"), "utf-8")
    aws = home / ".aws"
    aws.mkdir(parents=True)
    secret = canaries.put("credentials", "a secret in the file ~/.aws/credentials")
    (aws / "credentials").write_text(f"aws_secret_access_key = {secret}\n", "utf-8")
    state = str(base / "telemetry")
    environment = _environment(home, state, canaries)
    arguments = [
        "--account",
        canaries.put("arguments", "the value of an option"),
        "--region=" + canaries.put("arguments", "the value of an option, after ="),
        "--" + canaries.put("arguments", "the name of an option"),
        canaries.put("arguments", "an argument"),
        str(spec),
    ]
    notes = {
        "error": canaries.put("errors", "the text of the error that ended it"),
        "inner error": canaries.put("errors", "the text of an error that was handled"),
        "log": canaries.put("logs", "a line of its log"),
        "output": canaries.put("logs", "what it wrote on stdout"),
        "complaint": canaries.put("logs", "what it wrote on stderr"),
        "log file": str(base / canaries.put("logs", "the name of its log file")),
        "version": VERSION,
        "build date": BUILD_DATE,
    }
    return _Scene(state, project, arguments, environment, notes, canaries.all)


def _install_plugins(project: Path, canaries: _Canaries) -> None:
    """Put a plugin into the project's `.cq`, and a folder that looks like one."""
    plugin = project / ".cq" / "plugins" / PLUGIN
    plugin.mkdir(parents=True)
    binary = plugin / canaries.put(UNTOLD, "the name of a plugin's binary")
    binary.write_text(canaries.put(UNTOLD, "the content of a plugin's binary"), "utf-8")
    unfit = canaries.put(UNTOLD, "a folder among the plugins that is none") + " (mine)"
    (plugin.parents[1] / unfit / "1.0.0").mkdir(parents=True)


def _environment(home: Path, state: str, canaries: _Canaries) -> dict[str, str]:
    """Return the program's environment: as little of ours as it needs, and canaries."""
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "PGPASSWORD"):
        environment[name] = canaries.put("credentials", f"the variable {name}")
    for name in ("USER", "LOGNAME", "USERNAME"):
        environment[name] = canaries.put(UNTOLD, f"the user name ({name})")
    for name in ("HOSTNAME", "COMPUTERNAME"):
        environment[name] = canaries.put(UNTOLD, f"the host name ({name})")
    address = canaries.put_address("the address in the variable SSH_CONNECTION")
    return environment | {
        "SSH_CONNECTION": f"{address} 50022 {address} 22",
        "HOME": str(home),
        "USERPROFILE": str(home),
        HOME_VARIABLE: state,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class _Canaries:
    """Makes canaries, each with a text of its own that is found nowhere else.

    They look like plain names, so that no rule about the form of a value keeps them out.
    """

    def __init__(self) -> None:
        self.all: list[Canary] = []
        self._mark = secrets.token_hex(8)

    def put_address(self, where: str) -> str:
        """Return an address, of those that are nobody's (RFC 5737), to be put there."""
        text = f"203.0.113.{1 + secrets.randbelow(254)}"
        self.all.append(Canary("address", where, text))
        return text

    def put(self, promise: str, where: str) -> str:
        """Return the text to be put there."""
        text = f"canary-{self._mark}-{len(self.all)}x"
        self.all.append(Canary(promise, where, text))
        return text


def _record(scene: _Scene, program: str) -> Envelope:
    command = [sys.executable, "-P", "-c", program, *scene.arguments]
    done = subprocess.run(
        command,
        cwd=scene.project,
        env=scene.environment,
        input=json.dumps(scene.notes).encode("ascii"),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise _NothingRecordedError(f"the test program ended with {done.returncode}: {reason}")
    _check_canaries_were_met(scene, done.stdout + done.stderr)
    outbox = Outbox(scene.state)
    labels = outbox.labels(PENDING)
    if len(labels) != 1:
        raise _NothingRecordedError(
            "nothing was recorded. Perhaps an administrator's policy turns telemetry off: see "
            "cq-telemetry status"
        )
    return outbox.open(PENDING, labels[0])


def _check_canaries_were_met(scene: _Scene, output: bytes) -> None:
    """Make sure that there was something to leak."""
    log = Path(scene.notes["log file"]).read_text("utf-8", "replace")
    met = output.decode("utf-8", "replace") + log
    for name in ("output", "complaint", "log"):
        if scene.notes[name] not in met:
            raise _NothingRecordedError(f"the test program did not write its {name}")


def _expected(cookie: str | None) -> Iterator[Expected]:
    yield Expected("operation", "name", "fetch")
    yield Expected("duration", "endTimeUnixNano")
    yield Expected("duration", "status.code", "2 (failure)")
    yield Expected("duration", "error.type", "RuntimeError")
    yield Expected("ci", "cloudquery.ci", "false")
    head, _, version = PLUGIN.rpartition("/")
    yield Expected("providers", "cloudquery.plugins", f"{head}@{version}")
    yield Expected("version", "service.version", VERSION)
    yield Expected("version", "cloudquery.build_date", BUILD_DATE)
    yield Expected("trace", "name", "fetch.aws")
    yield Expected("trace", "parentSpanId")
    yield Expected("trace", "startTimeUnixNano")
    yield Expected("cookie", "service.instance.id", cookie)


def _surroundings(scene: _Scene) -> Surroundings:
    """Return what is around the throw-away program, and what is around this one."""
    ours = surroundings_here()
    return replace(
        ours,
        homes=(*ours.homes, scene.environment["HOME"]),
        directory=str(scene.project),
        arguments=tuple(scene.arguments),
    )
