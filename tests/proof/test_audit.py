"""Four runs of a program show which ways of saying no it heeds."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.proof.audit import (
    DO_NOT_TRACK,
    NOTHING,
    OURS,
    OWN,
    Audit,
    Request,
    Trial,
    network_problem,
)

from ..cli.machines import Machine

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """#!{python}
import json, os, urllib.request
URL = os.environ.get("CQ_RUDDERSTACK_DATA_PLANE_URL")
def post(event):
    body = {{"batch": [{{"type": "track", "event": event, "properties": {{"host": "acme-1"}}}}]}}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    try:
        request = urllib.request.Request(URL + "/v1/batch", json.dumps(body).encode())
        opener.open(request, timeout=20)
    except OSError:
        pass
OWN, TRACK = os.environ.get("SHOP_OPT_OUT"), os.environ.get("DO_NOT_TRACK")
{what}
"""
HEEDS_ALL = "post('started') if not OWN and not TRACK else None"
IGNORES_DO_NOT_TRACK = "post('started') if not OWN else None"
REPORTS_ITS_OPT_OUT = "post('opted_out') if OWN else post('started') if not TRACK else None"

offline = pytest.mark.skipif(bool(network_problem()), reason=network_problem())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def audited(machine: Machine, what: str, *options: str) -> Any:
    program = machine.program("shop", PROGRAM.format(python=sys.executable, what=what))
    ended = machine.cq("audit", "--offline", "--json", *options, "--", str(program))
    found = json.loads(ended.out)
    heard = {trial["name"]: trial["is_heard"] for trial in found["trials"]}
    assert ended.code == (1 if False in heard.values() else 0), ended.said
    return found, heard


@offline
@pytest.mark.parametrize(
    ("what", "own", "do_not_track"),
    [
        (HEEDS_ALL, True, True),
        (IGNORES_DO_NOT_TRACK, True, False),
        (REPORTS_ITS_OPT_OUT, False, True),
    ],
    ids=["heeds all", "ignores DO_NOT_TRACK", "reports its own opt-out"],
)
def test_each_no_that_is_not_heard_is_found(
    machine: Machine, what: str, own: bool, do_not_track: bool
) -> None:
    found, heard = audited(machine, what, "--opt-out", "SHOP_OPT_OUT=1")
    assert heard == {NOTHING: None, OWN: own, DO_NOT_TRACK: do_not_track, OURS: True}
    [request] = found["trials"][0]["requests"]
    assert request["url"] == "https://analytics-events.cloudquery.io/v1/batch"
    assert {"event", "host"} <= set(request["fields"])
    assert b"acme-1" not in json.dumps(found).encode()
    assert not machine.state.exists() or not list(machine.state.rglob("*.envelope"))


@offline
def test_what_was_said_before_is_not_heard_in_a_trial(machine: Machine) -> None:
    machine.environment |= {"DO_NOT_TRACK": "1", "SHOP_OPT_OUT": "1", "CQ_NO_TELEMETRY": "1"}
    _, heard = audited(machine, HEEDS_ALL, "--opt-out", "SHOP_OPT_OUT=1")
    assert heard[OWN] is True


@offline
def test_without_a_known_opt_out_that_trial_is_left_out(machine: Machine) -> None:
    found, heard = audited(machine, HEEDS_ALL)
    assert [trial["is_tried"] for trial in found["trials"]] == [True, False, True, True]
    assert heard[OWN] is None


@offline
def test_the_page_is_written_once_and_nothing_in_it_is_markup(machine: Machine) -> None:
    text = PROGRAM.format(python=sys.executable, what=IGNORES_DO_NOT_TRACK)
    program = machine.program("a`|<b>shop", text)
    page = machine.project / "page.md"
    command = ["audit", "--offline", "--report", str(page), "--", str(program)]
    ended = machine.cq(*command)
    assert ended.code == 1, ended.said
    assert "NOT HEARD" in ended.out.decode()
    assert "| DO_NOT_TRACK=1 | NOT HEARD | 1 | 0 | 0 |" in page.read_text()
    assert "cq-telemetry audit --offline -- " in page.read_text()
    assert page.read_text().splitlines()[0].count("`") == 2
    before = page.read_text()
    assert "is there already" in machine.cq(*command).said
    assert page.read_text() == before


def test_a_program_that_is_not_there_is_named(machine: Machine) -> None:
    ended = machine.cq("audit", "--", "no-such-program")
    assert ended.code == 1
    assert "no-such-program" in ended.said


@pytest.mark.parametrize("pair", ["A", "=1", "A-B=1"])
def test_an_opt_out_that_is_no_variable_is_refused(machine: Machine, pair: str) -> None:
    assert machine.cq("audit", "--opt-out", pair, "--", "true").code == 2


def test_where_a_policy_refuses_nothing_can_be_audited(machine: Machine) -> None:
    policy = machine.root / "policy" / "cqtel" / "choices.json"
    machine.cq("policy-file", "--off", "--output", str(policy))
    ended = machine.cq("audit", "--", "true")
    assert ended.code == 1
    assert "Telemetry is off here whatever is said" in ended.said


def trial(name: str, **different: Any) -> Trial:
    return Trial(name, {}, is_tried=True, **different)


def test_a_connection_that_only_a_refusal_lacks_is_telemetry() -> None:
    sent = Request("shop", None, ())
    function = "203.0.113.1:443"
    found = Audit(
        ("shop",),
        "",
        has_network=True,
        is_observed=True,
        trials=(
            trial(NOTHING, requests=(sent,), outside=(function, "203.0.113.2:443")),
            trial(OWN, outside=(function,)),
            trial(DO_NOT_TRACK, outside=(function, "203.0.113.2:443")),
            trial(OURS, outside=(function,)),
        ),
    )
    assert [found.is_heard(one) for one in found.trials] == [None, True, False, True]


def test_of_a_program_that_reports_nothing_nothing_is_said() -> None:
    found = Audit(("true",), "", True, True, tuple(map(trial, (NOTHING, OWN, DO_NOT_TRACK, OURS))))
    assert [found.is_heard(one) for one in found.trials] == [None] * 4
