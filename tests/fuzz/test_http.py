"""The HTTP faces of the gate and the collector: no bytes end them, hang them, or get past them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hypothesis import given

from ..collector.served import served
from ..gate.served import ServedGate
from .conftest import examples
from .frames import streams
from .wire import conversations, converse

if TYPE_CHECKING:
    from pathlib import Path

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
GATE_PATHS = ("/v1/batch", "/v1/traces", "/v1/logs", "/v1/metrics", "/v1/track", "/", "*", "//")
COLLECTOR_PATHS = ("/v1/traces", "/healthz", "/metrics", "/v1/cookies", "/v1/policy", "/", "*")
GOOD = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of all answers; each begins as one of HTTP/1 does."""
    assert not answer or STATUS.match(answer), answer[:200]
    return [int(status) for status in STATUS.findall(answer)]


def test_no_bytes_end_the_gate(scrubbed: Path) -> None:
    gate = ServedGate()
    parts = urlsplit(gate.url_for("cloudquery"))
    secret, port = parts.path, parts.port
    assert port is not None
    gate.begin()
    paths = (*(f"{secret}{path}" for path in GATE_PATHS), "/nobody/v1/batch", "/v1/batch")

    @examples(250)
    @given(conversations(paths))
    def check(sent: list[bytes]) -> None:
        before = len(gate.kept)
        answered = statuses(converse(port, sent))
        assert not [status for status in answered if status in range(500, 505) and status != 501]
        if secret.encode() not in b"".join(sent):
            assert len(gate.kept) == before
        again = converse(port, [GOOD % f"{secret}/v1/batch".encode()])
        assert statuses(again) == [200], again

    try:
        check()
    finally:
        gate.end()


def test_no_frames_end_the_gate(scrubbed: Path) -> None:
    gate = ServedGate()
    path = urlsplit(gate.url_for("cloudquery")).path
    name, _, secret = gate.header_for("cloudquery").partition("=")
    gate.begin()
    taken = 0

    @examples(250)
    @given(streams([(name, secret), (name, secret), (name, "0" * 32), ("x", secret)]))
    def check(sent: list[bytes]) -> None:
        nonlocal taken
        before = len(gate.kept)
        converse(gate.port, sent)
        taken += len(gate.kept) - before
        if name.encode() not in b"".join(sent):
            assert len(gate.kept) == before
        again = converse(gate.port, [GOOD % f"{path}/v1/batch".encode()])
        assert statuses(again) == [200], again

    try:
        check()
    finally:
        gate.end()
    assert taken  # some of it is a request
    assert gate.server is not None
    assert gate.server.under_way == 0
    assert not any(secret in str(one) for one in gate.kept if one.header("x") == "")


def test_no_bytes_end_the_collector(scrubbed: Path, tmp_path: Path) -> None:
    with served(tmp_path) as collector:

        @examples(250)
        @given(conversations(COLLECTOR_PATHS))
        def check(sent: list[bytes]) -> None:
            answered = statuses(converse(collector.port, sent))
            assert not [status for status in answered if status in range(500, 505)]
            again = converse(collector.port, [GOOD % b"/v1/traces"])
            assert statuses(again) == [200], again

        check()
