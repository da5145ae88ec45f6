"""An SDK that does not heed its opt-out variable: OpenTelemetry's own for Go."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.profile_files import SHIPPED
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from ..cli.machines import Machine, run
from ..deliver.services import serving
from ..go_sdk import reporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Sink = list[str]


@pytest.fixture
def sink() -> Iterator[tuple[str, Sink]]:
    """Serve an upstream on loopback; give its URL, and the path of each request."""
    came: Sink = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            came.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", came
        server.shutdown()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    program, why_not = reporter()
    if program is None:
        pytest.skip(why_not)
    found = Machine(tmp_path)
    shutil.copy2(program, found.programs / "reporter")
    return found


def profile(machine: Machine) -> None:
    folder = machine.config / "profiles"
    folder.mkdir(parents=True, mode=0o700)
    machine.config.chmod(0o700)
    text = SHIPPED.read_text().replace('name = "opentelemetry"', 'name = "reporter"')
    path = folder / "reporter.toml"
    path.write_text(text.replace("programs = []", 'programs = ["reporter"]'))
    path.chmod(0o600)


def test_it_does_not_heed_its_opt_out(machine: Machine, sink: tuple[str, Sink]) -> None:
    url, came = sink
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SDK_DISABLED": "true"}
    ended = run(["reporter"], environment=machine.environment | variables, cwd=machine.project)
    assert ended.lines == ["done"]
    assert came == ["/v1/traces"]


@pytest.mark.parametrize("has_profile", [True, False])
@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
)
@pytest.mark.parametrize("before", [[], ["env", "A=1"], ["sh", "-c", '"$@"', "sh"]])
def test_a_no_lets_it_send_nothing(
    machine: Machine, sink: tuple[str, Sink], name: str, before: list[str], *, has_profile: bool
) -> None:
    url, came = sink
    if has_profile:
        profile(machine)
    command = ["run", "--no-telemetry", "--", *before, "reporter"]
    ended = machine.cq(*command, more={name: url})
    assert ended.lines[-1] == "done"
    assert came == []
    assert f"{name} is blocked while telemetry is off" in ended.said
    assert machine.envelopes() == []


def test_undecided_it_is_held(machine: Machine, sink: tuple[str, Sink]) -> None:
    url, came = sink
    profile(machine)
    for before in ([], ["nice"], ["sh", "-c", '"$@"; true', "sh"]):
        ended = machine.wrap(*before, "reporter", more={"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        assert ended.lines[-1] == "done"
    assert came == []
    held = [path for path in machine.envelopes() if b"/v1/traces" in path.read_bytes()]
    assert len(held) == 3


GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


def test_by_grpc_it_is_held_and_goes_after_a_yes(machine: Machine) -> None:
    profile(machine)
    with serving() as service:
        url, slash, path = service.url.partition("/opentelemetry")
        ended = machine.wrap("reporter", more={"OTEL_EXPORTER_OTLP_ENDPOINT": url, **GRPC})
        assert ended.lines == ["done"], ended.said
        assert service.calls == []
        outbox = Outbox(str(machine.state))
        [held] = [
            one
            for one in (outbox.open(PENDING, label) for label in outbox.labels(PENDING))
            if one.origin == "gate"
        ]
        assert (held.kind, held.target) == ("otlp-traces-protobuf", service.url)
        assert machine.cq("send", held.id, "--once").code == 0
        assert service.calls == [(slash + path, held.payload)]


@pytest.mark.parametrize("has_profile", [True, False])
def test_by_grpc_a_no_lets_it_send_nothing_either(machine: Machine, *, has_profile: bool) -> None:
    if has_profile:
        profile(machine)
    with serving() as service:
        own = {"OTEL_EXPORTER_OTLP_ENDPOINT": service.url.partition("/opentelemetry")[0], **GRPC}
        ended = run(["reporter"], environment=machine.environment | own, cwd=machine.project)
        assert (ended.lines, len(service.calls)) == (["done"], 1)
        ended = machine.cq("run", "--no-telemetry", "--", "reporter", more=own)
        assert (ended.lines[-1], len(service.calls)) == ("done", 1)
    assert machine.envelopes() == []
