from __future__ import annotations

import errno
import gzip
import json
import os
import random
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from cqtel_tui.formats import MAX_BODY_BYTES, UNREDACTED
from cqtel_tui.formats.headers import needed_headers
from cqtel_tui.gate import holding, protocols
from cqtel_tui.gate.channels import CLOUDQUERY, Channels
from cqtel_tui.gate.holding import Original, Reporter, hold_requests, read_original
from cqtel_tui.gate.process import run
from cqtel_tui.gate.profiles import CLOUDQUERY as PROFILE
from cqtel_tui.gate.requests import Request
from cqtel_tui.gate.reviewing import beside, explained, header_fates
from cqtel_tui.gate.variables import held
from cqtel_tui.outbox.envelope import TornEnvelopeError
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.review.destination import UNREDACTED_WORDS
from cqtel_tui.review.leaks import scan
from cqtel_tui.review.needles import Surroundings

from .served import ServedGate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cqtel_tui.outbox.envelope import Envelope, Label

WRITE_KEY = "Basic a2V5Og=="
NOW = 1_800_000_000_000_000
EVENT = {
    "type": "track",
    "anonymousId": "e027be13-57ef-4595-9bce-9cb1843bcb81",
    "event": "init_completed",
    "properties": {"error": "password hunter2", "status": "error", "spec_path": "/home/alice"},
}
BODY = json.dumps({"batch": [EVENT]}).encode()


def intercepted(body: bytes = BODY, path: str = "/v1/batch", **headers: str) -> Request:
    pairs = {"content-type": "application/json", "authorization": WRITE_KEY, **headers}
    named = tuple((name.replace("_", "-"), value) for name, value in pairs.items())
    return Request("POST", path, named, body, NOW)


def one_run(**given: Any) -> Reporter:
    return Reporter(
        **{
            "app": "cloudquery",
            "version": "6.21.1",
            "project": "/project",
            "operation": "00000000000000aa",
            "upstream": "https://events.example",
            "debug": False,
            **given,
        }
    )


class Home:
    """A state folder, and what is held in it."""

    def __init__(self, folder: Path) -> None:
        self.state = str(folder / "state")
        self.outbox = Outbox(self.state)

    def hold(self, *requests: Request, **given: Any) -> list[Label]:
        hold_requests(self.state, requests, CLOUDQUERY, one_run(**given))
        return self.labels

    @property
    def labels(self) -> list[Label]:
        return self.outbox.labels(PENDING)

    def open(self, label: Label) -> Envelope:
        return self.outbox.open(PENDING, label)

    def original(self, label: Label) -> Original:
        return read_original(self.open(label).intercepted)


@pytest.fixture
def home(scrubbed: Path) -> Home:
    return Home(scrubbed)


def test_what_would_be_sent_is_in_the_envelope_and_what_was_intercepted_beside_it(
    home: Home,
) -> None:
    body = gzip.compress(BODY)
    (label,) = home.hold(intercepted(body, content_encoding="gzip"))
    envelope = home.open(label)
    sent = json.loads(envelope.payload)["batch"][0]
    assert sent["properties"] == {"status": "error"}
    assert envelope.target == "https://events.example/v1/batch"
    assert envelope.headers == {"Content-Type": "application/json", "Authorization": WRITE_KEY}
    original = home.original(label)
    assert (original.request.body, original.body) == (body, BODY)
    assert original.operation == "00000000000000aa"
    assert {one.path for one in original.removals} == {
        "batch[0].anonymousId",
        "batch[0].properties.error",
        "batch[0].properties.spec_path",
    }
    assert envelope.dropped == 3


def test_its_label_says_what_it_is_without_opening_it(home: Home) -> None:
    (label,) = home.hold(intercepted())
    assert (label.origin, label.app, label.version) == ("gate", "cloudquery", "6.21.1")
    assert (label.operation, label.outcome, label.created) == ("init_completed", "failed", NOW)
    assert home.open(label).kind == "rudderstack"


def test_the_error_text_is_intercepted_always_and_sent_in_debug_mode_only(home: Home) -> None:
    home.hold(intercepted())
    home.hold(intercepted(), debug=True)
    sent = {b"hunter2" in home.open(label).payload for label in home.labels}
    kept = [home.original(label) for label in home.labels]
    assert sent == {False, True}
    assert all(b"hunter2" in one.body for one in kept)
    assert {one.has_error_text for one in kept} == {False, True}


def test_a_mistake_of_ours_with_one_request_takes_no_other_along(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def understand(request: Request, rules: Any) -> Any:
        if request.when == NOW + 1:
            raise RuntimeError("a mistake of ours")
        return real(request, rules)

    real = protocols.understand
    monkeypatch.setattr(holding, "understand", understand)
    home.hold(*(replace(intercepted(), when=NOW + number) for number in range(3)))
    kinds = {label.created: home.open(label).kind for label in home.labels}
    assert kinds == {NOW: "rudderstack", NOW + 1: UNREDACTED, NOW + 2: "rudderstack"}


def test_what_could_not_be_redacted_has_nothing_that_could_be_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def understand(*_: object) -> NoReturn:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(holding, "understand", understand)
    (label,) = home.hold(intercepted())
    envelope = home.open(label)
    assert (envelope.kind, envelope.payload, envelope.headers) == (UNREDACTED, b"", {})
    assert home.original(label).body == BODY
    assert explained(envelope, "").unreadable == UNREDACTED_WORDS
    assert beside(envelope).comparison.problem == UNREDACTED_WORDS


def test_what_would_be_larger_than_what_is_read_is_not_sent(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MAX_BYTES", 100)
    (label,) = home.hold(intercepted())
    assert (home.open(label).kind, home.open(label).payload) == (UNREDACTED, b"")


def spans(size: int) -> bytes:
    """Return traces of so many bytes as an SDK writes them, with one span after the other."""
    attributes = [
        {"key": f"http.request.header.{at}", "value": {"stringValue": f"canary {at}"}}
        for at in range(8)
    ]
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "sync",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "attributes": attributes,
    }
    one = json.dumps(span, separators=(",", ":")).encode()
    before, after = b'{"resourceSpans":[{"scopeSpans":[{"spans":[', b"]}]}]}"
    count = (size - len(before) - len(after) + 1) // (len(one) + 1)
    return (before + b",".join([one] * count) + after).ljust(size)


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_of_as_many_bytes_as_the_gate_takes_is_read_redacted_and_shown(
    home: Home, encoding: str
) -> None:
    body = spans(MAX_BODY_BYTES)
    sent = gzip.compress(body) if encoding else body
    (label,) = home.hold(intercepted(sent, "/v1/traces", content_encoding=encoding))
    envelope = home.open(label)
    assert envelope.kind == "otlp-traces-json"
    assert b"canary" not in envelope.payload
    assert not explained(envelope, "").unreadable
    assert not beside(envelope).comparison.problem
    assert scan(envelope.payload, Surroundings()).findings == ()


def test_a_body_of_as_many_bytes_that_nobody_can_read_can_be_opened(home: Home) -> None:
    body = random.Random(4).randbytes(MAX_BODY_BYTES)  # noqa: S311  # the same each time
    (label,) = home.hold(intercepted(body, "/v9/x"))
    assert (home.open(label).kind, home.open(label).payload) == ("unknown", body)


def test_arguments_of_the_command_are_looked_for_and_not_written_down(home: Home) -> None:
    message = EVENT | {"properties": {"status": "error", "warnings": "12345678"}}
    body = json.dumps({"batch": [message]}).encode()
    given = ("sync", "--source", "jane-doe", "--limit", "12345678")
    (label,) = home.hold(intercepted(body), arguments=given, allowed=frozenset({"sync"}))
    envelope = home.open(label)
    assert home.original(label).arguments == ("batch[0].properties.warnings",)
    assert b"jane-doe" not in envelope.intercepted + envelope.payload
    home.hold(intercepted())
    assert {home.original(one).arguments is None for one in home.labels} == {True, False}


def test_one_run_has_the_same_random_ids_in_all_its_requests(home: Home) -> None:
    home.hold(intercepted(), intercepted())
    home.hold(intercepted())
    ids = [json.loads(home.open(one).payload)["batch"][0]["anonymousId"] for one in home.labels]
    assert len(ids) == 3
    assert len(set(ids)) == 2
    assert EVENT["anonymousId"] not in ids


def test_what_is_unknown_is_held_raw_with_the_encoding_it_has(home: Home) -> None:
    body = gzip.compress(b"\x00\x01")
    (label,) = home.hold(
        intercepted(body, "/v9/x?y=z", content_encoding="gzip", content_type="a/b")
    )
    envelope = home.open(label)
    assert (envelope.kind, envelope.payload, label.operation) == ("unknown", body, "unnamed")
    assert envelope.target == "https://events.example/v9/x?y=z"
    assert envelope.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("given", "request_"),
    [
        ({"upstream": ""}, intercepted()),
        ({"upstream": "http://events.example"}, intercepted()),
        ({"upstream": "file:///etc"}, intercepted()),
        ({}, Request("PUT", "/v1/batch", (), BODY, NOW)),
    ],
)
def test_what_may_not_be_sent_to_where_it_was_bound_has_no_target(
    home: Home, given: dict[str, str], request_: Request
) -> None:
    (label,) = home.hold(request_, **given)
    assert home.open(label).target is None


def test_a_credential_is_kept_only_where_it_is_needed(home: Home) -> None:
    (label,) = home.hold(intercepted())
    assert WRITE_KEY.encode() not in home.open(label).intercepted
    assert home.original(label).request.header("authorization") == "Basic •••••••• (8 characters)"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/batch", {"Content-Type", "Authorization", "X-Forwarded-Key"}),
        ("/v1/traces", {"Content-Type", "Authorization", "X-Forwarded-Key"}),
        ("/v9/x", {"Content-Type", "Authorization", "Content-Encoding", "X-Forwarded-Key"}),
    ],
)
def test_the_headers_of_its_protocol_leave_and_all_others_are_listed_as_removed(
    home: Home, path: str, sent: set[str]
) -> None:
    bodies = {"/v1/batch": {"batch": [EVENT]}, "/v1/traces": {"resourceSpans": []}, "/v9/x": {}}
    body = json.dumps(bodies[path])
    more = {"anonymousid": "e027be13", "user-agent": "x/1 (alice)", "x-forwarded-key": "1"}
    request = intercepted(gzip.compress(body.encode()), path, content_encoding="gzip", **more)
    channels = Channels(variable="", forwarded=("x-forwarded-key",))
    hold_requests(home.state, [request], channels, one_run())
    (label,) = home.labels
    envelope = home.open(label)
    assert set(envelope.headers) == sent
    fates = {one.name: one for one in header_fates(envelope, home.original(label))}
    removed = {name for name, one in fates.items() if not one.sent}
    undone = {"content-encoding"} - {name.lower() for name in sent}
    assert removed == {"anonymousid", "user-agent"} | undone
    assert {fates[name].why for name in removed} == {"not on the list of headers that may leave"}


def test_a_protocol_that_the_list_of_headers_does_not_have_needs_none() -> None:
    assert needed_headers("otlp-logs-protobuf") == {"authorization"}
    assert needed_headers("rudderstack") == {"authorization"}
    assert needed_headers(UNREDACTED) == needed_headers("new-one-json") == frozenset()


def test_names_that_are_none_do_not_reach_the_label(home: Home) -> None:
    body = json.dumps({"batch": [{**EVENT, "event": "../../x,y"}]}).encode()
    (label,) = home.hold(intercepted(body), app="a,b/c", version="1,2")
    assert (label.app, label.version, label.operation) == ("unnamed", "", "unnamed")


def test_an_original_goes_where_its_envelope_goes(home: Home) -> None:
    (label,) = home.hold(intercepted())
    before = home.original(label)
    data = home.outbox.read(PENDING, label)
    home.outbox.drop(PENDING, label)
    assert list((home.outbox.folder / PENDING).iterdir()) == []
    home.outbox.put_back(PENDING, label, data)
    home.outbox.postpone(label)
    (label,) = home.labels
    assert home.original(label) == before


def test_an_original_that_was_altered_is_not_believed(home: Home) -> None:
    (label,) = home.hold(intercepted())
    path = home.outbox.path(PENDING, label)
    sealed = path.read_bytes()
    for damaged in (sealed[:-1], sealed + b"x", sealed[:-1] + b"x"):
        path.write_bytes(damaged)
        with pytest.raises(TornEnvelopeError):
            home.open(label)


@pytest.mark.parametrize("damaged", [b"", b"{}", b"{}\n", b"\xff\n", b"[]\n", b"null\n"])
def test_what_is_no_original_is_told_of(damaged: bytes) -> None:
    with pytest.raises(TornEnvelopeError, match="the intercepted original cannot be read"):
        read_original(damaged)


def test_a_header_that_cannot_be_sent_is_left_out(home: Home) -> None:
    (label,) = home.hold(intercepted(authorization="Basic " + "x" * 5000))
    (other,) = [one for one in home.hold(intercepted(authorization="a\xa0b")) if one != label]
    assert home.open(label).headers == home.open(other).headers
    assert "Authorization" not in home.open(label).headers


def test_what_cannot_be_written_is_counted_and_leaves_nothing_behind(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.hold(intercepted())

    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(holding, "hold", full)
    home.hold(intercepted())
    assert len(home.labels) == 1
    assert home.outbox.losses() == 1


def test_nothing_intercepted_leaves_nothing(home: Home) -> None:
    assert hold_requests(home.state, [], CLOUDQUERY, one_run()) == []
    assert not Path(home.state).exists()


# The real program ---------------------------------------------------------------------------------


class _Api(BaseHTTPRequestHandler):
    """What CloudQuery asks for plugins: it says no at once, so that nobody tries again."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        pass


@pytest.fixture
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def cloudquery() -> str:
    found = find_spec("cloudquery")
    if found is None or found.origin is None or sys.platform != "linux":
        pytest.skip("the real CloudQuery is not installed")
    return str(Path(found.origin).parent / "bin" / "cloudquery")


@pytest.mark.parametrize("debug", [False, True])
def test_the_real_cloudquery_is_intercepted_and_redacted(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, *, debug: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    program = cloudquery()
    gate = ServedGate()
    inherited = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "CLOUDQUERY_API_URL": api}
    opened = held([PROFILE], inherited, gate)
    command = [program, "init", "--yes", "--source", "hackernews", "--destination", "postgresql"]
    try:
        outcome = run(command, opened.variables, on_start=lambda _: gate.begin())
    finally:
        seen = gate.end()
    assert outcome.exit_code == 1
    assert seen.refused.total() == 0
    home_run = one_run(upstream=opened.upstreams["cloudquery"], debug=debug)
    assert hold_requests(home.state, seen.intercepted, CLOUDQUERY, home_run)
    messages, originals = [], b""
    for label in home.labels:
        envelope = home.open(label)
        assert envelope.target == "https://analytics-events.cloudquery.io/v1/batch"
        messages += json.loads(envelope.payload)["batch"]
        originals += home.original(label).body
    assert [one["event"] for one in messages] == ["init_started", "init_completed"]
    error = messages[1]["properties"].pop("error", None)
    # No registry gave these plugins: what the options said has the same form.
    assert messages[1]["properties"] == {"status": "error"}
    assert b"401 Unauthorized" in originals
    assert (error is not None) is debug
