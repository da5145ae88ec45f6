"""Asking a collector: what goes over the wire, what is believed, and what is told otherwise."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.actions.erasing import key_of
from cqtel_tui.consent.cookie import look
from cqtel_tui.errors import CqtelError
from cqtel_tui.rights.announced import MAX_DATA_BYTES
from cqtel_tui.rights.requests import Collector as Asked
from cqtel_tui.rights.requests import CollectorError, beside

from ..cookies import record_cookie
from ..deliver.announcing import COOKIE, HASH, OPERATIONS, Rights, said
from ..deliver.collectors import reply, running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from ..deliver.collectors import Collector, Request
    from ..deliver.conftest import Certificate, Machine

pytestmark = pytest.mark.usefixtures("scrubbed")


@pytest.fixture
def rights(collector: Collector) -> Rights:
    return Rights(collector)


@pytest.fixture
def asked(collector: Collector, rights: Rights) -> Iterator[Asked]:
    with Asked(collector.url) as asked:
        yield asked


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/policy"),
        ("https://c.example/v1/traces/", "https://c.example/v1/policy"),
        ("https://c.example/in/a/folder/v1/traces", "https://c.example/in/a/folder/v1/policy"),
        ("https://c.example/v1/traces?tenant=x", "https://c.example/v1/policy?tenant=x"),
        ("https://c.example", "https://c.example/policy"),
        ("https://c.example/", "https://c.example/policy"),
        ("https://[2001:db8::1]:4318/v1/traces#x", "https://[2001:db8::1]:4318/v1/policy"),
    ],
)
def test_a_collector_is_asked_beside_its_endpoint(endpoint: str, url: str) -> None:
    assert beside(endpoint, "policy") == url


def test_what_it_does_is_asked_for_over_one_connection_without_a_cookie(
    asked: Asked, collector: Collector
) -> None:
    announcement = asked.announcement()
    assert [request.line for request in collector.requests] == [
        "GET /v1/policy HTTP/1.1",
        "GET /v1/me HTTP/1.1",
    ]
    expected = [("Accept", "application/json"), ("Host", f"127.0.0.1:{collector.port}")]
    assert [sorted(request.headers) for request in collector.requests] == [expected] * 2
    assert collector.connections == 1
    assert announcement.policy.ip_hash == "sha1"
    assert announcement.policy.retention_days == 396
    assert announcement.me.derived["cloudquery.ip_sha1"] == HASH


def test_the_cookie_is_the_key_to_ones_data(asked: Asked, collector: Collector) -> None:
    assert asked.data(COOKIE) == OPERATIONS
    assert asked.data("99999999-89ab-4cde-8f01-23456789abcd") == []
    assert asked.erase(COOKIE) == 2
    assert asked.erase(COOKIE) == 0
    assert asked.data(COOKIE) == []
    assert [request.line.split()[0] for request in collector.requests] == [
        *("GET", "GET", "DELETE", "DELETE", "GET")
    ]
    for request in collector.requests:
        names = [name for name, _ in request.headers]
        assert sorted(names) == ["Accept", "Authorization", "Host"]
        assert request.body == b""


def test_a_cookie_that_a_collector_sets_is_never_sent_back(
    asked: Asked, collector: Collector, rights: Rights
) -> None:
    rights.instead["GET /v1/policy"] = said(rights.policy, Set_Cookie="a=b; Path=/")
    asked.announcement()
    assert "Cookie" not in dict(collector.requests[-1].headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_cookie_elsewhere(
    asked: Asked, rights: Rights, status: int
) -> None:
    with running() as elsewhere:
        rights.instead["DELETE /v1/data"] = reply(status, Location=elsewhere.url)
        with pytest.raises(CollectorError, match="redirects are not followed") as raised:
            asked.erase(COOKIE)
        assert elsewhere.url in str(raised.value)
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(404), "another kind of collector"),
        (reply(405), "another kind of collector"),
        (reply(401, b"who are you?"), "it responded 401: who are you?"),
        (reply(500), "it responded 500"),
        (reply(501, b'{"error": "x"}'), "it stores nothing itself"),
        (reply(429, Retry_After="30"), "it is busy; try again in 30 s"),
        (reply(503), "it is busy; try again later"),
        (reply(204), "it responded 204"),
        (reply(200, b"<html>"), "does not respond like a cqtel collector: line 1"),
        (reply(200, b""), "does not respond like a cqtel collector"),
        (reply(200, b"[1]"), "it is not a JSON object"),
        (reply(200, b'{"erased": "2"}'), '"erased" is not a number'),
        (reply(200, b'{"erased": true}'), '"erased" is not a number'),
        (reply(200, b'{"erased": -1}'), '"erased" is not a number'),
        (reply(200, b'{"erased": 1, "erased": 2}'), "does not respond like a cqtel collector"),
        (reply(200, b'{"erased":' + b"[" * 5_000), "nested more than 64 deep"),
        (reply(200, b"xx", Content_Encoding="gzip"), "is compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "could not be read to the end"),
        (reply(200, b"x" * 200_000)[:-1], "could not be read to the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "does not respond like a cqtel"),
        (b"nonsense\r\n\r\n", "did not respond"),
        (b"", "did not respond"),
    ],
)
def test_whatever_else_it_answers_is_no_yes_and_is_told(
    asked: Asked, rights: Rights, answer: bytes, words: str
) -> None:
    def ending(_: Request, connection: socket.socket) -> bytes:
        connection.sendall(answer)
        return b""

    rights.collector.always = ending
    with pytest.raises(CollectorError) as raised:
        asked.erase(COOKIE)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 1_000
    assert COOKIE not in str(raised.value)


def test_an_answer_without_end_is_cut(asked: Asked, rights: Rights) -> None:
    sent = 0

    def flood(_: Request, connection: socket.socket) -> bytes:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        while True:  # ends with the connection
            connection.sendall(b" " * 65_536)
            sent += 65_536

    rights.collector.always = flood
    with pytest.raises(CollectorError, match="longer than 65,536 bytes"):
        asked.announcement()
    with pytest.raises(CollectorError, match=f"longer than {MAX_DATA_BYTES:,} bytes"):
        asked.data(COOKIE)


def test_data_may_be_larger_than_any_other_answer(asked: Asked, rights: Rights) -> None:
    rights.operations = OPERATIONS * 5_000
    assert len(json.dumps(rights.operations)) > 1_000_000
    assert len(asked.data(COOKIE)) == 5_000


def test_a_collector_that_never_answers_is_not_waited_for(
    collector: Collector, rights: Rights
) -> None:
    collector.always = collector.hang
    with Asked(collector.url, seconds=0.2) as asked, pytest.raises(CollectorError) as raised:
        asked.erase(COOKIE)
    assert "did not respond: not in 0.2 s, but it may have arrived" in str(raised.value)


def test_whoever_has_seen_enough_stops_it(collector: Collector, rights: Rights) -> None:
    collector.always = collector.hang
    enough = threading.Event()

    def stop() -> None:
        collector.wait_for_request()
        enough.set()

    began = time.monotonic()
    with Asked(collector.url, enough.is_set, seconds=60) as asked:
        threading.Thread(target=stop).start()
        with pytest.raises(CollectorError, match="it was cancelled on its way"):
            asked.erase(COOKIE)
    assert time.monotonic() - began < 30


def test_nobody_there_is_told_with_the_url(collector: Collector, rights: Rights) -> None:
    url = collector.url
    collector.close()
    with Asked(url) as asked, pytest.raises(CollectorError) as raised:
        asked.announcement()
    assert f"{beside(url, 'policy')} did not respond: " in str(raised.value)


@pytest.mark.parametrize(
    "endpoint", ["http://c.example/v1/traces", "ftp://127.0.0.1/", "https://u:p@c.example/", ""]
)
def test_no_endpoint_is_asked_that_nothing_would_be_delivered_to(endpoint: str) -> None:
    with pytest.raises(CollectorError, match="is not asked"):
        Asked(endpoint)


def test_a_certificate_that_nobody_vouches_for_gets_no_cookie(
    certified: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified("IP:127.0.0.1")
    with running(certificate.context) as collector:
        Rights(collector)
        with Asked(collector.url) as asked, pytest.raises(CollectorError, match="CERTIFICATE"):
            asked.data(COOKIE)
        assert collector.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        with Asked(collector.url) as asked:
            assert asked.data(COOKIE) == OPERATIONS


def test_the_proxy_is_used_and_shown_and_sees_no_cookie(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.always = reply(403, b"no")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{collector.port}")
    with Asked("https://collector.invalid/v1/traces") as asked:
        assert asked.proxy == f"http://127.0.0.1:{collector.port}"
        with pytest.raises(CollectorError) as raised:
            asked.data(COOKIE)
    assert "secret" not in str(raised.value)
    [request] = collector.requests
    assert request.line == "CONNECT collector.invalid:443 HTTP/1.1"
    assert COOKIE.encode() not in request.head


def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://user:secret@p")
    with pytest.raises(CollectorError, match="nonsense://p cannot be used") as raised:
        Asked("https://collector.invalid/v1/traces")
    assert "secret" not in str(raised.value)


def test_the_key_is_the_cookie_of_the_directory(machine: Machine) -> None:
    folder = machine.project / ".cq"
    folder.mkdir()
    (folder / "telemetry-cookie").write_text(f"{COOKIE}\n")
    record_cookie(Path(machine.places.state), COOKIE, machine.project)
    assert key_of(look(str(machine.project), machine.places.state)) == COOKIE


@pytest.mark.parametrize("state", ["absent", "locked", "unsafe: it is a link"])
def test_without_a_usable_cookie_there_is_no_key(machine: Machine, state: str) -> None:
    cookie: Path = machine.project / ".cq" / "telemetry-cookie"
    cookie.parent.mkdir()
    if state == "locked":
        cookie.mkdir()
    elif state != "absent":
        (machine.project / "value").write_text(COOKIE)
        cookie.symlink_to(machine.project / "value")
    with pytest.raises(CqtelError) as raised:
        key_of(look(str(machine.project), machine.places.state))
    assert f"{cookie} is {state}. Without the ID no collector" in str(raised.value)
