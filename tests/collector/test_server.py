from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from cqtel_tui.collector import server as serving
from cqtel_tui.collector.announcing import policy as policy_of
from cqtel_tui.collector.settings import Settings
from cqtel_tui.collector.sinks import BusyError
from cqtel_tui.errors import CqtelError
from cqtel_tui.formats import MAX_BODY_BYTES

from ..deliver.collectors import PATIENCE
from .requests import PROGRAM, as_json, as_protobuf, request, span
from .served import PROTOBUF, Notebook, Served, served, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import httpx

COOKIE = "0b2d6f3e-7c4a-4f57-9d0e-1a2b3c4d5e6f"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("collector"), Notebook()) as found:
        yield found


@pytest.fixture
def collector(running: Served) -> Served:
    running.sink.__init__()  # type: ignore[misc]  # as if it were new
    return running


@pytest.fixture
def notebook(collector: Served) -> Notebook:
    assert isinstance(collector.sink, Notebook)
    return collector.sink


def status_of(answer: httpx.Response) -> tuple[int, str]:
    """Read a google.rpc.Status in the encoding of the answer."""
    if answer.headers["content-type"] == "application/json":
        found = answer.json()
        assert list(found) == ["code", "message"]
        return found["code"], found["message"]
    assert answer.headers["content-type"] == "application/x-protobuf"
    data = answer.content  # an integer in field 1, and a text in field 2
    assert data[0] == 0x08
    assert data[2] == 0x12
    length, at = data[3], 4
    if length & 0x80:
        length, at = (length & 0x7F) | data[4] << 7, 5
    assert len(data) == at + length
    return data[1], data[at:].decode()


def test_json_is_taken_and_answered_as_json(collector: Served, notebook: Notebook) -> None:
    answer = collector.post(as_json(request(span("sync"))), content_type="application/json; a=b")
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert notebook.names == ["sync"]


def test_protobuf_is_taken_and_answered_as_protobuf(collector: Served, notebook: Notebook) -> None:
    answer = collector.client.post(
        "/v1/traces", content=as_protobuf(request(span("sync"))), headers=PROTOBUF
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert notebook.names == ["sync"]


def test_an_answer_says_what_was_left_out(collector: Served) -> None:
    spoiled = request(span(), span(spanId=""), program=PROGRAM | {"host.name": "h"})
    partial = collector.post(as_json(spoiled)).json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "1 spans without valid ids" in partial["errorMessage"]
    assert "host.name" in partial["errorMessage"]
    answer = collector.client.post("/v1/traces", content=as_protobuf(spoiled), headers=PROTOBUF)
    success = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert success.rejected_spans == 1
    assert success.error_message == partial["errorMessage"]


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "identity", "GZIP"])
def test_a_compressed_body_is_taken(collector: Served, notebook: Notebook, coding: str) -> None:
    body = as_json(request())
    packed = {"identity": body, "deflate": zlib.compress(body)}
    answer = collector.post(packed.get(coding, gzip.compress(body)), content_encoding=coding)
    assert (answer.status_code, len(notebook.names)) == (200, 1)


def test_a_body_may_come_in_chunks_without_a_length(collector: Served, notebook: Notebook) -> None:
    body = as_json(request())
    answer = collector.post(body[at : at + 100] for at in range(0, len(body), 100))
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, len(notebook.names)) == (200, 1)


def test_a_large_body_is_taken(collector: Served, notebook: Notebook) -> None:
    body = as_json(request(*(span() for _ in range(5000))))
    assert 1 << 20 < len(body) < MAX_BODY_BYTES
    assert collector.post(body).content == b"{}"
    assert len(notebook.names) == 5000


BOMB = gzip.compress(bytes(200_000_000), mtime=0)  # each test run has the same name for it
DEEP = b'{"resourceSpans":' + b"[" * 40_000
MEMBERS = gzip.compress(b"", mtime=0) * 10_000


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"{}{}", {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (DEEP, {}, 400),
        (b'{"resourceSpans":[NaN]}', {}, 400),
        (b"\xff", PROTOBUF, 400),
        (b"\x0a\x7f\x0a", PROTOBUF, 400),
        (b"{}", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-9], {"content-encoding": "gzip"}, 400),
        (MEMBERS, {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"{}", {"content-encoding": "gzip, gzip"}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (BOMB, {"content-encoding": "gzip"}, 413),
        (BOMB, PROTOBUF | {"content-encoding": "gzip"}, 413),
        (b" " * (MAX_BODY_BYTES + 1), {}, 413),
        (b" " * (MAX_BODY_BYTES * 3), PROTOBUF, 413),
    ],
    ids=lambda value: f"{value[:12]!r}" if isinstance(value, bytes) else None,
)
def test_what_cannot_be_taken_is_refused_and_the_next_one_passes(
    collector: Served, notebook: Notebook, body: bytes, headers: dict[str, str], status: int
) -> None:
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    answer = collector.post(body, **named)
    assert answer.status_code == status
    expected = headers if headers.get("content-type") == PROTOBUF["content-type"] else None
    assert answer.headers["content-type"] == (expected or {}).get(
        "content-type", "application/json"
    )
    code, message = status_of(answer)
    assert code == {400: 3, 413: 8, 415: 3}[status]
    assert message
    assert notebook.arrivals == []
    assert collector.is_well()


def test_too_much_in_chunks_is_refused(collector: Served) -> None:
    answer = collector.post(bytes(1 << 20) for _ in range(5))
    assert answer.status_code == 413
    assert collector.is_well()


def test_bodies_that_come_at_once_are_bounded_together(
    collector: Served, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MAX_COMING_BYTES", 150_000)
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        "Content-Length: 200000\r\n\r\n"
    )
    application = collector.server.config.loaded_app
    with collector.connected() as connection:
        connection.sendall(head.encode() + b" " * 100_000)
        wait_for(lambda: application._coming == 100_000)
        with collector.connected() as second:
            second.sendall(head.encode() + b" " * 60_000)
            answer = second.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5\r\n" in answer
        assert collector.is_well()
    wait_for(lambda: application._coming == 0)
    body = as_json(request())
    assert collector.post(iter([body[:50], body[50:] + b" " * 100_000])).content == b"{}"
    assert len(notebook.names) == 2


def test_who_asks_first_is_told_before_the_body_is_sent(collector: Served) -> None:
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {MAX_BODY_BYTES + 1}\r\nExpect: 100-continue\r\n\r\n"
    )
    with collector.connected() as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_truncated_request_is_forgotten(collector: Served, notebook: Notebook) -> None:
    body = as_json(request())
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connections = collector.server.server_state.connections
    before = len(connections)
    with collector.connected() as connection:
        connection.sendall(head.encode() + body[:-1])
        wait_for(lambda: len(connections) > before)
    wait_for(lambda: len(connections) <= before)
    assert notebook.arrivals == []
    assert collector.is_well()


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\0" * 100])
def test_what_is_not_http_is_refused(collector: Served, data: bytes) -> None:
    with collector.connected() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert collector.is_well()


def test_requests_in_a_pipeline_are_all_answered(collector: Served, notebook: Notebook) -> None:
    body = as_json(request())
    one = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    ).encode()
    with collector.connected() as connection:
        connection.sendall((one + b"\r\n" + body) * 3 + one + b"Connection: close\r\n\r\n" + body)
        answers = connection.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert len(notebook.names) == 4


def test_a_body_that_does_not_come_is_not_waited_for(
    collector: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.2)
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n{"
    )
    with collector.connected() as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert collector.is_well()


def test_a_busy_sink_says_when_to_come_again(collector: Served, notebook: Notebook) -> None:
    notebook.errors = [BusyError("too much waits", 7)]
    answer = collector.post(as_json(request()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert status_of(answer)[0] == 14
    notebook.late_errors = [BusyError("too much waits", 9)]
    answer = collector.client.post("/v1/traces", content=as_protobuf(request()), headers=PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "9")
    assert status_of(answer)[0] == 14
    assert collector.is_well()


@pytest.mark.parametrize("error", [OSError(28, "disk full"), CqtelError("secret"), ValueError()])
def test_what_could_not_be_kept_is_to_be_sent_again(
    collector: Served, notebook: Notebook, error: Exception
) -> None:
    notebook.late_errors = [error]
    answer = collector.post(as_json(request()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "secret" not in answer.text
    assert collector.is_well()


def test_a_sink_that_hangs_is_not_waited_for(
    collector: Served, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "KEEP_SECONDS", 0.2)
    notebook.hold = True
    answer = collector.post(as_json(request()))
    assert answer.status_code == 503
    [future] = notebook.unanswered
    assert not future.cancelled()  # it may still be kept, and will then be a duplicate
    notebook.hold = False
    assert collector.is_well()


def test_nothing_is_acknowledged_before_it_is_kept(collector: Served, notebook: Notebook) -> None:
    from cqtel_tui.collector.sinks import KeepResult

    notebook.hold = True
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(collector.post(as_json(request()))))
    asking.start()
    assert notebook.asked.acquire(timeout=PATIENCE)
    assert collector.client.get("/healthz").status_code == 200  # and others go on meanwhile
    assert answers == []
    notebook.unanswered.pop().set_result(KeepResult(1))
    asking.join(PATIENCE)
    assert answers[0].status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_traces_are_posted_and_nothing_else(collector: Served, method: str) -> None:
    answer = collector.client.request(method, "/v1/traces")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert status_of(answer)[0] == 12


@pytest.mark.parametrize(
    "path", ["/", "/v1/logs", "/v1/metrics", "/v1", "/v1/traces/x", "/v2/traces"]
)
def test_nothing_else_is_there(collector: Served, path: str) -> None:
    answer = collector.client.post(path, content=b"{}")
    assert (answer.status_code, status_of(answer)[0]) == (404, 5)


def test_no_other_site_may_ask_through_a_browser(collector: Served) -> None:
    origin = {"origin": "https://example.org"}
    for answer in (
        collector.client.options("/v1/data", headers=origin),
        collector.client.get("/v1/me", headers=origin),
        collector.post(as_json(request()), origin="https://example.org"),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers


def test_a_keeper_that_cannot_answer_says_when_to_come_again(tmp_path: Path) -> None:
    class Failing(Notebook):
        def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:
            raise CqtelError(f"{cookie} is secret")

        def erase(self, cookie: str) -> Future[int]:
            raise BusyError(f"{cookie} is secret", 11)

        def expire(self) -> int:
            raise ValueError

    with served(tmp_path, Failing()) as collector:
        headers = {"authorization": f"Bearer {COOKIE}"}
        for method, seconds in (("GET", "5"), ("DELETE", "11")):
            answer = collector.client.request(method, "/v1/data", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, seconds)
            assert answer.json() == {"code": 14, "message": "busy"}


def test_an_edge_has_no_data_of_its_own(collector: Served) -> None:
    for method in ("GET", "DELETE"):
        answer = collector.client.request(
            method, "/v1/data", headers={"authorization": f"Bearer {COOKIE}"}
        )
        assert (answer.status_code, status_of(answer)[0]) == (501, 12)
    policy = collector.client.get("/v1/policy").json()
    assert (policy["forwards"], policy["keeps_data"]) == (True, False)


def test_a_policy_says_what_is_derived(tmp_path: Path) -> None:
    with served(tmp_path) as collector:
        policy = collector.client.get("/v1/policy").json()
    assert policy["software"].startswith("cqtel ")
    assert (policy["catalogue"], policy["ip_hash"], policy["location"]) == (1, "sha1", "country")
    assert policy["retention"] is None, "nothing is kept by what only takes"
    assert [one["field"] for one in policy["derived"]] == [
        "cloudquery.ip_sha1",
        "geo.country.iso_code",
    ]
    assert "tries all four billion" in policy["derived"][0]["how"]
    with served(tmp_path, ip_hash="hmac-daily", retention_days=7) as collector:
        policy = collector.client.get("/v1/policy").json()
        me = collector.client.get("/v1/me").json()
    assert policy["derived"][0]["field"] == "address_hash"
    assert "random key" in policy["derived"][0]["how"]
    assert len(me["address_hash"]) == 64


def test_what_keeps_says_for_how_long(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "store.sqlite3", retention_days=7)
    announced = policy_of(settings, keeps_data=True)
    assert announced["retention"] == {"days": 7, "error_days": 30}


def test_who_asks_is_told_what_would_be_derived(collector: Served, notebook: Notebook) -> None:
    assert collector.client.get("/v1/me").json() == {
        "cloudquery.ip_sha1": "4b84b15bff6ee5796152495a230e45e3d7e947d9",
        "geo.country.iso_code": None,
        "geo.region.name": None,
        "geo.locality.name": None,
        "ip_hash": "sha1",
        "stored": False,
    }
    assert notebook.arrivals == []


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(tmp_path: Path) -> None:
    notebook = Notebook()
    from ipaddress import ip_network

    forwarded = {"x_forwarded_for": "203.0.113.9, 8.8.8.8"}
    trusted = (ip_network("127.0.0.0/8"),)
    with served(tmp_path, notebook) as collector:
        collector.post(as_json(request()), **forwarded)
    with served(tmp_path, notebook, trusted_proxies=trusted) as collector:
        collector.post(as_json(request()), **forwarded)
        me = collector.client.get("/v1/me", headers={"X-Forwarded-For": "8.8.8.8"}).json()
    direct, through = notebook.arrivals
    assert direct.origin.country is None
    assert through.origin.country == me["geo.country.iso_code"] == "US"
    assert through.origin.address_hash == me["cloudquery.ip_sha1"]


def test_http_1_0_is_served(collector: Served) -> None:
    with collector.connected() as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert json.loads(answer.read()) == {"status": "ok"}
        answer.close()


def test_an_answer_waits_for_no_acknowledgement_of_its_first_part(collector: Served) -> None:
    with collector.connected():
        wait_for(lambda: collector.server.server_state.connections)
        for connection in list(collector.server.server_state.connections):
            accepted = connection.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
