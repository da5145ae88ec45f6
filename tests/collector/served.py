"""Collectors to ask over HTTP: in a thread with a sink of the test's, or as the real command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import httpx

from cqtel_tui.collector.addresses import Addresses
from cqtel_tui.collector.server import Application
from cqtel_tui.collector.serving import listener, server_of
from cqtel_tui.collector.settings import Settings
from cqtel_tui.collector.sinks import KeepResult

from ..deliver.collectors import PATIENCE
from .requests import as_json, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cqtel_tui.collector.arrivals import Arrival
    from cqtel_tui.collector.sinks import Sink

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}


class Notebook:
    """A sink in memory. What is in `errors` is raised first, each once."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.errors: list[Exception] = []
        self.late_errors: list[Exception] = []
        self.unanswered: list[Future[KeepResult]] = []
        self.hold = False
        self.asked = threading.Semaphore(0)
        self.is_closed = False
        self.reason = ""

    def trouble(self) -> str:
        return self.reason

    def keep(self, arrivals: Sequence[Arrival]) -> Future[KeepResult]:
        if self.errors:
            raise self.errors.pop(0)
        future: Future[KeepResult] = Future()
        self.arrivals += arrivals
        if self.late_errors:
            future.set_exception(self.late_errors.pop(0))
        elif self.hold:
            self.unanswered.append(future)
        else:
            future.set_result(KeepResult(sum(len(one.spans) for one in arrivals)))
        self.asked.release()
        return future

    def close(self) -> None:
        self.is_closed = True

    @property
    def names(self) -> list[str]:
        return [span.name for arrival in self.arrivals for span in arrival.spans]


class Served:
    """A collector in a thread of this process."""

    def __init__(self, sink: Sink, settings: Settings, given: Mapping[str, Any]) -> None:
        self.sink = sink
        self._addresses = Addresses(settings)
        self._listening = listener(settings)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = server_of(Application(sink, settings, self._addresses, **given))
        self._thread = threading.Thread(target=self.server.run, args=([self._listening],))
        self._thread.start()
        wait_for(lambda: self.server.started)
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._addresses.close()
        self._listening.close()

    def post(self, body: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
        """Post traces as JSON, or as `headers` has it; `_` in a name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/v1/traces", content=body, headers=JSON | named)

    def is_well(self) -> bool:
        """Tell whether a good request passes."""
        return self.post(as_json(request())).content == b"{}"

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            yield connection


@contextlib.contextmanager
def served(
    folder: Path, sink: Sink | None = None, given: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Served]:
    """Serve in a thread; `given` is for the application."""
    settings = {"port": 0, "rate": 0.0} | settings
    chosen = Settings(folder / "store.sqlite3", **settings)
    running = Served(sink or Notebook(), chosen, given or {})
    try:
        yield running
    finally:
        running.close()


def wait_for(happens: Callable[[], object]) -> None:
    """Wait until it does."""
    done = threading.Event()
    for _ in range(int(PATIENCE * 100)):
        if happens():
            return
        done.wait(0.01)
    raise AssertionError("it did not happen")


class Command:
    """The real command in a process of its own, on a port that the system chose.

    Attributes:
        port: where it listens.
        said: what it has logged so far, line by line.
    """

    def __init__(self, home: Path, *options: str, workers: int = 1) -> None:
        self.said: list[str] = []
        self._listening = threading.Semaphore(0)
        listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
        command = "import sys; from cqtel_tui.cli import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-c", command, "collector"),
                *(*listen, "--workers", str(workers), *options),
            ],
            env={**os.environ, "CQ_TELEMETRY_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        for _ in range(workers):
            assert self._listening.acquire(timeout=PATIENCE * 2), self.said
        self.port = next(int(one["port"]) for one in self.events() if one["event"] == "listening")
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said if line.startswith("{")]

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/v1/traces", content=body, headers=JSON | named)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.client.close()
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(PATIENCE * 2)
        self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if '"listening"' in line:
                self._listening.release()
        for _ in range(64):
            self._listening.release()  # it has ended: wait for it no longer


@contextlib.contextmanager
def command(home: Path, *options: str, workers: int = 1) -> Iterator[Command]:
    running = Command(home, *options, workers=workers)
    try:
        yield running
    finally:
        running.close()
