"""Measure what a collector takes: payloads a second, how long each waits, and what memory it needs.

    python tests/benchmarks/collecting.py [--seconds N] [--rounds N] [--payloads N]
        [--connections N,N] [--protobuf] [--json FILE]

Compared are a collector with its store, an edge in front of rotel, rotel alone, exporting to
nowhere, and a server that reads nothing: what the client itself can do. Each is a real process
that takes the same payloads, as our client records them, from the same client on the same cores:
raw sockets in a process of its own, which waits for each answer before it sends that connection's
next payload. The rounds of all are interleaved. Nothing leaves the machine. A collector answers
after fsync, rotel as soon as it has read: they do not promise the same.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import platform
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[2]
CONNECTIONS = (1, 8, 64, 512)
JSON, PROTOBUF = "json", "x-protobuf"
SIZE = 3_000
INSTALLATIONS = 64
MEMORY_CONNECTIONS = 64
PATIENCE_SECONDS = 60.0
PARTS_OF_MEMORY = 10
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

_TRACE = "f" * 32
_COOKIE = "00000000-0000-4000-8000-000000000000"


# The client, in a process of its own --------------------------------------------------------------


@dataclass
class Load:
    """What one run of the client saw.

    Attributes:
        connections: how many it kept busy.
        seconds: from the first byte to the last answer.
        statuses: how many answers had each HTTP status.
        broken: how many connections ended under it.
        client_cpu: seconds of processor time that the client itself took.
        waits: seconds from a payload's first byte to its answer's last, of each that was taken.
    """

    connections: int
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    client_cpu: float = 0.0
    waits: array[float] = field(default_factory=lambda: array("d"))

    @property
    def taken(self) -> int:
        """How many payloads were answered with 200."""
        return self.statuses["200"]

    def add(self, other: Load) -> None:
        """Add what another run saw."""
        self.seconds += other.seconds
        self.statuses += other.statuses
        self.broken += other.broken
        self.client_cpu += other.client_cpu
        self.waits.extend(other.waits)


class Client:
    """Keeps some connections busy with payloads that differ in trace id and cookie.

    Args:
        port: on loopback.
        payload: with `_TRACE` and `_COOKIE` where those go.
        encoding: `JSON` or `PROTOBUF`.
        first: the number of the first payload; no two runs may have the same ones.
    """

    def __init__(self, port: int, payload: bytes, encoding: str, first: int) -> None:
        self._port = port
        self._number = first
        self._is_json = encoding == JSON
        trace = _TRACE.encode() if self._is_json else bytes.fromhex(_TRACE)
        head = (
            f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/{encoding}\r\nContent-Length: {len(payload)}\r\n\r\n"
        ).encode()
        cookies = (
            str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC834 % (1 << 128), version=4))
            for number in range(1, INSTALLATIONS + 1)
        )
        self._pieces = [
            (head + payload.replace(_COOKIE.encode(), cookie.encode())).split(trace)
            for cookie in cookies
        ]
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._begun: dict[int, float] = {}
        self._heard: dict[int, bytes] = {}

    def run(self, connections: int, *, seconds: float = 0, payloads: int = 0) -> Load:
        """Send for some seconds, or so many payloads; wait for all answers."""
        load = Load(connections)
        cpu = time.process_time()
        for _ in range(connections):
            self._connect()
        begun = time.perf_counter()
        until = begun + (seconds or 1e9)
        left = payloads or 1 << 62
        for one in list(self._sockets):
            left -= 1
            self._send(one)
        while self._begun:
            ready = self._poll.poll(PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"{len(self._begun)} answers did not come")
            for one, _ in ready:
                status = self._read(one)
                if status is not None:
                    self._note(load, one, status)
                    # What broke off is connected anew, and takes the other's place.
                    free = one if status else self._connect_anew(one)
                    if left > 0 and time.perf_counter() < until:
                        left -= 1
                        self._send(free)
        load.seconds = time.perf_counter() - begun
        load.client_cpu = time.process_time() - cpu
        return load

    def _note(self, load: Load, number: int, status: str) -> None:
        """Note how an exchange ended; without a status it broke off."""
        waited = time.perf_counter() - self._begun.pop(number)
        if not status:
            load.broken += 1
            return
        load.statuses[status] += 1
        if status == "200":
            load.waits.append(waited)

    def _connect(self) -> int:
        made = socket.create_connection(("127.0.0.1", self._port), PATIENCE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = made.fileno()
        self._sockets[number] = made
        self._heard[number] = b""
        self._poll.register(number, select.EPOLLIN)
        return number

    def _connect_anew(self, number: int) -> int:
        self._poll.unregister(number)
        del self._heard[number]
        self._sockets.pop(number).close()
        return self._connect()

    def _send(self, number: int) -> None:
        self._number += 1
        one = self._number
        trace = b"%032x" % one if self._is_json else one.to_bytes(16, "big")
        made = trace.join(self._pieces[one % INSTALLATIONS])
        self._begun[number] = time.perf_counter()
        self._sockets[number].sendall(made)

    def _read(self, number: int) -> str | None:
        """Return the status of a complete answer, None while it is not, nothing if it ended."""
        try:
            part = self._sockets[number].recv(65536)
        except OSError:
            part = b""
        if not part:
            return ""
        heard = self._heard[number] + part
        head, end, body = heard.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            self._heard[number] = heard
            return None
        self._heard[number] = b""
        return head[9:12].decode()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"an answer without Content-Length: {head!r}")


def serve_load() -> None:
    """Be the client: read what to do from stdin, line by line, and write what was seen."""
    for line in sys.stdin:
        asked = json.loads(line)
        payload = base64.b64decode(asked["payload"])
        client = Client(asked["port"], payload, asked["encoding"], asked["first"])
        load = client.run(
            asked["connections"], seconds=asked["seconds"], payloads=asked["payloads"]
        )
        seen = {
            "connections": load.connections,
            "seconds": load.seconds,
            "statuses": load.statuses,
            "broken": load.broken,
            "client_cpu": load.client_cpu,
            "waits": load.waits.tolist(),
        }
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()


class Loader:
    """The process that loads; it is the same one for all."""

    def __init__(self, payload: bytes, encoding: str = JSON) -> None:
        self._payload = base64.b64encode(payload).decode()
        self._encoding = encoding
        self._number = 1 << 64  # no id may be zero
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--be-the-client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, port: int, connections: int, *, seconds: float = 0, payloads: int = 0) -> Load:
        """Load a port, and return what the client saw."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {
            "port": port,
            "payload": self._payload,
            "encoding": self._encoding,
            "first": self._number,
            "connections": connections,
            "seconds": seconds,
            "payloads": payloads,
        }
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            sys.exit("the client ended: what it said is above")
        seen = json.loads(answer)
        seen["statuses"] = Counter(seen["statuses"])
        seen["waits"] = array("d", seen["waits"])
        load = Load(**seen)
        self._number += sum(load.statuses.values()) + load.broken + connections
        return load

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)


# What is measured ---------------------------------------------------------------------------------


@dataclass
class Case:
    """One receiver, and what was seen of it.

    Attributes:
        name: what it is.
        start: runs it, given a folder; gives its port and the processes that are counted as its.
        is_kept: whether what it took is in a store of ours afterwards.
        size: bytes of that store for each payload.
        loads: what the client saw, by the number of connections.
        server_cpu: seconds of its processor time, by the number of connections.
        resident: bytes of memory, after each tenth of the payloads; first before them.
        memory_load: what the client saw meanwhile.
        missing: why it was not measured; empty if it was.
    """

    name: str
    start: Callable[[Path], AbstractContextManager[tuple[int, list[int]]]]
    is_kept: bool = False
    size: float = 0.0
    loads: dict[int, Load] = field(default_factory=dict)
    server_cpu: dict[int, float] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)
    memory_load: Load | None = None
    missing: str = ""


@contextlib.contextmanager
def cqtel(folder: Path, *options: str) -> Iterator[tuple[int, list[int]]]:
    """Run a real `cq-telemetry collector`."""
    log = folder / "collector.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("cq-telemetry"), "collector"),
                *("--listen", "127.0.0.1:0", "--rate", "0", *options),
            ],
            env={**os.environ, "CQ_TELEMETRY_HOME": str(folder), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        workers = int(options[options.index("--workers") + 1]) if "--workers" in options else 1
        yield _port(process, log, workers), [process.pid]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def _port(process: subprocess.Popen[bytes], log: Path, workers: int) -> int:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        said = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
        ports = [one["port"] for one in said if one["event"] == "listening"]
        if len(ports) == workers:
            return int(ports[0])
        if process.poll() is not None or time.monotonic() > until:
            sys.exit(f"the collector did not start: {log.read_text()}")
        time.sleep(0.02)


@contextlib.contextmanager
def rotel(folder: Path) -> Iterator[tuple[int, list[int]]]:
    """Run rotel; what it receives goes nowhere."""
    from tests.e2e.rotel_receiver import running_rotel

    with running_rotel(folder, "--exporter=blackhole") as (url, process):
        yield int(url.split(":")[2].partition("/")[0]), [process]


@contextlib.contextmanager
def edge(folder: Path, *options: str) -> Iterator[tuple[int, list[int]]]:
    """Run an edge in front of rotel; both are counted."""
    with (
        rotel(folder) as (behind, engine),
        cqtel(folder, "--forward", f"http://127.0.0.1:{behind}", *options) as (port, processes),
    ):
        yield port, processes + engine


_NOTHING = """
import asyncio, re
HEAD = re.compile(rb"[Cc]ontent-[Ll]ength: (\\d+).*?\\r\\n\\r\\n", re.DOTALL)
ANSWER = b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}"
class Nothing(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.come, self.size = transport, 0, 0
    def data_received(self, data):
        if not self.size:
            head = HEAD.search(data)
            self.size = head.end() + int(head[1])
        self.come += len(data)
        while self.come >= self.size:  # all are of one size
            self.come -= self.size
            self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
try:
    import uvloop
except ImportError:
    asyncio.run(main())
else:
    uvloop.run(main())
"""


@contextlib.contextmanager
def nothing(_: Path) -> Iterator[tuple[int, list[int]]]:
    """Run a server that reads nothing of what comes but its length."""
    process = subprocess.Popen([sys.executable, "-c", _NOTHING], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), [process.pid]
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def as_protobuf(payload: bytes) -> bytes:
    """Return a payload in OTLP's other encoding."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    document = json.loads(payload)
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in {"traceId", "spanId", "parentSpanId"} & span.keys():
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    return ParseDict(document, ExportTraceServiceRequest()).SerializeToString()


def cases() -> list[Case]:
    """Return all that is compared."""
    from tests.e2e.rotel_receiver import HAS_WHEEL, NO_WHEEL

    two = ("--workers", "2")
    missing = "" if HAS_WHEEL else NO_WHEEL
    return [
        Case("collector (SQLite, fsync)", cqtel, is_kept=True),
        Case("collector, 2 workers", lambda folder: cqtel(folder, *two), is_kept=True),
        Case("edge (--forward) to rotel, to nowhere", edge, missing=missing),
        Case("edge, 2 workers, to rotel", lambda folder: edge(folder, *two), missing=missing),
        Case("rotel, to nowhere (no disk)", rotel, missing=missing),
        Case("nothing (what the client can do)", nothing),
    ]


def recorded(folder: Path) -> bytes:
    """Return a payload of about 3 KB that our client has recorded, with room for ids."""
    os.environ["CQ_TELEMETRY_HOME"] = str(folder)
    from cqtel_tui import Telemetry
    from cqtel_tui.outbox.store import Outbox
    from cqtel_tui.outbox.writing import PENDING

    payload = b""
    parts = 0
    while len(payload) < SIZE:
        parts += 1
        with Telemetry("cloudquery", version="6.21.1").operation("sync") as operation:
            for part in range(parts):
                with operation.span(f"sync.table_{part}"):
                    pass
        outbox = Outbox(str(folder))
        label = max(outbox.labels(PENDING), key=lambda one: one.created)
        document = json.loads(outbox.open(PENDING, label).payload)
        about = document["resourceSpans"][0]["resource"]["attributes"]
        about.append({"key": "service.instance.id", "value": {"stringValue": _COOKIE}})
        plugins = [{"stringValue": f"source/cloudquery/{name}@v27.1.0"} for name in ("aws", "gcp")]
        about.append({"key": "cloudquery.plugins", "value": {"arrayValue": {"values": plugins}}})
        for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            span["traceId"] = _TRACE
        payload = json.dumps(document, separators=(",", ":")).encode()
    return payload


def _tree(processes: list[int]) -> list[int]:
    """Return processes and all that they started."""
    found = list(processes)
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            found.extend(map(int, task.read_text().split()))
    return found


def cpu_seconds(processes: list[int]) -> float:
    """Return the processor time of processes and of all that they started."""
    ticks = 0
    for process in _tree(processes):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_bytes(processes: list[int]) -> int:
    """Return the memory of processes and of all that they started: what they share counts twice."""
    pages = 0
    for process in _tree(processes):
        pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fsync_waits(folder: Path, payload: bytes, count: int = 200) -> array[float]:
    """Return how long it takes to append one payload to a file and fsync it: the floor of one."""
    waits = array("d")
    with (folder / "fsync").open("ab", buffering=0) as written:
        for _ in range(count):
            begun = time.perf_counter()
            written.write(payload)
            os.fsync(written.fileno())
            waits.append(time.perf_counter() - begun)
    return waits


def in_store(folder: Path) -> int:
    """Return how many operations are in a collector's store."""
    with contextlib.closing(sqlite3.connect(folder / "collector" / "store.sqlite3")) as store:
        (count,) = store.execute("SELECT count(DISTINCT trace_id) FROM spans").fetchone()
    return int(count)


def size_of_store(folder: Path) -> int:
    """Return the bytes of a collector's store, with all that is in its journal in it."""
    path = folder / "collector" / "store.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    return path.stat().st_size


def measure(
    compared: list[Case], loader: Loader, rounds: int, seconds: float, every: Sequence[int]
) -> None:
    """Load each of them in turn, round after round, with each number of connections."""
    with contextlib.ExitStack() as running:
        started: list[tuple[Case, Path, int, list[int]]] = []
        for case in compared:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            port, processes = running.enter_context(case.start(folder))
            loader.load(port, 1, payloads=200)  # what is only done once is done
            started.append((case, folder, port, processes))
        for _ in range(rounds):
            for connections in every:
                for case, _, port, processes in started:
                    before = cpu_seconds(processes)
                    load = loader.load(port, connections, seconds=seconds)
                    spent = cpu_seconds(processes) - before
                    case.loads.setdefault(connections, Load(connections)).add(load)
                    case.server_cpu[connections] = case.server_cpu.get(connections, 0.0) + spent
        for case, folder, _, _ in started:
            if case.is_kept:
                taken = sum(load.taken for load in case.loads.values()) + 200
                kept = in_store(folder)
                case.size = size_of_store(folder) / max(1, kept)
                if kept != taken:
                    sys.exit(f"{case.name}: {taken:,} payloads were taken, {kept:,} are kept")


def measure_memory(case: Case, loader: Loader, payloads: int) -> None:
    """Send many payloads to a fresh one, and look at its memory after each tenth."""
    with tempfile.TemporaryDirectory() as name, case.start(Path(name)) as (port, processes):
        case.resident.append(resident_bytes(processes))
        case.memory_load = Load(MEMORY_CONNECTIONS)
        for _ in range(PARTS_OF_MEMORY):
            part = loader.load(port, MEMORY_CONNECTIONS, payloads=payloads // PARTS_OF_MEMORY)
            part.waits = array("d")
            case.memory_load.add(part)
            case.resident.append(resident_bytes(processes))


def percentile(waits: array[float], part: float) -> float:
    """Return a percentile in milliseconds."""
    ordered = sorted(waits)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1e3 if ordered else 0.0


def row(case: Case, connections: int) -> dict[str, Any]:
    """Return what was seen of one case with one number of connections."""
    load = case.loads[connections]
    refused = sum(load.statuses.values()) - load.taken
    return {
        "name": case.name,
        "connections": connections,
        "payloads_per_second": load.taken / load.seconds,
        "p50_ms": percentile(load.waits, 0.5),
        "p99_ms": percentile(load.waits, 0.99),
        "server_cpu_us": case.server_cpu[connections] / max(1, load.taken) * 1e6,
        "client_cpu_us": load.client_cpu / max(1, load.taken) * 1e6,
        "taken": load.taken,
        "refused": refused,
        "broken": load.broken,
        "seconds": load.seconds,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    heads = f"{'conns':>5} {'taken/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>7} {'client':>6}"
    lines = [f"{'':39} {heads} {'taken':>8} {'other':>5}"]
    lines += [
        f"{one['name']:39} {one['connections']:5} {one['payloads_per_second']:8,.0f} "
        f"{one['p50_ms']:8.2f} {one['p99_ms']:8.2f} {one['server_cpu_us']:7.0f} "
        f"{one['client_cpu_us']:6.0f} {one['taken']:8,} {one['refused'] + one['broken']:5}"
        for one in rows
    ]
    return "\n".join(lines) + "\n"


def memory_table(compared: list[Case]) -> str:
    """Return what memory each needed as text."""
    heads = f"{'begin':>7} {'10 %':>7} {'50 %':>7} {'end':>7} {'payloads':>10} {'taken/s':>8}"
    lines = [f"{'resident MB':39} {heads}"]
    for case in compared:
        if case.memory_load is not None:
            begin, first, half, end = (
                case.resident[at] / 1e6 for at in (0, 1, PARTS_OF_MEMORY // 2, PARTS_OF_MEMORY)
            )
            load = case.memory_load
            lines.append(
                f"{case.name:39} {begin:7.1f} {first:7.1f} {half:7.1f} {end:7.1f} "
                f"{load.taken:10,} {load.taken / load.seconds:8,.0f}"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the tables, and write JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="N", help="of each load")
    parser.add_argument(
        "--payloads", type=int, default=1_000_000, metavar="N", help="for memory; 0: not measured"
    )
    parser.add_argument(
        "--connections",
        type=lambda text: tuple(map(int, text.split(","))),
        default=CONNECTIONS,
        metavar="N,N",
        help="how many at once, in turn (default: 1,8,64,512)",
    )
    parser.add_argument("--protobuf", action="store_true", help="instead of JSON")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--be-the-client", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not hasattr(select, "epoll"):
        sys.exit("This measures with epoll and /proc, which this system has not.")
    if given.be_the_client:
        serve_load()
        return
    sys.path.insert(0, str(ROOT))
    began = os.getloadavg()
    every = cases()
    compared = [case for case in every if not case.missing]
    with tempfile.TemporaryDirectory() as name:
        payload = recorded(Path(name))
        floor = fsync_waits(Path(name), payload)
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "payload_bytes": len(payload),
        "spans": payload.count(b'"spanId"'),
        "fsync_p50_ms": percentile(floor, 0.5),
        "fsync_p99_ms": percentile(floor, 0.99),
        "load_before": began[0],
    }
    encoding = PROTOBUF if given.protobuf else JSON
    sent = as_protobuf(payload) if given.protobuf else payload
    machine |= {"encoding": encoding, "payload_bytes": len(sent)}
    with contextlib.closing(Loader(sent, encoding)) as loader:
        measure(compared, loader, max(1, given.rounds), given.seconds, given.connections)
        rows = [row(case, connections) for connections in given.connections for case in compared]
        machine["load_after"] = os.getloadavg()[0]
        say(told(machine, rows, every))
        if given.payloads:
            for case in compared:
                if "workers" not in case.name and case.start is not nothing:
                    measure_memory(case, loader, given.payloads)
            say(memory_table(compared))
    if given.json:
        document = {"machine": machine, "rows": rows, "memory": memory(every)}
        given.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def say(text: str) -> None:
    """Print what is known by now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def told(machine: dict[str, Any], rows: list[dict[str, Any]], every: list[Case]) -> str:
    """Return what was seen of each, as text."""
    text = (
        f"Python {machine['python']}, {machine['cores']} cores that the client shares, "
        f"{machine['payload_bytes']:,} bytes of {machine['encoding']} "
        f"with {machine['spans']} spans each\n"
        f"one append with fsync here: p50 {machine['fsync_p50_ms']:.2f} ms, "
        f"p99 {machine['fsync_p99_ms']:.2f} ms\n"
        f"load of the machine: {machine['load_before']:.1f} before, "
        f"{machine['load_after']:.1f} after\n"
        "CPU: of the server for each payload, all its processes; other: refused or broken off\n\n"
        f"{table(rows)}"
    )
    for case in every:
        if case.size:
            text += f"{case.name}: {case.size:,.0f} bytes a payload on disk\n"
        if case.missing:
            text += f"{case.name} was not measured: {case.missing}\n"
    if machine["load_before"] > machine["cores"] / 4:
        text += (
            "Others used this machine when it began: the rates and waits are theirs as well. "
            "The CPU columns tell more.\n"
        )
    return text


def memory(every: list[Case]) -> dict[str, Any]:
    """Return what memory each needed, for JSON."""
    return {
        case.name: {
            "resident_bytes": case.resident,
            "payloads": case.memory_load.taken,
            "seconds": case.memory_load.seconds,
        }
        for case in every
        if case.memory_load is not None
    }


if __name__ == "__main__":
    main()
