"""Nothing that was planted leaves in any protocol, however it is wrapped on its way."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.formats.cloudquery_fields import write_summary
from cqtel_tui.formats.documents import as_document
from cqtel_tui.formats.grpc import SUMMARY_CALL
from cqtel_tui.formats.values import as_json
from cqtel_tui.gate.field_shapes import fields_at
from cqtel_tui.gate.names import Names
from cqtel_tui.gate.protocols import document_intercepted, understand
from cqtel_tui.gate.protocols.unknown import KIND as UNKNOWN
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import Rules
from cqtel_tui.gate.requests import Request
from cqtel_tui.review.explain import explain
from cqtel_tui.review.intercepted import ADDED, DROPPED_BY_USER, KEPT, compare

from .conftest import examples
from .documents import CANARY, SCALARS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cqtel_tui.gate.protocols import Understood

FIELDS = fields_at(
    {
        "version": "version",
        "command": "event",
        "error": "error text",
        "count": "count",
        "session": "id",
        "metrics/*/run/name": "name",
        "metrics/*/run/duration": "count",
        "tags": ("name",),
        "query/ok": "boolean",
        "data/base64/command": "event",
        "data/json/command": "event",
    }
)
CANARIES = (CANARY, CANARY.encode().hex(), base64.b64encode(CANARY.encode()).decode().rstrip("="))
KEYS = (
    *("schema", "data", "e", "ue_px", "cx", "se_ac", "eid", "aid", "p", "dtm", "header", "items"),
    *("payload", "type", "event_id", "exception", "values", "value", "stacktrace", "frames"),
    *("function", "filename", "user", "tags", "extra", "breadcrumbs", "release", "contexts"),
    *("batch", "event", "properties", "distinct_id", "api_key", "timestamp", "$lib", "$set"),
    *("version", "command", "error", "count", "session", "metrics", "run", "name", "duration"),
    *("query", "ok", "base64", "json", "message", "level", "sdk", "server_name", "sent_at", "dsn"),
)
WORDS = st.sampled_from(["event", "session", "se", "ue", "pc", "srv", "capture", "error", "1.2.3"])
TREES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=6)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), TREES, max_size=8)


def members(*names: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, TREES))


def snowplow(events: list[Any]) -> bytes:
    for event in events:
        for name in ("ue_px", "cx"):
            if isinstance(event.get(name), dict):
                text = json.dumps(event[name]).encode()
                event[name] = base64.urlsafe_b64encode(text).decode().rstrip("=")
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    return json.dumps({"schema": schema, "data": events}).encode()


def envelope(parts: tuple[Any, list[tuple[Any, Any, bool]]]) -> bytes:
    header, items = parts
    lines = [json.dumps(header).encode()]
    for about, payload, has_length in items:
        body = json.dumps(payload).encode()
        told = {**about, "length": len(body)} if has_length else about
        lines += [json.dumps(told).encode(), body]
    return b"\n".join(lines)


def form(document: dict[str, Any]) -> bytes:
    texts = {
        name: base64.b64encode(json.dumps(value).encode()).decode()
        if isinstance(value, dict | list) and len(name) % 2
        else value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in document.items()
    }
    return urlencode(texts, errors="replace").encode()


def in_gzip(document: Any) -> bytes:
    return gzip.compress(json.dumps(document).encode(), 1, mtime=0)


def in_form(document: Any) -> bytes:
    return b"data=" + base64.b64encode(json.dumps(document).encode())


JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SNOWPLOW_EVENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(
                ("e", "se_ac", "se_ca", "eid", "aid", "p", "dtm", "uid", "tv"), SCALARS
            ),
            "ue_px": st.fixed_dictionaries(
                {"schema": SCALARS, "data": members("schema", "data")},
            )
            | OBJECTS,
            "cx": OBJECTS,
            "co": TREES,
        },
    ),
    max_size=3,
)
ENVELOPES = st.tuples(
    members("event_id", "sent_at", "dsn", "sdk"),
    st.lists(
        st.tuples(
            st.fixed_dictionaries({"type": SCALARS | WORDS}, optional={"filename": SCALARS}),
            OBJECTS,
            st.booleans(),
        ),
        max_size=3,
    ),
)
POSTHOG = st.fixed_dictionaries(
    {"api_key": SCALARS, "batch": st.lists(OBJECTS, max_size=3)},
) | st.fixed_dictionaries({"api_key": TEXTS, "event": SCALARS}, optional={"properties": OBJECTS})
DESTINATIONS = st.lists(members("Path", "Version"), max_size=3)
SUMMARIES = st.fixed_dictionaries(
    {
        "sync_summary": st.fixed_dictionaries(
            {"Destinations": DESTINATIONS},
            optional=dict.fromkeys(
                ("Invocation_UUID", "Source_path", "Source_version", "Errors", "Exit_reason"),
                SCALARS | st.just("cloudquery/aws") | st.just("v1.2.3"),
            ),
        )
    }
)


@dataclass(frozen=True)
class Form:
    """How a program reports in one protocol."""

    path: str
    documents: st.SearchStrategy[Any]
    wire: Callable[[Any], bytes]
    content_type: str = JSON
    protocol: str = ""


FORMS = {
    "sentry": Form("/api/7/envelope/", ENVELOPES, envelope, "application/x-sentry-envelope"),
    "sentry-event": Form("/api/7/store/", OBJECTS, as_json),
    "posthog": Form("/batch/", POSTHOG, as_json),
    "posthog in gzip": Form("/i/v0/e/?compression=gzip-js", POSTHOG, in_gzip, "text/plain"),
    "posthog in a form": Form("/e/", POSTHOG, in_form, FORM),
    "snowplow": Form("/com.snowplowanalytics.snowplow/tp2", SNOWPLOW_EVENTS, snowplow),
    "cloudquery-protobuf": Form(SUMMARY_CALL, SUMMARIES, write_summary, "application/grpc"),
    "own-json": Form("/metrics", OBJECTS | st.lists(OBJECTS, max_size=3), as_json, JSON, "own"),
    "own-form": Form("/", OBJECTS, form, FORM, "own"),
}


def rules(protocol: str) -> Rules:
    return Rules(
        FIELDS,
        Pseudonyms(b"key"),
        names=Names(arguments=["--name", CANARY, CANARIES[2]], of_here=[CANARIES[1]]),
        arguments=("--name", CANARY),
        protocol=protocol,
    )


def taken(form: Form, body: bytes) -> Request:
    return Request("POST", form.path, (("content-type", form.content_type),), body, 0)


def check_no_canary(found: Understood) -> None:
    sent = found.redaction.sent
    document = as_document(found.kind, sent)
    assert document is not None
    for text in (sent.decode("utf-8", "replace"), as_json(document).decode()):
        assert not any(one in text.lower() for one in CANARIES[:2])
        assert CANARIES[2] not in text


@pytest.mark.parametrize("name", FORMS)
def test_no_canary_leaves_and_each_fate_has_its_reason(name: str) -> None:
    one = FORMS[name]
    read = [0]

    @examples(100)
    @given(one.documents)
    def check(document: Any) -> None:
        request = taken(one, one.wire(document))
        own = rules(one.protocol)
        found = understand(request, own)
        if found.kind == UNKNOWN:
            return  # held as it came, and never sent but by itself
        read[0] += 1
        assert found.kind == name.partition(" ")[0]
        check_no_canary(found)
        again = understand(
            Request("POST", one.path, (("content-type", found.content_type),),
                    found.redaction.sent, 0),
            own,
        )  # fmt: skip
        assert again.redaction.sent == found.redaction.sent
        compared = compare(
            document_intercepted(request, found.kind),
            as_document(found.kind, found.redaction.sent),
            found.redaction.removals,
            more=found.redaction.more,
        )
        for row in compared.rows:
            assert row.fate != ADDED, row
            assert row.why != DROPPED_BY_USER, row
            assert row.fate == KEPT or row.why, row
        explain(as_json(as_document(found.kind, found.redaction.sent)), found.kind)

    check()
    assert read[0] > 20


@examples(300)
@given(st.text(max_size=60) | TEXTS, st.text(max_size=60) | TEXTS, TEXTS, OBJECTS)
def test_no_canary_is_in_what_is_held_of_a_query_or_a_user_agent(
    name: str, value: str, comment: str, told: dict[str, Any]
) -> None:
    query = urlencode({name: value, "version": "1.2.3", "command": CANARY}, errors="replace")
    agent = f"tool/1.2.3 {CANARY}/4 ({comment}) {json.dumps(told)}"
    headers = (("user-agent", agent),)
    found = understand(Request("GET", f"/check?{query}", headers, b"", 0), rules("own"))
    assert found.kind == "own-query"
    check_no_canary(found)
    assert b"1.2.3" in found.redaction.sent


@examples(300)
@given(
    st.binary(max_size=300),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from([JSON, FORM, "text/plain", "application/x-sentry-envelope", ""]),
)
def test_bytes_of_any_kind_are_understood_or_held_as_they_came(
    body: bytes, name: str, content_type: str
) -> None:
    one = FORMS[name]
    request = Request("POST", one.path, (("content-type", content_type),), body, 0)
    found = understand(request, rules(one.protocol))
    if found.kind == UNKNOWN:
        assert found.redaction.sent == body
    else:
        assert as_document(found.kind, found.redaction.sent) is not None
