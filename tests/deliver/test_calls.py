"""What came by gRPC goes by gRPC, to a real server, and what that answers is understood."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.deliver.permission import NAMED
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.formats import MAX_BODY_BYTES, sha256
from cqtel_tui.formats.grpc import SIGNALS
from cqtel_tui.outbox.receipts import receipt_path
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.review.headers import request_headers

from .services import Service, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cqtel_tui.deliver.sender import SendResult

    from .conftest import Certificate, Machine

MESSAGE = b"\x0a\x04\x12\x02\x0a\x00"
HEADERS = {"Content-Type": "application/grpc", "Authorization": "Bearer key"}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        yield found


@pytest.fixture
def allowed(machine: Machine) -> Machine:
    machine.choose(**decide_telemetry("on"))
    return machine


def hold(machine: Machine, target: str, payload: bytes = MESSAGE) -> str:
    return machine.hold(
        payload,
        headers=HEADERS,
        kind="otlp-traces-protobuf",
        origin="gate",
        target=target,
        intercepted=b'{"has_error_text": false}\nall of it',
    )


def send(machine: Machine, **given: Any) -> SendResult:
    [result] = machine.sender(**given).send(machine.labels(), NAMED)
    return result


def answering(status: str, words: str, **more: str) -> Callable[[Any], bytes]:
    def answer(context: Any) -> bytes:
        context.set_trailing_metadata(tuple(more.items()))
        context.abort(getattr(grpc.StatusCode, status), words)
        return b""

    return answer


@pytest.mark.parametrize("path", SIGNALS)
def test_the_message_is_sent_byte_for_byte_with_its_own_headers_alone(
    allowed: Machine, service: Service, path: str
) -> None:
    url = service.url.replace(next(iter(SIGNALS)), path)
    identity = hold(allowed, url)
    result = send(allowed)
    assert result.outcome is Outcome.SENT, result.why
    assert service.calls == [(path, MESSAGE)]
    # grpcio shows none of those that HTTP/2 and gRPC have for themselves.
    assert service.metadata == [{"authorization": "Bearer key"}]
    receipt = result.receipt
    assert receipt is not None
    assert (receipt.id, receipt.sha256, receipt.url) == (identity, sha256(MESSAGE), url)
    assert (receipt.status, receipt.answer, receipt.length) == (200, "gRPC status 0", len(MESSAGE))
    [label] = allowed.labels(SENT)
    assert receipt_path(allowed.outbox.path(SENT, label)).exists()


def test_the_headers_that_are_shown_are_those_of_a_call() -> None:
    assert request_headers(HEADERS, 5, "http://127.0.0.1:4317/x") == (
        ("Host", "127.0.0.1:4317"),
        ("Te", "trailers"),
        *HEADERS.items(),
    )


def test_by_itself_it_goes_only_under_a_yes(machine: Machine, service: Service) -> None:
    hold(machine, service.url)
    [result] = machine.sender().send_due()
    assert (result.outcome, service.calls) == (Outcome.REFUSED, [])
    machine.choose(**decide_telemetry("on"))
    hold(machine, service.url)
    results = machine.sender().send_due()
    assert [one.outcome for one in results] == [Outcome.REFUSED, Outcome.SENT]
    assert len(service.calls) == 1


def test_a_message_larger_than_any_window_is_sent(allowed: Machine, service: Service) -> None:
    payload = b"\x0a" + b"\xfc\xff\xff\x00" + bytes(2097148)
    assert len(payload) < MAX_BODY_BYTES
    hold(allowed, service.url, payload)
    result = send(allowed)
    assert result.outcome is Outcome.SENT, result.why
    assert service.calls[0][1] == payload


@pytest.mark.parametrize(
    ("status", "like"),
    [
        ("INVALID_ARGUMENT", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("UNIMPLEMENTED", 404),
        ("RESOURCE_EXHAUSTED", 413),
        ("INTERNAL", 500),
        ("UNKNOWN", 500),
    ],
)
def test_what_a_service_refuses_is_rejected_with_its_words(
    allowed: Machine, service: Service, status: str, like: int
) -> None:
    service.answer = answering(status, "no: 100 % wrong")
    identity = hold(allowed, service.url)
    result = send(allowed)
    assert (result.outcome, allowed.rejected) == (Outcome.REJECTED, [identity])
    receipt = result.receipt
    assert receipt is not None
    assert receipt.status == like
    assert receipt.answer.startswith("gRPC status ")
    assert receipt.answer.endswith(": no: 100 % wrong")


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("UNAVAILABLE", {}),
        ("DEADLINE_EXCEEDED", {}),
        ("ABORTED", {}),
        ("RESOURCE_EXHAUSTED", {"grpc-status-details-bin": b"any"}),
    ],
)
def test_what_is_to_be_tried_again_stays(
    allowed: Machine, service: Service, status: str, more: dict[str, Any]
) -> None:
    service.answer = answering(status, "later", **more)
    identity = hold(allowed, service.url)
    result = send(allowed)
    assert (result.outcome, allowed.pending) == (Outcome.POSTPONED, [identity])
    assert allowed.in_doubt() == []
    service.answer = lambda _: b""
    assert send(allowed).outcome is Outcome.SENT


def test_what_a_service_took_in_part_is_told(allowed: Machine, service: Service) -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 3
    response.partial_success.error_message = "three of them"
    service.answer = lambda _: response.SerializeToString()
    hold(allowed, service.url)
    result = send(allowed)
    assert result.outcome is Outcome.SENT
    assert result.why == "it responded 200, and refused 3 spans: three of them"


@pytest.mark.parametrize(
    "body", [b"\xff" * 100, b"\x0a\xff", b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01"]
)
def test_an_answer_that_cannot_be_read_is_one_all_the_same(
    allowed: Machine, service: Service, body: bytes
) -> None:
    service.answer = lambda _: body
    hold(allowed, service.url)
    result = send(allowed)
    assert (result.outcome, result.why) == (Outcome.SENT, "it responded 200")


def test_an_answer_without_end_is_cut(allowed: Machine, service: Service) -> None:
    service.answer = lambda _: bytes(1 << 20)
    identity = hold(allowed, service.url)
    result = send(allowed)
    assert (result.outcome, allowed.pending) == (Outcome.POSTPONED, [identity])
    assert "longer than" in result.why


def test_another_service_is_not_there(allowed: Machine, service: Service) -> None:
    hold(allowed, service.url.replace("Export", "Import"))
    result = send(allowed)
    assert result.outcome is Outcome.REJECTED
    assert "gRPC status 12" in result.why


# Whoever speaks no gRPC ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", bytes(9)])
def test_who_does_not_speak_http_2_gets_nothing(allowed: Machine, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        received = bytearray()

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                received.extend(client.recv(65536))
                client.sendall(answer)
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(65536):
                    received.extend(part)

        serving_it = threading.Thread(target=serve)
        serving_it.start()
        hold(allowed, f"http://127.0.0.1:{listening.getsockname()[1]}{next(iter(SIGNALS))}")
        result = send(allowed)
        serving_it.join()
    assert result.outcome is Outcome.POSTPONED
    assert_no_thread_stays()
    # The preface, and a frame with settings: no head of a request.
    assert received[:24] == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    assert HEADS not in _kinds(bytes(received[24:]))


HEADS = 1


def _kinds(frames: bytes) -> set[int]:
    kinds = set()
    while frames:
        kinds.add(frames[3])
        frames = frames[9 + int.from_bytes(frames[:3], "big") :]
    return kinds


def test_a_server_that_never_answers_is_left_in_time(allowed: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hold(allowed, f"http://127.0.0.1:{listening.getsockname()[1]}{next(iter(SIGNALS))}")
        result = send(allowed, request_seconds=0.2)
    assert result.outcome is Outcome.POSTPONED
    assert "not in 0.2 s, but it may have arrived" in result.why
    assert_no_thread_stays()


def test_who_is_not_there_is_told(allowed: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    hold(allowed, f"http://127.0.0.1:{port}{next(iter(SIGNALS))}")
    assert "nothing listens there" in send(allowed).why


def assert_no_thread_stays() -> None:
    until = time.monotonic() + 60
    while any("run" not in one.name and one.daemon for one in threading.enumerate()):
        if time.monotonic() > until:
            raise AssertionError([one.name for one in threading.enumerate()])
        time.sleep(0.01)


def test_no_proxy_is_gone_around(allowed: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:word@127.0.0.1:9")
    hold(allowed, f"https://otlp.invalid:4317{next(iter(SIGNALS))}")
    result = send(allowed)
    assert result.outcome is Outcome.POSTPONED
    assert "gRPC is not sent through a proxy, and http://" in result.why
    assert "word" not in result.why


def test_without_its_extra_it_stays_and_the_extra_is_named(
    allowed: Machine, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "h2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "h2", None)
    identity = hold(allowed, service.url)
    result = send(allowed)
    assert (result.outcome, allowed.ids(PENDING)) == (Outcome.POSTPONED, [identity])
    assert "h2 is not installed: pip install" in result.why
    assert service.calls == []


# TLS ----------------------------------------------------------------------------------------------


def secured(certificate: Certificate) -> Any:
    key = certificate.path.with_name("key.pem").read_bytes()
    return grpc.ssl_server_credentials([(key, certificate.path.read_bytes())])


def test_a_certificate_that_is_trusted_is_called(
    allowed: Machine,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = certified("IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(credentials=secured(certificate)) as service:
        hold(allowed, service.url)
        result = send(allowed)
    assert result.outcome is Outcome.SENT, result.why
    assert [message for _, message in service.calls] == [MESSAGE]


@pytest.mark.parametrize(("name", "is_trusted"), [("IP:127.0.0.1", False), ("IP:127.0.0.2", True)])
def test_a_certificate_that_is_not_trusted_or_of_another_gets_nothing(
    allowed: Machine,
    certified: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *,
    is_trusted: bool,
) -> None:
    certificate = certified(name)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    with serving(credentials=secured(certificate)) as service:
        hold(allowed, service.url)
        result = send(allowed)
    assert (result.outcome, service.calls) == (Outcome.POSTPONED, [])
    assert "CERTIFICATE_VERIFY_FAILED" in result.why
    assert allowed.ids(REJECTED) == []
