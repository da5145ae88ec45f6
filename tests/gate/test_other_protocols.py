"""What other programs report by: Sentry, PostHog, Snowplow, Segment, and forms of their own."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from cqtel_tui.formats.documents import as_document
from cqtel_tui.gate.channels import Channels
from cqtel_tui.gate.field_shapes import fields_at
from cqtel_tui.gate.holding import Reporter, hold_requests
from cqtel_tui.gate.names import Names
from cqtel_tui.gate.protocols import understand
from cqtel_tui.gate.protocols.described import Description
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import Rules
from cqtel_tui.gate.requests import Request
from cqtel_tui.gate.responses import UNKNOWN, protocol_of, response_to
from cqtel_tui.gate.reviewing import beside, explained
from cqtel_tui.gate.trimming import fields, without
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from .served import ServedGate

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0  # seconds, for a machine under load; nothing here takes so long by design
UUID = "e027be13-57ef-4595-9bce-9cb1843bcb81"
SECRETS = ("alice", "hunter2", "/home", "acme", UUID)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
OWN = fields_at(
    {
        "version": "version",
        "command": "event",
        "duration": "count",
        "error": "error text",
        "metrics/*/run/name": "event",
        "metrics/*/run/duration": "count",
        "metrics/*/run/tags": ("name",),
        "payload/base64/version": "version",
        "python/version": "version",
    }
)


def request(path: str, body: bytes, content_type: str = JSON, **headers: str) -> Request:
    pairs = [("content-type", content_type)]
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("POST" if body else "GET", path, tuple(pairs), body, 0)


def rules(protocol: str = "", *, debug: bool = False) -> Rules:
    return Rules(OWN, Pseudonyms(b"key"), debug=debug, names=Names(), protocol=protocol)


def sent(found: Any) -> Any:
    data = found.redaction.sent
    assert not any(secret.encode() in data for secret in SECRETS)
    return as_document(found.kind, data)


# Sentry -------------------------------------------------------------------------------------------

ERROR = {
    "event_id": UUID,
    "timestamp": "2026-11-22T08:30:03.568622Z",
    "level": "fatal",
    "platform": "go",
    "release": "6.21.1",
    "server_name": "laptop-of-alice",
    "user": {"id": "alice", "ip_address": "192.0.2.1"},
    "request": {"url": "https://acme.example"},
    "breadcrumbs": [{"message": "hunter2"}],
    "extra": {"argv": "--password hunter2"},
    "contexts": {"device": {"name": "alice"}, "runtime": {"name": "go", "version": "1.24"}},
    "exception": {
        "values": [
            {
                "type": "PanicError",
                "value": "cannot open /home/alice/spec.yml",
                "stacktrace": {
                    "frames": [
                        {"function": "load_acme", "abs_path": "/home/alice/x.go", "lineno": 7}
                    ]
                },
            }
        ]
    },
}


def envelope(*items: tuple[dict[str, Any], bytes]) -> bytes:
    lines = [json.dumps({"event_id": UUID, "dsn": "https://key@acme.example/1"}).encode()]
    for header, payload in items:
        lines += [json.dumps(header).encode(), payload]
    return b"\n".join(lines)


def test_of_a_sentry_envelope_the_kind_of_error_is_sent_and_nothing_around_it() -> None:
    body = envelope(
        ({"type": "event"}, json.dumps(ERROR).encode()),
        ({"type": "attachment", "length": 7, "filename": "spec.yml"}, b"hunter2"),
        ({"type": "client_report"}, b'{"discarded_events":[]}'),
    )
    packed = gzip.compress(body)
    found = understand(request("/api/7/envelope/", packed, content_encoding="gzip"), rules())
    assert found.kind == "sentry"
    assert found.content_type == "application/x-sentry-envelope"
    assert found.description == Description("event", "failed", 0)
    [item] = sent(found)["items"]
    assert item["header"] == {"type": "event"}
    assert item["payload"].keys() == {
        *("event_id", "timestamp", "level", "platform", "release", "contexts", "exception")
    }
    assert item["payload"]["contexts"] == {"runtime": {"name": "go", "version": "1.24"}}
    assert item["payload"]["exception"]["values"] == [
        {"type": "PanicError", "stacktrace": {"frames": [{"lineno": 7}]}}
    ]
    why = {one.path: one.why for one in found.redaction.removals}
    assert why["items[1]"] == "nothing of an item of this type is on the list of what may leave"


def test_the_text_of_an_error_is_in_a_sentry_envelope_in_debug_mode_only() -> None:
    body = envelope(({"type": "event"}, json.dumps(ERROR).encode()))
    found = understand(request("/api/7/envelope/", body), rules(debug=True))
    assert found.redaction.has_error_text
    document: Any = as_document("sentry", found.redaction.sent)
    [error] = document["items"][0]["payload"]["exception"]["values"]
    assert error["value"] == "cannot open /home/alice/spec.yml"
    assert error["stacktrace"] == {"frames": [{"function": "load_acme", "lineno": 7}]}


@pytest.mark.parametrize(
    "body",
    [
        b"[]\n",
        b'{"event_id":"x"}\n{"type":"event","length":900}\n{}',
        b'{}\n{"type":"event","length":-1}\n{}',
        b'{}\n"text"\n{}',
        b"{}\n" + b'{"type":"event"}\n{}\n' * 1001,
        b"\xff",
    ],
)
def test_what_is_no_envelope_is_held_as_it_came(body: bytes) -> None:
    found = understand(request("/api/7/envelope/", body), rules())
    assert (found.kind, found.redaction.sent) == (UNKNOWN, body)


# PostHog ------------------------------------------------------------------------------------------

CAPTURE = {
    "event": "deploy finished",
    "distinct_id": UUID,
    "timestamp": "2026-11-22T08:30:03Z",
    "properties": {
        "$lib": "posthog-python",
        "$lib_version": "6.0.0",
        "$set": {"email": "alice@acme.example"},
        "$ip": "192.0.2.1",
        "version": "1.2.3",
        "path": "/home/alice",
    },
}
KEY = "phc_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/batch/", json.dumps({"api_key": KEY, "batch": [CAPTURE]}).encode(), JSON),
        ("/ingest/x", json.dumps({"api_key": KEY, "batch": [CAPTURE]}).encode(), JSON),
        ("/i/v0/e/", gzip.compress(json.dumps({"api_key": KEY, **CAPTURE}).encode()), "text/plain"),
        (
            "/e/?ip=1",
            urlencode(
                {"data": base64.b64encode(json.dumps({"api_key": KEY, **CAPTURE}).encode())}
            ).encode(),
            FORM,
        ),
    ],
)
def test_posthog_is_read_in_each_of_its_forms(path: str, body: bytes, content_type: str) -> None:
    found = understand(request(path, body, content_type), rules())
    assert found.kind == "posthog"
    assert found.description == Description("deploy_finished")
    document = sent(found)
    [event] = document.get("batch", [document])
    assert document["api_key"] == KEY
    assert event["properties"] == {
        "$lib": "posthog-python",
        "$lib_version": "6.0.0",
        "version": "1.2.3",
    }
    assert event["event"] == "deploy finished"
    assert event["distinct_id"] != UUID


# Snowplow -----------------------------------------------------------------------------------------


def in_base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


SELF_DESCRIBING = {
    "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
    "data": {
        "schema": "iglu:com.acme-tool/cli_event/jsonschema/1-0-0",
        "data": {"version": "1.2.3", "project": "/home/alice", "command": "run"},
    },
}
TRACKED = {
    "e": "ue",
    "eid": UUID,
    "duid": UUID,
    "tv": "py-1.0.2",
    "aid": "tool",
    "p": "srv",
    "dtm": "1700000000000",
    "ip": "192.0.2.1",
    "tz": "Europe/Berlin",
    "ue_px": in_base64(SELF_DESCRIBING),
    "cx": in_base64({"schema": SELF_DESCRIBING["schema"], "data": [SELF_DESCRIBING["data"]]}),
}
POSTED = {
    "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
    "data": [TRACKED],
}


@pytest.mark.parametrize("path", ["/com.snowplowanalytics.snowplow/tp2", "/of/our-own"])
def test_snowplow_is_redacted_within_its_base64(path: str) -> None:
    found = understand(request(path, json.dumps(POSTED).encode()), rules())
    assert found.kind == "snowplow"
    assert found.description.operation == "cli_event"
    [event] = json.loads(found.redaction.sent)["data"]
    inner = json.loads(base64.b64decode(event["ue_px"]))
    assert inner["data"]["data"] == {"version": "1.2.3", "command": "run"}
    assert json.loads(base64.b64decode(event["cx"]))["data"][0]["data"].keys() == {
        *("version", "command")
    }
    assert not {"ip", "tz"} & event.keys()
    assert event["eid"] != UUID
    sent(found)


# Segment ------------------------------------------------------------------------------------------

TRACK = {
    "event": "command_run",
    "anonymousId": UUID,
    "properties": {"version": "1.2.3", "path": "/home/alice"},
    "context": {"os": {"name": "alice"}},
}


@pytest.mark.parametrize("path", ["/v1/t", "/beacon/v1/track", "/", "/anything/of/ours"])
def test_a_message_of_segment_is_known_by_its_path_or_its_shape(path: str) -> None:
    found = understand(request(path, json.dumps(TRACK).encode(), "text/plain"), rules())
    assert found.kind == "rudderstack"
    assert sent(found)["properties"] == {"version": "1.2.3"}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/beacon/v1/batch", "/own"])
def test_a_batch_of_segment_is_known_by_its_path_or_its_shape(path: str) -> None:
    found = understand(request(path, json.dumps({"batch": [TRACK, TRACK]}).encode()), rules())
    assert found.kind == "rudderstack"
    assert [one["event"] for one in sent(found)["batch"]] == ["command_run"] * 2


def test_a_pixel_of_segment_is_read_from_its_query() -> None:
    found = understand(request(f"/v1/pixel/track?data={in_base64(TRACK)}", b""), rules())
    assert found.kind == "rudderstack"
    assert sent(found)["event"] == "command_run"


# A program's own form -----------------------------------------------------------------------------


def test_of_a_programs_own_json_only_the_fields_of_its_profile_are_sent() -> None:
    run = {"name": "build", "duration": 90, "tags": ["ci", "/home/alice"], "user": "alice"}
    body = json.dumps({"metrics": [{"run": run}], "machine": UUID, "version": "1.2.3"}).encode()
    found = understand(request("/metrics", body), rules("own"))
    assert found.kind == "own-json"
    assert found.description == Description("build", "", 90)
    assert sent(found) == {
        "metrics": [{"run": {"name": "build", "duration": 90, "tags": ["ci"]}}],
        "version": "1.2.3",
    }


def test_of_a_form_only_the_fields_of_its_profile_are_sent() -> None:
    held = base64.b64encode(json.dumps({"version": "1.2.3", "user": "alice"}).encode())
    body = urlencode({"command": "deploy all", "user": "alice", "payload": held}).encode()
    found = understand(request("/", body, FORM), rules("own"))
    assert found.kind == "own-form"
    assert found.description.operation == "deploy_all"
    assert sent(found) == {"command": "deploy all", "payload": {"base64": {"version": "1.2.3"}}}
    assert b"user" not in found.redaction.sent


def test_a_query_and_a_user_agent_are_read_and_never_sent(tmp_path: Path) -> None:
    agent = 'tool/1.2.3 (alice; Linux) {"python":{"version":"3.11.7"},"user":"alice"}'
    one = request("/check/tool?version=1.2.3&signature=hunter2", b"", user_agent=agent)
    found = understand(one, rules("own"))
    assert found.kind == "own-query"
    assert sent(found) == {
        "query": {"version": "1.2.3"},
        "userAgent": {
            "products": [{"name": "tool", "version": "1.2.3"}],
            "told": {"python": {"version": "3.11.7"}},
        },
    }
    envelope = held(tmp_path, one, "own")
    assert envelope.target is None
    assert {row.fate for row in beside(envelope).comparison.rows} == {"kept", "removed"}


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\xff\x00", JSON), (b"a=b;c", "text/plain"), (b'"text"', JSON)]
)
def test_what_cannot_be_read_stays_opaque(body: bytes, content_type: str) -> None:
    found = understand(request("/metrics", body, content_type), rules("own"))
    assert (found.kind, found.redaction.sent) == (UNKNOWN, body)


def test_json_that_no_profile_knows_stays_opaque() -> None:
    body = b'{"anything":"alice"}'
    found = understand(request("/metrics", body), rules())
    assert (found.kind, found.redaction.sent) == (UNKNOWN, body)


# Held, shown and trimmed --------------------------------------------------------------------------


def held(state: Path, one: Request, protocol: str = "") -> Any:
    channels = Channels("TOOL_URL", fields=OWN, protocol=protocol)
    reporter = Reporter("tool", "", "", "", "https://stats.example", debug=False)
    [name] = hold_requests(str(state), [one], channels, reporter)
    outbox = Outbox(str(state))
    return outbox.open(*outbox.find(name.split(",")[1], [PENDING]))


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/7/envelope/", envelope(({"type": "event"}, json.dumps(ERROR).encode())), "sentry"),
        ("/api/7/store/", json.dumps(ERROR).encode(), "sentry-event"),
        ("/batch/", json.dumps({"api_key": KEY, "batch": [CAPTURE]}).encode(), "posthog"),
        ("/com.snowplowanalytics.snowplow/tp2", json.dumps(POSTED).encode(), "snowplow"),
        ("/v1/t", json.dumps(TRACK).encode(), "rudderstack"),
    ],
)
def test_each_is_shown_beside_what_came_explained_and_trimmed(
    tmp_path: Path, path: str, body: bytes, kind: str
) -> None:
    one = held(tmp_path, request(path, body))
    assert one.kind == kind
    assert one.target == f"https://stats.example{path}"
    comparison = beside(one).comparison
    assert not comparison.problem
    assert comparison.kept
    assert not comparison.added
    explanation = explained(one, "")
    assert explanation.rows
    assert {row.key for row in explanation.rows if row.field is None} <= {
        *("context", "properties.version", "batch[0].properties.version"),
        *(f"data[0].ue_px.data.data.{name}" for name in ("version", "command")),
        *(f"data[0].cx.data[0].data.{name}" for name in ("version", "command")),
    }
    path_of_one = fields(one)[0].path
    trimmed: Any = as_document(kind, without(one, [path_of_one]))
    assert trimmed is not None
    assert trimmed != as_document(kind, one.payload)


@pytest.mark.parametrize(
    ("path", "protocol", "body"),
    [
        ("/api/7/envelope/", "sentry", b"{}"),
        ("/batch/", "posthog", b'{"status":1}'),
        ("/com.snowplowanalytics.snowplow/tp2", "snowplow", b"ok"),
        ("/v1/t", "rudderstack", b"OK"),
        ("/v1/traces", "otlp", b"{}"),
        ("/api/envelope/", "unknown", b""),
    ],
)
def test_each_service_responds_as_its_own(path: str, protocol: str, body: bytes) -> None:
    assert protocol_of(path) == protocol
    assert response_to(path, JSON).body == body


# Real clients -------------------------------------------------------------------------------------

SENTRY_CLIENT = """
import sentry_sdk
sentry_sdk.init(dsn="http://key@" + url.removeprefix("http://") + "/1")
sentry_sdk.set_user({"email": "alice@acme.example"})
sentry_sdk.capture_exception(ValueError("hunter2"))
sentry_sdk.flush(20)
"""
POSTHOG_CLIENT = f"""
from posthog import Posthog
client = Posthog("{KEY}", host=url, gzip=True)
client.capture("deploy", distinct_id="alice", properties={{"path": "/home/alice"}})
client.shutdown()
"""
SNOWPLOW_CLIENT = """
from snowplow_tracker import Emitter, SelfDescribing, SelfDescribingJson, Tracker
emitter = Emitter(url, protocol="http")
emitter.collector_uri = url + "/com.snowplowanalytics.snowplow/tp2"
tracker = Tracker(namespace="ns", emitters=emitter, app_id="tool")
told = {"user": "alice", "version": "1.2.3"}
tracker.track(SelfDescribing(SelfDescribingJson("iglu:com.tool/event/jsonschema/1-0-0", told)))
tracker.flush()
"""
CLIENTS = {
    "sentry": ("sentry_sdk", SENTRY_CLIENT),
    "posthog": ("posthog", POSTHOG_CLIENT),
    "snowplow": ("snowplow_tracker", SNOWPLOW_CLIENT),
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_official_python_library_is_intercepted(kind: str, tmp_path: Path) -> None:
    package, program = CLIENTS[kind]
    pytest.importorskip(package, reason=f"{package} is not installed")
    gate = ServedGate()
    try:
        url = gate.url_for("tool")
        gate.begin()
        subprocess.run(
            [sys.executable, "-c", f"url = {url!r}\n{program}"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        seen = gate.end()
    found = [understand(one, rules()) for one in seen.intercepted]
    assert {one.kind for one in found} == {kind}
    for one in found:
        assert sent(one)
