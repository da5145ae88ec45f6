from __future__ import annotations

import errno
import gzip
import http.client
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cqtel_tui.formats import MAX_BODY_BYTES
from cqtel_tui.gate import connection, refusals, server
from cqtel_tui.gate.limits import MAX_CONNECTIONS
from cqtel_tui.gate.listening import HOST
from cqtel_tui.gate.refusals import (
    DISK_FULL,
    NOT_HTTP,
    STRANGER,
    TLS,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    WHAT_TO_DO,
    refused_words,
)
from cqtel_tui.gate.spool import BacklogError

from .served import ServedGate

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20.0  # seconds, for a machine under load; nothing here takes so long by design
SLACK = 1.0
BATCH = b'{"batch":[{"type":"track","event":"sync"}]}'


class Door:
    """A gate, and how to knock at it."""

    def __init__(self) -> None:
        self.gate = ServedGate()
        parts = urlsplit(self.gate.url_for("cloudquery"))
        assert parts.port is not None
        self.port = parts.port
        self.secret = parts.path

    def serve(self) -> Door:
        self.gate.begin()
        # An answer of any kind shows that the code has been loaded.
        assert self.post("/v1/track", prefix="/nobody")[0] == 404
        return self

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), PATIENCE)

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)

    def post(
        self, path: str, body: bytes = BATCH, *, prefix: str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        client = self.client()
        try:
            client.request(
                "POST",
                (self.secret if prefix is None else prefix) + path,
                body,
                {"Content-Type": "application/json", **headers},
            )
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def head(self, path: str = "/v1/batch", *lines: str) -> bytes:
        return "\r\n".join(
            [f"POST {self.secret}{path} HTTP/1.1", "Host: x", *lines, "", ""]
        ).encode()

    def say(self, data: bytes) -> bytes:
        """Send bytes, and return all that is answered until the other end closes."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return heard(client)


def heard(client: socket.socket) -> bytes:
    answer = b""
    try:
        while part := client.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def send(client: socket.socket, data: bytes) -> bool:
    try:
        client.sendall(data)
    except ConnectionError:
        return False
    return True


def send_for_ever(client: socket.socket, data: bytes) -> None:
    while True:
        client.sendall(data)


@pytest.fixture
def door(scrubbed: object) -> Iterator[Door]:
    del scrubbed
    found = Door().serve()
    yield found
    found.gate.end()


# What comes is kept -------------------------------------------------------------------------------


def test_a_request_is_kept_as_it_came_and_answered_as_by_the_real_service(door: Door) -> None:
    body = gzip.compress(BATCH)
    headers = {"Content-Encoding": "gzip", "Authorization": "Basic a2V5Og=="}
    before = time.time_ns() // 1000
    assert door.post("/v1/batch?a=b", body, **headers) == (200, b"OK")
    (intercepted,) = door.gate.end().intercepted
    assert (intercepted.method, intercepted.path, intercepted.body) == (
        "POST",
        "/v1/batch?a=b",
        body,
    )
    assert intercepted.header("authorization") == "Basic a2V5Og=="
    assert before <= intercepted.when <= time.time_ns() // 1000
    assert door.secret not in repr(intercepted)


@pytest.mark.parametrize(
    ("content_type", "answer"), [("application/json", b"{}"), ("application/x-protobuf", b"")]
)
def test_otlp_is_answered_in_the_encoding_it_came_in(
    door: Door, content_type: str, answer: bytes
) -> None:
    client = door.client()
    client.request("POST", f"{door.secret}/v1/traces", b"", {"Content-Type": content_type})
    got = client.getresponse()
    assert (got.status, got.headers["Content-Type"], got.read()) == (200, content_type, answer)
    client.close()


def test_what_was_sent_before_the_code_was_loaded_is_answered(scrubbed: object) -> None:
    del scrubbed
    door = Door()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(door.post, "/v1/track")
        time.sleep(0.1)
        assert not answer.done()
        door.gate.begin()
        assert answer.result(PATIENCE) == (200, b"OK")
    assert len(door.gate.end().intercepted) == 1


def test_a_connection_is_kept_for_more_requests(door: Door) -> None:
    client = door.client()
    for number in range(3):
        client.request("POST", f"{door.secret}/v1/track", b"%d" % number)
        assert client.getresponse().read() == b"OK"
    client.close()
    assert [intercepted.body for intercepted in door.gate.end().intercepted] == [b"0", b"1", b"2"]


def test_requests_that_do_not_wait_for_their_answers_are_all_kept(door: Door) -> None:
    one = door.head("/v1/track", "Content-Length: 2") + b"{}"
    assert door.say(one * 5).count(b"HTTP/1.1 200") == 5
    assert len(door.gate.end().intercepted) == 5


def test_a_client_that_says_it_is_done_is_answered_and_let_go(door: Door) -> None:
    request = door.head("/v1/track", "Connection: close", "Content-Length: 2") + b"{}"
    with door.connect() as client:
        client.sendall(request)
        assert heard(client).startswith(b"HTTP/1.1 200")
    old = b"POST " + door.secret.encode() + b"/v1/track HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"
    assert door.say(old).startswith(b"HTTP/1.1 200")
    assert len(door.gate.end().intercepted) == 2


def test_chunks_are_joined(door: Door) -> None:
    chunks = b'4\r\n{"ba\r\n9;note=x\r\ntch": []}\r\n0\r\n\r\n'
    assert door.say(door.head("/v1/batch", "Transfer-Encoding: chunked") + chunks).startswith(
        b"HTTP/1.1 200"
    )
    (intercepted,) = door.gate.end().intercepted
    assert intercepted.body == b'{"batch": []}'


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(door: Door) -> None:
    with door.connect() as client:
        client.sendall(door.head("/v1/track", "Content-Length: 2", "Expect: 100-continue"))
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(b"{}")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert len(door.gate.end().intercepted) == 1


def test_what_a_program_sent_just_before_it_ended_is_kept(door: Door) -> None:
    with door.connect() as client:
        client.sendall(door.head("/v1/track", "Content-Length: 2") + b"{}")
    assert len(door.gate.end().intercepted) == 1


def test_a_hundred_clients_at_once_lose_nothing(door: Door) -> None:
    start = threading.Barrier(100)

    def post(number: int) -> int:
        start.wait(PATIENCE)
        return door.post("/v1/track", b"%d" % number)[0]

    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(post, range(100))) == {200}
    bodies = {intercepted.body for intercepted in door.gate.end().intercepted}
    assert bodies == {b"%d" % number for number in range(100)}


# What is hostile ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1/track", "/0123456789abcdef0123456789abcdef/v1/x"])
def test_without_the_secret_nothing_is_held(door: Door, path: str) -> None:
    assert door.post(path, b"an injected event", prefix="")[0] == 404
    seen = door.gate.end()
    assert seen.intercepted == []
    assert seen.refused[STRANGER] == 2  # with the one that showed that it serves


def test_the_url_that_a_request_came_in_on_tells_its_program() -> None:
    door = Door()
    other = urlsplit(door.gate.url_for("meltano")).path
    assert door.gate.url_for("meltano").endswith(other)
    assert door.gate.port == door.port
    door.serve()
    for prefix, path in ((other, "/a"), (door.secret, "/b?c=d")):
        assert door.post(path, prefix=prefix)[0] == 200
    seen = door.gate.end()
    assert [(one.profile, one.path) for one in seen.intercepted] == [
        ("meltano", "/a"),
        ("cloudquery", "/b?c=d"),
    ]


def test_the_secret_is_long_and_new_for_each_gate(door: Door) -> None:
    other = Door()
    assert other.secret != door.secret
    assert len(bytes.fromhex(door.secret.removeprefix("/"))) * 8 >= 128
    other.gate.end()


def test_only_this_machine_can_connect() -> None:
    gate = ServedGate()
    assert {one.getsockname()[0] for one in gate.sockets} == {"127.0.0.1"}
    gate.end()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(("Content-Length: 1073741824", b"x" * 100), id="1 GB declared"),
        pytest.param(
            ("Transfer-Encoding: chunked", b"400001\r\n" + b"x" * (MAX_BODY_BYTES + 1)),
            id="4 MiB and a byte in chunks",
        ),
    ],
)
def test_what_is_too_large_is_refused_unread(door: Door, request_: tuple[str, bytes]) -> None:
    header, body = request_
    with door.connect() as client:
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(heard(client)))
        reader.start()
        try:
            client.sendall(door.head("/v1/track", header) + body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        reader.join(PATIENCE)
    assert answers == [b""] or answers[0].startswith(b"HTTP/1.1 413")
    seen = door.gate.end()
    assert (seen.intercepted, seen.refused[TOO_LARGE]) == ([], 1)


def test_ten_thousand_headers_are_refused(door: Door) -> None:
    lines = [f"X-{number}: y" for number in range(10_000)]
    answer = door.say(door.head("/v1/track", *lines))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    seen = door.gate.end()
    assert (seen.intercepted, seen.refused[NOT_HTTP]) == ([], 1)


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\x00" * 70_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_next_is_served(door: Door, data: bytes) -> None:
    door.say(data)
    assert door.post("/v1/track")[0] == 200
    seen = door.gate.end()
    # With the one that showed that it serves.
    assert (len(seen.intercepted), seen.refused.total()) == (1, 2)


def test_half_a_request_is_not_held(door: Door) -> None:
    door.say(door.head("/v1/track", "Content-Length: 1000") + b"half")
    assert door.gate.end().intercepted == []


def test_slow_strangers_make_room_for_others(door: Door) -> None:
    slow = [door.connect() for _ in range(MAX_CONNECTIONS + 20)]
    for client in slow:
        try:
            client.sendall(b"POST /")
        except OSError:
            pass  # it has made room already
    assert [door.post("/v1/track")[0] for _ in range(5)] == [200] * 5
    for client in slow:
        client.close()
    seen = door.gate.end()
    assert len(seen.intercepted) == 5
    assert seen.refused[TOO_MANY] >= 20


def test_who_does_not_show_the_secret_in_time_is_let_go(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STRANGER_SECONDS", 0.1)
    with door.connect() as client:
        client.sendall(b"POST /")
        assert heard(client) == b""
    assert door.gate.end().refused[TOO_SLOW] == 1


def test_a_client_that_never_reads_its_answers_is_let_go(door: Door) -> None:
    one = door.head("/v1/track", "Content-Length: 0")
    with door.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(ConnectionError):
            send_for_ever(client, one * 100)
    assert door.post("/v1/track")[0] == 200


def test_what_another_protocol_asks_for_is_told_by_its_name(door: Door) -> None:
    door.say(b"\x16\x03\x01\x02\x00" + bytes(500))
    seen = door.gate.end()
    assert seen.refused == {STRANGER: 1, TLS: 1}
    assert WHAT_TO_DO[TLS] in refused_words(seen.refused)


def test_each_reason_has_something_to_do_about_it() -> None:
    reasons = {
        value
        for name, value in vars(refusals).items()
        if name.isupper() and isinstance(value, str) and name != "LOST"
    }
    assert set(WHAT_TO_DO) == reasons
    assert refused_words({TOO_LARGE: 0}) == refused_words({}) == ""
    assert refused_words({TOO_LARGE: 1234}).startswith(
        "1,234 too large (a request may have up to 4 MiB"
    )


# What only looks odd ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "OPTIONS", "TRACE", "BREW"])
def test_an_odd_method_is_held_and_the_connection_goes_on(door: Door, method: str) -> None:
    client = door.client()
    for _ in range(2):
        client.request(method, f"{door.secret}/v1/batch", BATCH)
        answer = client.getresponse()
        assert answer.status == 200
        assert answer.read() == (b"" if method == "HEAD" else b"OK")
    client.close()
    assert [one.method for one in door.gate.end().intercepted] == [method] * 2


@pytest.mark.parametrize("target", ["example.com:443", "{secret}/v1/batch", "127.0.0.1:1"])
def test_nobody_gets_a_tunnel(door: Door, target: str) -> None:
    line = f"CONNECT {target.format(secret=door.secret)} HTTP/1.1\r\nHost: x\r\n\r\n"
    assert door.say(line.encode()).startswith(b"HTTP/1.1 501")
    assert door.post("/v1/track")[0] == 200
    assert len(door.gate.end().intercepted) == 1


@pytest.mark.parametrize(
    "lines",
    [
        # Java's HTTP client asks for this by default, in clear text.
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"),
        ("Connection: Upgrade", "Upgrade: websocket"),
        ("Connection: upgrade, keep-alive", "Upgrade: TLS/1.2, HTTP/2.0"),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_who_offers_another_protocol_keeps_its_body(
    door: Door, lines: tuple[str, ...], *, is_chunked: bool
) -> None:
    body = b"GET /not-a-request HTTP/1.1\r\n\r\n"
    size = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    with door.connect() as client:
        for _ in range(3):
            client.sendall(door.head("/v1/batch", *lines, size) + sent)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert [one.body for one in door.gate.end().intercepted] == [body] * 3


def test_a_connection_is_good_for_hundreds_of_requests(door: Door) -> None:
    client = door.client()
    for number in range(300):
        client.request("POST", f"{door.secret}/v1/track", b"%d" % number)
        assert client.getresponse().read() == b"OK"
    client.close()
    assert [int(one.body) for one in door.gate.end().intercepted] == [*range(300)]


@pytest.mark.parametrize("size", [MAX_BODY_BYTES - 1, MAX_BODY_BYTES])
def test_a_body_of_four_mib_is_held(door: Door, size: int) -> None:
    assert MAX_BODY_BYTES >= 4 << 20
    assert door.post("/v1/batch", b"x" * size)[0] == 200
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)
    answer = door.say(door.head("/v1/batch", "Transfer-Encoding: chunked") + chunked)
    assert answer.startswith(b"HTTP/1.1 200")
    assert [len(one.body) for one in door.gate.end().intercepted] == [size] * 2


def test_what_is_under_way_at_once_is_bounded_and_nothing_of_it_is_acknowledged(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_UNDER_WAY_BYTES", 3001)
    clients = [door.connect() for _ in range(4)]
    for client in clients:
        client.sendall(door.head("/v1/track", "Content-Length: 1001") + b"x" * 1000)
    assert door.post("/v1/track", b"")[0] == 200  # by now all that has been read
    answers = [client.recv(1000) for client in clients if send(client, b"x")]
    for client in clients:
        client.close()
    seen = door.gate.end()
    assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) + 1 == len(
        seen.intercepted
    )
    assert seen.refused[TOO_MANY] == 1


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DISK_FULL),
        (OSError(errno.EROFS, "Read-only file system"), DISK_FULL),
        (BacklogError("too many wait"), TOO_MANY),
    ],
)
def test_what_cannot_be_written_down_is_not_acknowledged(
    door: Door, problem: OSError, why: str
) -> None:
    door.gate.problem = problem
    assert door.post("/v1/track")[0] == 503
    door.gate.problem = None
    assert door.post("/v1/track")[0] == 200
    seen = door.gate.end()
    assert (len(seen.intercepted), seen.refused[why]) == (1, 1)


# The closed door, and the end ---------------------------------------------------------------------


def test_attempts_on_closed_channels_are_counted_and_answered_by_nothing(door: Door) -> None:
    host, _, port = door.gate.blocked_address.partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), PATIENCE) as client:
            assert heard(client) == b""
    assert door.gate.end().blocked_attempts == 3


def test_after_the_end_nobody_is_let_in(door: Door) -> None:
    assert door.post("/v1/track")[0] == 200
    door.gate.end()
    with pytest.raises(ConnectionRefusedError):
        door.connect().close()


def test_listening_costs_no_import_of_what_serves() -> None:
    code = (
        "import sys, cqtel_tui.gate.listening as l; g = l.Gate(); g.finish();"
        "print(*{'h11', 'asyncio', 'ssl', 'httpx', 'json', 'cqtel_tui.gate.server'}"
        "& set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_to_answer_costs_no_import_of_what_redacts() -> None:
    code = (
        "import sys, cqtel_tui.gate.serving, cqtel_tui.gate.server\n"
        "from cqtel_tui.gate.responses import response_to\n"
        "assert response_to('/v1/batch', 'application/json').body == b'OK'\n"
        "unwanted = {'hmac', 'cqtel_tui.gate.redaction', 'cqtel_tui.gate.names'}\n"
        "print(*unwanted & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
