"""Measure what recording costs the command it runs in, beside what others cost (DESIGN §11).

    python tests/benchmarks/recording.py [--rounds N] [--json FILE] [--count]

Each case is a program of its own: it imports a client, records one operation with five parts and
exits. All are run in turn, round after round, so that a slow moment of the machine slows all. Each
program is compiled beforehand, has no PYTHON* variable, and its own home. Nothing leaves the
machine: every endpoint is a loopback port, and a first run of each program makes sure.

`--count` counts the instructions of our own cases by valgrind instead, which come out the same
whatever else the machine does; of the system's own work they tell nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import py_compile
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_MS = 2.0
MOST_RATIO_UNDECIDED = 1.10
MOST_RATIO_ON = 1.15
MOST_DUE_MS = 3.0
MOST_OF_OPENTELEMETRY = 0.05
MOST_SPAN_US = 3.0

SLOW_SECONDS = 1.0
EVERY_SLOW = 10
PATIENCE_SECONDS = 60
LEFT_THE_MACHINE = 97

BARE = "bare python"
FLOOR = "floor: the same payload, written by hand"
UNDECIDED = "cqtel, undecided"
ON = "cqtel, on"
OFF = "cqtel, off"
CONTRACT = "cqtel, on, with a contract"
DUE = "cqtel, on, a sender due, nobody there"
OTEL_DOWN = "opentelemetry, nobody there"
OTEL_UP = "opentelemetry, collector up"
SENTRY = "sentry, nobody there"
POSTHOG = "posthog, nobody there"

RECORD_CQTEL = """
from cqtel_tui import Telemetry
telemetry = Telemetry("cloudquery", version="0.20.0", build_date="2021-11-26")
with telemetry.operation("fetch") as operation:
    for name in ("fetch.aws", "fetch.gcp", "fetch.k8s", "fetch.azure", "fetch.okta"):
        with operation.span(name):
            pass
"""

TELEMETRY_TOML = """\
name = "shop"
version = 1
documentation = "https://shop.example/telemetry"
contact = "privacy@shop.example"
retention_days = 90
""" + "".join(
    f"""
[[fields]]
key = "shop.field{number}"
type = "string"
shape = "name"
sentence = "What field {number} says"
why = "Shows what it is."
risk = "low"
since = 1
"""
    for number in range(10)
)
RECORD_OWN = """
import os
from cqtel_tui import Telemetry
contract = os.environ["CQ_TELEMETRY_HOME"] + "/telemetry.toml"
telemetry = Telemetry("shop", version="0.20.0", contract=contract)
with telemetry.operation("fetch") as operation:
    operation.set("shop.field1", "dark")
    for name in ("fetch.aws", "fetch.gcp", "fetch.k8s", "fetch.azure", "fetch.okta"):
        with operation.span(name):
            pass
"""

RECORD_FLOOR = """
import os, time
ids = os.urandom(64).hex()
spans = ",".join([
    '{"traceId":"%s","spanId":"%s","name":"%s","kind":1,"startTimeUnixNano":"%d",'
    '"endTimeUnixNano":"%d","status":{"code":1}}'
    % (ids[:32], ids[at:at + 16], name, time.time_ns(), time.time_ns())
    for at, name in enumerate(
        ("fetch", "fetch.aws", "fetch.gcp", "fetch.k8s", "fetch.azure", "fetch.okta"))
])
payload = ('{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":'
    '{"stringValue":"cloudquery"}}]},"scopeSpans":[{"scope":{"name":"floor"},"spans":[%s]}]}]}'
    % spans).encode()
folder = os.environ["CQ_TELEMETRY_HOME"]
name = folder + "/" + str(time.time_ns())
opened = os.open(name + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.write(opened, payload)
os.close(opened)
os.rename(name + ".new", name)
"""

RECORD_OPENTELEMETRY = """
import os
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider(resource=Resource({"service.name": "cloudquery"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["ENDPOINT"])))
tracer = provider.get_tracer("benchmark")
with tracer.start_as_current_span("fetch"):
    for name in ("fetch.aws", "fetch.gcp", "fetch.k8s", "fetch.azure", "fetch.okta"):
        with tracer.start_as_current_span(name):
            pass
provider.shutdown()
"""

RECORD_SENTRY = """
import os
import sentry_sdk
sentry_sdk.init(os.environ["ENDPOINT"].replace("://", "://key@").replace("/v1/traces", "/1"),
    traces_sample_rate=1.0)
with sentry_sdk.start_transaction(op="fetch", name="fetch"):
    for name in ("fetch.aws", "fetch.gcp", "fetch.k8s", "fetch.azure", "fetch.okta"):
        with sentry_sdk.start_span(op=name, name=name):
            pass
"""

RECORD_POSTHOG = """
import logging, os
logging.disable()
from posthog import Posthog
client = Posthog("phc_benchmark", host=os.environ["ENDPOINT"].replace("/v1/traces", ""))
client.capture("fetch", distinct_id="f47ac10b-58cc-4372-a567-0e02b2c3d479",
    properties={name: 1 for name in ("aws", "gcp", "k8s", "azure", "okta")})
client.shutdown()
"""

# Put before each program once: whatever would leave the machine ends it.
WATCH = """
import os, sys
def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host not in (None, "", "::1", "localhost") and not str(host).startswith("127."):
        os._exit(97)
sys.addaudithook(watch)
"""

COLLECTOR = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""

SPANS = """
import json, sys, time
from cqtel_tui import Telemetry
telemetry = Telemetry("cloudquery", version="0.20.0")
def record(number):
    began = time.perf_counter()
    with telemetry.operation("sync") as operation:
        for _ in range(number):
            with operation.span("part"):
                pass
    return time.perf_counter() - began
def enter(number):
    with telemetry.operation("sync") as operation:
        began = time.perf_counter()
        for _ in range(number):
            with operation.span("part"):
                pass
        return time.perf_counter() - began
record(1)
whole = min(record(501) for _ in range(7)) - min(record(1) for _ in range(7))
print(json.dumps([min(enter(500) for _ in range(7)) / 500 * 1e6, whole / 500 * 1e6]))
"""


@dataclass
class Case:
    """One program, and what its runs took, round by round.

    Attributes:
        name: what it is.
        program: its text.
        endpoint: where it would send to.
        needs: the module without which it cannot be run.
        most_ms: the most it may cost over a bare Python; None for what is not ours.
        most_ratio: how many times as much as a bare Python it may take; None for no such limit.
        missing: why it was not run; empty if it was.
        rounds: the rounds it was run in.
        wall: milliseconds of each run, from start to exit.
        cpu: milliseconds of processor time of each run.
    """

    name: str
    program: str
    endpoint: str = ""
    needs: str = ""
    most_ms: float | None = None
    most_ratio: float | None = None
    missing: str = ""
    every: int = 1
    rounds: list[int] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def over(self, bare: Case, measure: Callable[[Case], list[float]]) -> float:
        """Return the median of what it took over the bare Python of the same round."""
        by_round = dict(zip(bare.rounds, measure(bare), strict=True))
        pairs = zip(self.rounds, measure(self), strict=True)
        return median(value - by_round[number] for number, value in pairs)


@dataclass
class Row:
    """What the table says of one case; times in milliseconds."""

    name: str
    median: float
    over: float
    ratio: float
    p95: float
    cpu_over: float
    cpu_ratio: float
    runs: int
    limit: str = ""
    kept: bool | None = None


class Bench:
    """A folder with all the programs, their homes and their project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        for plugin in ("source/cloudquery/aws/v1.2.3", "source/cloudquery/gcp/v7.8.9"):
            (self.project / ".cq" / "plugins" / plugin).mkdir(parents=True)
        (self.project / ".cq/plugins/destination/cloudquery/postgresql/v4.5.6").mkdir(parents=True)
        cookie = self.project / ".cq" / "telemetry-cookie"
        cookie.write_text("f47ac10b-58cc-4372-a567-0e02b2c3d479\n")
        self.plain = folder / "plain"
        self.plain.mkdir()

    def home(self, case: Case) -> Path:
        return self.folder / "homes" / str(abs(hash(case.name)))

    def prepare(self, case: Case) -> None:
        """Compile a program, make its home, and run it once, watched."""
        home = self.home(case)
        home.mkdir(parents=True, mode=0o700)
        if case.name in {ON, OFF, DUE, CONTRACT}:
            chosen: dict[str, object] = {"telemetry": "off"}
            if case.name != OFF:
                chosen = {"telemetry": "on", "catalogue": 1, "endpoint": case.endpoint}
            choices = home / "choices.json"
            if case.name == CONTRACT:
                chosen["contract"] = hashlib.sha256(TELEMETRY_TOML.encode()).hexdigest()
                texts = home / "contracts" / "texts"
                texts.mkdir(parents=True, mode=0o700)
                (texts / str(chosen["contract"])).write_text(TELEMETRY_TOML)
                (home / "telemetry.toml").write_text(TELEMETRY_TOML)
            whose = {"programs": {"shop": {"all": chosen}}} if case.name == CONTRACT else None
            content = {"version": 2, **whose} if whose else {"version": 1, "all": chosen}
            choices.write_text(json.dumps(content, indent=2))
            choices.chmod(0o600)
        source = home / "program.py"
        watched = home / "watched.py"
        source.write_text(case.program)
        watched.write_text(WATCH + case.program)
        py_compile.compile(str(source), str(home / "program.pyc"), doraise=True)
        self.reset(case)
        done = subprocess.run(
            [sys.executable, str(watched)],
            env=self.environment(case),
            cwd=self.directory(case),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        self.settle(case)
        if done.returncode == LEFT_THE_MACHINE:
            case.missing = "it tried to leave this machine, and was not run again"
        elif done.returncode:
            case.missing = (done.stderr.strip().splitlines() or ["it failed"])[-1]

    def environment(self, case: Case) -> dict[str, str]:
        kept = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "CQ_TELEMETRY_HOME": str(self.home(case)),
            "ENDPOINT": case.endpoint,
            "NO_PROXY": "*",
        }

    def directory(self, case: Case) -> Path:
        return self.project if case.name in {ON, OFF, DUE, CONTRACT} else self.plain

    def reset(self, case: Case) -> None:
        """Bring a home into the state that its case is about."""
        outbox = self.home(case) / "outbox"
        if case.name not in {ON, DUE, CONTRACT}:
            return
        outbox.mkdir(mode=0o700, exist_ok=True)
        (outbox / "sender-called").unlink(missing_ok=True)
        stamp = outbox / "retry-at"
        if case.name == DUE:
            stamp.unlink(missing_ok=True)
        elif not stamp.exists():
            stamp.write_text("")
            os.utime(stamp, (4e9, 4e9))

    def settle(self, case: Case) -> None:
        """Wait for what a program left running, so that it slows none of the others."""
        if case.name == DUE:
            stamp = self.home(case) / "outbox" / "retry-at"
            until = time.monotonic() + PATIENCE_SECONDS
            while not stamp.exists() and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.1)

    def run(self, case: Case, number: int) -> None:
        """Run a program once, and note what it took."""
        if number % 16 == 0:
            shutil.rmtree(self.home(case) / "outbox" / "pending", ignore_errors=True)
        self.reset(case)
        arguments = [sys.executable, str(self.home(case) / "program.pyc")]
        environment = self.environment(case)
        os.chdir(self.directory(case))
        null = os.open(os.devnull, os.O_RDWR)
        streams = [(os.POSIX_SPAWN_DUP2, null, handle) for handle in range(3)]
        began = time.perf_counter()
        process = os.posix_spawn(sys.executable, arguments, environment, file_actions=streams)
        _, status, used = os.wait4(process, 0)
        took = time.perf_counter() - began
        os.close(null)
        self.settle(case)
        if status:
            case.missing = f"it ended with {os.waitstatus_to_exitcode(status)}"
            return
        case.rounds.append(number)
        case.wall.append(took * 1e3)
        case.cpu.append((used.ru_utime + used.ru_stime) * 1e3)


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Return the URL of a loopback port that nobody listens on, and that nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"


@contextlib.contextmanager
def somebody() -> Iterator[str]:
    """Return the URL of a collector on loopback that takes everything."""
    with subprocess.Popen(
        [sys.executable, "-c", COLLECTOR], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1/traces"
        finally:
            server.terminate()


def cases(down: str, up: str) -> list[Case]:
    """Return what is compared, the bare Python first."""
    otel = "opentelemetry.exporter.otlp.proto.http"
    return [
        Case(BARE, "pass\n"),
        Case(FLOOR, RECORD_FLOOR),
        Case(UNDECIDED, RECORD_CQTEL, most_ms=MOST_MS, most_ratio=MOST_RATIO_UNDECIDED),
        Case(ON, RECORD_CQTEL, down, most_ms=MOST_MS, most_ratio=MOST_RATIO_ON),
        Case(CONTRACT, RECORD_OWN, down, most_ms=MOST_MS, most_ratio=MOST_RATIO_ON),
        Case(OFF, RECORD_CQTEL, most_ms=MOST_MS, most_ratio=MOST_RATIO_UNDECIDED),
        Case(DUE, RECORD_CQTEL, down, most_ms=MOST_DUE_MS),
        Case(OTEL_DOWN, RECORD_OPENTELEMETRY, down, otel),
        Case(OTEL_UP, RECORD_OPENTELEMETRY, up, otel),
        Case(SENTRY, RECORD_SENTRY, down, "sentry_sdk"),
        Case(POSTHOG, RECORD_POSTHOG, down, "posthog"),
    ]


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def measure(rounds: int, bench: Bench, compared: list[Case]) -> None:
    """Run all programs in turn, round after round; the slow ones in every tenth."""
    for case in compared:
        if case.needs and not is_installed(case.needs):
            case.missing = f"{case.needs} is not installed"
            continue
        bench.prepare(case)
        began = time.monotonic()
        if not case.missing:
            bench.run(case, -1)
        if time.monotonic() - began > SLOW_SECONDS / 2:
            case.every = EVERY_SLOW
        for noted in (case.rounds, case.wall, case.cpu):
            noted.clear()
    for number in range(rounds):
        # Nobody always runs after the same other one.
        turn = number % len(compared)
        for case in [*compared[turn:], *compared[:turn]]:
            if not case.missing and number % case.every == 0:
                bench.run(case, number)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{number + 1}/{rounds} ")


def rows(compared: list[Case]) -> list[Row]:
    """Return what was measured, with the limits and whether each was kept."""
    bare = compared[0]
    otel = next(case for case in compared if case.name == OTEL_UP)  # the faster one
    measured = []
    for case in compared:
        if not case.wall:
            continue
        over = case.over(bare, lambda each: each.wall)
        cpu_over = case.over(bare, lambda each: each.cpu)
        row = Row(
            case.name,
            median(case.wall),
            over,
            1 + over / median(bare.wall),
            sorted(case.wall)[int(len(case.wall) * 0.95)],
            cpu_over,
            1 + cpu_over / median(bare.cpu),
            len(case.wall),
        )
        if case.most_ms is not None:
            row.limit = f"{case.most_ms:.0f} ms"
            row.kept = over <= case.most_ms
            if case.most_ratio is not None:
                row.limit += f", {case.most_ratio:.2f}x"
                row.kept = row.kept and row.ratio <= case.most_ratio
            if otel.wall:
                row.limit += f", {MOST_OF_OPENTELEMETRY:.2f} of opentelemetry's"
                others = otel.over(bare, lambda each: each.wall)
                row.kept = row.kept and over <= MOST_OF_OPENTELEMETRY * others
        measured.append(row)
    return measured


def count(bench: Bench, compared: list[Case]) -> str:
    """Return a table of the instructions that our own cases execute, beside a bare Python."""
    lines = []
    bare = 0
    for case in compared[: compared.index(next(case for case in compared if case.needs))]:
        bench.prepare(case)
        # One recording in sixteen makes room: the least of three did not.
        least = min(_instructions(bench, case) for _ in range(3))
        bare = bare or least
        lines.append(
            f"{case.name:41} {least / 1e6:8.2f} {(least - bare) / 1e6:+8.2f} {least / bare:7.3f}"
        )
    return "\n".join(
        [f"{'millions of instructions':41} {'all':>8} {'over':>8} {'ratio':>7}", *lines]
    )


def _instructions(bench: Bench, case: Case) -> int:
    bench.reset(case)
    program = [sys.executable, str(bench.home(case) / "program.pyc")]
    done = subprocess.run(
        [
            shutil.which("valgrind") or "",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            *program,
        ],
        env={**bench.environment(case), "PYTHONHASHSEED": "0"},
        cwd=bench.directory(case),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    bench.settle(case)
    return int(done.stderr.partition("Collected : ")[2].split()[0])


def span_cost(bench: Bench, case: Case) -> tuple[float, float]:
    """Return microseconds for a span while the program runs, and with its part of the payload."""
    found = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", SPANS],
            env=bench.environment(case),
            cwd=bench.plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        found.append(json.loads(done.stdout))
    return min(each[0] for each in found), min(each[1] for each in found)


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next((x.partition(":")[2].strip() for x in lines if "model name" in x), model)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": model,
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def table(found: list[Row], compared: list[Case]) -> str:
    """Return the table that is printed."""
    titles = (
        f"{'median':>8} {'over':>8} {'ratio':>7} {'p95':>8} {'cpu':>8} {'ratio':>7} {'runs':>5}"
    )
    lines = [f"{'':41} {titles}  limit"]
    for row in found:
        verdict = "" if row.kept is None else f"  {row.limit}: {'kept' if row.kept else 'NOT KEPT'}"
        lines.append(
            f"{row.name:41} {row.median:8.2f} {row.over:+8.2f} {row.ratio:7.3f} {row.p95:8.2f}"
            f" {row.cpu_over:+8.2f} {row.cpu_ratio:7.3f} {row.runs:5}{verdict}"
        )
    lines += [f"{case.name:41} not measured: {case.missing}" for case in compared if case.missing]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table, and write JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--count", action="store_true", help="count instructions, by valgrind")
    given = parser.parse_args()
    if given.count and not shutil.which("valgrind"):
        sys.exit("valgrind is not installed, which counts the instructions.")
    if not hasattr(os, "posix_spawn") or not hasattr(os, "wait4"):
        sys.exit("This measures with posix_spawn and wait4, which this system has not.")
    written = given.json.absolute() if given.json else None
    before = machine()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        nobody() as down,
        somebody() as up,
    ):
        bench = Bench(Path(folder).resolve())
        compared = cases(down, up)
        if given.count:
            sys.stdout.write(f"{count(bench, compared)}\n")
            os.chdir(folder)
            return
        measure(max(1, given.rounds), bench, compared)
        while_running, altogether = span_cost(bench, compared[2])
        os.chdir(folder)
    found = rows(compared)
    kept = "kept" if while_running <= MOST_SPAN_US else "NOT KEPT"
    facts = ", ".join(f"{key} {value}" for key, value in before.items())
    sys.stdout.write(
        f"{facts}, load at the end {machine()['load']}\n"
        "milliseconds per command; over: the median of what each round took more than bare Python\n"
        "\n"
        f"{table(found, compared)}\n"
        f"one more span: {while_running:.2f} us while the program runs, {altogether:.2f} us with "
        f"its part of the payload  {MOST_SPAN_US:.0f} us: {kept}\n"
    )
    busy = max(before["load"][0], machine()["load"][0]) - 1
    if busy > (os.cpu_count() or 1) / 4:
        sys.stdout.write(
            "Others use this machine, too: the wall times are theirs as well, and the limits are "
            "of a machine at rest. The cpu columns tell more.\n"
        )
    if written:
        document = {
            "machine": before,
            "load_at_the_end": machine()["load"],
            "rows": [asdict(row) for row in found],
            "span_us": {"running": while_running, "altogether": altogether},
            "cases": [asdict(case) for case in compared],
        }
        written.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
