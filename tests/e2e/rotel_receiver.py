"""Rotel, a real OTLP receiver, on loopback: what it understood of our payloads comes out again.

It is written in Rust, by others, from the OTLP specification. What it receives it forwards as
protobuf to a server of ours, where `opentelemetry-proto` reads it.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import platform
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

HAS_WHEEL = sys.platform == "linux" and platform.machine() == "x86_64"
NO_WHEEL = "rotel has a wheel for Linux on x86-64 alone"
_PATIENCE = 60.0
_TRIES = 5
_NO_LIBRARY = "error while loading shared libraries: libpython"


class Receiver:
    """A running rotel.

    Attributes:
        endpoint: the URL to post OTLP/JSON or OTLP/protobuf traces to.
    """

    def __init__(self, endpoint: str, sink: _Sink) -> None:
        self.endpoint = endpoint
        self._sink = sink

    def received(self, count: int = 1) -> list[ExportTraceServiceRequest]:
        """Return all that came out of it, once there are at least `count` requests."""
        with self._sink.has_more:
            came = self._sink.has_more.wait_for(lambda: len(self._sink.got) >= count, _PATIENCE)
            assert came, f"{len(self._sink.got)} of {count} requests came out of rotel"
            return list(self._sink.got)

    def spans(self, count: int = 1) -> list[Span]:
        """Return the spans of the first `count` requests."""
        return [
            span
            for request in self.received(count)[:count]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextlib.contextmanager
def rotel_receiver(folder: Path) -> Iterator[Receiver]:
    """Run rotel with its files in `folder`; it ends with the block, and has no state elsewhere."""
    sink = _Sink()
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    try:
        exporter = (
            "--exporter=otlp",
            "--otlp-exporter-protocol=http",
            f"--otlp-exporter-endpoint=http://127.0.0.1:{sink.server_port}",
            "--disable-batching",
        )
        with running_rotel(folder, *exporter) as (endpoint, _):
            yield Receiver(endpoint, sink)
    finally:
        sink.shutdown()
        sink.server_close()


@contextlib.contextmanager
def running_rotel(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Run rotel with some options; its URL for traces, and the number of its process."""
    for _ in range(_TRIES):
        # A port that was free may be taken by the time rotel binds it.
        http, grpc = _free_port(), _free_port()
        process = _start(folder, http, grpc, *options)
        try:
            if _answers(process, http):
                yield f"http://127.0.0.1:{http}/v1/traces", process.pid
                return
        finally:
            process.terminate()
            process.wait(_PATIENCE)
    log = (folder / "rotel.log").read_text()
    if _NO_LIBRARY in log:
        pytest.skip(f"rotel is linked to a shared libpython, which is not here: {log.strip()}")
    raise AssertionError(f"rotel did not start: {log}")


class _Sink(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SinkHandler)
        self.got: list[ExportTraceServiceRequest] = []
        self.has_more = threading.Condition()


class _SinkHandler(BaseHTTPRequestHandler):
    server: _Sink
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        with self.server.has_more:
            self.server.got.append(ExportTraceServiceRequest.FromString(body))
            self.server.has_more.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base
        pass


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _start(folder: Path, http: int, grpc: int, *options: str) -> subprocess.Popen[bytes]:
    found = importlib.util.find_spec("rotel")
    assert found is not None, "rotel is not installed: pip install -e '.[dev]'"
    assert found.origin is not None
    with (folder / "rotel.log").open("wb") as log:
        return subprocess.Popen(
            [
                Path(found.origin).with_name("rotel-agent"),
                "start",
                f"--otlp-http-endpoint=127.0.0.1:{http}",
                f"--otlp-grpc-endpoint=127.0.0.1:{grpc}",
                *options,
            ],
            cwd=folder,
            # No proxy, and no ROTEL_ variable that would turn its own telemetry on. Its libpython
            # is this interpreter's, which the loader need not know of.
            env={"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.01)
    return False
