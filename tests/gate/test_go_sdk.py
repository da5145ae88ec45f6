"""An SDK that does not heed its opt-out variable: OpenTelemetry's own for Go."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.profile_files import SHIPPED

from ..cli.machines import Machine, run
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
