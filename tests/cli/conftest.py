from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.cli import main
from cqtel_tui.outbox.envelope import identity_of
from cqtel_tui.outbox.receipts import Receipt
from cqtel_tui.outbox.store import REJECTED, SENT, Outbox
from cqtel_tui.outbox.writing import PENDING, hold
from cqtel_tui.paths import places
from cqtel_tui.record.ending import HEADERS
from cqtel_tui.record.telemetry import Telemetry

from ..deliver.collectors import Collector, running
from .machines import Machine, Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAYLOAD = b'{"resourceSpans":[]}'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running() as collector:
        yield collector


class Here:
    """A user's home and project, and the command line called in this very process."""

    def __init__(self, home: Path, project: Path, captured: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self.project = project
        self.config = home / ".config" / "cqtel"
        self.choices = self.config / "choices.json"
        self.policy = project.parent / "policy" / "cqtel" / "choices.json"
        self.outbox = Outbox(str(home / ".local" / "state" / "cqtel"))
        self._captured = captured
        self._held = 0

    def __call__(self, *arguments: str) -> Result:
        """Run `cq-telemetry`, and return how it ended."""
        self._captured.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self._captured.readouterr()
        return Result(code, out, err)

    def files(self) -> set[str]:
        """Return all that is in the home and in the project."""
        return {
            str(path.relative_to(self.home.parent))
            for folder in (self.home, self.project)
            for path in folder.rglob("*")
        }

    def record(self, operation: str = "sync", *, fails: bool = False) -> str:
        """Record an operation, and return its id."""
        telemetry = Telemetry("cloudquery", version="6.21.1")
        with telemetry.operation(operation) as recorded:
            recorded.exit(int(fails))
        assert recorded.held is not None
        return identity_of(recorded.held)

    def hold(self, payload: bytes = PAYLOAD, **different: Any) -> str:
        """Hold a payload of any content, and return its id."""
        self._held += 1
        settings: dict[str, Any] = {
            "created": time.time_ns() // 1000,
            "identity": f"{self._held:016x}",
            "app": "cloudquery",
            "version": "6.21.1",
            "operation": "sync",
            "outcome": "ok",
            "duration": 1234,
            "headers": HEADERS,
            "project": str(self.project),
            "has_error_text": False,
        } | different
        name = hold(places().state, payload, **settings)
        return identity_of(name)

    def answer(self, identity: str, box: str = SENT, **different: Any) -> None:
        """Move a held payload to `sent` or `rejected`, as if a collector had answered."""
        _, label = self.outbox.find(identity, [PENDING])
        envelope = self.outbox.open(PENDING, label)
        settings: dict[str, Any] = {
            "id": identity,
            "sha256": envelope.sha256,
            "length": len(envelope.payload),
            "url": "https://collector.example/v1/traces",
            "status": 200 if box == SENT else 400,
            "time": 1_800_000_000_000_000,
            "answer": "" if box == SENT else "no",
        } | different
        self.outbox.close(label, box, Receipt(**settings))

    def counts(self) -> tuple[int, int, int]:
        """Return how many are pending, sent and rejected."""
        pending, sent, rejected = (len(self.outbox.names(box)) for box in (PENDING, SENT, REJECTED))
        return pending, sent, rejected


@pytest.fixture
def cq(
    scrubbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Here:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    # An administrator's folder of our own: /etc/xdg is looked at as well.
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "policy"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    here = Here(scrubbed, project, capsysbinary)
    assert places().state == str(here.outbox.state), os.environ
    return here
