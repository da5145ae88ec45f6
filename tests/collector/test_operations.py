from __future__ import annotations

import gzip
import json
import logging
import re
import shlex
import subprocess
import sys
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.cli import main
from cqtel_tui.cli.collecting import settings_of
from cqtel_tui.cli.parser import parser
from cqtel_tui.collector import connections, logs
from cqtel_tui.collector.limits import BURST_SECONDS, SITE_FACTOR, Limits, OwnTable, SharedTable
from cqtel_tui.extras import how_to_install

from ..deliver.collectors import PATIENCE
from .requests import COOKIE, as_json, as_protobuf, request, span
from .served import PROTOBUF, Notebook, Served, served, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from socket import socket

PROXY = (ip_network("127.0.0.0/8"),)
CLIENT = "203.0.113.77"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, trusted_proxies=PROXY, rate=1.0) as found:
        yield found


# Metrics ------------------------------------------------------------------------------------------


def test_health_and_metrics_are_told(collector: Served) -> None:
    assert collector.client.get("/healthz").json() == {"status": "ok"}
    collector.post(as_json(request(span(), span(spanId=""))))
    collector.client.post("/v1/traces", content=as_protobuf(request()), headers=PROTOBUF)
    collector.post(b"{", x_forwarded_for=CLIENT)
    collector.client.get(f"/{CLIENT}")
    page = collector.client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    counted = dict(re.findall(r"^(cqtel_\S+) ([0-9.e+]+)$", page.text, re.MULTILINE))
    route = "cqtel_collector_requests_total"
    assert counted[f'{route}{{route="traces",status="200"}}'] == "2.0"
    assert counted[f'{route}{{route="traces",status="400"}}'] == "1.0"
    assert counted[f'{route}{{route="other",status="404"}}'] == "1.0"
    assert counted['cqtel_collector_spans_total{what="new"}'] == "2.0"
    assert counted['cqtel_collector_spans_total{what="refused"}'] == "1.0"
    assert counted["cqtel_collector_request_seconds_count"] == "3.0"
    assert float(counted["cqtel_collector_received_bytes_total"]) > 500
    assert float(counted["cqtel_collector_connections"]) >= 1
    assert CLIENT not in page.text
    assert "127.0.0.1" not in page.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_metrics_are_for_this_machine_alone(collector: Served, header: str) -> None:
    answer = collector.client.get("/metrics", headers={header: CLIENT})
    assert (answer.status_code, answer.json()["code"]) == (403, 7)


# Rates --------------------------------------------------------------------------------------------


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Served]:
    """Serve with a clock that stands still: on a slow machine, a token would come back."""
    given = {"limits": Limits(1.0, clock=Clock())}
    with served(tmp_path, given=given, trusted_proxies=PROXY) as found:
        yield found


def test_who_comes_too_often_is_told_when_to_come_again(limited: Served) -> None:
    collector = limited
    burst = int(BURST_SECONDS)
    for _ in range(burst):
        assert collector.post(as_json(request())).status_code == 200
    answer = collector.post(as_json(request()))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json()["code"] == 8
    protobuf = collector.client.post("/v1/traces", content=b"x" * 100_000, headers=PROTOBUF)
    assert (protobuf.status_code, protobuf.content[:2]) == (429, b"\x08\x08")
    assert collector.client.get("/v1/me").status_code == 429
    assert collector.client.get("/v1/me").headers["retry-after"] == "1"
    data = collector.client.get("/v1/data", headers={"authorization": "Bearer x"})
    assert data.status_code == 429
    other = collector.post(as_json(request()), x_forwarded_for=CLIENT)
    assert other.status_code == 200
    assert collector.client.get("/healthz").status_code == 200


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_tokens_come_back_with_time() -> None:
    clock = Clock()
    limits = Limits(2.0, clock=clock)
    assert [limits.wait(b"a") for _ in range(20)] == [0.0] * 20
    assert limits.wait(b"a") == 0.5
    assert limits.wait(b"b") == 0.0
    clock.now += 0.5
    assert limits.wait(b"a") == 0.0
    assert limits.wait(b"a") == 0.5
    clock.now += 1e6
    assert [limits.wait(b"a") for _ in range(21)] == [0.0] * 20 + [0.5]


def test_a_rate_below_one_lets_one_through() -> None:
    limits = Limits(0.01, clock=Clock())
    assert limits.wait(b"a") == 0.0
    assert limits.wait(b"a") == pytest.approx(100)


def test_no_rate_is_no_limit() -> None:
    limits = Limits(0.0, clock=Clock())
    assert not any(limits.wait(b"a") for _ in range(10_000))


def test_those_that_came_least_recently_are_forgotten() -> None:
    table = OwnTable(2)
    limits = Limits(0.1, table=table, clock=Clock())
    for network in (b"a", b"b", b"a", b"c"):
        limits.wait(network)
    assert len(table) == 2
    assert limits.wait(b"a") > 0
    assert limits.wait(b"b") == 0


# Connections --------------------------------------------------------------------------------------


def test_one_connection_too_many_is_turned_away(
    collector: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    with collector.connected():
        wait_for(lambda: collector.server.server_state.connections)
        with collector.connected() as second:
            answer = second.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"retry-after: 5" in head
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["code"] == 14
    wait_for(lambda: not collector.server.server_state.connections)
    assert collector.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("begun", [b"", b"POST /v1/tra", b"POST /v1/traces HTTP/1.1\r\nHost:"])
def test_a_head_that_does_not_come_is_not_waited_for(
    collector: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.05)
    with collector.connected() as connection:
        connection.sendall(begun)
        assert _is_ended(connection)
    assert collector.client.get("/healthz").status_code == 200


def test_a_second_head_is_not_waited_for_either(
    collector: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.05)
    with collector.connected() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /healthz")
        assert _is_ended(connection)


def test_a_head_without_an_end_is_not_read_on(collector: Served) -> None:
    with collector.connected() as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            for number in range(100):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 10_000))
        except OSError:
            pass  # it has been closed meanwhile
        assert _is_ended(connection)
    assert collector.client.get("/healthz").status_code == 200


def test_nobody_asks_without_end_before_reading(collector: Served) -> None:
    with collector.connected() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        assert _is_ended(connection)
    assert collector.client.get("/healthz").status_code == 200


class Archive(Notebook):
    """A keeper with more to tell than a socket takes."""

    def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:  # noqa: ARG002  # of whomever
        for _ in range(20):
            yield [{"span": "x" * 1000}] * 1_000

    def erase(self, cookie: str) -> Future[int]:
        raise NotImplementedError

    def expire(self) -> int:
        return 0


def test_who_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_LOOK_SECONDS", 0.05)
    asked = f"GET /v1/data HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {COOKIE}\r\n\r\n"
    with served(tmp_path, Archive()) as collector:
        with collector.connected() as connection:
            connection.sendall(asked.encode())
            wait_for(lambda: collector.server.server_state.connections)
            wait_for(lambda: not collector.server.server_state.connections)
        monkeypatch.undo()
        headers = {"authorization": f"Bearer {COOKIE}"}
        answer = collector.client.get("/v1/data", headers=headers).json()
    assert len(answer["operations"]) == 20_000


def _is_ended(connection: socket) -> bool:
    """Wait for the other end to close it."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_a_site_has_no_more_than_its_share_however_many_networks_it_has() -> None:
    clock = Clock()
    limits = Limits(1.0, clock=clock)
    networks = iter(range(1_000_000))

    def come(site: bytes) -> int:
        """Come from a network that never came before, until that is too often."""
        for count in range(1_000):
            if limits.wait(f"{next(networks)}".encode(), site):
                return count
        return 1_000

    burst = int(BURST_SECONDS)
    assert come(b"one") == burst * SITE_FACTOR
    assert come(b"two") == burst * SITE_FACTOR
    assert limits.wait(b"elsewhere") == 0.0
    clock.now += 1
    assert come(b"one") == SITE_FACTOR


def test_what_a_request_turned_out_to_be_is_charged() -> None:
    clock = Clock()
    limits = Limits(1.0, clock=clock)
    assert limits.wait(b"a") == 0.0
    limits.charge(14.0, b"a")
    assert limits.wait(b"a") == pytest.approx(6.0)
    clock.now += 6
    assert limits.wait(b"a") == 0.0
    limits.charge(1e9, b"a")
    assert limits.wait(b"a") <= BURST_SECONDS + 1, "nobody is shut out for ever"
    Limits(0.0).charge(5.0, b"a")


def test_a_large_body_counts_as_many(tmp_path: Path) -> None:
    large = gzip.compress(b'{"x":"' + b"x" * (2 << 20) + b'"}')
    with served(tmp_path, rate=1.0) as collector:
        assert collector.post(large, content_encoding="gzip").status_code == 200
        assert collector.post(as_json(request())).status_code == 429


def test_processes_count_together(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 1000.0
    path = tmp_path / "networks"
    tables = [SharedTable(path) for _ in range(2)]
    workers = [Limits(1.0, table=table, clock=clock) for table in tables]
    allowed = [workers[number % 2].wait(b"a" * 8) for number in range(12)]
    assert [wait > 0 for wait in allowed] == [False] * 10 + [True] * 2
    assert workers[0].wait(b"b" * 8) == 0.0


# Logs ---------------------------------------------------------------------------------------------


def _logged(name: str, message: str, *arguments: object, error: Exception | None = None) -> str:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, info)
    return logs.OneLine().format(record)


def test_a_log_line_quotes_neither_values_nor_errors() -> None:
    try:
        raise ValueError(f"{CLIENT} is no address")
    except ValueError as error:
        line = _logged("uvicorn.error", "%s said so\nand %s", CLIENT, CLIENT, error=error)
    found = json.loads(line)
    assert CLIENT not in line
    assert (found["event"], found["level"], found["error"]) == ("%s said so", "error", "ValueError")
    [place] = found["at"]
    assert place.startswith(f"{__file__}:")
    assert place.endswith(" test_a_log_line_quotes_neither_values_nor_errors")


def test_what_is_told_by_name_is_logged() -> None:
    record = logging.LogRecord(logs.OURS, logging.INFO, "", 0, "listening", (), None)
    record.details = {"port": 4318}
    found = json.loads(logs.OneLine().format(record))
    assert (found["event"], found["port"]) == ("listening", 4318)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["time"])


# Installing it ------------------------------------------------------------------------------------


def _packaged(what: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["collector", "packaging", what]) == 0
    return capsys.readouterr().out


def test_the_systemd_unit_starts_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = _packaged("systemd", capsys)
    [command] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *words = shlex.split(command)
    assert program.endswith("/cq-telemetry")
    settings = settings_of(parser().parse_args(words))
    assert (settings.host, settings.port) == ("127.0.0.1", 4318)
    assert str(settings.store).startswith("/var/lib/cqtel/")
    assert "StateDirectory=cqtel" in text.splitlines()
    from cqtel_tui.collector.serving import GRACE_SECONDS

    [patience] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(patience) > GRACE_SECONDS


def test_the_container_starts_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = _packaged("container", capsys)
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    [rest] = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    words: list[str] = [*json.loads(entry), *json.loads(rest)]
    program = words.pop(0)
    assert program == "cq-telemetry"
    settings = settings_of(parser().parse_args(words))
    assert (settings.host, settings.port) == ("0.0.0.0", 4318)  # noqa: S104  # a container's own
    assert f"EXPOSE {settings.port}" in text.splitlines()
    [volume] = re.findall(r"^VOLUME (.*)$", text, re.MULTILINE)
    assert str(settings.store).startswith(volume)


# The command --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        ["--listen", "4318"],
        ["--listen", "localhost:4318"],
        ["--listen", "127.0.0.1:70000"],
        ["--listen", "127.0.0.1:"],
        ["--trusted-proxy", "proxy.example.org"],
        ["--trusted-proxy", "10.0.0.1/8"],
        ["--workers", "0"],
        ["--retention", "0"],
        ["--error-retention", "-1"],
        ["--rate", "-1"],
        ["--rate", "nan"],
    ],
)
def test_an_option_that_cannot_be_is_wrong_usage(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collector", *wrong]) == 2
    assert capsys.readouterr().err.startswith("cq-telemetry: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("[::1]:4318", ("::1", 4318)), ("0.0.0.0:0", ("0.0.0.0", 0))],  # noqa: S104
)
def test_an_address_to_listen_on(text: str, expected: tuple[str, int]) -> None:
    settings = settings_of(parser().parse_args(["collector", "--listen", text]))
    assert (settings.host, settings.port) == expected


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


@pytest.mark.parametrize("module", ["uvicorn", "starlette", "iptocc", "google"])
def test_without_the_extra_the_command_says_what_to_install(module: str) -> None:
    done = run(
        f"import sys; sys.modules[{module!r}] = None\n"
        "from cqtel_tui.cli import main\nsys.exit(main(['collector', '--listen', '127.0.0.1:0']))"
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"cq-telemetry: The collector needs {module}, which is not installed. "
        f"Install it with: {how_to_install('collector')}\n"
    )


def test_no_other_command_pays_for_the_collector() -> None:
    done = run(
        "import sys\nfrom cqtel_tui.cli.parser import parser\n"
        "from cqtel_tui.cli.collecting import settings_of\n"
        "settings_of(parser().parse_args(['collector']))\n"
        "print(*sys.modules)"
    )
    assert done.returncode == 0, done.stderr
    heavy = {"starlette", "uvicorn", "asyncio", "iptocc", "google", "maxminddb", "socket"}
    assert set(done.stdout.split()) & heavy == set()


def test_it_needs_neither_httptools_nor_uvloop(tmp_path: Path) -> None:
    done = run(
        "import sys; sys.modules['httptools'] = sys.modules['uvloop'] = None\n"
        "from pathlib import Path\n"
        "from tests.collector.served import Notebook, served\n"
        f"with served(Path({str(tmp_path)!r})) as collector:\n"
        "    assert collector.is_well()\n"
        "    assert collector.post(b'x' * (5 << 20)).status_code == 413\n"
        "    assert collector.is_well()\n"
        "    print('h11' in str(collector.server.config.http.__mro__))\n"
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_sink_is_closed_at_the_end(tmp_path: Path) -> None:
    from cqtel_tui.collector.serving import listener, serve
    from cqtel_tui.collector.settings import Settings

    settings = Settings(tmp_path / "store", port=0, city_database=tmp_path / "missing.mmdb")
    notebook = Notebook()
    with listener(settings) as listening, pytest.raises(Exception, match="city-database"):
        serve(settings, listening, notebook)
    assert notebook.is_closed
