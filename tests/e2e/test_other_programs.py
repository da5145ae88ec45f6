"""Real programs that people sync clouds and data with: what they report is held, or refused."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.formats.documents import as_document
from cqtel_tui.gate.observing import destinations, strace_problem
from cqtel_tui.gate.reviewing import beside, explained
from cqtel_tui.gate.shipped import PROFILES
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.proof.audit import network_problem

from ..cli.machines import Machine, Result, run

if TYPE_CHECKING:
    from cqtel_tui.outbox.envelope import Envelope

PIPELINE = """
import dlt

@dlt.resource(name="rows_of_acme")
def rows():
    yield [{"id": 1}]

pipeline = dlt.pipeline(
    pipeline_name="pipe_of_acme", destination="filesystem", dataset_name="data_of_acme"
)
pipeline.run(rows(), loader_file_format="jsonl")
"""
NODE = Path(__file__).parents[1] / "node" / "node_modules" / ".bin"
SECRETS = (b"acme", b"/home", b"machine/", os.uname().nodename.encode())


@dataclass(frozen=True)
class Tool:
    """A program, how it is run, and what is known of what it reports."""

    command: list[str]
    missing: str
    profile: str = ""
    kind: str = ""
    target: str = ""
    events: frozenset[str] = frozenset()
    not_sent: frozenset[str] = frozenset()


def why_not(program: str) -> str:
    return "" if shutil.which(program) else f"{program} is not installed"


TOOLS = {
    "dlt": Tool(
        [sys.executable, "pipeline.py"],
        "" if importlib.util.find_spec("dlt") else "dlt is not installed",
        "dlt",
        "rudderstack",
        "https://telemetry.scalevector.ai/",
        frozenset({"pipeline_extract", "pipeline_normalize", "pipeline_load", "pipeline_run"}),
        frozenset({"pipeline_name_hash", "extract_data", "run_context", "cpu"}),
    ),
    "sam": Tool(
        ["sam", "validate"],
        why_not("sam"),
        "aws-sam-cli",
        "own-json",
        "https://aws-serverless-tools-telemetry.us-west-2.amazonaws.com/metrics",
        frozenset({"sam_validate"}),
        frozenset({"installationId", "metricSpecificAttributes", "osPlatform"}),
    ),
    "storybook": Tool(
        [str(NODE / "storybook"), "build"],
        ""
        if shutil.which("node") and (NODE / "storybook").exists()
        else "storybook is not installed: npm install --prefix tests/node",
        "storybook",
        "own-json",
        "https://storybook.js.org/event-log",
        frozenset({"boot", "error"}),
        frozenset({"metadata", "platform", "stack"}),
    ),
}
"""What is held of them."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    del found.environment["PYTHONWARNINGS"]  # theirs are not ours to mend
    found.environment["PATH"] += os.pathsep + os.environ["PATH"]
    url = found.project.as_uri()
    found.environment["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"{url}/data"
    (found.project / "pipeline.py").write_text(PIPELINE)
    (found.project / "package.json").write_text('{"name":"of-acme"}')
    (found.project / ".storybook").mkdir()
    (found.project / ".storybook" / "main.js").write_text(
        'module.exports = {stories: [], framework: "@storybook/of-acme"}'
    )
    return found


def installed(name: str) -> Tool:
    tool = TOOLS[name]
    if tool.missing:
        pytest.skip(tool.missing)
    return tool


def held(machine: Machine) -> list[Envelope]:
    outbox = Outbox(str(machine.state))
    return [outbox.open(PENDING, label) for label in outbox.labels(PENDING)]


def keys(document: Any) -> set[str]:
    if isinstance(document, dict):
        return {*document, *(key for one in document.values() for key in keys(one))}
    return {key for one in document for key in keys(one)} if isinstance(document, list) else set()


@pytest.mark.parametrize("name", TOOLS)
def test_what_it_reports_is_held_redacted_and_bound_for_its_makers(
    machine: Machine, name: str
) -> None:
    tool = installed(name)
    bare = run(
        [*tool.command],
        environment={**machine.environment, "DO_NOT_TRACK": "1", **refusing(tool)},
        cwd=machine.project,
    )
    ended = machine.wrap(*tool.command)
    assert ended.code == bare.code, ended.said
    envelopes = [one for one in held(machine) if one.origin == "gate"]
    assert tool.events <= {one.operation for one in envelopes}
    for envelope in envelopes:
        assert (envelope.app, envelope.kind, envelope.target) == (
            *(tool.profile, tool.kind),
            tool.target,
        )
        document = as_document(envelope.kind, envelope.payload)
        assert not keys(document) & tool.not_sent
        assert not any(secret in envelope.payload for secret in SECRETS)
        assert beside(envelope).comparison.removed
        assert not beside(envelope).comparison.problem
        assert any(row.field is not None for row in explained(envelope, "").rows)


def refusing(tool: Tool) -> dict[str, str]:
    from cqtel_tui.gate.shipped import PROFILES

    return dict(next(one for one in PROFILES if one.name == tool.profile).refuse)


@pytest.mark.parametrize("name", TOOLS)
def test_off_it_reports_nothing_and_nobody_is_called(machine: Machine, name: str) -> None:
    tool = installed(name)
    if problem := strace_problem(os.environ):
        pytest.skip(problem)
    seen = machine.root / "seen"
    traced(machine, [*machine.command("run", "--no-telemetry", "--"), *tool.command], seen)
    assert [str(one) for one in called(seen) if one.family != "unix"] == []
    assert held(machine) == []


def traced(machine: Machine, command: list[Any], seen: Path) -> Result:
    strace = [
        "strace",
        "-f",
        "-qq",
        "-yy",
        "-s",
        "0",
        "-e",
        "trace=connect,sendto",
        "-o",
        str(seen),
    ]
    traced_command = [*strace, "-o", str(seen), *command]
    return run(traced_command, environment=machine.environment, cwd=machine.project)


def called(seen: Path) -> list[Any]:
    with seen.open(encoding="utf-8", errors="replace") as lines:
        return list(destinations(lines))


@pytest.mark.skipif(bool(why_not("meltano")), reason=why_not("meltano"))
def test_meltano_whose_address_has_no_path_is_blocked_and_said_to_be(machine: Machine) -> None:
    ended = machine.wrap("meltano", "init", "of_acme")
    assert ended.code == 0, ended.said
    assert [one for one in held(machine) if one.origin == "gate"] == []
    assert "usage statistics (Snowplow)" in machine.cq("status").out.decode()


@pytest.mark.skipif(bool(network_problem()), reason=network_problem())
def test_an_audit_of_dlt_finds_what_it_heeds(machine: Machine) -> None:
    tool = installed("dlt")
    own = next(iter(next(one for one in PROFILES if one.name == "dlt").refuse.items()))
    ended = machine.cq(
        *("audit", "--offline", "--json", "--opt-out", "=".join(own), "--", *tool.command)
    )
    trials = {each["name"]: each for each in ended.json["trials"]}
    sent = trials["nothing said"]["requests"]
    assert tool.target in {request["url"] for request in sent}
    assert "event" in {field for request in sent for field in request["fields"]}
    heard = {name: each["is_heard"] for name, each in trials.items()}
    assert heard == {
        "nothing said": None,
        "its own opt-out": True,
        "DO_NOT_TRACK=1": False,
        "off in cqtel": True,
    }
