from __future__ import annotations

import base64
import enum
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cqtel_tui.catalogue import MAX_PLUGINS, MAX_STRING_BYTES
from cqtel_tui.consent.decision import CI_VARIABLES
from cqtel_tui.outbox.writing import MAX_PAYLOAD_BYTES
from cqtel_tui.record.telemetry import MAX_SPANS, Telemetry

if TYPE_CHECKING:
    from .conftest import Machine

# What OTLP/JSON writes otherwise than protobuf's own JSON does: ids are hex, not Base64.
_IDS = {"traceId", "spanId", "parentSpanId"}


def official(payload: bytes) -> ExportTraceServiceRequest:
    """Read a payload as the official message, in which no field may be unknown."""

    def with_ids_in_base64(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: base64.b64encode(bytes.fromhex(value)).decode()
                if key in _IDS
                else with_ids_in_base64(value)
                for key, value in node.items()
            }
        return [with_ids_in_base64(each) for each in node] if isinstance(node, list) else node

    text = json.dumps(with_ids_in_base64(json.loads(payload)))
    message = ExportTraceServiceRequest()
    json_format.Parse(text, message, ignore_unknown_fields=False)
    return message


def record_all_there_is(machine: Machine) -> bytes:
    """Record an operation with every field that there is, and return its payload."""
    machine.choose("on")
    (machine.folder / "plugins" / "source" / "cloudquery" / "aws" / "v1.2.3").mkdir(parents=True)
    telemetry = Telemetry(
        "cloudquery", version="0.20.0", build_date="2021-11-26T10:00:00Z", debug_telemetry=True
    )
    with telemetry.operation("fetch") as operation:
        with operation.span("fetch.aws") as span:
            span.exit(3)
        operation.fail(ValueError('ünicode "quoted" \\ back\x1b[31m\u2028\ud800 \U0001f40d'))
    assert telemetry.lost == 0
    return machine.payload().data


def test_a_payload_is_the_official_message_with_nothing_unknown_in_it(machine: Machine) -> None:
    payload = record_all_there_is(machine)
    message = official(payload)
    (resource,) = message.resource_spans
    (scope,) = resource.scope_spans
    first, second = scope.spans
    assert {each.key for each in resource.resource.attributes} == {
        "service.name",
        "service.version",
        "service.instance.id",
        "cloudquery.build_date",
        "cloudquery.ci",
        "cloudquery.debug",
        "cloudquery.plugins",
    }
    assert (first.name, second.name) == ("fetch", "fetch.aws")
    assert len(first.trace_id) == 16
    assert len(first.span_id) == 8
    assert first.parent_span_id == b""
    assert second.parent_span_id == first.span_id
    assert second.trace_id == first.trace_id
    assert first.kind == second.kind == Span.SPAN_KIND_INTERNAL
    assert first.status.code == Status.STATUS_CODE_ERROR
    assert first.start_time_unix_nano <= second.start_time_unix_nano
    assert second.end_time_unix_nano <= first.end_time_unix_nano
    assert second.attributes[0].value.int_value == 3
    assert first.attributes[1].value.string_value.startswith('ünicode "quoted" \\ back\x1b[31m')


def test_ids_are_hex_long_numbers_are_texts_and_enums_are_numbers(machine: Machine) -> None:
    record_all_there_is(machine)
    payload = machine.payload()
    for span in payload.spans:
        for key, digits in (("traceId", 32), ("spanId", 16), ("parentSpanId", 16)):
            if key in span:
                assert len(span[key]) == digits
                assert span[key] == bytes.fromhex(span[key]).hex()
        assert span["startTimeUnixNano"].isdigit()
        assert span["endTimeUnixNano"].isdigit()
        assert type(span["kind"]) is int
        assert type(span["status"]["code"]) is int
    assert payload.span("fetch.aws")["attributes"][0]["value"] == {"intValue": "3"}
    assert payload.data.isascii()


def test_ids_are_new_each_time(machine: Machine, telemetry: Telemetry) -> None:
    for _ in range(2):
        with telemetry.operation("fetch") as operation, operation.span("part"):
            pass
    spans = [machine.payload_of(each).spans for each in machine.envelopes()]
    assert len({span["spanId"] for each in spans for span in each}) == 4
    assert len({each[0]["traceId"] for each in spans}) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host.name", "db-1"),
        ("cloudquery.ci", True),  # of good shape, but not an operation's to say
        ("process.exit.code", 256),
        ("process.exit.code", "3"),
        ("process.exit.code", True),
        ("error.type", "Error at /home/ada"),
        ("error.type", ""),
        ("error.type", b"bytes"),
        ("error.type", ["ValueError"]),
        ("exception.message", "a text"),
    ],
)
def test_what_the_catalogue_does_not_allow_is_left_out_and_counted(
    machine: Machine, telemetry: Telemetry, key: str, value: object
) -> None:
    with telemetry.operation("fetch") as operation:
        operation.set(key, value)
    assert machine.payload().attributes("fetch") == {}
    # An error text is not counted: leaving it out is what everybody is promised.
    assert machine.envelope().dropped == (0 if key == "exception.message" else 1)


def test_a_part_cannot_say_what_is_said_of_the_program(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch") as operation:
        operation.set("service.instance.id", "0b4b6e1c-7f5e-4a39-9d6c-3f1d2b7a8c90")
        with operation.span("fetch.aws") as part:
            part.set("cloudquery.ci", True)
    assert b"service.instance.id" not in machine.payload().data
    assert all("attributes" not in span for span in machine.payload().spans)
    assert machine.envelope().dropped == 2


def test_a_key_that_is_no_text_is_left_out_and_counted(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch") as operation:
        operation.set([], "a list is no key")  # type: ignore[arg-type]
    assert machine.payload().attributes("fetch") == {}
    assert machine.envelope().dropped == 1


@pytest.mark.parametrize(
    "name",
    ["", "fetch /home/ada", "a" * 41, "ünicode", "../etc", "a,b", "a\nb", None, 7, b"fetch", []],
)
def test_a_name_that_is_not_plain_is_left_out_everywhere(machine: Machine, name: Any) -> None:
    telemetry = Telemetry(name, version=name, build_date=name)
    with telemetry.operation(name) as operation, operation.span(name):
        pass
    payload = machine.payload()
    assert [span["name"] for span in payload.spans] == ["unnamed", "unnamed"]
    assert payload.resource == {"cloudquery.ci": False}
    (label,) = machine.outbox.labels("pending")
    assert (label.app, label.version, label.operation) == ("unnamed", "", "unnamed")
    # Two spans, and what was given for the program; None is nothing given.
    assert machine.envelope().dropped == (2 if name is None else 5)


def test_names_that_are_members_of_an_enumeration_are_names(machine: Machine) -> None:
    class Operations(enum.StrEnum):
        FETCH = "fetch"

    class Codes(enum.IntEnum):
        BAD = 4

    with Telemetry("cloudquery").operation(Operations.FETCH) as operation:
        operation.exit(Codes.BAD)
    assert machine.payload().attributes("fetch") == {"process.exit.code": 4}


def test_no_more_than_512_spans_are_kept_and_the_others_are_counted(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("sync") as operation:
        for number in range(MAX_SPANS + 88):
            with operation.span(f"part.{number}"):
                pass
        assert len(operation.spans) == MAX_SPANS
        with operation.span("lost"), operation.span("lost.too"):
            pass
    payload = machine.payload()
    assert len(payload.spans) == MAX_SPANS
    assert payload.spans[-1]["name"] == f"part.{MAX_SPANS - 2}"
    assert machine.envelope().dropped == 88 + 1 + 2
    assert len(official(payload.data).resource_spans[0].scope_spans[0].spans) == MAX_SPANS


def test_a_payload_never_exceeds_its_bound_and_what_it_costs_is_counted(machine: Machine) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=True)
    with telemetry.operation("sync") as operation:
        for number in range(MAX_SPANS - 1):
            with operation.span(f"part.{number}") as span:
                span.fail(ValueError("é" * 2_000))
    payload = machine.payload()
    assert MAX_PAYLOAD_BYTES // 4 < len(payload.data) <= MAX_PAYLOAD_BYTES
    assert payload.spans[0]["name"] == "sync"
    assert len(payload.spans) + machine.envelope().dropped == MAX_SPANS
    assert len(official(payload.data).resource_spans) == 1


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f40d", "\ud800", "\x00"])
def test_a_text_never_exceeds_its_bound(machine: Machine, letter: str) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=True)
    with telemetry.operation("fetch") as operation:
        operation.fail(ValueError(letter * 5_000))
    message = machine.payload().attributes("fetch")["exception.message"]
    assert isinstance(message, str)
    assert MAX_STRING_BYTES - 4 < len(message.encode()) <= MAX_STRING_BYTES
    assert machine.envelope().dropped == 0


@pytest.mark.parametrize("fails", [True, False])
def test_debug_mode_is_told_only_where_an_error_text_is(machine: Machine, fails: bool) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=True)
    with telemetry.operation("sync") as operation:
        if fails:
            operation.fail(ValueError("no"))
    assert machine.payload().resource.get("cloudquery.debug", False) is fails


@pytest.mark.parametrize("variable", CI_VARIABLES)
def test_each_documented_variable_tells_ci(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    with telemetry.operation("fetch"):
        pass
    assert machine.payload().resource["cloudquery.ci"] is True


@pytest.mark.parametrize(
    ("value", "is_ci"),
    [("false", False), ("FALSE", False), ("0", False), ("no", False), ("", False), ("1", True)],
)
def test_a_variable_that_says_no_is_not_ci(
    machine: Machine,
    telemetry: Telemetry,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    *,
    is_ci: bool,
) -> None:
    monkeypatch.setenv("CI", value)
    with telemetry.operation("fetch"):
        pass
    assert machine.payload().resource["cloudquery.ci"] is is_ci


def plugins(machine: Machine) -> object:
    machine.outbox.clear("pending")
    with Telemetry("cloudquery").operation("fetch"):
        pass
    return machine.payload().resource.get("cloudquery.plugins")


def test_plugins_are_listed_with_their_versions_by_their_folders(machine: Machine) -> None:
    for path in (
        "plugins/source/cloudquery/aws/v22.1.0",
        "plugins/source/cloudquery/aws/v22.2.0-rc.1",
        "plugins/destination/cloudquery/postgresql/v4.0.1",
        "plugins/transformer/acme/basic/v1.0.0",
        "providers/cloudquery/gcp/v0.5.0-linux_amd64",
        "providers/cloudquery/k8s/v0.2.0-beta.1-darwin_arm64",
    ):
        (machine.folder / path).mkdir(parents=True)
    assert plugins(machine) == [
        "destination/cloudquery/postgresql@v4.0.1",
        "provider/cloudquery/gcp@v0.5.0",
        "provider/cloudquery/k8s@v0.2.0-beta.1",
        "source/cloudquery/aws@v22.1.0",
        "source/cloudquery/aws@v22.2.0-rc.1",
        "transformer/acme/basic@v1.0.0",
    ]
    assert machine.envelope().dropped == 0


def test_a_project_without_plugins_says_nothing_of_them(machine: Machine) -> None:
    assert plugins(machine) is None
    machine.folder.mkdir()
    assert plugins(machine) is None
    (machine.folder / "plugins").write_text("a file")
    assert plugins(machine) is None
    assert machine.envelope().dropped == 0


def test_what_is_no_plugin_is_left_out_and_counted(machine: Machine) -> None:
    for path in (
        "source/cloudquery/aws/v1.0.0",
        "source/cloudquery/ünicode/v1.0.0",
        "source/ada@example.com/secret/v1.0.0",
        "secrets/cloudquery/aws/v1.0.0",
        "source/cloudquery/aws/not-a-version",
        "source/cloudquery/with space/v1.0.0",
    ):
        (machine.folder / "plugins" / path).mkdir(parents=True)
    (machine.folder / "plugins" / "source" / "a file").write_text("")
    assert plugins(machine) == ["source/cloudquery/aws@v1.0.0"]
    assert machine.envelope().dropped == 5


@pytest.mark.parametrize("linked", [".cq", "plugins", "source", "cloudquery", "aws", "v1.0.0"])
def test_a_link_is_never_followed_to_a_plugin(
    machine: Machine, telemetry: Telemetry, linked: str
) -> None:
    elsewhere = machine.home / "elsewhere"
    path = machine.project
    for part in (".cq", "plugins", "source", "cloudquery", "aws", "v1.0.0"):
        path /= part
        if part == linked:
            (elsewhere / "source" / "cloudquery" / "aws" / "v1.0.0").mkdir(parents=True)
            path.symlink_to(elsewhere)
            break
        path.mkdir()
    with telemetry.operation("fetch"):
        pass
    # A `.cq` that is a link is not trusted at all: nothing is recorded.
    assert len(machine.envelopes()) == (0 if linked == ".cq" else 1)
    for envelope in machine.envelopes():
        assert "cloudquery.plugins" not in machine.payload_of(envelope).resource
    assert telemetry.lost == 0


def test_a_folder_with_thousands_of_entries_is_read_so_far_and_no_further(
    machine: Machine,
) -> None:
    kind = machine.folder / "plugins" / "source" / "cloudquery"
    for number in range(1_200):
        (kind / f"p{number:04}" / "v1.0.0").mkdir(parents=True)
    found = plugins(machine)
    assert isinstance(found, list)
    assert len(found) == MAX_PLUGINS
    assert machine.envelope().dropped > 0


@pytest.mark.parametrize(
    ("debug", "fails", "has_text"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
@pytest.mark.parametrize("where", ["the operation", "a span of it"])
def test_the_header_says_whether_an_error_text_is_in_the_payload(
    machine: Machine, where: str, debug: bool, fails: bool, has_text: bool
) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=debug)
    with telemetry.operation("fetch") as operation, operation.span("fetch.aws") as span:
        if fails:
            (operation if where == "the operation" else span).fail(ValueError("canary7"))
    assert machine.envelope().has_error_text is has_text
    assert (b"canary7" in machine.envelope().payload) is has_text
