from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver.sender import Outcome, proxy_for, without_password
from cqtel_tui.outbox.store import SENT

from .collectors import reply, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from .collectors import Collector, Request
    from .conftest import Certificate, Machine

FAR = "https://collector.invalid/v1/traces"


@pytest.mark.usefixtures("scrubbed")
@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, FAR, ""),
        ({"HTTPS_PROXY": "http://p:1"}, FAR, "http://p:1"),
        ({"https_proxy": "http://p:1"}, FAR, "http://p:1"),
        ({"ALL_PROXY": "http://p:2"}, FAR, "http://p:2"),
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://p:2"}, FAR, "http://p:1"),
        ({"HTTP_PROXY": "http://p:3"}, FAR, ""),
        ({"HTTPS_PROXY": "p.example:1"}, FAR, "http://p.example:1"),
        ({"HTTPS_PROXY": "http://u:pw@p:1"}, FAR, "http://u:pw@p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, FAR, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example, collector.invalid"}, FAR, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".invalid"}, FAR, ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.invalid"}, FAR, "http://p:1"),
        (
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h.invalid:8443"},
            "https://h.invalid:8443/",
            "",
        ),
        ({"ALL_PROXY": "http://p:1"}, "http://127.0.0.1:4318/v1/traces", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://127.9.9.9/", ""),
        ({"ALL_PROXY": "http://p:1"}, "https://localhost:4318/", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://[::1]:4318/", ""),
        ({"ALL_PROXY": "http://p:1"}, "https://[zz]/", ""),
    ],
)
def test_the_proxy_is_the_environments_but_never_for_this_machine(
    environment: dict[str, str], url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("", ""),
        ("http://p:1", "http://p:1"),
        ("http://user:secret@p:1/", "http://p:1/"),
        ("http://user:se@cr/et#@p:1", "http://p:1"),
        ("user:secret@p:1", "p:1"),
        ("http://user:secret@[::1", "http://[::1"),
        ("socks5://user:secret@p:1", "socks5://p:1"),
    ],
)
def test_a_proxy_is_shown_without_its_password(proxy: str, shown: str) -> None:
    assert without_password(proxy) == shown


def test_a_proxy_is_asked_for_a_tunnel_and_told_nothing_else(
    machine: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.always = reply(403, b"not for you", Connection="close")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{collector.port}")
    machine.allow(FAR)
    machine.hold()
    [result] = machine.sender().send_due()
    [request] = collector.requests
    assert request.line == "CONNECT collector.invalid:443 HTTP/1.1"
    assert {name for name, _ in request.headers} == {"Host", "Accept", "Proxy-Authorization"}
    assert result.outcome is Outcome.POSTPONED
    assert "secret" not in result.why
    assert "secret" not in machine.retry_at.read_text()


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:secret@127.0.0.1:port/",
        "gopher://user:secret@127.0.0.1:1",
        "http://user:secret@[::1",
        "user:secret@",
    ],
)
def test_a_proxy_that_cannot_be_used_is_never_gone_around(
    machine: Machine, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = []

    def resolve(*names: object, **_: object) -> object:
        looked_for.append(names)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("ALL_PROXY", proxy)
    machine.allow(FAR)
    machine.hold()
    [result] = machine.sender().send_due()
    assert result.outcome is Outcome.POSTPONED
    assert "the proxy" in result.why
    assert "secret" not in result.why
    assert not looked_for


def test_a_payload_goes_through_a_tunnel_as_it_is(
    machine: Machine,
    collector: Collector,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = certified("DNS:collector.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    monkeypatch.setenv("ALL_PROXY", f"http://user:secret@127.0.0.1:{collector.port}")
    machine.allow(FAR)
    machine.hold(b"first")
    machine.hold(b"second")
    with running(certificate.context) as far:

        def tunnel(_: Request, connection: socket.socket) -> bytes:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", far.port)) as other:
                back = threading.Thread(target=pump, args=(other, connection), daemon=True)
                back.start()
                pump(connection, other)
                back.join()
            return b""

        collector.always = tunnel
        results = machine.sender().send_due()
        assert [result.outcome for result in results] == [Outcome.SENT, Outcome.SENT]
        assert len(collector.requests) == 1
        assert far.bodies == [b"first", b"second"]
        for request in far.requests:
            assert request.line == "POST /v1/traces HTTP/1.1"
            assert {name for name, _ in request.headers} == {
                "Host",
                "Content-Length",
                "Content-Type",
                "User-Agent",
            }
    label = machine.labels(SENT)[0]
    receipt = machine.outbox.receipt(SENT, label)
    assert receipt is not None
    assert receipt.url == FAR
    assert receipt.proxy == f"http://127.0.0.1:{collector.port}"


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_proxy_with_a_certificate_of_its_own_is_verified(
    machine: Machine,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = certified("IP:127.0.0.1")
    machine.allow(FAR)
    machine.hold()
    with running(certificate.context) as proxy:
        proxy.always = reply(403, Connection="close")
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        [result] = machine.sender().send_due()
        assert "CERTIFICATE_VERIFY_FAILED" in result.why
        assert proxy.requests == []
        machine.retry_at.unlink()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
        machine.sender().send_due()
        assert [request.line for request in proxy.requests] == [
            "CONNECT collector.invalid:443 HTTP/1.1"
        ]
