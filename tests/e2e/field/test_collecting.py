"""A collector as it is met from outside: odd statuses, upgrades, bombs, and a store that goes."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ...cli.machines import PATIENCE
from .installing import Installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = {"content-type": "application/json"}
SECRET = "198.51.100.77"  # noqa: S105  # an address of somebody's, which is not to be kept
SECONDS = 5.0
"""Far more than a request of a few kilobytes may cost, on a machine that has much else to do."""


class Collector:
    """A collector of the installed program's, on a port that the system chose."""

    def __init__(self, commands: Path, home: Path) -> None:
        self.store = home / "store" / "s.sqlite3"
        options = ["--listen", "127.0.0.1:0", "--store", str(self.store), "--rate", "0"]
        environment = {"HOME": str(home), "PATH": os.defpath, "CQ_TELEMETRY_HOME": str(home / "t")}
        self.process = subprocess.Popen(
            [str(commands / "cq-telemetry"), "collector", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        self.port = next(int(json.loads(line)["port"]) for line in lines if '"listening"' in line)
        url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)

    def post(self, content: bytes, **headers: str) -> httpx.Response:
        return self.client.post("/v1/traces", content=content, headers=JSON | headers)

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are, and return the answer to what they hold."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            for part in parts:
                connection.sendall(part)
            return connection.recv(65536)

    def failed(self) -> dict[str, int]:
        """Return which spans of the store count as failed, by their ids."""
        with contextlib.closing(sqlite3.connect(self.store)) as store:
            return {
                row[0].hex() if isinstance(row[0], bytes) else row[0]: row[1]
                for row in store.execute("SELECT span_id, failed FROM spans")
            }

    def kept(self) -> bytes:
        """Return all bytes that are on the disk."""
        return b"".join(path.read_bytes() for path in self.store.parent.iterdir())

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def collecting(commands: Path, home: Path) -> Iterator[Collector]:
    running = Collector(commands, home)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def collector(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collecting(programs, tmp_path_factory.mktemp("collector")) as running:
        yield running


def request(**span: Any) -> bytes:
    now = time.time_ns()
    one = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "sync",
        "kind": 1,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "status": {"code": 1},
    }
    name = {"key": "service.name", "value": {"stringValue": "cloudquery"}}
    scopes = [{"scope": {"name": "cqtel"}, "spans": [one | span]}]
    resource = {"attributes": [name]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}).encode()


@pytest.mark.parametrize("code", ["ERROR", "STATUS_CODE_ERROR", "2", 3, True, "no such status"])
def test_a_status_that_is_no_success_is_not_kept_as_one(collector: Collector, code: object) -> None:
    span = os.urandom(8).hex()
    answer = collector.post(request(spanId=span, status={"code": code}))
    assert answer.status_code == 200
    assert collector.failed().get(span, 1) == 1


def test_a_request_that_offers_http_2_keeps_its_body(collector: Collector) -> None:
    span = os.urandom(8).hex()
    body = request(spanId=span)
    head = (
        b"POST /v1/traces HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    assert collector.raw(head + body).startswith(b"HTTP/1.1 200 ")
    assert span in collector.failed()
    other = request()
    length = b"Content-Length: %d" % len(other)
    assert collector.raw(
        head.replace(b"Content-Length: %d" % len(body), length), other[:7], other[7:]
    ).startswith(b"HTTP/1.1 200 ")


def test_a_few_kilobytes_do_not_cost_seconds(collector: Collector) -> None:
    spans = b"{}," * 1_390_000 + b"{}"
    bomb = gzip.compress(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + b"]}]}]}")
    assert len(bomb) < 8192
    began = time.monotonic()
    answer = collector.post(bomb, **{"content-encoding": "gzip"})
    assert time.monotonic() - began < SECONDS
    assert answer.status_code in {400, 413}
    assert collector.post(request()).status_code == 200


def test_what_is_nested_too_deep_is_refused_as_such(collector: Collector) -> None:
    value = '{"arrayValue":{"values":[' * 1000 + '{"intValue":"1"}' + "]}}" * 1000
    deep = f'{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"x","value":{value}}}]}}}}]}}'
    answer = collector.post(deep.encode())
    assert answer.status_code == 400
    assert answer.json()["message"] == "too deep"


def test_no_address_is_kept_wherever_it_stands(collector: Collector) -> None:
    address = {"key": "client.address", "value": {"stringValue": SECRET}}
    text = {"key": "exception.message", "value": {"stringValue": f"no debug flag {SECRET}"}}
    body = request(
        name=f"name {SECRET}",
        attributes=[address, text],
        traceState=f"ip={SECRET}",
        status={"code": 2, "message": f"status {SECRET}"},
        events=[{"name": f"event {SECRET}", "attributes": [address], "timeUnixNano": "1"}],
        links=[
            {
                "traceId": os.urandom(16).hex(),
                "spanId": os.urandom(8).hex(),
                "traceState": f"l={SECRET}",
                "attributes": [address],
            }
        ],
    )
    assert collector.post(body).status_code == 200
    assert SECRET.encode() not in collector.kept()


def test_an_engine_that_is_sent_to_directly_lets_no_more_through(machine: Installed) -> None:
    """Each place where a text could stand is emptied, bounded or makes the span be left out."""
    ended = machine.cq("collector", "engine-config")
    assert ended.code == 0
    lines = [line.strip(" -'") for line in ended.lines]
    for emptied in (
        "span.status.message",
        "span.trace_state",
        "scope.version",
        "resource.schema_url",
    ):
        assert f'set({emptied}, "")' in lines
    assert any(line.startswith('set(span.name, "unnamed") where not IsMatch') for line in lines)
    assert any(
        line.startswith('delete_key(span.attributes, "exception.message") where') for line in lines
    )
    assert "Len(span.links) > 0" in lines
    assert any("spanevent" in line for line in lines)
    assert "keep_keys(scope.attributes, [])" in lines
    pipelines = [line for line in lines if line.startswith("processors: [")]
    assert pipelines
    assert set(pipelines) == {"processors: [memory_limiter, redaction, transform, filter]"}


def test_a_collector_whose_store_is_gone_acknowledges_nothing(
    programs: Path, tmp_path: Path
) -> None:
    with collecting(programs, tmp_path) as running:
        assert running.post(request()).status_code == 200
        shutil.rmtree(running.store.parent)
        for _ in range(2):
            assert running.post(request()).status_code == 503
        assert running.client.get("/healthz").status_code == 503
        assert not running.store.parent.exists()
    machine = Installed(tmp_path, programs)
    ended = machine.cq("collector", "--store", str(running.store), "--check")
    assert ended.code == 1
    assert "cannot be opened or read" in ended.said
