"""HTTP/2 in plaintext, and gRPC in it: clients of our own, and OpenTelemetry's."""

from __future__ import annotations

import errno
import gzip
import socket
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.formats import MAX_BODY_BYTES, grpc
from cqtel_tui.gate import connection as connections
from cqtel_tui.gate import http2, limits
from cqtel_tui.gate.listening import HOST
from cqtel_tui.gate.profile_files import SHIPPED
from cqtel_tui.gate.refusals import (
    BROKEN,
    DISK_FULL,
    HTTP_2,
    NOT_HTTP,
    NOT_OTLP,
    STRANGER,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    refused_words,
)
from cqtel_tui.gate.spool import BacklogError
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from ..cli.machines import Machine
from ..deliver.services import serving
from .served import ServedGate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Envelope

PATIENCE = 60.0  # seconds, for a machine under load; nothing here takes so long by design
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = ExportTraceServiceRequest()
REQUEST.resource_spans.add().scope_spans.add().spans.add(
    name="checkout", trace_id=b"t" * 16, span_id=b"s" * 8
)
MESSAGE = REQUEST.SerializeToString()


@dataclass
class Answer:
    """What came back for one request."""

    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> str:
        """HTTP's, and gRPC's behind it if there is one."""
        return " ".join([self.headers[":status"], *filter(None, [self.headers.get("grpc-status")])])


class Client:
    """A client of HTTP/2, one request after another or all at once."""

    def __init__(self, port: int, *, window: int | None = None, bytewise: bool = False) -> None:
        self.socket = socket.create_connection((HOST, port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytewise = bytewise
        self.http = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.http.initiate_connection()
        if window is not None:
            self.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.answers: dict[int, Answer] = {}
        self.ended: set[int] = set()
        self.is_over = False
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        data = self.http.data_to_send()
        for at in range(0, len(data), 1 if self.bytewise else len(data) or 1):
            self.socket.sendall(data[at : at + 1] if self.bytewise else data)

    def begin(self, path: str, *headers: tuple[str, str], method: str = "POST", **of: Any) -> int:
        """Send the head of a request."""
        number = self.http.get_next_available_stream_id()
        named = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
            *headers,
        ]
        self.http.send_headers(number, named, **of)
        self.flush()
        return number

    def send(self, number: int, body: bytes) -> None:
        """Send a body as far as the gate has room for it, waiting for more room."""
        while body and number not in self.ended:
            room = self.http.local_flow_control_window(number)
            part = body[: min(room, self.http.max_outbound_frame_size)]
            if not part:
                self.read()
                continue
            body = body[len(part) :]
            self.http.send_data(number, part)
            self.flush()
        if number not in self.ended:
            self.http.end_stream(number)
            self.flush()

    def read(self) -> None:
        """Take what the gate says next."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_over = True
        for event in self.http.receive_data(data):
            if isinstance(event, (ResponseReceived, TrailersReceived)):
                number = event.stream_id
                answer = self.answers.setdefault(number, Answer({}, b""))
                answer.headers |= {str(name): str(value) for name, value in event.headers}
            elif isinstance(event, DataReceived):
                self.answers[event.stream_id].body += event.data
            elif isinstance(event, (StreamEnded, StreamReset)):
                self.ended.add(event.stream_id)
            elif isinstance(event, ConnectionTerminated):
                self.is_over = True

    def answer(self, number: int) -> Answer:
        """Wait for an answer."""
        while number not in self.ended and not self.is_over:
            self.read()
        return self.answers[number]

    def ask(
        self, path: str, body: bytes, *headers: tuple[str, str], method: str = "POST"
    ) -> Answer:
        """Make one request."""
        number = self.begin(path, *headers, method=method)
        self.send(number, body)
        return self.answer(number)


class Door:
    """A gate, and how to call it."""

    def __init__(self) -> None:
        self.gate = ServedGate()
        self.url = self.gate.url_for("shop")
        self.secret = self.url.rpartition("/")[2]
        self.clients: list[Client] = []
        self.gate.begin()

    def client(self, *, window: int | None = None, bytewise: bool = False) -> Client:
        self.clients.append(Client(self.gate.port, window=window, bytewise=bytewise))
        return self.clients[-1]

    def headers(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        name, _, secret = self.gate.header_for("shop").partition("=")
        return [("content-type", "application/grpc"), (name, secret), *more]

    def call(self, body: bytes, *more: tuple[str, str], path: str = TRACES) -> Answer:
        return self.client().ask(path, body, *self.headers(*more))


@pytest.fixture
def door(scrubbed: object) -> Iterator[Door]:
    del scrubbed
    found = Door()
    yield found
    found.gate.end()
    for client in found.clients:
        client.socket.close()


# What comes is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", grpc.SIGNALS)
def test_an_export_is_kept_and_acknowledged_with_an_empty_message(door: Door, path: str) -> None:
    answer = door.call(grpc.framed(MESSAGE), ("authorization", "key"), path=path)
    assert answer.status == "200 0"
    assert answer.body == bytes(5)
    (kept,) = door.gate.end().intercepted
    assert (kept.method, kept.path, kept.body) == ("POST", path, MESSAGE)
    assert (kept.profile, kept.is_grpc, kept.encoding) == ("shop", True, "")
    assert kept.header("authorization") == "key"
    assert door.secret not in str(kept)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(MESSAGE, mtime=0)), ("deflate", zlib.compress(MESSAGE))],
    ids=["gzip", "deflate"],
)
def test_a_compressed_message_is_kept_as_it_came(door: Door, encoding: str, packed: bytes) -> None:
    framed = b"\1" + grpc.framed(packed)[1:]
    assert door.call(framed, ("grpc-encoding", encoding)).status == "200 0"
    # A client may name an encoding and not use it.
    assert door.call(grpc.framed(MESSAGE), ("grpc-encoding", encoding)).status == "200 0"
    compressed, plain = door.gate.end().intercepted
    assert (compressed.body, compressed.encoding) == (packed, encoding)
    assert (plain.body, plain.encoding) == (MESSAGE, "")


def test_many_requests_of_one_connection_are_kept_whatever_their_order(door: Door) -> None:
    client = door.client()
    begun = [client.begin(TRACES, *door.headers()) for _ in range(http2.MAX_STREAMS)]
    for number in reversed(begun):
        client.send(number, grpc.framed(MESSAGE))
    assert {client.answer(number).status for number in begun} == {"200 0"}
    for _ in range(100):
        assert client.ask(TRACES, grpc.framed(MESSAGE), *door.headers()).status == "200 0"
    assert len(door.gate.end().intercepted) == len(begun) + 100


def test_what_comes_byte_by_byte_is_kept(door: Door) -> None:
    client = door.client(bytewise=True)
    assert client.ask(TRACES, grpc.framed(MESSAGE), *door.headers()).status == "200 0"
    assert len(door.gate.end().intercepted) == 1


def test_the_largest_request_is_kept_and_a_larger_one_is_refused(door: Door) -> None:
    assert door.call(grpc.framed(bytes(MAX_BODY_BYTES))).status == "200 0"
    assert door.call(grpc.framed(bytes(MAX_BODY_BYTES + 1))).status == "200 8"
    seen = door.gate.end()
    assert [len(one.body) for one in seen.intercepted] == [MAX_BODY_BYTES]
    assert seen.refused == {TOO_LARGE: 1}


@pytest.mark.parametrize("method", ["POST", "HEAD", "GET"])
def test_plain_http_2_is_kept_as_http_1_is(door: Door, method: str) -> None:
    client = door.client()
    kind = ("content-type", "application/json")
    for _ in range(2):
        answer = client.ask(f"/{door.secret}/v1/batch?a=b", b"{}", kind, method=method)
        assert (answer.status, answer.body) == ("200", b"" if method == "HEAD" else b"OK")
    first, _ = door.gate.end().intercepted
    assert (first.method, first.path, first.body) == (method, "/v1/batch?a=b", b"{}")


def test_the_secret_is_kept_of_no_request_over_http_1_either(door: Door) -> None:
    name, _, secret = door.gate.header_for("shop").partition("=")
    head = f"POST /{secret}/v1/traces HTTP/1.1\r\nHost: x\r\n{name}: {secret}\r\n"
    for line in (head, head.replace(f"POST /{secret}", "POST ")):
        with socket.create_connection((HOST, door.gate.port), PATIENCE) as client:
            client.sendall(f"{line}Content-Length: 0\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    kept = door.gate.end().intercepted
    assert [one.path for one in kept] == ["/v1/traces"] * 2
    assert secret not in str(kept)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Import", MESSAGE, ()),
        ("/grpc.health.v1.Health/Check", b"", ()),
        (TRACES, MESSAGE, (("grpc-encoding", "snappy"),)),
    ],
)
def test_another_call_is_not_implemented(
    door: Door, path: str, body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    client = door.client()
    answer = client.ask(path, grpc.framed(body), *door.headers(*headers))
    assert answer.status == "200 12"
    assert answer.headers["grpc-accept-encoding"] == "identity,gzip,deflate"
    assert client.ask(TRACES, grpc.framed(MESSAGE), *door.headers()).status == "200 0"
    seen = door.gate.end()
    assert (len(seen.intercepted), seen.refused) == (1, {NOT_OTLP: 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        MESSAGE,
        grpc.framed(MESSAGE)[:-1],
        grpc.framed(MESSAGE) * 2,
        b"\2" + grpc.framed(MESSAGE)[1:],
    ],
)
def test_what_is_not_one_whole_message_is_not_acknowledged(door: Door, body: bytes) -> None:
    assert door.call(body).status == "200 12"
    seen = door.gate.end()
    assert (seen.intercepted, seen.refused) == ([], {NOT_OTLP: 1})


@pytest.mark.parametrize("secret", ["", "0" * 32])
@pytest.mark.parametrize("path", [TRACES, "/v1/traces", f"/{'0' * 32}/v1/traces"])
def test_without_the_secret_nothing_is_kept_and_nothing_more_is_read(
    door: Door, secret: str, path: str
) -> None:
    client = door.client()
    name = door.gate.header_for("shop").partition("=")[0]
    kind = "application/grpc" if path == TRACES else "application/json"
    headers = [("content-type", kind), *([(name, secret)] if secret else [])]
    number = client.begin(path, *headers)
    assert client.answer(number).status == ("200 16" if path == TRACES else "404")
    while not client.is_over:
        client.read()
    seen = door.gate.end()
    assert (seen.intercepted, seen.refused) == ([], {STRANGER: 1})


@pytest.mark.parametrize(
    ("problem", "why"),
    [(OSError(errno.ENOSPC, "full"), DISK_FULL), (BacklogError("too many"), TOO_MANY)],
)
def test_what_cannot_be_written_down_is_not_acknowledged(
    door: Door, problem: OSError, why: str
) -> None:
    door.gate.problem = problem
    client = door.client()
    assert client.ask(TRACES, grpc.framed(MESSAGE), *door.headers()).status == "200 14"
    assert client.ask(f"/{door.secret}/v1/traces", b"{}").status == "503"
    door.gate.problem = None
    assert client.ask(TRACES, grpc.framed(MESSAGE), *door.headers()).status == "200 0"
    assert door.gate.end().refused == {why: 2}


def test_bodies_of_all_streams_count_together(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cqtel_tui.gate.server.MAX_UNDER_WAY_BYTES", 10_000)
    client = door.client()
    waiting = [client.begin(TRACES, *door.headers()) for _ in range(4)]
    for number in waiting:
        client.http.send_data(number, bytes(2400))
    client.flush()
    assert client.ask(TRACES, grpc.framed(bytes(1000)), *door.headers()).status == "200 14"
    client.http.reset_stream(waiting.pop())
    client.flush()
    assert client.ask(TRACES, grpc.framed(bytes(1000)), *door.headers()).status == "200 0"
    client.socket.close()
    seen = door.gate.end()
    assert seen.refused == {TOO_MANY: 1, BROKEN: 2}
    assert door.gate.server is not None
    assert door.gate.server.under_way == 0


def test_what_is_begun_and_not_ended_in_time_is_let_go(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2, "BODY_SECONDS", 0.1)
    client = door.client()
    client.begin(TRACES, *door.headers())
    while not client.is_over:
        client.read()
    assert door.gate.end().refused == {TOO_SLOW: 1}


def test_who_does_not_show_the_secret_in_time_is_let_go(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STRANGER_SECONDS", 0.1)
    client = door.client()
    while not client.is_over:
        client.read()
    assert door.gate.end().intercepted == []


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 9,
        b"\xff" * 70_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes.fromhex("00000c0400000000000003000000ff00040000ff"),  # settings, and cut off
        bytes.fromhex("000004080000000000ffffffff") * 3,  # a window beyond all bounds
        (bytes.fromhex("0040000100000000 01") + bytes(16384)),  # a head without end
    ],
)
def test_broken_http_2_ends_its_own_connection_alone(door: Door, data: bytes) -> None:
    with socket.create_connection((HOST, door.gate.port), PATIENCE) as client:
        client.sendall(PREFACE + data)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    assert door.call(grpc.framed(MESSAGE)).status == "200 0"
    assert len(door.gate.end().intercepted) == 1


def test_headers_beyond_the_bound_are_refused(door: Door) -> None:
    client = door.client()
    more = [(f"x-{number}", "y" * 100) for number in range(limits.MAX_HEAD_BYTES // 100)]
    client.begin(TRACES, *door.headers(*more))
    while not client.is_over:
        client.read()
    seen = door.gate.end()
    assert (seen.intercepted, seen.refused) == ([], {NOT_HTTP: 1})


def test_a_client_that_takes_no_answer_ends_its_own_connection_alone(door: Door) -> None:
    client = door.client(window=0)
    number = client.begin(TRACES, *door.headers())
    client.send(number, grpc.framed(MESSAGE))
    while not client.is_over:
        client.read()
    assert door.call(grpc.framed(MESSAGE)).status == "200 0"


def test_without_its_extra_http_2_is_refused_and_the_extra_is_named(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cqtel_tui.gate.http2", None)
    with socket.create_connection((HOST, door.gate.port), PATIENCE) as client:
        client.sendall(PREFACE)
        assert client.recv(100).startswith(b"HTTP/1.1 505")
    seen = door.gate.end()
    assert seen.refused == {HTTP_2: 1}
    words = refused_words(seen.refused)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in words
    assert "[grpc]" in words or "h2" in words


# OpenTelemetry's own ------------------------------------------------------------------------------

CLIENT = """
import glob, logging, sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

logging.basicConfig(stream=sys.stderr)
state = sys.argv[1]
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("tracer", "1.0")
with tracer.start_as_current_span("checkout") as span:
    span.set_attribute("user.email", "alice@acme.example")
    span.record_exception(ValueError("hunter2"))
# The export has been acknowledged: it waits for redaction, or is pending.
print(len(glob.glob(state + "/outbox/intercepted/*/*.request")
          or glob.glob(state + "/outbox/pending/*.envelope")))
provider.shutdown()
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.grpc", reason="the OTLP/gRPC exporter is not installed"
    )
    found = Machine(tmp_path)
    del found.environment["PYTHONWARNINGS"]  # theirs are not ours to mend
    folder = found.config / "profiles"
    folder.mkdir(parents=True, mode=0o700)
    found.config.chmod(0o700)
    profile = SHIPPED.read_text().replace('name = "opentelemetry"', 'name = "shop"')
    (folder / "shop.toml").write_text(profile)
    (folder / "shop.toml").chmod(0o600)
    (found.project / "prog.py").write_text(CLIENT)
    return found


def shop(machine: Machine, **more: str) -> list[Envelope]:
    """Let a program report by gRPC beneath a gate; return what is pending of it."""
    ended = machine.wrap(sys.executable, "prog.py", str(machine.state), more=more)
    assert (ended.code, ended.lines) == (0, ["1"]), ended.said
    assert "ERROR" not in ended.said
    outbox = Outbox(str(machine.state))
    return [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]


@pytest.mark.parametrize("compression", ["", "gzip"])
def test_the_official_python_sdk_is_intercepted_by_grpc(machine: Machine, compression: str) -> None:
    own = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317/ignored",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=the-key,x-other=other",
        **({"OTEL_EXPORTER_OTLP_COMPRESSION": compression} if compression else {}),
        "http_proxy": "http://127.0.0.1:9",
    }
    (held,) = shop(machine, **own)
    assert (held.kind, held.app) == ("otlp-traces-protobuf", "shop")
    assert held.target == f"http://127.0.0.1:4317{TRACES}"
    assert held.headers == {"Content-Type": "application/grpc", "Api-Key": "the-key"}
    message = ExportTraceServiceRequest.FromString(held.payload)
    (span,) = message.resource_spans[0].scope_spans[0].spans
    assert span.name == "checkout"
    for secret in (b"alice", b"hunter2", b"cq-telemetry-secret"):
        assert secret not in held.payload
    assert b"cq-telemetry-secret" not in held.data


def test_what_came_by_grpc_is_shown_as_pending(machine: Machine) -> None:
    (held,) = shop(machine)
    assert held.target is None
    (listed,) = machine.cq("pending", "--json").json
    assert (listed["id"], listed["operation"]) == (held.id, "checkout")
    text = machine.cq("show", held.id).out.decode()
    assert "checkout" in text
    assert "alice" not in text
    assert "alice" in machine.cq("show", held.id, "--intercepted").out.decode()


def test_after_a_yes_it_goes_by_grpc_to_where_it_was_bound_for(machine: Machine) -> None:
    with serving() as service:
        own = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": service.url.removesuffix(TRACES),
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=the-key,x-other=other",
        }
        (held,) = shop(machine, **own)
        assert service.calls == []
        assert service.url in machine.cq("pending").out.decode()
        ended = machine.cq("send", held.id, "--once")
        assert ended.code == 0, ended.said
    assert service.calls == [(TRACES, held.payload)]
    assert service.metadata == [{"api-key": "the-key"}]
    (sent,) = machine.cq("sent", "--json").json
    assert (sent["id"], sent["receipt"]["url"]) == (held.id, service.url)


def test_a_place_of_the_users_own_does_not_get_the_secret(machine: Machine) -> None:
    witness = machine.witness("other")
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://own.example"}
    machine.wrap("other", more=own)
    assert not any(b"cq-telemetry-secret" in one for one in witness.last["environment"].values())
    machine.wrap("other", more={"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b"})
    environment = witness.last["environment"]
    assert environment[b"OTEL_EXPORTER_OTLP_HEADERS"].startswith(b"cq-telemetry-secret=")
    added = environment[b"OTEL_EXPORTER_OTLP_HEADERS"]
    assert environment[b"OTEL_EXPORTER_OTLP_TRACES_HEADERS"] == b"a=b," + added
    assert environment[b"OTEL_EXPORTER_OTLP_LOGS_HEADERS"] == added
