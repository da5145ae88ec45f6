"""Go the whole way once with the installed program: record, review, refuse, consent, send, read.

    python tests/smoke.py

No test runner and nothing beside the base install is needed (the gate and the collector are tried
where what they need is), so that it runs under any Python and any release of the dependencies. It
prints each step, reaches nothing but this machine's loopback, and ends with 1 at the first step
that fails.
"""

from __future__ import annotations

import hashlib
import http.server
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

_PATIENCE = 60.0  # seconds, for a machine that has much else to do
_SPEAKING = ("CQ_", "OTEL_", "SSL_CERT_", "XDG_")
_ALSO_SPEAKING = {"ALL_PROXY", "CI", "DO_NOT_TRACK", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
_SENT_BY_NOW = 2
_RECORD = """
from cqtel_tui import Telemetry
with Telemetry("cloudquery", version="1.2.3").operation("fetch") as operation:
    with operation.span("fetch.aws"):
        pass
    operation.exit(0)
"""
_PROGRAM = """#!{python}
import os, sys, urllib.request
if "--version" in sys.argv:
    print("cloudquery version 6.21.1")
    sys.exit()
body = b'{{"batch":[{{"type":"track","event":"init_started","userId":"jane@example.org"}}]}}'
url = os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch"
request = urllib.request.Request(url, body, {{"Content-Type": "application/json"}})
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).read()
sys.exit(3)
"""


class Collector:
    """A far end on loopback that keeps each body it is sent."""

    def __init__(self) -> None:
        bodies: list[bytes] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing: what matters is checked."""

        self.bodies = bodies
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"


class Machine:
    """A throw-away home, and the installed program in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_SPEAKING) and name not in _ALSO_SPEAKING
        }
        self.environment |= {"HOME": str(folder), "CQ_TELEMETRY_HOME": str(folder / "telemetry")}

    def python(self, *arguments: str, expected: int = 0, **more: str) -> str:
        """Run this Python with these arguments; return what it wrote to stdout."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode != expected:
            _fail(f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def telemetry(self, *arguments: str, expected: int = 0) -> str:
        """Run `cq-telemetry` with these arguments."""
        return self.python("-m", "cqtel_tui.cli", *arguments, expected=expected)

    def read(self, *arguments: str) -> Any:
        """Return what a reading command says with `--json`."""
        return json.loads(self.telemetry(*arguments, "--json"))


def _fail(problem: str) -> None:
    sys.stderr.write(f"FAILED: {problem}\n")
    sys.exit(1)


def _check(step: str, *, holds: bool) -> None:
    if not holds:
        _fail(step)
    sys.stdout.write(f"ok: {step}\n")


def _record_and_refuse(machine: Machine) -> None:
    machine.python("-c", _RECORD, CQ_NO_TELEMETRY="1")
    _check("an opt-out records nothing", holds=not machine.read("pending"))
    machine.python("-c", _RECORD)
    status = machine.read("status")
    _check("undecided, a payload is pending", holds=status["decision"] == "hold")
    _check("exactly one is pending", holds=len(machine.read("pending")) == 1)


def _consent_and_send(machine: Machine, collector: Collector) -> None:
    shown = machine.telemetry("show", machine.read("pending")[0]["id"], "--raw")
    machine.telemetry("endpoint", collector.url)
    _check("an endpoint alone sends nothing", holds=not collector.bodies)
    machine.telemetry("on", "--include-held")
    machine.telemetry("send", "--all")
    _check("one payload arrived", holds=len(collector.bodies) == 1)
    _check("it is what was shown", holds=collector.bodies[0].decode() == shown.rstrip("\n"))
    receipt = machine.read("sent")[0]["receipt"]
    digest = hashlib.sha256(collector.bodies[0]).hexdigest()
    _check("the receipt has its SHA-256", holds=receipt["sha256"] == digest)


def _intercept(machine: Machine) -> None:
    program = machine.folder / "cloudquery"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    machine.telemetry("undecide")
    machine.telemetry("run", "--", str(program), "init", expected=3)
    origins = [row["origin"] for row in machine.read("pending")]
    _check("a program's own request is pending", holds="gate" in origins)
    rows = [row for row in machine.read("pending") if row["origin"] == "gate"]
    shown = machine.telemetry("show", rows[0]["id"], "--raw")
    _check("who its user is was taken out", holds="jane@example.org" not in shown)


def _collect(machine: Machine) -> None:
    command = [sys.executable, "-m", "cqtel_tui.cli", "collector", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        command,
        env=machine.environment | {"CQ_TELEMETRY_HOME": str(machine.folder / "collector")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        line = next((one for one in process.stdout if b'"listening"' in one), b"")
        try:
            _check("a collector listens", holds=bool(line))
            machine.telemetry("endpoint", f"http://127.0.0.1:{json.loads(line)['port']}/v1/traces")
            machine.python("-c", _RECORD)
            until = time.monotonic() + _PATIENCE
            while len(machine.read("sent")) < _SENT_BY_NOW and time.monotonic() < until:
                time.sleep(0.1)
            _check("it takes what is sent by itself", holds=not machine.read("pending"))
            _check("it gives it back", holds="fetch.aws" in machine.telemetry("mine", "--json"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_PATIENCE)


def _look(machine: Machine) -> None:
    """Open the terminal UI, and leave it by a key."""
    ours, its = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cqtel_tui"],
        env=machine.environment | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as process:
        os.close(its)
        drawn = b""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and process.poll() is None:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                drawn += os.read(ours, 65536)
            except OSError:
                break  # nobody writes there any more
            if b"Quit" in drawn:
                os.write(ours, b"q")
        process.kill()
    os.close(ours)
    _check("the terminal UI opens, and a key ends it", holds=process.wait() == 0)


def _has(*modules: str) -> bool:
    """Tell whether these can be imported; what was built for another Python cannot."""
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        sys.stdout.write(f"not tried: {error}\n")
        return False
    return True


def main() -> int:
    """Go the whole way."""
    sys.stdout.write(f"Python {sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        _record_and_refuse(machine)
        _consent_and_send(machine, Collector())
        if _has("msgspec", "uvicorn", "starlette"):
            _collect(machine)
        if _has("h11"):
            _intercept(machine)
        if sys.platform != "win32":
            _look(machine)
        machine.telemetry("off")
        _check("an opt-out is saved", holds=machine.read("status")["decision"] == "off")
    return 0


if __name__ == "__main__":
    sys.exit(main())
