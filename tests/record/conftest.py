"""One user, one project and one program that records, each test with its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Envelope

PATIENCE = 60  # seconds, for a machine under load; nothing here takes so long by design
NOWHERE = "http://127.0.0.1:9/v1/traces"


class Machine:
    """The home of one user, and the project in which programs are run."""

    def __init__(self, home: Path, project: Path) -> None:
        self.home = home
        self.project = project
        self.config = home / ".config" / "cqtel"
        self.state = home / ".local" / "state" / "cqtel"
        self.folder = project / ".cq"
        self.cookie = self.folder / "telemetry-cookie"
        self.inspection = project / "cq-telemetry.txt"
        self.outbox = Outbox(str(self.state))

    def choose(self, telemetry: str | None, **more: object) -> None:
        """Let the user have chosen `on`, `off`, or nothing but what `more` says."""
        chosen: dict[str, object] = dict(more)
        if telemetry is not None:
            chosen["telemetry"] = telemetry
        if telemetry == "on":
            chosen = {"catalogue": 1, "consented": 0, **chosen}
        self.config.mkdir(parents=True, exist_ok=True, mode=0o700)
        choices = self.config / "choices.json"
        choices.write_text(json.dumps({"version": 1, "all": chosen}), "utf-8")
        choices.chmod(0o600)

    def envelopes(self) -> list[Envelope]:
        """Return what is held, oldest first, each one found whole."""
        return [self.outbox.open(PENDING, label) for label in self.outbox.labels(PENDING)]

    def envelope(self) -> Envelope:
        """Return the only envelope that is held."""
        (envelope,) = self.envelopes()
        return envelope

    def payload(self) -> Payload:
        """Return the only payload that is held."""
        return self.payload_of(self.envelope())

    def payload_of(self, envelope: Envelope) -> Payload:
        """Return the payload in an envelope."""
        return Payload(envelope.payload)

    def files(self) -> dict[str, int]:
        """Return every file and folder of the home and the project, and when it was changed."""
        found = {}
        for root in (self.home, self.project):
            for path in (root, *sorted(root.rglob("*"))):
                found[str(path)] = path.lstat().st_mtime_ns
        return found

    def run(
        self, program: str, *arguments: str, exits: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python program in the project, in a process of its own, without a terminal."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            cwd=self.project,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert exits is None or done.returncode == exits, done.stderr
        return done


class Payload:
    """A payload, as one reads it who knows OTLP."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.document: Any = json.loads(data)
        (self.resource_spans,) = self.document["resourceSpans"]
        (self.scope_spans,) = self.resource_spans["scopeSpans"]
        self.spans: list[Any] = self.scope_spans["spans"]

    @property
    def resource(self) -> dict[str, object]:
        """The attributes of the program."""
        return plain(self.resource_spans["resource"]["attributes"])

    def span(self, name: str) -> Any:
        """Return the only span of that name."""
        (span,) = [span for span in self.spans if span["name"] == name]
        return span

    def attributes(self, name: str) -> dict[str, object]:
        """Return the attributes of the only span of that name."""
        return plain(self.span(name).get("attributes", []))

    def tree(self) -> set[tuple[str, str]]:
        """Return each span's name and that of its parent, empty for the first."""
        names = {span["spanId"]: span["name"] for span in self.spans}
        return {(span["name"], names.get(span.get("parentSpanId"), "")) for span in self.spans}


def plain(attributes: list[Any]) -> dict[str, object]:
    """Return OTLP attributes as a dictionary."""
    return {each["key"]: _plain(each["value"]) for each in attributes}


def _plain(value: dict[str, Any]) -> object:
    ((kind, inner),) = value.items()
    if kind == "intValue":
        assert isinstance(inner, str)
        return int(inner)
    if kind == "arrayValue":
        return [_plain(each) for each in inner["values"]]
    return inner


@pytest.fixture
def machine(scrubbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    before = os.umask(0o022)
    yield Machine(scrubbed, project)
    os.umask(before)


@pytest.fixture
def telemetry(machine: Machine) -> Telemetry:
    assert machine.project.is_dir()
    return Telemetry("cloudquery", version="0.20.0", build_date="2021-11-26")
