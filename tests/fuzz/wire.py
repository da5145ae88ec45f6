"""Raw bytes as they may come to a server that speaks HTTP: requests, and what becomes of them."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 20.0
"""How long a server may take to end a connection whose other end has nothing more to say."""
BODIES = st.sampled_from(
    [b"", b"{}", b"[]", b'{"batch":[]}', b'{"resourceSpans":[]}', b"\x1f\x8b\x08\x00", b"{" * 50]
) | st.binary(max_size=60)
METHODS = st.sampled_from(
    ["POST", "post", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI", "PO ST"]
)
HEADERS = st.sampled_from(
    [
        *("Connection: close", "Connection: keep-alive", "Connection: Upgrade, HTTP2-Settings"),
        *("Upgrade: h2c", "Upgrade: websocket", "HTTP2-Settings: AAMAAABkAAQ"),
        *("Expect: 100-continue", "Expect: something"),
        *( "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked"),
        *("Transfer-Encoding: identity", "Content-Encoding: gzip", "Content-Encoding: zstd"),
        *("Content-Encoding: deflate, gzip", "Content-Length: 5", "Content-Length: -1"),
        *("Host: other", "Content-Length: 99999999999999999999", "Content-Length: 3, 3"),
        *("Content-Length: +2", "Content-Length: 5\r\nContent-Length: 6"),
        *("Content-Type: application/x-protobuf", "Content-Type: text/html; charset=x", "X: \x00"),
        *("Content-Type: application/json", " folded: x", "no colon", ": no name", "Cookie: a=b"),
        *("Origin: https://evil.example", "X-Forwarded-For: 1.2.3.4", "Authorization: Basic e:f"),
        "Long: " + "x" * 9000,
    ]
)  # fmt: skip


@st.composite
def _requests(draw: st.DrawFn, paths: Sequence[str]) -> bytes:
    """One request: a good one, or nearly."""
    body = draw(BODIES)
    path = draw(st.sampled_from(paths) | st.text(max_size=8).map(lambda text: "/" + text))
    version = draw(st.sampled_from(["HTTP/1.1"] * 6 + ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", ""]))
    lines = [f"{draw(METHODS)} {path} {version}", "Host: 127.0.0.1"]
    lines += draw(st.lists(HEADERS, max_size=4))
    form = draw(st.sampled_from(["length", "length", "chunks", "none"]))
    if form == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif form == "chunks":
        lines.append("Transfer-Encoding: chunked")
        size = draw(
            st.sampled_from([f"{len(body):x}", "0", "-1", "ffffffffffffffff", "5;a=b", "z"])
        )
        body = size.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n"
    end = draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]))
    return end.join([*lines, "", ""]).encode("utf-8", "replace") + body


@st.composite
def conversations(draw: st.DrawFn, paths: Sequence[str]) -> list[bytes]:
    """Several requests behind each other, with bytes changed, in the parts they are sent in."""
    whole = b"".join(draw(st.lists(_requests(paths), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(whole)))
        many = draw(st.integers(0, 4))
        whole = whole[:at] + draw(st.binary(max_size=4)) + whole[at + many :]
    if draw(st.integers(0, 9)) == 0:
        whole = draw(st.binary(max_size=200))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    edges = [0, *cuts, len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(edges)]


def converse(port: int, parts: Sequence[bytes]) -> bytes:
    """Send what there is, say no more, and return all that comes back until the other end closes.

    Raises:
        TimeoutError: it does not close.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except TimeoutError:
            raise
        except OSError:
            pass  # it had heard enough: the connection is reset, or closed already
    return answer
