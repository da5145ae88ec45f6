"""Measure what the gate adds to a program that runs under it, beside what that takes alone.

    python tests/benchmarks/gating.py [--rounds N] [--json FILE]

All cases are run in turn, round after round, so that a slow moment of the machine slows all. Two
programs: a script that does nothing at all, and the real CloudQuery where it is installed, asked
for what it cannot have (`init`, with a loopback server that says no). Each case has a home of its
own; nothing leaves the machine: each upstream is a loopback port.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ADDED_MS = 60.0
MOST_BY_CASE = {"through here, off": 1.3, "through here, held at the gate": 2.0}
"""What the installed command may take at most, in terms of a Python that does nothing."""
BARE = "a Python that does nothing"
PATIENCE_SECONDS = 120
ALONE = "alone, its telemetry off"
REPORTING = "alone, reporting to an upstream that answers"
REPORTING_TO_NOBODY = "alone, reporting to an upstream that hangs"
OFF = "through here, off"
HELD = "through here, held at the gate"
ON_AND_HANGING = "through here, on, with an upstream that hangs"
NOTHING = '#!/bin/sh\n[ "$1" = --version ] && echo cloudquery version 6.21.1\nexit 1\n'
ASKED = ("init", "--yes", "--source", "hackernews", "--destination", "postgresql")


@dataclass(slots=True)
class Case:
    """One way of running a program.

    Attributes:
        name: in words.
        command: the command line.
        environment: all of its environment.
        folder: where it is run.
        took: milliseconds of wall time, round by round.
        used: milliseconds of CPU, of it and all that it waited for.
        ended: what it returned and wrote, which must always be the same.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    took: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    ended: set[tuple[int, bytes, bytes]] = field(default_factory=set)

    def run(self, *, counts: bool) -> None:
        """Run it once, and take the time."""
        started, used = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(
            self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        took = (time.perf_counter() - started) * 1000
        if counts:
            self.took.append(took)
            self.used.append((_cpu_of_children() - used) * 1000)
            # One line of ours says that the upstream is the user's own.
            told = [line for line in done.stderr.splitlines() if b"cq-telemetry" not in line]
            self.ended.add((done.returncode, done.stdout, b"\n".join(told)))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        pass


@contextlib.contextmanager
def answering() -> Iterator[str]:
    """Serve on loopback what says no to questions and yes to reports."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """Listen on loopback, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def cases(root: Path, program: str, api: str, upstream: str, nobody: str) -> list[Case]:
    """Return all ways of running a program."""
    ours = [sys.executable, "-P", "-c", "import sys; from cqtel_tui.cli import main; main()"]
    script = Path(sys.executable).with_name("cq-telemetry")
    through = [str(script)] if script.is_file() else ours
    url = "CQ_RUDDERSTACK_DATA_PLANE_URL"
    found = [Case(BARE, [sys.executable, "-c", "pass"], dict(os.environ), root)]
    for name, before, more in (
        (ALONE, [], {"CQ_TELEMETRY_LEVEL": "none"}),
        (REPORTING, [], {"CQ_TELEMETRY_LEVEL": "stats", url: upstream}),
        (REPORTING_TO_NOBODY, [], {"CQ_TELEMETRY_LEVEL": "stats", url: nobody}),
        (OFF, [*through, "run", "--no-telemetry", "--"], {}),
        (HELD, [*through, "run", "--"], {}),
        (ON_AND_HANGING, [*through, "run", "--"], {url: nobody}),
    ):
        home = Path(tempfile.mkdtemp(dir=root))
        environment = {
            "HOME": str(home),
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
            "CQ_TELEMETRY_HOME": str(home / "cqtel"),
            "CLOUDQUERY_API_URL": api,
            # The older usage statistics of the program alone: nobody listens there.
            "CQ_ANALYTICS_HOST": "127.0.0.1:9",
            **more,
        }
        if name == ON_AND_HANGING:
            subprocess.run([*through, "on"], env=environment, check=True, capture_output=True)
        found.append(Case(name, [*before, program, *ASKED], environment, home))
    return found


def programs(root: Path) -> dict[str, str]:
    """Return the programs to run, each by what it is."""
    nothing = root / "cloudquery"
    nothing.write_text(NOTHING)
    nothing.chmod(0o755)
    found = {"a script that does nothing": str(nothing)}
    brought = importlib.util.find_spec("cloudquery")
    if brought is not None and brought.origin is not None:
        found["the real CloudQuery"] = str(Path(brought.origin).parent / "bin" / "cloudquery")
    return found


def report(title: str, measured: list[Case]) -> dict[str, float]:
    """Print what was measured; return the medians in milliseconds."""
    medians = {case.name: median(case.took) for case in measured}
    alone = medians[ALONE]
    print(f"\n{title}: median of {len(measured[0].took)} rounds, wall time and what is added; CPU")
    for case in measured:
        low, high = min(case.took), max(case.took)
        added = medians[case.name] - alone
        print(
            f"  {case.name:<48} {medians[case.name]:8.1f} ms  {added:+8.1f} ms "
            f"  ({low:.1f} to {high:.1f}); CPU {median(case.used):.1f} ms"
        )
    for what, under in (
        ("the gate adds", HELD),
        ("where the upstream hangs, it adds", ON_AND_HANGING),
    ):
        for than, other in (("the program alone", ALONE), ("the same command while off", OFF)):
            added = medians[under] - medians[other]
            verdict = "kept" if added <= MOST_ADDED_MS else "NOT KEPT"
            limit = f"at most {MOST_ADDED_MS:.0f} ms: {verdict}"
            print(f"  {what} {added:+.1f} ms to {than}; {limit}")
    used = {case.name: median(case.used) for case in measured}
    for name, most in MOST_BY_CASE.items():
        wall, cpu = medians[name] / medians[BARE], used[name] / used[BARE]
        verdict = "kept" if wall <= most else "NOT KEPT"
        print(
            f"  {name}: {wall:.2f} times {BARE}, {cpu:.2f} times its CPU; "
            f"at most {most}, for a program that does nothing: {verdict}"
        )
    ended = [case.ended for case in measured if case.name != BARE]
    same = len(set().union(*ended)) == 1
    print(f"  exit code, stdout and stderr are the same in all: {'yes' if same else 'NO'}")
    return medians


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the medians there, too")
    given = parser.parse_args()
    found = {}
    with (
        tempfile.TemporaryDirectory(prefix="cqtel-gating-", ignore_cleanup_errors=True) as folder,
        answering() as upstream,
        hanging() as nobody,
    ):
        for title, program in programs(Path(folder)).items():
            measured = cases(Path(folder), program, upstream, upstream, nobody)
            for at in range(given.rounds + 1):
                for case in measured:
                    case.run(counts=at > 0)  # the first lets caches fill, and asks for the version
            found[title] = report(title, measured)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
