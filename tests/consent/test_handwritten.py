from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.consent.layers import reasons, why
from cqtel_tui.consent.saving import decide_telemetry, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Machine

    Put = Callable[[Path, object], None]

YES = {"telemetry": "on", "catalogue": 1, "consented": 5}

VALUES: list[Any] = [
    "off", "Off", "OFF", " off ", "no", "No", "NO", "n", "false", "False", "none", "None", "never",
    "disabled", "disable", "deny", "opt-out", "opt_out", "optout", "0", "stop", "refused",
    False, 0, None, [], {}, "", "maybe", -1, 0.0, ["off"], {"enabled": False},
]  # fmt: skip
"""Whatever somebody may write behind "telemetry" who does not mean yes."""

KEYS: dict[str, Any] = {
    "Telemetry": "off",
    "TELEMETRY": False,
    "telemetry_enabled": False,
    "telemetryEnabled": "no",
    "enabled": False,
    "enable": 0,
    "disabled": True,
    "noTelemetry": True,
    "no_telemetry": 1,
    "no-telemetry": "yes",
    "opt_out": True,
    "optOut": "true",
    "opt-in": False,
    "DO_NOT_TRACK": "1",
    "doNotTrack": 1,
    "CQ_NO_TELEMETRY": True,
    "tracking": {"state": "off"},
    "analytics": "off",
    "usage_stats": False,
    "send": "never",
    "off": True,
    "never": "",
    "on": 0,
    "consent": "denied",
    "settings": {"inner": {"Telemetry": "off"}},
    "cloudquery": "off",
    "something": [{"deep": False}],
    "All": {"telemetry": "off"},
    "Projects": {"/": {"telemetry": "off"}},
    "program": {"cloudquery": {"telemetry": "off"}},
}
"""Keys that nobody here knows, with which somebody may have meant a no."""

TEXTS = [
    "", " ", "off", "telemetry: off\n", "telemetry = off", "{telemetry: off}",
    "{'telemetry': 'off'}",
    '{"telemetry": "off",}', '// no\n{"telemetry": "off"}', '{"telemetry": "off"} # no',
    '\ufeff{"telemetry": "off"}', '["off"]', '"off"', "false", "0", "null", '{"telemetry": off}',
    '{"telemetry": "off"', '{"telemetry": "off"}}', '{"telemetry": "off", "telemetry": "on"}',
]  # fmt: skip
"""What is no JSON, and what is no object."""


def states(machine: Machine) -> str:
    decision = machine.ask(["--debug-telemetry"])
    assert decision.state != "off" or why(decision).startswith(str(machine.root))
    return decision.state


@pytest.fixture(params=["choices", "policy_file", "project_file"])
def file(request: pytest.FixtureRequest, machine: Machine) -> Path:
    path: Path = getattr(machine, request.param)
    return path


@pytest.mark.parametrize("value", VALUES, ids=json.dumps)
def test_any_value_that_is_not_plainly_a_yes_is_a_no(
    machine: Machine, put: Put, file: Path, value: object
) -> None:
    put(file, {"telemetry": value})
    assert states(machine) == "off"
    put(file, {"all": {"telemetry": value}})
    assert states(machine) == "off"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_may_have_been_meant_as_a_no_is_not_passed_over(
    machine: Machine, put: Put, file: Path, key: str
) -> None:
    put(file, {key: KEYS[key]})
    assert states(machine) == "off"
    assert "is not known here" in why(machine.ask())
    put(file, {"all": {key: KEYS[key]}})
    assert states(machine) == "off"


@pytest.mark.parametrize("key", KEYS)
def test_not_even_beside_a_yes_or_for_a_project(machine: Machine, put: Put, key: str) -> None:
    machine.user_chose({**YES, key: KEYS[key]})
    assert machine.ask().state == "off"
    machine.user_chose(YES, {key: KEYS[key]})
    assert machine.ask().state == "off"


@pytest.mark.parametrize("scope", [{"telemetry": "off"}, {"all": {"telemetry": False}}], ids=repr)
def test_a_no_to_one_program_is_heard_from_whoever_may_name_programs(
    machine: Machine, put: Put, file: Path, scope: dict[str, object]
) -> None:
    put(file, {"programs": {"cloudquery": scope}})
    assert states(machine) == "off"
    if file == machine.project_file:
        assert "it names programs, which are not its to name" in why(machine.ask())


@pytest.mark.parametrize("name", ["a b", "", "unnamed", "../x", "-", "é"])
def test_what_is_no_program_s_name_makes_a_file_unreadable(
    machine: Machine, put: Put, name: str
) -> None:
    put(machine.choices, {"version": 2, "programs": {name: {"all": YES}}, "all": YES})
    assert machine.ask().state == "off"


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_json_object_is_a_no(machine: Machine, put: Put, file: Path, text: str) -> None:
    put(file, text)
    assert states(machine) == "off"


@pytest.mark.parametrize("version", [3, 99, 10**30])
def test_a_file_of_a_newer_version_is_not_read_and_that_is_said(
    machine: Machine, put: Put, file: Path, version: int
) -> None:
    put(file, {"version": version})
    assert states(machine) == "off"
    assert f"it is of version {version}, and a newer program than this one" in why(machine.ask())


@pytest.mark.parametrize("version", ["1", 1.0, True, 0, -1, None, [], "latest"], ids=repr)
def test_a_version_that_is_none_is_not_read_either(
    machine: Machine, put: Put, file: Path, version: object
) -> None:
    put(file, {"version": version})
    assert states(machine) == "off"


def test_a_no_at_the_top_counts_whatever_stands_below(machine: Machine, put: Put) -> None:
    put(machine.choices, {"telemetry": "off", "all": YES, "projects": {str(machine.project): YES}})
    said = [(r.says, r.note) for r in reasons(machine.ask()) if r.layer == "user"]
    assert ("off", "you chose this for all programs") in said
    assert machine.ask().state == "off"


def test_a_no_to_debug_mode_at_the_top_counts_too(machine: Machine, put: Put) -> None:
    put(machine.choices, {"debug": "off", "all": {**YES, "debug": True}})
    decision = machine.ask(["--debug-telemetry"])
    assert (decision.state, decision.debug) == ("on", False)


@pytest.mark.parametrize("top", [YES, {"debug": True}, {"endpoint": "https://c.example/v1/traces"}])
def test_nothing_else_at_the_top_is_believed(
    machine: Machine, put: Put, top: dict[str, object]
) -> None:
    put(machine.choices, {**top, "all": YES})
    assert machine.ask().state == "off"


def test_a_no_at_the_top_can_be_taken_back_by_the_command(machine: Machine, put: Put) -> None:
    put(machine.choices, {"telemetry": "off", "note": "kept"})
    save(str(machine.config), decide_telemetry("on", now=5))
    assert machine.ask().state == "on"
    assert json.loads(machine.choices.read_text())["note"] == "kept"


def test_a_no_at_the_top_outlasts_what_is_chosen_for_a_project(machine: Machine, put: Put) -> None:
    put(machine.choices, {"telemetry": "off"})
    save(str(machine.config), decide_telemetry("on", now=5), project=str(machine.project))
    assert machine.ask().state == "off"


@pytest.mark.parametrize("key", ["colour", "note", "theme", "comment", "$schema", "state", "name"])
def test_keys_about_something_else_are_left_alone(machine: Machine, put: Put, key: str) -> None:
    put(machine.choices, {key: "green", "all": {**YES, key: [1, True, {"dark": "green"}]}})
    assert machine.ask().state == "on"
