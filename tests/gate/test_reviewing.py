"""What the command line and the terminal UI show of an envelope of the gate."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.gate.channels import CLOUDQUERY, Channels
from cqtel_tui.gate.holding import Reporter, hold_requests
from cqtel_tui.gate.requests import Request
from cqtel_tui.gate.reviewing import beside, explained, readable, withheld_errors
from cqtel_tui.gate.trimming import without
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.review.intercepted import DROPPED_BY_USER, KEPT, REMOVED, REPLACED

if TYPE_CHECKING:
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Envelope

NOW = 1_800_000_000_000_000
MESSAGE = {
    "type": "track",
    "userId": "alice",
    "event": "sync_run_completed",
    "properties": {
        "status": "error",
        "error": "no such host",
        "destination_paths": ["cloudquery/postgresql", "acme/secret", "cloudquery/s3"],
    },
}


def hold(  # noqa: PLR0913  # what makes an intercepted request, each thing its own
    scrubbed: Path,
    body: bytes,
    path: str = "/v1/batch",
    *,
    channels: Channels = CLOUDQUERY,
    app: str = "cloudquery",
    debug: bool = False,
    **headers: str,
) -> Envelope:
    state = str(scrubbed / "state")
    project = scrubbed / "project"
    for name in ("postgresql", "s3"):
        folder = project / ".cq" / "plugins" / "destination" / "cloudquery" / name / "v8.0.0"
        folder.mkdir(parents=True, exist_ok=True)
    pairs = {"content-type": "application/json", **headers}
    named = tuple((name.replace("_", "-"), value) for name, value in pairs.items())
    run = Reporter(app, "1.0", str(project), "", "https://events.example", debug=debug)
    hold_requests(state, [Request("POST", path, named, body, NOW)], channels, run)
    outbox = Outbox(state)
    (label,) = outbox.labels(PENDING)
    return outbox.open(PENDING, label)


def test_each_value_of_a_batch_has_its_fate_and_its_reason(scrubbed: Path) -> None:
    body = gzip.compress(json.dumps({"batch": [MESSAGE]}).encode())
    envelope = hold(scrubbed, body, content_encoding="gzip")
    found = beside(envelope)
    fates = {row.path: (row.fate, row.why) for row in found.comparison.rows}
    assert fates["batch[0].event"] == (KEPT, "")
    assert fates["batch[0].properties.error"][0] == REMOVED
    assert "debug mode only" in fates["batch[0].properties.error"][1]
    listed = [fates[f"batch[0].properties.destination_paths[{at}]"][0] for at in range(3)]
    assert listed == [KEPT, REMOVED, KEPT]
    assert fates["batch[0].userId"][0] == REMOVED
    assert "a random ID replaces it" in fates["batch[0].userId"][1]
    assert withheld_errors(found.original) == 1
    assert found.comparison.problem == ""


def test_what_was_replaced_or_cut_and_then_dropped_was_dropped_by_the_user(scrubbed: Path) -> None:
    error = "x" * 5000
    message = {"event": "x", "anonymousId": "me", "properties": {"error": error}}
    body = json.dumps({"batch": [message]}).encode()
    envelope = hold(scrubbed, body, debug=True)
    before = {row.path: row.fate for row in beside(envelope).comparison.rows}
    paths = ["batch[0].anonymousId", "batch[0].properties.error"]
    assert [before[path] for path in paths] == [REPLACED, REPLACED]
    trimmed = replace(
        envelope, payload=without(envelope, paths), dropped=envelope.dropped + len(paths)
    )
    after = {row.path: (row.fate, row.why) for row in beside(trimmed).comparison.rows}
    assert [after[path] for path in paths] == [(REMOVED, DROPPED_BY_USER)] * 2


def test_nothing_is_said_to_be_dropped_by_the_user_that_the_redaction_took_out(
    scrubbed: Path,
) -> None:
    """An item that is no message shifts the others; a list has an item that may not leave."""
    odd = {"event": "x", "anonymousId": 7, "properties": {"error": {"a": [1]}}, "traits": {}}
    body = json.dumps({"batch": [[], odd, "text", {}, MESSAGE, {"userId": 0}]}).encode()
    rows = beside(hold(scrubbed, body)).comparison.rows
    assert {row.fate for row in rows} == {KEPT, REMOVED, REPLACED}
    assert not [row for row in rows if row.why == DROPPED_BY_USER]
    assert not [row for row in rows if row.fate != KEPT and not row.why]


@pytest.mark.parametrize(
    "attribute",
    [
        {"key": "labels", "value": {"arrayValue": {"values": [{"stringValue": "a b"}, {"x": 1}]}}},
        {"key": "labels", "value": {"arrayValue": {"values": [{}, {"intValue": "1"}]}}},
        {"key": "labels", "value": "plain"},
        {"key": "labels", "value": {"stringValue": "a"}, "more": 1},
        {"key": "labels"},
        {"key": "count", "value": {"intValue": 200}},
    ],
)
def test_each_part_of_an_attribute_has_its_reason(scrubbed: Path, attribute: Any) -> None:
    channels = Channels("X", fields={"labels": ("name",), "count": "count"})
    resource = {"resource": {"attributes": [attribute]}}
    body = json.dumps({"resourceSpans": [resource]}).encode()
    rows = beside(hold(scrubbed, body, "/v1/traces", channels=channels)).comparison.rows
    assert rows
    assert not [row for row in rows if row.fate != KEPT and row.why in {"", DROPPED_BY_USER}]


def protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", "shop"), ("host.name", "alices-laptop")):
        attribute = resource.resource.attributes.add()
        attribute.key = key
        attribute.value.string_value = value
    span = resource.scope_spans.add().spans.add()
    span.name = "checkout"
    span.trace_id, span.span_id = b"\x01" * 16, b"\x02" * 8
    span.start_time_unix_nano, span.end_time_unix_nano = 10, 20
    return bytes(request.SerializeToString())


def test_protobuf_is_compared_and_read_as_the_document_that_it_is(scrubbed: Path) -> None:
    channels = Channels("X", fields={"service.name": "name"})
    envelope = hold(
        scrubbed,
        protobuf(),
        "/v1/traces",
        channels=channels,
        app="shop",
        content_type="application/x-protobuf",
    )
    assert envelope.kind == "otlp-traces-protobuf"
    fates = {row.path: (row.fate, row.intercepted) for row in beside(envelope).comparison.rows}
    attributes = "resourceSpans[0].resource.attributes"
    assert fates[f'{attributes}["host.name"]'] == (REMOVED, "alices-laptop")
    assert fates[f'{attributes}["service.name"]'] == (KEPT, "shop")
    spans = "resourceSpans[0].scopeSpans[0].spans[0]"
    assert fates[f"{spans}.traceId"] == (REPLACED, "01" * 16)
    document = json.loads(readable(envelope))
    assert document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "checkout"
    rows = {row.key: row for row in explained(envelope, str(scrubbed)).rows}
    assert rows["service.name"].value == "shop"
    assert rows["name"].problem == ""


def test_what_nobody_can_read_is_not_compared_and_that_is_said(scrubbed: Path) -> None:
    envelope = hold(scrubbed, b"\x00\x01", "/v9/x", content_type="a/b")
    found = beside(envelope)
    assert found.comparison.rows == ()
    assert "byte for byte" in found.comparison.problem
    assert found.original.body == envelope.payload == readable(envelope)


PROFILE = """
name = "shop"
programs = ["shop"]
[intercept]
variable = "SHOP_URL"
[fields]
basket = "count"
labels = ["name"]
"""


def test_a_field_of_the_users_own_profile_is_known_as_theirs(scrubbed: Path) -> None:
    config = scrubbed / "config"
    folder = config / "profiles"
    folder.mkdir(parents=True, mode=0o700)
    config.chmod(0o700)
    path = folder / "shop.toml"
    path.write_text(PROFILE)
    path.chmod(0o600)
    said: dict[str, Any] = {"basket": 3, "labels": ["a"], "other": "x"}
    channels = Channels("X", fields={"basket": "count", "labels": ("name",), "other": "name"})
    body = json.dumps({"event": "bought", "properties": said}).encode()
    envelope = hold(scrubbed, body, "/v1/track", channels=channels, app="shop")
    rows = {row.key: row for row in explained(envelope, str(config)).rows}
    basket = rows["properties.basket"].field
    assert basket is not None
    assert basket.shape == "a count"
    assert "The profile of that program" in basket.why
    listed = rows["properties.labels[0]"].field
    assert listed is not None
    assert listed.shape == "a list, each a plain name"
    assert rows["properties.other"].problem == "not in the catalogue"
    path.write_text("name = ")
    rows = {row.key: row for row in explained(envelope, str(config)).rows}
    assert rows["properties.basket"].problem == "not in the catalogue"


@pytest.mark.parametrize("config", ["/no/such/folder", ""])
def test_without_a_profile_all_that_is_not_listed_is_unknown(
    scrubbed: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    project = scrubbed / "project" / "profiles"
    project.mkdir(parents=True, mode=0o700)
    (project / "shop.toml").write_text(PROFILE)
    (project / "shop.toml").chmod(0o600)
    monkeypatch.chdir(project.parent)
    channels = Channels("X", fields={"basket": "count"})
    body = json.dumps({"event": "bought", "properties": {"basket": 3}}).encode()
    envelope = hold(scrubbed, body, "/v1/track", channels=channels, app="shop")
    assert explained(envelope, config).unknown == 1, "never from a project"
