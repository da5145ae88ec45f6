"""The real command, its files and its processes."""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import os
import re
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from cqtel_tui import Telemetry
from cqtel_tui.cli import main
from cqtel_tui.collector import SHARED_FOLDER
from cqtel_tui.collector.store import Store
from cqtel_tui.deliver.sender import Outcome

from ..deliver.collectors import PATIENCE
from ..deliver.conftest import Machine
from .requests import COOKIE, PROGRAM, as_json, as_protobuf, request, span
from .served import JSON, PROTOBUF, command, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .served import Command

ADDRESSES = ("203.0.113.77", "2001:db8:77:1::abcd", "8.8.77.8")
HERE = "127.0.0.77"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it stops by signals")


@pytest.fixture(autouse=True)
def _quiet(scrubbed: Path) -> None:
    """Let the environment say nothing."""


def operations(collector: Command, cookie: str = COOKIE) -> int:
    headers = {"authorization": f"Bearer {cookie}"}
    return len(collector.client.get("/v1/data", headers=headers).json()["operations"])


# The address --------------------------------------------------------------------------------------


def spellings(text: str) -> dict[str, bytes]:
    """Return everything that an address could be written as."""
    address = ipaddress.ip_address(text)
    wrapped = b"" if address.version == 6 else b"\xff\xff" + address.packed
    return {
        "text": text.encode(),
        "long text": address.exploded.encode(),
        "number": str(int(address)).encode(),
        "hex": address.packed.hex().encode(),
        "packed": address.packed,
        "packed backwards": address.packed[::-1],
        "wrapped": wrapped or address.packed,
        "reverse name": address.reverse_pointer.encode(),
    }


def found_in(data: bytes, where: str) -> list[str]:
    return [
        f"{where}: {text} as {how}"
        for text in (*ADDRESSES, HERE)
        for how, spelling in spellings(text).items()
        if spelling.lower() in data.lower()
    ]


@pytest.fixture
def broken_database(tmp_path: Path) -> Path:
    """A city database that opens, and fails at an address that it has."""
    path = tmp_path / "cities.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    writer.insert_network(IPSet(["8.8.77.0/24"]), {"country": {"iso_code": "DE"}})
    writer.to_db_file(str(path))
    data = path.read_bytes()
    at = data.index(b"iso_code")
    path.write_bytes(data[: at - 9] + b"\xff" * 9 + data[at:])
    return path


@pytest.mark.parametrize("ip_hash", ["sha1", "hmac-daily"])
def test_the_address_is_nowhere(tmp_path: Path, broken_database: Path, ip_hash: str) -> None:
    home = tmp_path / "home"
    options = ("--trusted-proxy", "127.0.0.1", "--ip-hash", ip_hash, "--rate", "0.5")
    with command(home, *options, "--city-database", str(broken_database)) as collector:
        answers: list[httpx.Response] = []
        failing = request(
            span(attributes=[{"key": "exception.message", "value": {"stringValue": "why"}}]),
            program=PROGRAM | {"cloudquery.debug": True, "host.name": "h"},
        )
        for address in ADDRESSES:
            forwarded = {"x_forwarded_for": address}
            answers += [
                collector.post(as_json(failing), **forwarded),
                collector.post(b"{", **forwarded),
                collector.post(gzip.compress(bytes(9 << 20)), content_encoding="gzip", **forwarded),
                collector.post(b"{}", content_type="text/plain", **forwarded),
                collector.client.get("/v1/me", headers={"X-Forwarded-For": address}),
                collector.client.get("/nothing", headers={"X-Forwarded-For": address}),
                *(collector.post(as_json(request()), **forwarded) for _ in range(5)),
            ]
        assert {answer.status_code for answer in answers} == {200, 400, 404, 413, 415, 429, 500}
        answers += _from_here(collector)
        answers.append(collector.client.get("/metrics"))
        found = [leak for answer in answers for leak in found_in(answer.content, "an answer")]
        found += [leak for path in _files(home) for leak in found_in(path.read_bytes(), path.name)]
        names = {path.name for path in _files(home)}
        assert names >= {"store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm"}
        assert ("store.sqlite3.day-key" in names) is (ip_hash == "hmac-daily")
        assert collector.stop() == 0
    said = "".join(collector.said)
    assert '"InvalidDatabaseError"' in said, "there was an error to be logged"
    found += found_in(said.encode(), "what it said")
    found += [leak for path in _files(home) for leak in found_in(path.read_bytes(), path.name)]
    assert found == []
    assert found_in(ADDRESSES[0].encode(), "a text")[0] == f"a text: {ADDRESSES[0]} as text"


def _from_here(collector: Command) -> list[httpx.Response]:
    """Ask from another address of this machine, where there is one."""
    if sys.platform != "linux":
        return []
    transport = httpx.HTTPTransport(local_address=HERE)
    with httpx.Client(base_url=collector.url, transport=transport, timeout=PATIENCE) as client:
        answers = [
            client.post("/v1/traces", content=as_json(request()), headers=JSON),
            client.get("/v1/me", headers={"X-Forwarded-For": ADDRESSES[0]}),
            client.get("/metrics", headers={"X-Forwarded-For": ADDRESSES[0]}),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    return answers


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nobody_else_reads_what_it_writes(tmp_path: Path) -> None:
    with command(tmp_path / "home", "--ip-hash", "hmac-daily") as collector:
        collector.post(as_json(request()))
        modes = {path.name: path.stat().st_mode & 0o077 for path in _files(tmp_path / "home")}
    assert len(modes) >= 4
    assert set(modes.values()) == {0}


# From a client to the store -----------------------------------------------------------------------


def test_our_own_client_delivers_to_it(
    scrubbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    monkeypatch.chdir(machine.project)
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(machine.home))
    monkeypatch.setattr("cqtel_tui.outbox.dispatch.start_if_due", lambda *_: False)
    with command(tmp_path / "elsewhere") as collector:
        machine.allow(f"{collector.url}/v1/traces")
        telemetry = Telemetry("cloudquery", version="0.20.0", build_date="2021-12-01")
        with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
            operation.exit(3)
        [result] = machine.sender().send_due()
        assert (result.outcome, result.why) == (Outcome.SENT, "it responded 200")
        cookie = (machine.project / ".cq" / "telemetry-cookie").read_text().strip()
        headers = {"authorization": f"Bearer {cookie}"}
        [kept] = collector.client.get("/v1/data", headers=headers).json()["operations"]
        assert kept["service.name"] == "cloudquery"
        assert [one["name"] for one in kept["spans"]] == ["fetch", "fetch.aws"]
        assert collector.client.delete("/v1/data", headers=headers).json() == {"erased": 2}
        assert collector.client.delete("/v1/data", headers=headers).json() == {"erased": 0}
        assert operations(collector, cookie) == 0
        assert collector.stop() == 0
    assert cookie not in "".join(collector.said)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Basic {COOKIE}", "Bearer me", f"Bearer {COOKIE.upper()}", COOKIE],
)
def test_without_a_cookie_there_is_no_data(shared: Command, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for method in ("GET", "DELETE"):
        answer = shared.client.request(method, "/v1/data", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["code"] == 16
        assert COOKIE not in answer.text


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    with command(tmp_path_factory.mktemp("shared") / "home", "--rate", "0") as collector:
        yield collector


def test_an_unknown_cookie_has_no_data(shared: Command) -> None:
    headers = {"authorization": "bearer 00000000-0000-4000-8000-000000000000"}
    assert shared.client.get("/v1/data", headers=headers).json() == {"operations": []}
    assert shared.client.delete("/v1/data", headers=headers).json() == {"erased": 0}
    assert shared.client.post("/v1/data", headers=headers).status_code == 405


def test_what_comes_twice_is_kept_once(shared: Command) -> None:
    program = PROGRAM | {"service.instance.id": "11111111-1111-4111-8111-111111111111"}
    same = request(span(), program=program)
    assert shared.post(as_json(same)).content == b"{}"
    answer = shared.client.post("/v1/traces", content=as_protobuf(same), headers=PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert operations(shared, program["service.instance.id"]) == 1


# Beginning and ending -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_finishes_what_it_began_and_ends(tmp_path: Path, number: int) -> None:
    body = as_json(request())
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with command(tmp_path) as collector:
        with socket.create_connection(("127.0.0.1", collector.port), PATIENCE) as connection:
            connection.sendall(head.encode() + body[:10])
            wait_for(lambda: _connections(collector) >= 2)
            collector.process.send_signal(number)
            wait_for(lambda: not _listens(collector.port))
            connection.sendall(body[10:])
            answer = connection.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        collector.client.close()
        assert collector.ended() == 0
    assert collector.events()[-1]["event"] == "stopped"
    store = Store(tmp_path / "collector" / "store.sqlite3")
    with contextlib.closing(store):
        assert len(store.mine(COOKIE)) == 1


def _connections(collector: Command) -> float:
    page = collector.client.get("/metrics").text
    [found] = re.findall(r"^cqtel_collector_connections ([0-9.]+)$", page, re.MULTILINE)
    return float(found)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_port_that_is_taken_is_named(
    shared: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    assert main(["collector", "--listen", f"127.0.0.1:{shared.port}", "--store", store]) == 1
    said = capsys.readouterr().err
    assert f"127.0.0.1 port {shared.port}" in said
    assert "--listen" in said


def test_a_store_that_cannot_be_opened_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    store.write_text("not a database, but long enough to be looked at as one" * 100)
    for workers in ("1", "2"):
        given = ["collector", "--listen", "127.0.0.1:0", "--store", str(store)]
        assert main([*given, "--workers", workers]) == 1
        assert str(store) in capfd.readouterr().err


# Workers ------------------------------------------------------------------------------------------

shares_ports = pytest.mark.skipif(
    not hasattr(socket, "SO_REUSEPORT"), reason="processes cannot share a port here"
)


def _post_anew(collector: Command, times: int) -> None:
    """Post, each time over a connection of its own, which any of the workers may get."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(limits=limits, timeout=PATIENCE, trust_env=False) as client:
        for _ in range(times):
            answer = client.post(
                f"{collector.url}/v1/traces", content=as_json(request()), headers=JSON
            )
            assert answer.content == b"{}"


def _workers(collector: Command) -> set[int]:
    return {one["process"] for one in collector.events() if one["event"] == "listening"}


@shares_ports
def test_workers_share_a_port_a_store_and_the_counters(tmp_path: Path) -> None:
    with command(tmp_path, workers=2) as collector:
        _post_anew(collector, 30)
        assert operations(collector) == 30
        page = collector.client.get("/metrics").text
        assert 'cqtel_collector_spans_total{what="new"} 30.0' in page
        assert len(_workers(collector)) == 2
        [dead, _] = sorted(_workers(collector))
        os.kill(dead, signal.SIGKILL)
        wait_for(lambda: len(_workers(collector)) == 3)
        _post_anew(collector, 10)
        assert operations(collector) == 40
        assert collector.stop() == 0
    assert [one["event"] for one in collector.events()].count("stopped") == 2


@shares_ports
def test_workers_count_one_rate(tmp_path: Path) -> None:
    with command(tmp_path, "--rate", "1", workers=2) as collector:
        answered = []
        began = time.monotonic()
        for _ in range(60):
            with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
                url = f"{collector.url}/v1/traces"
                answered.append(client.post(url, content=as_json(request()), headers=JSON))
        statuses = [answer.status_code for answer in answered]
        assert set(statuses) == {200, 429}
        # As many as one may send after a pause, what came back meanwhile, and a race at most.
        assert statuses.count(200) <= 10 + (time.monotonic() - began) + 2


def test_where_it_counts_is_not_the_environments_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path / "gone"))
    with command(tmp_path) as collector:
        assert collector.client.get("/metrics").status_code == 200
        assert not (tmp_path / "gone").exists()


@shares_ports
def test_workers_end_with_what_started_them(tmp_path: Path) -> None:
    with command(tmp_path, workers=2) as collector:
        collector.process.kill()
        collector.client.close()
        wait_for(lambda: not any(map(_is_there, _workers(collector))))


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
