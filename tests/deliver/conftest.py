from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.saving import decide_telemetry, save
from cqtel_tui.deliver.sender import Sender
from cqtel_tui.outbox.deliveries import Deliveries
from cqtel_tui.outbox.envelope import identity_of
from cqtel_tui.outbox.included import include
from cqtel_tui.outbox.store import REJECTED, SENT, Outbox
from cqtel_tui.outbox.writing import PENDING, hold
from cqtel_tui.paths import Places
from cqtel_tui.record.ending import HEADERS

from .collectors import PATIENCE, PATIENCE_WITH_A_PROCESS, Collector, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Label

PAYLOAD = b'{"resourceSpans":[]}'
NOW = 1_800_000_000.0


class Machine:
    """One user's machine: choices, an outbox, and a project to stand in."""

    def __init__(self, root: Path) -> None:
        self.home = root / "cqtel"
        self.project = root / "project"
        self.project.mkdir()
        self.places = Places(str(self.home), str(self.home), (str(root / "policy"),))
        self.outbox = Outbox(self.places.state)
        self.held = 0

    def choose(self, project: Path | None = None, **change: Any) -> None:
        save(self.places.config, change, project=str(project) if project else None)

    def allow(self, endpoint: str, project: Path | None = None) -> None:
        """Say yes, to what is held already as well."""
        change = decide_telemetry("on")
        include(self.places.state, change["yes"], endpoint, self.pending)
        self.choose(project, **change, endpoint=endpoint)

    def change_by_hand(self, old: str, new: str) -> None:
        choices = self.home / "choices.json"
        choices.write_text(choices.read_text().replace(old, new))

    def forbid(self) -> None:
        self.choose(**decide_telemetry("off"))

    def hold(
        self,
        payload: bytes = PAYLOAD,
        *,
        created: int | None = None,
        headers: Mapping[str, str] = HEADERS,
        project: Path | None = None,
        **stated: Any,
    ) -> str:
        """Hold a payload, recorded under the yes that holds now if one does; return its id."""
        self.held += 1
        where = str(project or self.project)
        decision = ask(self.places, directory=where)
        name = hold(
            self.places.state,
            payload,
            time.time_ns() // 1000 if created is None else created,
            f"{self.held:016x}",
            app="cloudquery",
            version="0.20.0",
            operation="fetch",
            outcome="ok",
            duration=1,
            headers=headers,
            project=where,
            consent=decision.mark(decision.endpoint),
            **{"has_error_text": False, **stated},
        )
        return identity_of(name)

    def sender(self, *options: str, **given: Any) -> Sender:
        return Sender(self.places, options, jitter=lambda: 1.0, **given)

    def in_doubt(self) -> list[str]:
        """Return the ids of the payloads of which nobody knows whether they were sent."""
        return sorted(Deliveries(self.outbox).in_doubt())

    def labels(self, box: str = PENDING) -> list[Label]:
        return self.outbox.labels(box)

    def ids(self, box: str) -> list[str]:
        return [label.id for label in self.labels(box)]

    @property
    def pending(self) -> list[str]:
        return self.ids(PENDING)

    @property
    def sent(self) -> list[str]:
        return self.ids(SENT)

    @property
    def rejected(self) -> list[str]:
        return self.ids(REJECTED)

    @property
    def retry_at(self) -> Path:
        return self.outbox.folder / "retry-at"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the sender as a process of its own."""
        return self.python("-P", "-m", "cqtel_tui.deliver", *arguments)

    def python(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", *arguments],
            env={**os.environ, "CQ_TELEMETRY_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


def ended(process: subprocess.Popen[bytes]) -> str:
    """Wait for a process to end well, and return what it printed."""
    printed, _ = process.communicate(timeout=PATIENCE_WITH_A_PROCESS)
    assert process.returncode == 0, printed.decode()
    return printed.decode()


@pytest.fixture
def machine(
    scrubbed: Path,  # its doing is what is wanted
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Machine:
    found = Machine(tmp_path)
    monkeypatch.chdir(found.project)
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running() as found:
        yield found


@pytest.fixture
def ready(machine: Machine, collector: Collector) -> Machine:
    """A machine whose user said yes to sending everything to `collector`."""
    machine.allow(collector.url)
    return machine


class Certificate:
    """A self-signed certificate for some names."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.path = folder / "certificate.pem"
        key = folder / "key.pem"
        settings = folder / "settings"
        settings.write_text(
            "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=more\n"
            "[name]\nCN=a collector\n"
            "[more]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
            "authorityKeyIdentifier=keyid\nkeyUsage=critical,digitalSignature,keyCertSign\n"
            f"subjectAltName={','.join(names)}\n"
        )
        subprocess.run(
            [
                *(OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-config", settings, "-keyout", key, "-out", self.path),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path, key)


OPENSSL = shutil.which("openssl") or ""


@pytest.fixture(scope="session")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Certificate]:
    """Make a certificate for some names, such as `IP:127.0.0.1`."""
    if not OPENSSL:
        pytest.skip("the openssl command is not installed")
    made: dict[tuple[str, ...], Certificate] = {}

    def certified(*names: str) -> Certificate:
        if names not in made:
            made[names] = Certificate(tmp_path_factory.mktemp("certificate"), names)
        return made[names]

    return certified
