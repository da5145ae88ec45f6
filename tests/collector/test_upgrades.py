"""An offer to change the protocol is declined: the request is served as it is, with its body."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from .requests import as_json, as_protobuf, request, span
from .served import Notebook, Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

H2C = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAM\r\n"
)
OFFERS = {
    "h2c, as Java's client offers it": H2C,
    "h2c in other letters": "CONNECTION: keep-alive,UPGRADE\r\nupgrade: H2C\r\n",
    "a web socket": (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    ),
    "TLS": "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/2.0\r\n",
    "an upgrade in two lines": (
        "Connection: upgrade\r\nConnection: close\r\nUpgrade: a\r\nUpgrade: b\r\n"
    ),
    "an upgrade that is not of this connection": "Upgrade: h2c\r\n",
}
WITHIN = (
    b"POST /v1/traces HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


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


def head(offer: str, length: int | None, kind: str = "json") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    kind = "application/json" if kind == "json" else "application/x-protobuf"
    return (
        f"POST /v1/traces HTTP/1.1\r\n{offer}Host: h\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
    ).encode()


LAST = b"PUT /v1/traces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def answers(collector: Served, *pieces: ReadableBuffer, last: bytes = LAST) -> list[bytes]:
    """Send each piece in a packet of its own; return the status lines that come back.

    One more request is sent, so that the collector closes: its answer is not returned. Where the
    collector closes by itself, `last` is empty: what comes after that would reset the connection.
    """
    with collector.connected() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in filter(None, (*pieces, last)):
            connection.sendall(piece)
        answered = connection.makefile("rb").read()
    found = re.findall(rb"HTTP/1\.1 [^\r]*", answered)
    return found[:-1] if found[-1] == b"HTTP/1.1 405 Method Not Allowed" else found


@pytest.mark.parametrize("kind", ["json", "protobuf"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_the_body_is_kept_and_the_next_request_is_served(
    collector: Served, notebook: Notebook, offer: str, kind: str
) -> None:
    write = as_json if kind == "json" else as_protobuf
    body = write(request(span("offered")))
    following = write(request(span("following")))
    whole = head(offer, len(body), kind) + body
    ends = "close" in offer
    both = whole + head("", len(following), kind) + following
    found = answers(collector, both, last=b"" if ends else LAST)
    assert found == [b"HTTP/1.1 200 OK"] * (1 if ends else 2)
    assert notebook.names == ["offered"] + ["following"] * (not ends)


@pytest.mark.parametrize("offer", [H2C, OFFERS["a web socket"]])
@pytest.mark.parametrize("cut", ["after the head", "in the head", "in the body", "everywhere"])
def test_however_it_is_split_the_body_is_the_body(
    collector: Served, notebook: Notebook, offer: str, cut: str
) -> None:
    # A body that is itself a request must not be read as one.
    body = as_json({**request(span("offered")), "x": WITHIN.decode()})
    before = head(offer, len(body))
    whole = before + body
    pieces = {
        "after the head": [before, body],
        "in the head": [whole[:60], whole[60:]],
        "in the body": [whole[: len(before) + 9], whole[len(before) + 9 :]],
        "everywhere": [whole[at : at + 1] for at in range(len(whole))],
    }[cut]
    assert answers(collector, *pieces) == [b"HTTP/1.1 200 OK"]
    assert notebook.names == ["offered"]


@pytest.mark.parametrize("offer", [H2C, OFFERS["a web socket"]])
def test_a_request_in_a_body_is_not_served(
    collector: Served, notebook: Notebook, offer: str
) -> None:
    found = answers(collector, head(offer, len(WITHIN)), WITHIN)
    assert found == [b"HTTP/1.1 400 Bad Request"]
    assert answers(collector, head(offer, len(WITHIN)) + WITHIN) == found
    assert notebook.names == []


def test_chunks_are_read_as_chunks(collector: Served, notebook: Notebook) -> None:
    body = as_json(request(span("offered")))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:50], body[50:]))
    found = answers(collector, head(H2C, None), chunks + b"0\r\n\r\n")
    assert found == [b"HTTP/1.1 200 OK"]
    assert notebook.names == ["offered"]


def test_who_offers_with_every_request_is_served_each_time(
    collector: Served, notebook: Notebook
) -> None:
    bodies = [as_json(request(span(f"offered{number}"))) for number in range(20)]
    whole = b"".join(head(H2C, len(body)) + body for body in bodies)
    assert answers(collector, whole) == [b"HTTP/1.1 200 OK"] * 20
    assert notebook.names == [f"offered{number}" for number in range(20)]


def test_an_offer_without_a_body_is_answered(collector: Served) -> None:
    with collector.connected() as connection:
        connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: h\r\n{H2C}\r\n".encode() + LAST)
        answered = connection.makefile("rb").read()
    assert answered.startswith(b"HTTP/1.1 200 OK")
    assert b'{"status":"ok"}' in answered


def test_what_would_be_expected_to_continue_is_told_so(
    collector: Served, notebook: Notebook
) -> None:
    body = as_json(request(span("offered")))
    with collector.connected() as connection:
        connection.sendall(head(f"{H2C}Expect: 100-continue\r\n", len(body)))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body + LAST)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")
    assert notebook.names == ["offered"]


@pytest.mark.parametrize("target", ["h:443", "/v1/traces"])
def test_nothing_goes_through_a_tunnel(collector: Served, notebook: Notebook, target: str) -> None:
    connect = f"CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    found = answers(collector, connect + WITHIN, last=b"")
    assert found == [b"HTTP/1.1 400 Bad Request"]
    assert notebook.names == []


def test_http_2_without_asking_is_refused(collector: Served) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    assert answers(collector, preface, last=b"") == [b"HTTP/1.1 400 Bad Request"]
