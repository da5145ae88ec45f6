"""Receive what a demonstration sends, on loopback: nothing of it can reach anybody else.

What a program's makers would get is answered and thrown away. For what goes to an endpoint a real
collector is started when it is first asked for, and asked. It has what was sent before, and what
installations might have sent that are made up, so that a report has something to tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.endpoint import TRACES_PATH
from ..extras import how_to_install
from ..outbox.store import SENT, Outbox
from ..paths import places
from ..review.destination import INTERCEPTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .arrivals import Arrival

_HOST = "127.0.0.1"
_MAX_BODY = 4 << 20
_START_SECONDS = 60.0
_ANSWER_SECONDS = 60.0
_OWN = "/v1/batch"
_COLLECTOR = """
import os, sys, threading
def end_with_the_demonstration():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=end_with_the_demonstration, daemon=True).start()
from cqtel_tui.cli import main
from cqtel_tui.collector.demonstration import fill
store, *options = sys.argv[1:]
fill(store)
sys.exit(main(["collector", "--store", store, *options]))
"""
_MADE_UP = 40
_DAYS = 20
_DAY_NANOSECONDS = 86_400 * 10**9
_IN_CI = 0.3
_PASSED_ON = ("content-type", "content-encoding", "authorization", "accept")


def store_in(folder: Path) -> Path:
    """Return where the collector of a demonstration in this folder keeps what it takes."""
    return folder / "collector.sqlite3"


def fill(store: str) -> None:
    """Keep what this home says was sent, and what made-up installations might have sent.

    Args:
        store: the collector's file, which is made.
    """
    from .arrivals import Origin
    from .json_reading import from_json
    from .store import Store

    outbox = Outbox(places().state)
    now = time.time()
    here = Origin(hashlib.sha1(_HOST.encode(), usedforsecurity=False).hexdigest())
    own: list[Arrival] = []
    for label in outbox.labels(SENT):
        envelope = outbox.open(SENT, label)
        if envelope.origin != INTERCEPTED:
            own += from_json(envelope.payload, here, now).arrivals
    others = [_made_up(one, number) for number in range(_MADE_UP) for one in own]
    if own:
        with contextlib.closing(Store(Path(store))) as opened:
            opened.keep([*own, *others]).result()


def _made_up(one: Arrival, number: int) -> Arrival:
    """Return what an installation that nobody has might have sent, much like another."""
    from msgspec.structs import replace

    from .arrivals import Origin

    draw = random.Random(f"{number} {one.spans[0].started}")  # noqa: S311  # nothing to hide
    trace = draw.randbytes(16)
    ids = {span.span_id: draw.randbytes(8) for span in one.spans}
    back = draw.randrange(_DAYS) * _DAY_NANOSECONDS
    spans = tuple(
        replace(
            span,
            trace_id=trace,
            span_id=ids[span.span_id],
            parent_id=ids.get(span.parent_id, b""),
            started=span.started - back,
            duration=int(span.duration * draw.uniform(0.2, 2)),
        )
        for span in one.spans
    )
    who = random.Random(number)  # noqa: S311
    return replace(
        one,
        origin=Origin(who.randbytes(20).hex(), who.choice(("DE", "US", "FR"))),
        version=who.choice(("6.21.1", "6.20.0")),
        ci=who.random() < _IN_CI,
        cookie=str(uuid.UUID(bytes=who.randbytes(16), version=4)),
        spans=spans,
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers for the makers; asks the collector for all else."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > _MAX_BODY:
            self.close_connection = True
            self._reply(413, "text/plain", b"too large")
            return
        body = self.rfile.read(int(length))
        if self.path.startswith(_OWN):
            self._reply(200, "application/json", b'{"success":true}')
            return
        if not all(map(find_spec, ("starlette", "uvicorn"))) and self.path == TRACES_PATH:
            self._reply(200, "application/json", _without_collector())
            return
        self._reply(*self._asked(body))

    def _asked(self, body: bytes) -> tuple[int, str, bytes]:
        """Ask the collector, and return its status, media type and body."""
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        try:
            port = self.server.collector()
            connection = http.client.HTTPConnection(_HOST, port, timeout=_ANSWER_SECONDS)
            with contextlib.closing(connection):
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                kind = response.getheader("content-type", "application/json")
                return response.status, kind, response.read(_MAX_BODY)
        except (OSError, http.client.HTTPException):
            return 503, "text/plain", b"the demonstration's collector does not answer"

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # as http.server has it

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own word
        """Write nothing to the terminal that somebody looks at."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__((_HOST, 0), _Handler)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing to the terminal: whoever asked has gone."""

    def collector(self) -> int:
        """Return the port of the collector, started at the first call.

        Raises:
            OSError: it does not start.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                store = store_in(self._folder)
                options = [str(store), "--listen", f"{_HOST}:0"]
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _COLLECTOR, *options],
                    cwd=self._folder,
                    stdin=subprocess.PIPE,  # it ends with us, however we end
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=os.name == "posix",
                )
                self._port = _listening_at(self._process)
            return self._port

    def close_collector(self) -> None:
        """End the collector, if one was started."""
        with self._lock:
            if self._process is not None:
                # It ends when this does; to be asked to, it would finish what it has begun.
                if self._process.stdin is not None:
                    self._process.stdin.close()
                try:
                    self._process.wait(timeout=_ANSWER_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
                if self._process.stdout is not None:
                    self._process.stdout.close()


def _without_collector() -> bytes:
    """Return what is answered where no collector is installed, a success with a warning (OTLP)."""
    warning = (
        f"nothing is kept: no collector is installed. {how_to_install('collector')} brings one"
    )
    return json.dumps({"partialSuccess": {"errorMessage": warning}}).encode()


def _listening_at(process: subprocess.Popen[bytes]) -> int:
    """Return the port that a collector has chosen, and go on reading what it logs.

    Raises:
        OSError: it does not start.
    """
    told: queue.SimpleQueue[int] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(ValueError):  # closed, for the demonstration ends
            for line in process.stdout or ():
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    event = json.loads(line)
                    if event["event"] == "listening":
                        told.put(event["port"])
        told.put(0)

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        if port := told.get(timeout=_START_SECONDS):
            return port
    raise ConnectionRefusedError(0, "the collector did not start")


@contextlib.contextmanager
def receiving(folder: Path) -> Iterator[str]:
    """Receive on loopback, and return the address: its scheme, host and port.

    Args:
        folder: where a collector keeps what it takes; the caller's to remove.
    """
    with _Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.close_collector()
