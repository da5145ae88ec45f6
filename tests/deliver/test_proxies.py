from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver.proxies import proxy_for, without_password
from cqtel_tui.deliver.sender import Outcome
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


@pytest.mark.usefixtures("scrubbed")
@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("listed", "host", "is_direct"),
    [
        ("*", "h.example", True),
        ("other.example, *", "h.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.9.9.9/8", "10.1.2.3", True),
        ("192.168.0.0/16,10.0.0.0/8", "10.1.2.3", True),
        ("192.168.0.0/16 10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "[::ffff:10.1.2.3]", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example", False),
        ("10.0.0.0/33,10.0.0.0/x,/8,/", "10.1.2.3", False),
        ("0.0.0.0/0", "[fd00::1]", False),
        ("fd00::/8", "[fd00::1]", True),
        ("[fd00::]/8", "[fd00::1]", True),
        ("fd00::/8", "[fe00::1]", False),
        ("fd00:0:0::1", "[fd00::1]", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("[fd00::1]:443", "[fd00::1]", True),
        ("[fd00::1]:8443", "[fd00::1]", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3:8443", False),
        ("2.3", "10.1.2.3", False),
        (".2.3", "10.1.2.3", False),
        ("h.example", "h.example", True),
        ("h.example.", "h.example", True),
        ("h.example", "h.example.", True),
        ("H.Example", "h.EXAMPLE", True),
        ("h.example:443", "h.example", True),
        ("h.example:0443", "h.example", True),
        ("h.example:444", "h.example", False),
        ("h.example:8443", "h.example:8443", True),
        ("example", "h.example", True),
        (".example", "h.example", True),
        (".h.example", "h.example", True),
        (".example:443", "h.example", True),
        ("*.example", "h.example", True),
        ("*.h.example", "h.example", False),
        ("ample", "h.example", False),
        ("h.exam", "h.example", False),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--bcher-kva.example", True),
        ("..,.,:,::,[,],*., ,\N{PILE OF POO}" + "x" * 70, "h.example", False),
        ("", "h.example", False),
    ],
)
def test_what_no_proxy_names_is_reached_as_go_curl_and_python_reach_it(
    monkeypatch: pytest.MonkeyPatch, spelling: str, listed: str, host: str, *, is_direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv(spelling, listed)
    assert proxy_for(f"https://{host}/v1/traces") == ("" if is_direct else "http://p:1")


@pytest.mark.usefixtures("scrubbed")
def test_of_two_spellings_the_small_letters_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", "a.example")
    monkeypatch.setenv("no_proxy", "b.example")
    assert proxy_for("https://a.example/") == "http://p:1"
    assert proxy_for("https://b.example/") == ""


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
