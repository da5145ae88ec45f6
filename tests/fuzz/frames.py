"""Conversations in HTTP/2: frames that a client may send, and frames that none would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Encoder
from hypothesis import strategies as st

from cqtel_tui.formats import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _DATA, _HEADERS = 4, 0, 1
_END_HEADERS, _END_STREAM = 4, 1
_MOST_KINDS = 11


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame (RFC 9113 §4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


@st.composite
def _heads(draw: st.DrawFn, secrets: Sequence[tuple[str, str]]) -> bytes:
    odd = st.sampled_from(
        [("grpc-encoding", "gzip"), ("content-length", "7"), ("te", "trailers"), ("A", "")]
    )
    fields = [
        (":method", draw(st.sampled_from(["POST", "POST", "POST", "POST", "HEAD", "CONNECT"]))),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", draw(st.sampled_from([*grpc.SIGNALS, "/v1/traces", "*"]))),
        ("content-type", draw(st.sampled_from(["application/grpc", "application/json"]))),
        *draw(st.lists(st.sampled_from(secrets), min_size=1, max_size=2)),
        *draw(st.lists(odd, max_size=1)),
    ]
    return Encoder().encode(fields, huffman=False)


@st.composite
def _requests(draw: st.DrawFn, secrets: Sequence[tuple[str, str]], stream: int) -> list[bytes]:
    """Return a request's frames, or some of them."""
    bodies = [grpc.framed(b"\x0a\x00"), grpc.framed(b"\x0a\x00"), b"{}", bytes(3)]
    data = frame(_DATA, _END_STREAM, stream, draw(st.sampled_from(bodies)))
    head = frame(_HEADERS, _END_HEADERS, stream, draw(_heads(secrets)))
    return draw(st.sampled_from([[head, data], [head, data], [head, data], [head], [data]]))


@st.composite
def _oddities(draw: st.DrawFn) -> bytes:
    """Return a frame of any kind, with anything in it."""
    stream = draw(st.sampled_from([0, 1, 3, 2, 0x7FFFFFFF]))
    payload = draw(st.binary(max_size=64))
    return frame(draw(st.integers(0, _MOST_KINDS)), draw(st.integers(0, 255)), stream, payload)


@st.composite
def streams(draw: st.DrawFn, secrets: Sequence[tuple[str, str]]) -> list[bytes]:
    """Return what one client sends, in parts."""
    said: list[bytes] = []
    for at in range(draw(st.integers(1, 4))):
        said += draw(_requests(secrets, 2 * at + 1))
    for odd in draw(st.lists(_oddities(), max_size=2)):
        said.insert(draw(st.integers(0, len(said))), odd)
    settings = frame(_SETTINGS, 0, 0, draw(st.sampled_from([b"", b"", b"\0\4\0\0\0\0"])))
    whole = PREFACE + settings + b"".join(said)
    cut = draw(st.integers(0, len(whole)))
    return [whole[:cut], whole[cut:]]
