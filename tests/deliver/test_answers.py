from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.deliver.connection import MAX_ANSWER_CHARACTERS
from cqtel_tui.deliver.permission import NAMED
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.deliver.waiting import next_attempt
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING

from .collectors import PATIENCE, Collector, Request, reply
from .conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from cqtel_tui.outbox.receipts import Receipt

    from .conftest import Machine

SHORT = 1.0  # seconds, for a collector that will not answer anyway
HEAD = b"HTTP/1.1 200 OK\r\n"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def receipt_in(machine: Machine, box: str) -> Receipt:
    [label] = machine.labels(box)
    receipt = machine.outbox.receipt(box, label)
    assert receipt is not None
    return receipt


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_success(ready: Machine, collector: Collector, status: int) -> None:
    ready.hold()

    def close(_: Request, connection: socket.socket) -> bytes:
        connection.sendall(f"HTTP/1.1 {status} Fine\r\n\r\n".encode())
        return b""

    collector.always = close
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.SENT
    assert result.why == f"it responded {status}"
    assert receipt_in(ready, SENT).status == status
    assert not ready.pending


@pytest.mark.parametrize(
    ("answer", "words", "rejected"),
    [
        ('{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}', "too old", 3),
        ('{"partialSuccess":{"rejectedSpans":3,"errorMessage":"too old"}}', "too old", 3),
        ('{"partialSuccess":{"rejectedSpans":"0","errorMessage":"a hint"}}', "a hint", 0),
        ('{"partialSuccess":{"errorMessage":"a hint"}}', "a hint", 0),
        ('{"partialSuccess":{"rejectedSpans":null,"errorMessage":"a hint"}}', "a hint", 0),
        ('{"partialSuccess":{"rejectedSpans":-5,"errorMessage":"a"}}', "a", 0),
        (
            '{"partialSuccess":{"rejectedSpans":"9223372036854775807","errorMessage":"a"}}',
            "a",
            1 << 31,
        ),
        ('{"partialSuccess":{"errorMessage":7}}', '{"partialSuccess":{"errorMessage":7}}', 0),
        ('{"partialSuccess":null}', '{"partialSuccess":null}', 0),
        (
            '{"partialSuccess":{"rejectedSpans":Infinity}}',
            '{"partialSuccess":{"rejectedSpans":Infinity}}',
            0,
        ),
        (
            '{"partialSuccess":{"rejectedSpans":1e999}}',
            '{"partialSuccess":{"rejectedSpans":1e999}}',
            0,
        ),
        ('{"partialSuccess":{"rejectedSpans":[]}}', '{"partialSuccess":{"rejectedSpans":[]}}', 0),
        (
            '{"partialSuccess":{"rejectedSpans":"many"}}',
            '{"partialSuccess":{"rejectedSpans":"many"}}',
            0,
        ),
        ("[]", "[]", 0),
        ("null", "null", 0),
        ("", "", 0),
        ("\x1b[31mred\x00", "\x1b[31mred\x00", 0),
        ("[" * 5000, "[" * MAX_ANSWER_CHARACTERS, 0),
    ],
)
def test_what_a_collector_says_of_a_success_is_on_the_receipt(
    ready: Machine, collector: Collector, answer: str, words: str, rejected: int
) -> None:
    collector.always = reply(200, answer.encode())
    ready.hold()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.SENT
    receipt = receipt_in(ready, SENT)
    assert (receipt.answer, receipt.rejected_spans) == (words, rejected)
    assert (f"refused {rejected} spans" in result.why) is bool(rejected)


def test_an_answer_that_is_not_text_is_no_obstacle(ready: Machine, collector: Collector) -> None:
    collector.always = reply(200, b"\xff\xfe\x00")
    ready.hold()
    ready.sender().send_due()
    assert receipt_in(ready, SENT).answer == "\ufffd\ufffd\x00"


def test_an_answer_is_never_decompressed(ready: Machine, collector: Collector) -> None:
    collector.always = reply(200, gzip.compress(bytes(50_000_000), 1), Content_Encoding="gzip")
    ready.hold()
    ready.sender().send_due()
    receipt = receipt_in(ready, SENT)
    assert (receipt.status, receipt.answer) == (200, "")


def endless(_: Request, connection: socket.socket) -> bytes:
    """Answer for ever; the sender hangs up."""
    connection.sendall(HEAD + b"\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"more and " * 10_000)
    return b""


def dripping_body(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
    return drip(connection, b"drop ")


def torn_body(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\nthe beginning of it")
    return b""


def bad_chunks(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnonsense")
    return b""


def hanging_body(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD + b"Content-Length: 5\r\n\r\nhi")
    return drip(connection, b"")


def drip(connection: socket.socket, drop: bytes) -> bytes:
    until = time.monotonic() + PATIENCE
    with contextlib.suppress(OSError):
        while time.monotonic() < until:
            connection.sendall(drop)
            time.sleep(0.02)
    return b""


@pytest.mark.parametrize("answer", [endless, dripping_body, torn_body, bad_chunks, hanging_body])
def test_once_the_status_is_known_the_rest_of_the_answer_cannot_undo_it(
    ready: Machine, collector: Collector, answer: Callable[[Request, socket.socket], bytes]
) -> None:
    collector.replies.append(answer)
    ready.hold(b"first")
    ready.hold(b"second")
    began = time.monotonic()
    results = ready.sender(request_seconds=SHORT).send_due()
    assert time.monotonic() - began < PATIENCE / 2
    assert [result.outcome for result in results] == [Outcome.SENT, Outcome.SENT]
    assert collector.bodies == [b"first", b"second"]
    [label, _] = ready.labels(SENT)
    receipt = ready.outbox.receipt(SENT, label)
    assert receipt is not None
    assert len(receipt.answer) <= MAX_ANSWER_CHARACTERS


def dripping_head(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD)
    return drip(connection, b"X: y\r\n")


def silent(_: Request, connection: socket.socket) -> bytes:
    return drip(connection, b"")


def flood_of_continues(_: Request, connection: socket.socket) -> bytes:
    return drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")


def flood_of_headers(_: Request, connection: socket.socket) -> bytes:
    connection.sendall(HEAD)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"X: " + b"y" * 10_000 + b"\r\n")
    return b""


def nothing(_: Request, __: socket.socket) -> bytes:
    return b""


def reset(_: Request, connection: socket.socket) -> bytes:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return b""


NO_ANSWERS = {
    "dripping head": dripping_head,
    "silence": silent,
    "100 Continue for ever": flood_of_continues,
    "headers for ever": flood_of_headers,
    "end of the connection": nothing,
    "reset": reset,
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a head": b"HTTP/1.1 200",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_without_an_answer_it_is_put_off_and_the_rest_waits(
    ready: Machine,
    collector: Collector,
    answer: bytes | Callable[[Request, socket.socket], bytes],
) -> None:
    collector.always = answer
    first = ready.hold(b"first")
    second = ready.hold(b"second")
    began = time.monotonic()
    [result] = ready.sender(request_seconds=SHORT).send_due()
    assert time.monotonic() - began < PATIENCE / 2
    assert (result.id, result.outcome) == (first, Outcome.POSTPONED)
    assert result.why.startswith(f"{collector.url} did not respond: ")
    assert collector.bodies == [b"first"]
    wait_for_threads()
    assert ready.pending == [first, second]
    assert [label.attempt for label in ready.labels()] == [1, 0]
    assert ready.retry_at.read_text().startswith(f"{collector.url} did not respond: ")


def test_a_collector_that_is_away_is_tried_again_later(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    url = collector.url
    collector.close()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.POSTPONED
    assert result.why.startswith(f"{url} did not respond: [Errno ")


def test_attempts_are_counted_and_the_pauses_grow(ready: Machine, collector: Collector) -> None:
    collector.always = reply(503)
    ready.hold(created=int(NOW * 1_000_000))
    clock = Clock()
    sender = ready.sender(clock=clock)
    pauses = []
    for attempt in range(12):
        [result] = sender.send_due()
        assert result.outcome is Outcome.POSTPONED
        assert sender.send_due() == []
        assert ready.labels()[0].attempt == attempt + 1
        due = next_attempt(ready.outbox, clock.now)
        pauses.append(due - clock.now)
        clock.now = due
    assert pauses == [30 * 2**n for n in range(10)] + [6 * 3600, 6 * 3600]
    assert len(collector.requests) == 12


def test_the_pause_grows_while_many_wait_though_each_was_tried_once(
    ready: Machine, collector: Collector
) -> None:
    collector.always = reply(503)
    for _ in range(3):
        ready.hold(created=int(NOW * 1_000_000))
    clock = Clock()
    pauses = []
    for _ in range(4):
        ready.sender(clock=clock).send_due()
        due = next_attempt(ready.outbox, clock.now)
        pauses.append(due - clock.now)
        clock.now = due
    assert sorted(label.attempt for label in ready.labels()) == [1, 1, 2]
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("120", 120),
        ("1", 30),
        (formatdate(NOW + 600, usegmt=True), 600),
        (formatdate(NOW - 600, usegmt=True), 30),
        ("soon", 30),
        ("-5", 30),
        ("999999999999", 24 * 3600),
    ],
)
def test_a_collector_may_ask_for_patience(
    ready: Machine, collector: Collector, status: int, asked: str, pause: int
) -> None:
    collector.always = reply(status, b"busy", Retry_After=asked)
    ready.hold(created=int(NOW * 1_000_000))
    ready.hold(created=int(NOW * 1_000_000))
    [result] = ready.sender(clock=lambda: NOW).send_due()
    assert result.outcome is Outcome.POSTPONED
    assert result.why.startswith(f"{collector.url} responded {status} (it is ")
    assert result.why.endswith(f"; next attempt in {pause} s")
    assert next_attempt(ready.outbox, NOW) == NOW + pause
    assert len(ready.pending) == 2
    assert not ready.sent
    assert not ready.rejected


def test_after_a_success_a_sender_may_start_at_once(ready: Machine, collector: Collector) -> None:
    collector.replies.append(reply(503))
    ready.hold()
    ready.sender().send_due()
    assert ready.retry_at.exists()
    [result] = ready.sender().send(ready.labels(), NAMED)
    assert result.outcome is Outcome.SENT
    assert next_attempt(ready.outbox, time.time()) == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 500, 501, 599])
def test_what_a_collector_will_never_take_is_rejected_and_the_others_go_on(
    ready: Machine, collector: Collector, status: int
) -> None:
    collector.replies.append(reply(status, b"no such thing"))
    bad = ready.hold(b"bad")
    good = ready.hold(b"good")
    first, second = ready.sender().send_due()
    assert (first.id, first.outcome) == (bad, Outcome.REJECTED)
    assert first.why.startswith(f"it responded {status}: no such thing")
    assert (second.id, second.outcome) == (good, Outcome.SENT)
    assert (ready.rejected, ready.sent, ready.pending) == ([bad], [good], [])
    receipt = receipt_in(ready, REJECTED)
    assert (receipt.status, receipt.answer) == (status, "no such thing")


def test_what_was_rejected_can_be_tried_again(ready: Machine, collector: Collector) -> None:
    collector.replies.append(reply(400))
    identity = ready.hold(b"again")
    ready.sender().send_due()
    ready.outbox.retry(ready.labels(REJECTED)[0])
    assert ready.pending == [identity]
    ready.sender().send_due()
    assert ready.sent == [identity]
    assert not ready.rejected
    assert collector.bodies == [b"again", b"again"]
    assert receipt_in(ready, SENT).status == 200


def test_a_message_in_many_lines_stays_what_it_is(ready: Machine, collector: Collector) -> None:
    message = "a\u202e\x1b]0;title\x07\nb"
    body = {"partialSuccess": {"rejectedSpans": 1, "errorMessage": message}}
    collector.always = reply(200, json.dumps(body).encode())
    ready.hold()
    [result] = ready.sender().send_due()
    assert receipt_in(ready, SENT).answer == message
    assert result.why.endswith(message)


def test_a_user_who_has_seen_enough_stops_it_under_way(
    ready: Machine, collector: Collector
) -> None:
    collector.always = collector.hang
    ready.hold(b"first")
    ready.hold(b"second")
    began = time.monotonic()
    [result] = ready.sender().send(
        ready.labels(PENDING), NAMED, is_cancelled=lambda: bool(collector.requests)
    )
    assert time.monotonic() - began < PATIENCE / 2
    assert result.outcome is Outcome.POSTPONED
    assert "cancelled" in result.why
    assert collector.bodies == [b"first"]
    assert len(ready.pending) == 2


def test_a_user_who_has_seen_enough_before_the_first_sends_nothing(
    ready: Machine, collector: Collector
) -> None:
    ready.hold()
    assert list(ready.sender().send(ready.labels(), NAMED, is_cancelled=lambda: True)) == []
    assert collector.requests == []


def test_a_name_server_that_hangs_holds_nobody_and_nothing_is_sent_when_it_is_back(
    machine: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    is_back = threading.Event()

    def hang(*names: Any, **more: Any) -> Any:
        is_back.wait(PATIENCE)
        return resolve(*names, **more)

    machine.allow(collector.url.replace("127.0.0.1", "localhost"))
    machine.hold()
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    [result] = machine.sender(request_seconds=0.1).send_due()
    assert time.monotonic() - began < PATIENCE / 2
    assert result.outcome is Outcome.POSTPONED
    is_back.set()
    wait_for_threads()
    assert collector.requests == []


def test_a_handshake_that_hangs_is_put_off(machine: Machine, collector: Collector) -> None:
    machine.allow(collector.url.replace("http://", "https://"))
    machine.hold()
    began = time.monotonic()
    [result] = machine.sender(request_seconds=0.1).send_due()
    assert time.monotonic() - began < PATIENCE / 2
    assert result.outcome is Outcome.POSTPONED
    wait_for_threads()


def wait_for_threads() -> None:
    """Wait for the requests that were stopped: each of their threads comes to its end."""
    for thread in threading.enumerate():
        if "_exchange" in thread.name:
            thread.join(PATIENCE)
            assert not thread.is_alive()
