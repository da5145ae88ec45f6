from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.review.headers import host_header, request_headers

from .collectors import QUICK, reply, running
from .conftest import NOW, OPENSSL, PAYLOAD, ended

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .collectors import Collector
    from .conftest import Certificate, Machine


@pytest.mark.parametrize(
    "payload",
    [PAYLOAD, b"", b"\x00\xff\r\n\r\nPOST / HTTP/1.1\r\n", bytes(range(256)) * 1024],
    ids=["json", "empty", "binary", "256 KiB"],
)
def test_what_is_posted_is_the_payload_byte_for_byte(
    ready: Machine, collector: Collector, payload: bytes
) -> None:
    ready.hold(payload, created=int(NOW * 1_000_000))
    [result] = ready.sender(clock=lambda: NOW).send_due()
    assert collector.bodies == [payload]
    assert collector.requests[0].line == "POST /v1/traces HTTP/1.1"
    assert result.outcome is Outcome.SENT
    [label] = ready.labels(SENT)
    assert ready.outbox.open(SENT, label).payload == payload
    receipt = ready.outbox.receipt(SENT, label)
    assert receipt == result.receipt
    assert receipt is not None
    assert receipt.id == label.id
    assert receipt.sha256 == hashlib.sha256(payload).hexdigest()
    assert receipt.length == len(payload)
    assert receipt.url == collector.url
    assert receipt.status == 200
    assert receipt.time == NOW * 1_000_000
    assert receipt.proxy == ""


def test_the_headers_on_the_wire_are_the_envelopes_own_and_what_http_needs(
    ready: Machine, collector: Collector
) -> None:
    ready.hold(headers={"Content-Type": "application/json", "User-Agent": "cqtel"})
    ready.hold(headers={"X-Own": "a, b;c=\t'd'", "content-type": "text/plain", "Empty": ""})
    ready.sender().send_due()
    host = ("Host", f"127.0.0.1:{collector.port}")
    length = ("Content-Length", str(len(PAYLOAD)))
    assert [sorted(request.headers) for request in collector.requests] == [
        sorted([host, length, ("Content-Type", "application/json"), ("User-Agent", "cqtel")]),
        sorted(
            [host, length, ("X-Own", "a, b;c=\t'd'"), ("content-type", "text/plain"), ("Empty", "")]
        ),
    ]


def test_the_headers_that_are_shown_are_those_on_the_wire_in_the_same_order(
    ready: Machine, collector: Collector
) -> None:
    ready.hold(headers={"Content-Type": "a/b", "Authorization": "Basic a2V5Og==", "x-own": ""})
    ready.sender().send_due()
    [label] = ready.labels(SENT)
    envelope = ready.outbox.open(SENT, label)
    shown = request_headers(envelope.headers, len(envelope.payload), collector.url)
    assert list(shown) == collector.requests[0].headers


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Collector.Example/x", "collector.example"),
        ("https://collector.example:443/x", "collector.example"),
        ("https://collector.example:4318", "collector.example:4318"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://[::1]:4318/v1", "[::1]:4318"),
        ("https://[2001:db8::1]/", "[2001:db8::1]"),
    ],
)
def test_the_host_that_is_shown_is_the_one_that_httpx_would_send(url: str, host: str) -> None:
    assert host_header(url) == host == httpx.Request("POST", url).headers["host"]


def test_an_endpoint_is_posted_to_as_it_is_written(machine: Machine, collector: Collector) -> None:
    endpoint = f"{collector.url}/%2F..;a=b?key=a%20b&other=/~#fragment"
    machine.allow(endpoint)
    machine.hold()
    [result] = machine.sender().send_due()
    assert collector.requests[0].line == ("POST /v1/traces/%2F..;a=b?key=a%20b&other=/~ HTTP/1.1")
    assert result.receipt is not None
    assert result.receipt.url == endpoint


def test_nothing_in_the_environment_or_the_home_folder_adds_a_header(
    ready: Machine, collector: Collector, scrubbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        monkeypatch.setenv(name, "api-key=SECRET,Authorization=Bearer SECRET")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://user:SECRET@127.0.0.1:9")
    for name in (".netrc", "_netrc"):
        netrc = scrubbed / name
        netrc.write_text("default login user password SECRET\n")
        netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(scrubbed / ".netrc"))
    ready.hold()
    ready.sender().send_due()
    [request] = collector.requests
    assert b"SECRET" not in request.head
    assert {name for name, _ in request.headers} == {
        "Host",
        "Content-Length",
        "Content-Type",
        "User-Agent",
    }


def test_a_cookie_that_a_collector_sets_is_never_sent_back(
    ready: Machine, collector: Collector
) -> None:
    collector.always = reply(200, Set_Cookie="id=1; Path=/")
    for _ in range(2):
        ready.hold()
    ready.sender().send_due()
    assert len(collector.requests) == 2
    assert all("Cookie" not in dict(request.headers) for request in collector.requests)


def test_many_payloads_go_over_one_connection(ready: Machine, collector: Collector) -> None:
    for number in range(5):
        ready.hold(b"%d" % number)
    ready.sender().send_due()
    assert collector.bodies == [b"0", b"1", b"2", b"3", b"4"]
    assert collector.connections == 1


def test_a_collector_that_closes_each_connection_gets_all_of_them(
    ready: Machine, collector: Collector
) -> None:
    collector.always = reply(200, Connection="close")
    for number in range(3):
        ready.hold(b"%d" % number)
    ready.sender().send_due()
    assert collector.bodies == [b"0", b"1", b"2"]
    assert collector.connections == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(ready: Machine, collector: Collector, status: int) -> None:
    with running() as elsewhere:
        collector.always = reply(status, b"<html>moved", Location=elsewhere.url)
        ready.hold()
        [result] = ready.sender().send_due()
        assert elsewhere.requests == []
        assert result.outcome is Outcome.REJECTED
        assert result.why == (
            f"it responded {status}, and redirects are not followed (Location: {elsewhere.url})"
        )
        [label] = ready.labels(REJECTED)
        receipt = ready.outbox.receipt(REJECTED, label)
        assert receipt is not None
        assert receipt.answer == f"Location: {elsewhere.url}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere.example"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"Expect": "100-continue"},
        {"Connection": "close"},
        {"Bad Name": "x"},
        {"": "x"},
        {"X": "a\r\nInjected: yes"},
        {"X": "ä"},
        {"X": "\ud800"},
        {"X": " padded"},
        {"X": "nul\x00"},
    ],
)
def test_an_envelope_with_a_header_that_cannot_be_sent_stays_here(
    ready: Machine, collector: Collector, headers: dict[str, str]
) -> None:
    bad = ready.hold(headers=headers)
    good = ready.hold(b"good")
    first, second = ready.sender().send_due()
    stays = Outcome.SET_ASIDE if "\ud800" in headers.values() else Outcome.REFUSED
    assert (first.id, first.outcome) == (bad, stays)
    assert "header" in first.why
    assert (second.id, second.outcome) == (good, Outcome.SENT)
    assert collector.bodies == [b"good"]


def test_a_certificate_that_nobody_vouches_for_is_refused(
    machine: Machine, certified: Callable[..., Certificate]
) -> None:
    with running(certified("IP:127.0.0.1").context) as collector:
        machine.allow(collector.url)
        machine.hold()
        [result] = machine.sender().send_due()
        assert result.outcome is Outcome.POSTPONED
        assert "CERTIFICATE_VERIFY_FAILED" in result.why
        assert collector.requests == []


def test_a_certificate_of_ssl_cert_file_is_trusted(
    machine: Machine, certified: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified("IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with running(certificate.context) as collector:
        machine.allow(collector.url)
        for number in range(3):
            machine.hold(b"%d" % number)
        results = machine.sender().send_due()
        assert [result.outcome for result in results] == [Outcome.SENT] * 3
        assert collector.bodies == [b"0", b"1", b"2"]
        assert collector.connections == 1


def test_the_keys_of_a_connection_are_written_nowhere(
    machine: Machine,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    certificate = certified("IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with running(certificate.context) as collector:
        machine.allow(collector.url)
        machine.hold()
        assert machine.sender().send_due()[0].outcome is Outcome.SENT
        machine.hold()
        assert ended(machine.start()) == ""
        assert len(collector.requests) == 2
    assert not (tmp_path / "keys").exists()


def test_a_folder_of_certificates_is_trusted(
    machine: Machine,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    certificate = certified("IP:127.0.0.1")
    hashed = subprocess.run(
        [OPENSSL, "x509", "-noout", "-hash", "-in", str(certificate.path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (tmp_path / "trusted").mkdir()
    shutil.copy(certificate.path, tmp_path / "trusted" / f"{hashed}.0")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "trusted"))
    with running(certificate.context) as collector:
        machine.allow(collector.url)
        machine.hold()
        assert machine.sender().send_due()[0].outcome is Outcome.SENT


def test_a_certificate_for_another_name_is_refused(
    machine: Machine, certified: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified("DNS:collector.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with running(certificate.context) as collector:
        machine.allow(collector.url)
        machine.hold()
        [result] = machine.sender().send_due()
        assert result.outcome is Outcome.POSTPONED
        assert collector.requests == []


def test_certificates_that_cannot_be_read_put_it_off_and_say_so(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    machine.allow("https://127.0.0.1:9/v1/traces")
    machine.hold()
    [result] = machine.sender().send_due()
    assert result.outcome is Outcome.POSTPONED
    assert "SSL_CERT_FILE" in result.why


def test_http_is_for_this_machine_alone_even_if_the_choices_were_changed_by_hand(
    ready: Machine,
) -> None:
    ready.change_by_hand("127.0.0.1", "collector.invalid")
    ready.hold()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert "it is not https" in result.why
    assert ready.pending


@pytest.mark.parametrize(
    "endpoint",
    [
        f"https://{'a' * 70}.invalid/",
        "https://a..invalid/",
        "https://[zz]/",
        "https://xn--a/",
        "https://%00.invalid/",
        "http://127.0.0.1:1/%zz/../{}|^",
    ],
)
def test_an_endpoint_that_cannot_be_posted_to_puts_it_off_or_refuses_it(
    machine: Machine, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> object:
        raise OSError("no name leaves this machine in a test")

    if endpoint.startswith("https"):
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
    machine.allow("https://collector.invalid")
    machine.change_by_hand("https://collector.invalid", endpoint)
    machine.hold()
    [result] = machine.sender().send_due()
    assert result.outcome in {Outcome.POSTPONED, Outcome.REFUSED}
    assert machine.pending


def test_a_large_payload_to_a_collector_that_answers_before_it_has_read_it(
    ready: Machine, collector: Collector
) -> None:
    collector.always = reply(413, Connection="close")
    ready.hold(bytes(256 * 1024))
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.REJECTED
    collector.always = QUICK
