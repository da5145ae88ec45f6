"""What a program reports is held, and sent as its user says: the whole way, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.extras import how_to_install
from cqtel_tui.gate.holding import read_original
from cqtel_tui.gate.variables import BLOCKED_ADDRESS, BLOCKED_URL
from cqtel_tui.outbox.envelope import open_envelope, read_label
from cqtel_tui.outbox.runs import read_runs, run_of
from cqtel_tui.outbox.store import SENT, Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.record.inspection import FILE_NAME, is_ours

from ..cli.machines import PATIENCE, Machine, Result, real_cloudquery, run, started
from ..deliver.collectors import Collector, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Envelope

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

ERROR = "dial tcp 192.0.2.53: hunter2"
WRITE_KEY = "Basic cmVhbC13cml0ZS1rZXk6"
# A program that reports as analytics-go does: two requests, the second with an error's text.
REPORTER = """\
#!{python} -SE
import gzip, json, os, socket, sys, urllib.request
if sys.argv[1:] == ["--version"]:
    print("cloudquery version 6.21.1")
    sys.exit()
url = os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch"
for event, more in (("init_started", {{}}), ("init_completed", {{"error": {secret!r}}})):
    said = {{"source": "cloudquery/hackernews", "status": "error", "spec_path": "/home/alice"}}
    said |= more
    one = {{
        "type": "track", "messageId": "m-" + event, "anonymousId": "a", "event": event,
        "originalTimestamp": "2026-11-22T12:00:00Z", "properties": said,
        "context": {{
            "ip": "192.0.2.1", "library": {{"name": "analytics-go", "version": "4.2.1"}}
        }},
    }}
    body = json.dumps({{"batch": [one], "sentAt": "2026-11-22T12:00:00Z"}}).encode()
    headers = {{"Content-Type": "application/json", "Authorization": {key!r}}}
    if {compressed}:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    request = urllib.request.Request(url, body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    assert opener.open(request, timeout=60).read() == b"OK"
host, port = os.environ["CQ_ANALYTICS_HOST"].split(":")
socket.create_connection((host, int(port))).close()
{then}
print("out")
print("err", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def upstream() -> Iterator[Collector]:
    with running() as collector:
        yield collector


def reporter(machine: Machine, *, compressed: bool = True, then: str = "") -> None:
    source = REPORTER.format(
        python=sys.executable, secret=ERROR, key=WRITE_KEY, compressed=compressed, then=then
    )
    machine.program("cloudquery", source)


def bound_for(upstream: Collector) -> dict[str, str]:
    """Return what lets a program send there without us."""
    return {"CQ_RUDDERSTACK_DATA_PLANE_URL": f"http://127.0.0.1:{upstream.port}"}


def opened(path: Path) -> Envelope:
    label = read_label(path.name)
    assert label is not None
    return open_envelope(path.read_bytes(), label)


def held(machine: Machine, origin: str, box: str = PENDING) -> list[Envelope]:
    found = [opened(path) for path in machine.envelopes(box)]
    return [one for one in found if one.origin == origin]


def events(envelopes: list[Envelope]) -> list[str]:
    return [one["event"] for each in envelopes for one in json.loads(each.payload)["batch"]]


AS_EVER = Result(7, b"out\n", b"err\n")


# Held ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("debug", [False, True])
def test_what_a_program_reports_is_held_and_its_error_text_leaves_in_debug_mode_only(
    machine: Machine, *, compressed: bool, debug: bool
) -> None:
    reporter(machine, compressed=compressed)
    assert machine.wrap("cloudquery", *["--debug-telemetry"] * debug, "init") == AS_EVER
    [operation] = held(machine, "record")
    intercepted = held(machine, "gate")
    assert events(intercepted) == ["init_started", "init_completed"]
    assert {one.target for one in intercepted} == {
        "https://analytics-events.cloudquery.io/v1/batch"
    }
    assert {one.headers["Authorization"] for one in intercepted} == {WRITE_KEY}
    originals = [read_original(one.intercepted) for one in intercepted]
    assert [ERROR.encode() in one.body for one in originals] == [False, True]
    assert [ERROR.encode() in one.payload for one in intercepted] == [False, debug]
    assert not any(b"alice" in one.payload or b"192.0.2.1" in one.payload for one in intercepted)
    [run_] = read_runs(str(machine.state))
    assert {one.operation for one in originals} == {run_.id}
    assert run_.operation == operation.id


def test_what_one_run_left_is_linked_and_what_was_closed_to_it_is_told(machine: Machine) -> None:
    reporter(machine)
    machine.wrap("cloudquery", "init")
    machine.wrap("cloudquery", "init")
    runs = read_runs(str(machine.state))
    assert len(runs) == 2
    ids = {one.id for origin in ("record", "gate") for one in held(machine, origin)}
    assert {identity for one in runs for identity in one.payloads} == ids
    for one in runs:
        assert len(one.intercepted) == 2
        assert all(run_of(runs, identity) == one for identity in one.payloads)
    blocked = {each.name: (each.reason, each.attempts) for each in runs[0].blocked}
    assert blocked["error reports (Sentry)"][1] is None
    assert blocked["the older usage statistics (gRPC)"][1] == 1
    assert all(reason for reason, _ in blocked.values())

    status = machine.cq("status", "--json").json["runs"]
    assert [one["operation"] for one in status] == [one.operation for one in runs]
    assert {
        one["name"]: (one["reason"], one["attempts"]) for one in status[0]["blocked"]
    } == blocked
    lines = machine.cq("status").lines
    assert any("gRPC" in line and "(tried 1 times)" in line for line in lines)
    shown = machine.cq("show", "--json", runs[0].intercepted[1]).json
    assert shown["run"] == {
        "operation": runs[0].operation,
        "intercepted": [*runs[0].intercepted],
    }
    assert shown["url"] == "https://analytics-events.cloudquery.io/v1/batch"
    line = f"run        operation {runs[0].operation}, intercepted {', '.join(runs[0].intercepted)}"
    assert line in machine.cq("show", runs[0].operation).lines


def test_who_takes_everything_back_takes_the_runs_back_too(machine: Machine) -> None:
    reporter(machine)
    machine.wrap("cloudquery", "init")
    machine.cq("off", "--discard")
    assert machine.envelopes() == []
    assert read_runs(str(machine.state)) == []
    assert machine.cq("status", "--json").json["runs"] == []


def test_what_is_no_known_request_is_held_raw_and_sent_only_by_name(
    machine: Machine, upstream: Collector
) -> None:
    reporter(machine)
    odd = (machine.programs / "cloudquery").read_text().replace('+ "/v1/batch"', '+ "/odd?a=1"')
    odd = odd.replace('.read() == b"OK"', '.read() == b""')
    odd = odd.replace('"type": "track"', '"kind": "seen"').replace(
        '"event": event', '"named": event'
    )
    machine.program("cloudquery", odd)
    machine.wrap("cloudquery", "init", more=bound_for(upstream))
    intercepted = held(machine, "gate")
    assert [one.kind for one in intercepted] == ["unknown"] * 2
    assert [one.payload for one in intercepted] == [
        read_original(one.intercepted).request.body for one in intercepted
    ]
    machine.cq("on", "--include-held")
    machine.cq("send", "--all")
    assert upstream.connections == 0
    assert machine.cq("send", intercepted[0].id).code == 0
    assert upstream.bodies == [intercepted[0].payload]
    assert upstream.requests[0].line == "POST /odd?a=1 HTTP/1.1"


def test_a_no_that_comes_while_it_runs_leaves_nothing(machine: Machine) -> None:
    off = [*map(str, machine.command("off"))]
    environment = {**machine.environment}
    reporter(
        machine,
        then=f"import subprocess; subprocess.run({off!r}, env={environment!r}, stderr=-3)",
    )
    assert machine.wrap("cloudquery", "init") == AS_EVER
    assert machine.envelopes() == []
    assert read_runs(str(machine.state)) == []


@pytest.mark.parametrize("way", ["--no-telemetry", "DO_NOT_TRACK"])
def test_off_opens_no_gate(machine: Machine, way: str) -> None:
    witness = machine.witness()
    option = [way] if way.startswith("-") else []
    machine.wrap("cloudquery", *option, "init", more={} if option else {way: "1"})
    given = witness.last["environment"]
    assert given[b"CQ_RUDDERSTACK_DATA_PLANE_URL"] == BLOCKED_URL.encode()
    assert given[b"CQ_ANALYTICS_HOST"] == BLOCKED_ADDRESS.encode()
    assert given[b"CQ_TELEMETRY_LEVEL"] == b"none"
    assert machine.files() == set()


def test_a_client_that_is_still_there_does_not_hold_the_end(machine: Machine) -> None:
    note = machine.outside / "child"
    half = (
        "import os, socket, sys, time\n"
        "from urllib.parse import urlsplit\n"
        "to = urlsplit(sys.argv[1])\n"
        "one = socket.create_connection((to.hostname, to.port))\n"
        "one.sendall(b'POST ' + to.path.encode() + b'/v1/track HTTP/1.1\\r\\nHost: x\\r\\n'"
        "b'Content-Length: 1000\\r\\n\\r\\nhalf')\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(1000)\n"
    )
    reporter(
        machine,
        then=(
            "import subprocess\n"
            f"child = [sys.executable, '-c', {half!r}, url]\n"
            "child = subprocess.Popen(child, stdout=-1, stderr=-3)\n"
            f"open({str(note)!r}, 'wb').write(child.stdout.readline())"
        ),
    )
    machine.waits_for_gates = False
    try:
        assert machine.wrap("cloudquery", "init") == AS_EVER
        assert len(held(machine, "gate")) == 2
        os.kill(int(note.read_text()), 0)
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


# Without what it takes ----------------------------------------------------------------------------


def hook(machine: Machine, source: str) -> None:
    """Let every Python of ours begin with these lines."""
    (machine.outside / "sitecustomize.py").write_text(source)
    machine.environment["PYTHONPATH"] = str(machine.outside)


def test_without_h11_the_channel_is_closed_and_it_is_told(machine: Machine) -> None:
    hook(machine, "import sys\nsys.modules['h11'] = None\n")
    witness = machine.witness(code=7)
    ended = machine.wrap("cloudquery", "init")
    assert (ended.code, ended.out) == (7, b"\x00out\xff\r\n")
    assert ended.said.startswith(
        "cq-telemetry: the program's own telemetry is blocked, as it cannot be intercepted: "
        f"h11 is not installed ({how_to_install('gate')})\n"
    )
    assert witness.last["environment"][b"CQ_TELEMETRY_LEVEL"] == b"none"
    [found] = read_runs(str(machine.state))
    assert found.blocked[0].name == "all that the gate would intercept"
    assert "h11 is not installed" in found.blocked[0].reason
    assert {one.attempts for one in found.blocked} == {None}


def test_a_gate_that_breaks_stops_nothing_and_it_is_told(machine: Machine) -> None:
    hook(machine, "import sys\nsys.modules['cqtel_tui.gate.server'] = None\n")
    machine.program(
        "cloudquery",
        "#!/bin/sh\n[ $1 = --version ] && exit\nsleep 1\necho out; echo err >&2; exit 7\n",
    )
    ended = machine.wrap("cloudquery", "init")
    assert (ended.code, ended.out) == (7, b"out\n")
    assert "not all that the program reported was intercepted: ModuleNotFoundError" in ended.said
    assert len(held(machine, "record")) == 1
    [found] = read_runs(str(machine.state))
    assert found.blocked[0].name == "all that the gate would intercept"


# Inspecting ---------------------------------------------------------------------------------------


def test_inspecting_shows_what_was_intercepted_too_and_holds_nothing(machine: Machine) -> None:
    reporter(machine)
    for _ in range(2):
        ended = machine.wrap("cloudquery", "--inspect-telemetry", "init")
        assert (ended.code, ended.out) == (7, b"out\n")
        assert ended.said.splitlines() == [
            "err",
            "cq-telemetry: telemetry was written to cq-telemetry.txt; nothing was sent",
        ]
        assert machine.files() == {f"project/{FILE_NAME}"}
    written = (machine.project / FILE_NAME).read_bytes()
    assert is_ours(written)
    assert ERROR.encode() not in written
    assert b"cmVhbC13cml0ZS1rZXk6" not in written
    shown = machine.cq("inspect", "--json").json
    intercepted = [one["cqtel.intercepted"] for one in shown["unknown"]]
    assert [one["body"]["batch"][0]["event"] for one in intercepted] == [
        "init_started",
        "init_completed",
    ]
    assert {one["url"] for one in intercepted} == {
        "https://analytics-events.cloudquery.io/v1/batch"
    }
    assert [trace["spans"][0]["name"] for trace in shown["traces"]] == ["init"]


def test_in_debug_mode_the_error_text_is_in_the_inspection(machine: Machine) -> None:
    reporter(machine)
    machine.wrap("cloudquery", "--inspect-telemetry", "--debug-telemetry", "init")
    assert ERROR.encode() in (machine.project / FILE_NAME).read_bytes()


# Sent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_after_a_yes_it_arrives_redacted_with_the_programs_own_key(
    machine: Machine, upstream: Collector, *, compressed: bool
) -> None:
    reporter(machine, compressed=compressed)
    ended = machine.wrap("cloudquery", "init", more=bound_for(upstream))
    assert ended.said == (
        "cq-telemetry: CQ_RUDDERSTACK_DATA_PLANE_URL is set: what is bound for it is intercepted, "
        "and goes there if you send it\nerr\n"
    )
    assert upstream.connections == 0
    intercepted = held(machine, "gate")
    refused = machine.cq("send", intercepted[0].id)
    assert (refused.code, upstream.connections) == (1, 0)
    assert "telemetry of cloudquery is undecided" in refused.said

    machine.cq("on", "--include-held")
    sent = machine.cq("send", *(one.id for one in intercepted))
    assert sent.code == 0, sent.said
    assert [request.body for request in upstream.requests] == [one.payload for one in intercepted]
    for request in upstream.requests:
        assert request.line == "POST /v1/batch HTTP/1.1"
        headers = {name.lower(): value for name, value in request.headers}
        assert headers["authorization"] == WRITE_KEY
        assert headers["content-type"] == "application/json"
        assert "content-encoding" not in headers
        [message] = json.loads(request.body)["batch"]
        assert message["type"] == "track"
        assert message["context"] == {"library": {"name": "analytics-go", "version": "4.2.1"}}
        assert ERROR.encode() not in request.body
    outbox = Outbox(str(machine.state))
    receipts = [outbox.receipt(SENT, label) for label in outbox.labels(SENT)]
    assert [one and one.sha256 for one in receipts] == [one.sha256 for one in intercepted]
    told = b"".join((ended.err, sent.err, sent.out, machine.cq("show", intercepted[0].id).out))
    assert b"cmVhbC13cml0ZS1rZXk6" not in told


def test_a_detached_sender_sends_it_where_it_was_bound_for_and_ours_to_our_endpoint(
    machine: Machine, upstream: Collector
) -> None:
    reporter(machine)
    machine.cq("on")
    with running() as ours:
        machine.cq("endpoint", ours.url)
        machine.wrap("cloudquery", "init", more=bound_for(upstream))
        ours.wait_for_request()
        upstream.wait_for_request()
        upstream.wait_for_request()
        assert {request.line for request in upstream.requests} == {"POST /v1/batch HTTP/1.1"}
        assert [b"resourceSpans" in request.body for request in ours.requests] == [True]


def test_an_upstream_that_hangs_makes_nobody_wait(machine: Machine, upstream: Collector) -> None:
    upstream.always = upstream.hang
    reporter(machine)
    machine.cq("on")
    ended = machine.wrap("cloudquery", "init", more=bound_for(upstream))
    assert (ended.code, ended.out) == (7, b"out\n")
    # The sender, and nobody else, waits for it now.
    upstream.wait_for_request()
    assert not upstream.released.is_set()
    upstream.always = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_a_field_that_was_taken_out_is_not_sent_and_the_receipt_has_the_new_hash(
    machine: Machine, upstream: Collector
) -> None:
    reporter(machine)
    machine.wrap("cloudquery", "init", more=bound_for(upstream))
    before = held(machine, "gate")[1]
    trimmed = machine.cq("trim", before.id, "batch[0].properties.status", "batch[0].context")
    assert trimmed.code == 0, trimmed.said
    after = held(machine, "gate")[1]
    assert (after.id, after.intercepted) == (before.id, before.intercepted)
    assert after.dropped == before.dropped + 2
    machine.cq("on", "--include-held")
    assert machine.cq("send", before.id).code == 0
    [request] = upstream.requests
    [message] = json.loads(request.body)["batch"]
    assert message["properties"] == {}
    assert "context" not in message
    outbox = Outbox(str(machine.state))
    [label] = outbox.labels(SENT)
    receipt = outbox.receipt(SENT, label)
    assert receipt is not None
    assert receipt.sha256 == after.sha256 != before.sha256


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
def real(machine: Machine) -> Iterator[list[str]]:
    """Give the command line of the issue, with nothing outside of this machine to ask."""
    program = real_cloudquery()
    if program is None or sys.platform != "linux":
        pytest.skip("the real CloudQuery is not installed")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        machine.environment["CLOUDQUERY_API_URL"] = f"http://127.0.0.1:{server.server_port}"
        options = ["--yes", "--source", "hackernews", "--destination", "postgresql"]
        yield [str(program), "init", *options]
        server.shutdown()


@pytest.mark.parametrize("debug", [False, True])
def test_the_real_cloudquery_is_held_linked_and_sent_after_a_yes(
    machine: Machine, real: list[str], upstream: Collector, *, debug: bool
) -> None:
    machine.cq("debug", "on" if debug else "off")
    without = run(
        [*real], environment={**machine.environment, "CQ_NO_TELEMETRY": "1"}, cwd=machine.project
    )
    (machine.project / "cloudquery.log").unlink()
    ended = machine.wrap(*real, more=bound_for(upstream))
    assert (ended.code, ended.out) == (without.code, without.out) == (1, b"Fetching plugins...\n")
    note, _, rest = ended.said.partition("\n")
    assert note.startswith("cq-telemetry: CQ_RUDDERSTACK_DATA_PLANE_URL is set")
    assert rest == without.said
    assert "401 Unauthorized" in rest

    [operation] = held(machine, "record")
    intercepted = held(machine, "gate")
    assert events(intercepted) == ["init_started", "init_completed"]
    assert b"401 Unauthorized" in read_original(intercepted[-1].intercepted).body
    assert any(b"401 Unauthorized" in one.payload for one in intercepted) is debug
    [found] = read_runs(str(machine.state))
    assert found.payloads == (operation.id, *(one.id for one in intercepted))

    machine.cq("on", "--include-held")
    assert machine.cq("send", *(one.id for one in intercepted)).code == 0
    messages = [one for body in upstream.bodies for one in json.loads(body)["batch"]]
    assert [one["event"] for one in messages] == ["init_started", "init_completed"]
    assert messages[1]["properties"].keys() - {"error"} == {"status"}
    assert ("error" in messages[1]["properties"]) is debug


# Profiles of one's own ----------------------------------------------------------------------------

PYTHON_CLIENT = """\
#!{python} -E
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("tracer", "1.0").start_as_current_span("checkout") as span:
    span.set_attribute("user.email", "alice@acme.example")
    span.record_exception(ValueError({secret!r}))
provider.shutdown()
sys.exit(7)
"""


def profile(machine: Machine, upstream: Collector, **different: str) -> Path:
    """Add a program of our own, as the README says: copy the profile that is shipped."""
    from cqtel_tui.gate.profile_files import SHIPPED

    text = SHIPPED.read_text()
    for old, new in {
        'name = "opentelemetry"': 'name = "shop"',
        "programs = []": 'programs = ["shop"]',
        "operations = []": 'operations = ["buy"]',
        'upstream = ""': f'upstream = "http://127.0.0.1:{upstream.port}"',
        **different,
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    folder = machine.config / "profiles"
    folder.mkdir(parents=True)
    for one in (machine.config, folder):
        one.chmod(0o700)
    path = folder / "shop.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def check_sdk(machine: Machine, upstream: Collector, kind: str) -> None:
    """Run the shop, look at what is held, and send it."""
    assert machine.wrap("shop", "buy", "--for", "alice") == Result(7, b"", b"")
    [operation] = held(machine, "record")
    spans = json.loads(operation.payload)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [span["name"] for span in spans] == ["buy"]
    [intercepted] = held(machine, "gate")
    assert (intercepted.app, intercepted.kind) == ("shop", kind)
    assert intercepted.target == f"http://127.0.0.1:{upstream.port}/v1/traces"
    assert b"alice" in read_original(intercepted.intercepted).body
    machine.cq("on", "--include-held")
    assert machine.cq("send", intercepted.id).code == 0
    [body] = upstream.bodies
    assert b"checkout" in body
    assert not any(secret.encode() in body for secret in ("alice", ERROR))


@pytest.fixture
def shop_in_python(machine: Machine) -> None:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="the OTLP/HTTP exporter is not installed"
    )
    machine.program("shop", PYTHON_CLIENT.format(python=sys.executable, secret=ERROR))


@pytest.mark.usefixtures("shop_in_python")
def test_a_program_with_the_official_python_sdk_is_held_and_sent(
    machine: Machine, upstream: Collector
) -> None:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    profile(machine, upstream)
    check_sdk(machine, upstream, "otlp-traces-protobuf")
    message = trace_service_pb2.ExportTraceServiceRequest()
    message.ParseFromString(upstream.bodies[0])
    assert message.resource_spans[0].scope_spans[0].spans[0].name == "checkout"


@pytest.mark.usefixtures("shop_in_python")
def test_a_users_own_otlp_settings_are_kept_or_told_of(
    machine: Machine, upstream: Collector
) -> None:
    profile(machine, upstream)
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": upstream.url}
    ended = machine.wrap("shop", "buy", more=own)
    assert ended.err == (
        b"cq-telemetry: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is your own setting, and is left as it "
        b"is: what goes there is not intercepted\n"
    )
    assert len(upstream.bodies) == 1
    assert held(machine, "gate") == []
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{upstream.port}"}
    assert (
        b"OTEL_EXPORTER_OTLP_ENDPOINT is set: what is bound for it is intercepted"
        in machine.wrap("shop", "buy", more=more).err
    )
    assert len(upstream.bodies) == 1
    assert len(held(machine, "gate")) == 1


def test_off_turns_its_sdk_off_and_without_operations_each_run_is_one(
    machine: Machine, upstream: Collector
) -> None:
    profile(machine, upstream, **{'operations = ["buy"]': "operations = []"})
    shop = machine.witness("shop", code=7)
    machine.wrap("shop", "--no-telemetry", "--port", "80")
    assert shop.last["environment"][b"OTEL_SDK_DISABLED"] == b"true"
    assert shop.arguments == ["--no-telemetry", "--port", "80"]  # it may have one of its own
    assert machine.envelopes() == []
    machine.wrap("shop", "--port", "80")
    assert b"OTEL_SDK_DISABLED" not in shop.last["environment"]
    assert [span["name"] for span in machine.spans()] == ["other"]
    assert shop.read("version") == []
    machine.wrap("shop", "--version")
    assert len(machine.envelopes()) == 1


def test_the_version_is_asked_where_the_profile_says_what_it_looks_like(
    machine: Machine, upstream: Collector
) -> None:
    profile(machine, upstream, **{'version = ""': 'version = "cloudquery version {}"'})
    machine.witness("shop", version="1.2.3")
    machine.wrap("shop", "buy")
    assert machine.resource()["service.version"] == {"stringValue": "1.2.3"}


def test_a_profile_that_cannot_be_relied_on_keeps_a_program_from_running(
    machine: Machine, upstream: Collector
) -> None:
    path = profile(machine, upstream)
    shop = machine.witness("shop")
    cloudquery = machine.witness()
    path.chmod(0o666)
    ended = machine.wrap("shop", "buy")
    assert ended.code == 1
    assert str(path) in ended.said
    assert "chmod go-w" in ended.said
    assert shop.runs == []
    ended = machine.wrap("cloudquery", "sync")
    assert ended.code == 0
    assert str(path) in ended.said
    assert len(cloudquery.runs) == 1


def test_a_project_brings_no_profile(machine: Machine, upstream: Collector) -> None:
    path = profile(machine, upstream)
    for folder in (machine.project / "profiles", machine.project / ".cq" / "profiles"):
        folder.mkdir(parents=True)
        shutil.copy2(path, folder)
    shutil.rmtree(machine.config)
    machine.witness("shop")
    machine.wrap("shop", "buy")
    assert machine.envelopes() == []


# Verifying ----------------------------------------------------------------------------------------

with_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@with_strace
def test_off_is_proved_to_be_off(machine: Machine, real: list[str]) -> None:
    looked = [real[0], "validate-config", "/etc/hosts"]
    found = machine.cq("verify", "--json", "--no-telemetry", "--", *looked)
    assert found.code == 0, found.said
    assert found.json == {
        "means": "strace",
        "why_not_seen": None,
        "decision": "off",
        "exit_code": 1,
        "outside": 0,
        "destinations": [],
        "intercepted": 0,
        "blocked_attempts": 0,
    }
    assert "failed to load spec" in found.said
    assert (
        "It tried to reach nothing outside this machine."
        in machine.cq("verify", "--no-telemetry", "--", *looked).lines
    )


@with_strace
def test_where_it_is_held_only_this_machine_is_reached(machine: Machine) -> None:
    reporter(machine)
    found = machine.cq("verify", "--json", "--", "cloudquery", "init")
    assert found.code == 0, found.said
    assert found.json["exit_code"] == 7
    assert {one["what"]: one["times"] for one in found.json["destinations"]} == {
        "the gate": 2,
        "a blocked channel": 1,
    }
    assert (found.json["intercepted"], found.json["blocked_attempts"]) == (2, 1)
    assert sorted(found.said.splitlines()) == ["err", "out"]
    assert len(held(machine, "gate")) == 2
    lines = machine.cq("verify", "--", "cloudquery", "init").lines
    assert "decision   hold" in lines
    assert any(line.endswith("2 times: the gate") for line in lines)


@with_strace
def test_what_leaves_this_machine_is_told_of_and_fails(machine: Machine) -> None:
    # 192.0.2.1 is for documentation, and a datagram socket sends nothing by connecting.
    source = (
        f"#!{sys.executable} -SE\nimport socket, sys\n"
        "if sys.argv[1] != '--version':\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"
    )
    machine.program("cloudquery", source)
    found = machine.cq("verify", "--", "cloudquery", "sync")
    assert found.code == 1
    assert any("udp 192.0.2.1:9, 1 times: outside" in line for line in found.lines)
    assert found.lines[-1].startswith("It tried to reach something outside this machine")


def test_without_strace_the_gate_says_what_it_saw_and_it_is_no_proof(machine: Machine) -> None:
    reporter(machine)
    machine.environment["PATH"] = str(machine.programs)
    found = machine.cq("verify", "--json", "--", "cloudquery", "init")
    assert found.code == 1
    assert (found.json["means"], found.json["intercepted"]) == ("gate", 2)
    assert "strace" in found.json["why_not_seen"]
    assert machine.cq("verify", "--", "cloudquery", "init").lines[-1] == (
        "Other connection attempts were not observed."
    )


def test_a_program_that_is_not_there_cannot_be_verified(machine: Machine) -> None:
    ended = machine.cq("verify", "--", "cloudquery-that-is-not-there")
    assert ended.code == 127
    assert machine.cq("verify").code == 2


def test_several_programs_at_once_each_have_a_gate_of_their_own(machine: Machine) -> None:
    reporter(machine)
    command = machine.command("run", "--", "cloudquery", "init")
    settings: Any = {"environment": machine.environment, "cwd": machine.project}
    with started(command, **settings) as one, started(command, **settings) as other:
        for process in (one, other):
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 7
    assert sorted(events(held(machine, "gate"))) == ["init_completed"] * 2 + ["init_started"] * 2
    assert len(read_runs(str(machine.state))) == 2
