"""A payload that came whole is answered as one that came in parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import connections

from .requests import as_json, as_protobuf, request, span
from .served import Notebook, Served, served, wait_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def collector(tmp_path_factory: pytest.TempPathFactory, notebook: Notebook) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("collector"), notebook) as found:
        yield found


def whole(body: bytes, *lines: str, path: str = "/v1/traces", kind: str = "json") -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        "Host: h",
        f"Content-Type: application/{kind}",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """Read so many answers, or all until the end."""
    heard = b""
    found: list[tuple[int, dict[str, str], bytes]] = []
    while len(found) < count:
        part = connection.recv(65536)
        heard += part
        while b"\r\n\r\n" in heard:
            head, _, rest = heard.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name: value for name, _, value in (each.partition(": ") for each in lines)}
            size = int(headers["content-length"])
            if len(rest) < size:
                break
            found.append((int(first.split()[1]), headers, rest[:size]))
            heard = rest[size:]
        if not part:
            break
    return found


CASES = {
    "JSON": whole(as_json(request())),
    "protobuf": whole(as_protobuf(request()), kind="x-protobuf"),
    "no JSON": whole(b"{"),
    "something left out": whole(as_json(request(span("sync", kind=3)))),
    "a span refused": whole(as_json(request(span("sync", spanId="1")))),
    "nothing in it": whole(b"{}"),
    "another type": whole(b"x", kind="xml"),
    "the last one": whole(as_json(request()), "Connection: close"),
    "compressed by something": whole(b"x", "Content-Encoding: br"),
    "one slash more": whole(as_json(request()), path="//v1/traces"),
    "an offer": whole(as_json(request()), "Connection: Upgrade", "Upgrade: h2c"),
}


@pytest.mark.parametrize("sent", CASES.values(), ids=CASES)
def test_the_answer_is_the_same_in_one_piece_and_in_two(collector: Served, sent: bytes) -> None:
    given = []
    for parts in ([sent], [sent[:-1], sent[-1:]]):
        with collector.connected() as connection:
            for part in parts:
                connection.sendall(part)
                if part is not parts[-1]:
                    wait_for(lambda: collector.server.server_state.connections)
            [(status, headers, body)] = answers(connection, 1)
            headers.pop("date")
            ended = b"connection: close" in sent.lower()
            assert not ended or connection.recv(1) == b""
        given.append((status, headers, body))
    assert given[0] == given[1]


def test_what_is_sent_ahead_is_answered_in_its_order(collector: Served, notebook: Notebook) -> None:
    notebook.hold = True
    names = [f"sync.{number}" for number in range(5)]
    with collector.connected() as connection:
        connection.sendall(b"".join(whole(as_json(request(span(name)))) for name in names))
        assert notebook.asked.acquire(timeout=30)
        notebook.hold = False
        from cqtel_tui.collector.sinks import KeepResult

        notebook.unanswered.pop().set_result(KeepResult(1))
        found = answers(connection, 5)
    assert [status for status, _, _ in found] == [200] * 5
    assert notebook.names == names


def test_a_client_that_is_gone_is_not_answered(collector: Served, notebook: Notebook) -> None:
    notebook.hold = True
    with collector.connected() as connection:
        connection.sendall(whole(as_json(request())))
        assert notebook.asked.acquire(timeout=30)
    wait_for(lambda: not collector.server.server_state.connections)
    from cqtel_tui.collector.sinks import KeepResult

    notebook.hold = False
    notebook.unanswered.pop().set_result(KeepResult(1))
    assert collector.is_well()


def test_a_connection_that_is_idle_is_closed(
    collector: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0)
    with collector.connected() as connection:
        connection.sendall(whole(as_json(request())))
        assert [status for status, _, _ in answers(connection, 1)] == [200]
        connection.settimeout(30)
        assert connection.recv(1) == b""


def test_a_connection_that_is_idle_ends_with_the_collector(
    collector: Served,
) -> None:
    with collector.connected() as connection:
        connection.sendall(whole(as_json(request())))
        assert [status for status, _, _ in answers(connection, 1)] == [200]
        collector.server.should_exit = True
        connection.settimeout(30)
        assert connection.recv(1) == b""


def test_the_counters_count_what_is_taken_at_once(collector: Served) -> None:
    def taken() -> float:
        page = collector.client.get("/metrics").text
        pattern = r'cqtel_collector_requests_total\{route="traces",status="200"\} ([0-9.]+)'
        return float(re.findall(pattern, page)[0])

    before = taken()
    with collector.connected() as connection:
        connection.sendall(whole(as_json(request())))
        answers(connection, 1)
    wait_for(lambda: taken() == before + 1)
