from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.consent.decision import OPTIONS, Decision, ask
from cqtel_tui.consent.layers import LAYERS, reasons, why
from cqtel_tui.paths import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .conftest import Machine

    Put = Callable[[Path, object], None]
    Say = tuple[Any, str, str]

YES = {"telemetry": "on", "catalogue": 1, "consented": 5}
NO = {"telemetry": "off"}
ENDPOINT = "https://collector.example/v1/traces"

# Each layer's possible says: what is put there, whether it is a yes or a no, to sending and to
# debug mode. This table and `expected` know nothing of the code under test.
COMMAND_LINE: list[Say] = [
    ([], "", ""),
    (["--no-telemetry"], "no", ""),
    (["--debug-telemetry"], "", "yes"),
    (["--no-telemetry", "--debug-telemetry"], "no", "yes"),
]
ENVIRONMENT: list[Say] = [
    ({}, "", ""),
    ({"CQ_NO_TELEMETRY": "1"}, "no", ""),
    ({"DO_NOT_TRACK": "1"}, "no", ""),
    ({"CQ_TELEMETRY_LEVEL": "none"}, "no", ""),
    ({"CQ_DEBUG_TELEMETRY": "1"}, "", "yes"),
    ({"CQ_DEBUG_TELEMETRY": "0"}, "", "no"),
]
REFUSALS: list[Say] = [
    (None, "", ""),
    ({}, "", ""),
    ({"telemetry": "off"}, "no", ""),
    ({"debug": False}, "", "no"),
]
USER: list[Say] = [
    (None, "", ""),
    (YES, "yes", ""),
    (NO, "no", ""),
    ({"debug": True}, "", "yes"),
    ({"debug": False}, "", "no"),
    ({**YES, "debug": True}, "yes", "yes"),
    ({**YES, "debug": False}, "yes", "no"),
    ({**NO, "debug": True}, "no", "yes"),
]


EVERY_LAYER = [USER, USER, REFUSALS, REFUSALS, COMMAND_LINE, ENVIRONMENT]


def expected(says: Sequence[Say]) -> tuple[str, bool]:
    """A no from anywhere wins; a yes must be the user's own; no debug from anywhere wins."""
    every, here, *others = says
    assert "yes" not in [telemetry for _, telemetry, _ in others]
    if any(telemetry == "no" for _, telemetry, _ in says):
        return "off", False
    debug = [say for _, _, say in says]
    state = "on" if "yes" in (every[1], here[1]) else "hold"
    return state, "yes" in debug and "no" not in debug


def tables(about: int) -> Iterator[tuple[Say, ...]]:
    """Every combination of what has a say about sending (1) or about debug mode (2)."""
    return itertools.product(
        *([say for say in layer if say[about] or not say[3 - about]] for layer in EVERY_LAYER)
    )


@pytest.mark.parametrize("about", [1, 2], ids=["sending", "debug"])
def test_every_combination_of_layers_comes_to_what_the_rule_says(
    machine: Machine, put: Put, about: int
) -> None:
    there: list[object] = [None] * 4
    for says in tables(about):
        *files, options, environ = [say[0] for say in says]
        if files != there:
            there = files
            machine.user_chose(files[0], files[1])
            put(machine.policy_file, files[2])
            put(machine.project_file, files[3])
        decision = machine.ask(options, environ)
        assert (decision.state, decision.debug) == expected(says), says
        assert_explained(decision)


def test_no_matter_how_the_says_about_sending_and_debug_meet() -> None:
    telemetry = {"yes": "on", "no": "off"}
    debug = {"yes": "debug", "no": "no debug"}
    for says in itertools.product(*EVERY_LAYER):
        said = [
            ("somebody", words[say], "", "")
            for _, *pair in says
            for say, words in zip(pair, (telemetry, debug), strict=True)
            if say
        ]
        decision = Decision(said)
        assert (decision.state, decision.debug) == expected(says), says


def assert_explained(decision: Decision) -> None:
    found = reasons(decision)
    assert [layer for layer, _ in itertools.groupby(r.layer for r in found)] == list(LAYERS)
    won = {reason.says for reason in found if reason.won}
    assert decision.state in won or decision.state == "hold"
    assert {"on", "off"} & won <= {decision.state}
    assert ("debug" in won) == decision.debug
    assert len([reason for reason in found if reason.won]) == len(won)


def test_without_any_say_payloads_are_held(machine: Machine) -> None:
    decision = machine.ask()
    assert decision.state == "hold"
    assert not decision.debug
    assert not decision.inspect
    assert decision.endpoint is None
    assert decision.catalogue == CATALOGUE_VERSION
    assert why(decision) == "you have not decided yet"
    assert list(machine.config.iterdir()) == []
    assert list(machine.cookie.parent.iterdir()) == []


@pytest.mark.parametrize("state", ["on", "hold", "off"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_inspecting_leaves_the_state_as_it_is_and_says_so(
    machine: Machine, state: str, by: str
) -> None:
    machine.user_chose({"on": YES, "hold": None, "off": NO}[state])
    decision = (
        machine.ask(["--inspect-telemetry"])
        if by == "option"
        else machine.ask([], {"CQ_INSPECT_TELEMETRY": "1"})
    )
    assert (decision.inspect, decision.state) == (True, state)
    assert [reason.says for reason in reasons(decision) if reason.won and reason.source] == (
        ["inspect"] if state == "hold" else ["inspect", state]
    )


def test_the_environment_is_this_process_s_and_the_project_the_current_directory(
    machine: Machine, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.project)
    assert ask(machine.places).state == "hold"
    put(machine.project_file, {"telemetry": "off"})
    assert ask(machine.places).state == "off"
    put(machine.project_file, None)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    assert ask(machine.places).state == "off"


def test_a_current_directory_that_was_removed_means_off(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.user_chose(YES)
    gone = machine.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    decision = ask(machine.places, environ={})
    assert decision.state == "off"
    assert "current directory" in why(decision)


class TestConsentIsBoundToTheCatalogue:
    def test_a_yes_covers_the_fields_of_the_version_it_was_given_for(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cqtel_tui.consent.decision.CATALOGUE_VERSION", 7)
        machine.user_chose({**YES, "catalogue": 3})
        assert machine.ask().catalogue == 3

    def test_undecided_payloads_are_held_with_all_fields_for_the_user_sees_them_first(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cqtel_tui.consent.decision.CATALOGUE_VERSION", 7)
        assert machine.ask().catalogue == 7

    def test_a_yes_for_the_project_counts_before_one_for_all(self, machine: Machine) -> None:
        machine.user_chose(
            {"telemetry": "on", "catalogue": 1, "consented": 10},
            {"telemetry": "on", "catalogue": 2, "consented": 20},
        )
        decision = machine.ask()
        assert (decision.catalogue, decision.yeses) == (2, ["20", "10"])

    def test_a_project_without_a_yes_of_its_own_has_that_for_all(self, machine: Machine) -> None:
        machine.user_chose(
            {"telemetry": "on", "catalogue": 3, "consented": 10, "endpoint": ENDPOINT},
            {"debug": True},
        )
        decision = machine.ask()
        assert (decision.catalogue, decision.yeses) == (3, ["10"])
        assert decision.endpoint == ENDPOINT

    def test_the_endpoint_of_the_project_counts_before_that_for_all(self, machine: Machine) -> None:
        machine.user_chose(
            {**YES, "endpoint": ENDPOINT}, {"endpoint": "https://here.example/v1/traces"}
        )
        assert machine.ask().endpoint == "https://here.example/v1/traces"


class TestProjectsAreKnownByTheirRealPath:
    def test_a_link_to_a_project_is_that_project(self, machine: Machine) -> None:
        machine.user_chose(YES, NO)
        link = machine.root / "link"
        link.symlink_to(machine.project)
        assert ask(machine.places, (), {}, str(link), (), "cloudquery").state == "off"

    def test_a_no_outlives_the_project_s_replacement_by_a_link(self, machine: Machine) -> None:
        machine.user_chose(YES, NO)
        machine.project.rename(machine.root / "moved")
        machine.project.symlink_to(machine.root / "moved")
        assert machine.ask().state == "off"

    def test_another_project_is_not_concerned(self, machine: Machine) -> None:
        machine.user_chose(YES, NO)
        other = machine.root / "project-2"
        other.mkdir()
        assert ask(machine.places, (), {}, str(other), (), "cloudquery").state == "on"

    def test_a_project_below_it_is_not_concerned(self, machine: Machine) -> None:
        machine.user_chose(None, YES)
        below = machine.project / "below"
        below.mkdir()
        assert ask(machine.places, (), {}, str(below), (), "cloudquery").state == "hold"


class TestReasons:
    def test_each_layer_is_named_with_its_source_and_the_one_that_won(
        self, machine: Machine, put: Put
    ) -> None:
        machine.user_chose(YES, {"debug": False})
        put(machine.project_file, {"telemetry": "off"})
        decision = machine.ask(["--debug-telemetry"], {"CQ_TELEMETRY_LEVEL": "none"})
        found = [(r.layer, r.says, r.source, r.won) for r in reasons(decision)]
        assert found == [
            ("command line", "debug", "--debug-telemetry", False),
            ("environment", "off", "CQ_TELEMETRY_LEVEL=none", True),
            ("admin policy", "nothing", "", False),
            ("project", "off", str(machine.project_file), False),
            ("user", "on", str(machine.choices), False),
            ("user", "no debug", str(machine.choices), True),
        ]
        assert why(decision) == "CQ_TELEMETRY_LEVEL=none"

    def test_a_user_s_choice_says_for_what_it_was_made(self, machine: Machine) -> None:
        machine.user_chose(YES, {"debug": True})
        notes = [(r.says, r.note) for r in reasons(machine.ask()) if r.layer == "user"]
        assert notes == [
            ("debug", "you chose this for cloudquery in this project"),
            ("on", "you chose this for cloudquery"),
        ]
        assert why(machine.ask()) == f"{machine.choices} (you chose this for cloudquery)"

    def test_debug_does_not_win_where_nothing_is_recorded(self, machine: Machine) -> None:
        decision = machine.ask(["--no-telemetry", "--debug-telemetry"])
        assert [r.says for r in reasons(decision) if r.won] == ["off"]


# What nobody trusts, made up by hypothesis: it leans towards what might be understood.
KEYS = st.sampled_from(
    ["telemetry", "debug", "endpoint", "all", "projects", "catalogue", "consented", "version"]
)
SAID = st.sampled_from(["on", "off", "On", "true", "1", ENDPOINT, "https://evil.example", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SAID | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text(max_size=8) | st.just("HERE"), inner, max_size=5)
    ),
    max_leaves=12,
)
UNTRUSTED = (
    st.none()
    | st.binary(max_size=200)
    | st.dictionaries(KEYS, JSON, max_size=5)
    | st.dictionaries(KEYS, st.none() | st.booleans() | SAID, max_size=4)
    | JSON.filter(lambda value: value is not None)
)
VARIABLES = st.sampled_from(
    [
        "CQ_NO_TELEMETRY",
        "DO_NOT_TRACK",
        "CQ_DEBUG_TELEMETRY",
        "CQ_INSPECT_TELEMETRY",
        "CQ_TELEMETRY_LEVEL",
        "CQ_TELEMETRY",
        "CQ_TELEMETRY_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "CQ_ANALYTICS_HOST",
    ]
)
VALUES = st.sampled_from(
    ["", "0", "1", "true", "TRUE", "false", "yes", "No", "on", "OFF", " 1", "2", "all", ENDPOINT]
)
ENVIRON = st.dictionaries(VARIABLES | st.text(max_size=6), VALUES | st.text(max_size=6), max_size=5)
TRUSTED = st.sampled_from(
    [
        None,
        {},
        {"all": YES},
        {"all": NO},
        {"all": {**YES, "endpoint": ENDPOINT, "debug": True}},
        {"all": {"debug": False}, "projects": {"HERE": YES}},
        {"all": {**YES, "endpoint": ENDPOINT}, "projects": {"HERE": {"debug": True}}},
    ]
)
GIVEN = st.lists(st.sampled_from(list(OPTIONS)), unique=True)
FREEDOM = {"off": 0, "hold": 1, "on": 2}
TRUTHS = {"1", "true", "yes", "on"}
EXAMPLES = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def localized(content: object, machine: Machine) -> Any:
    """Make what says HERE be about the project."""
    if isinstance(content, bytes) or content is None:
        return content
    return json.dumps(content).replace('"HERE"', json.dumps(str(machine.project)))


@EXAMPLES
@given(chosen=TRUSTED, options=GIVEN, admin=UNTRUSTED, project=UNTRUSTED, environ=ENVIRON)
def test_no_untrusted_layer_turns_anything_on_or_names_an_endpoint(  # noqa: PLR0913, PLR0917
    machine: Machine,
    put: Put,
    chosen: object,
    options: list[str],
    admin: object,
    project: object,
    environ: dict[str, str],
) -> None:
    put(machine.policy_file, None)
    put(machine.project_file, None)
    put(machine.choices, localized(chosen, machine))
    alone = machine.ask(options)
    put(machine.policy_file, localized(admin, machine))
    put(machine.project_file, localized(project, machine))
    refused = machine.ask(options)
    decision = machine.ask(options, environ)

    assert FREEDOM[decision.state] <= FREEDOM[refused.state] <= FREEDOM[alone.state]
    assert decision.endpoint == refused.endpoint == alone.endpoint
    assert refused.debug <= alone.debug
    asked = environ.get("CQ_DEBUG_TELEMETRY", "").lower() in TRUTHS
    assert decision.debug <= (refused.debug or asked)
    assert refused.inspect == alone.inspect
    if decision.state == "on":
        assert decision.catalogue == alone.catalogue
        assert decision.yeses == alone.yeses
    assert_explained(decision)


@EXAMPLES
@given(content=UNTRUSTED, options=GIVEN)
def test_a_user_s_file_of_anything_is_never_a_yes_unless_it_says_so(
    machine: Machine, put: Put, content: object, options: list[str]
) -> None:
    text = localized(content, machine)
    put(machine.choices, text)
    decision = machine.ask(options)
    assert_explained(decision)
    if decision.state == "on":
        said = json.loads(text)
        here = said.get("projects", {}).get(str(machine.project), {})
        assert "on" in {said.get("all", {}).get("telemetry"), here.get("telemetry")}
        assert "off" not in {said.get("all", {}).get("telemetry"), here.get("telemetry")}


@pytest.fixture
def umasked() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umasked")
def test_a_file_that_only_its_owner_can_read_is_trusted(machine: Machine, put: Put) -> None:
    machine.user_chose(YES)
    put(machine.project_file, {"debug": False})
    put(machine.policy_file, {"debug": False})
    assert machine.ask(["--debug-telemetry"]).state == "on"
    assert not machine.ask(["--debug-telemetry"]).debug


def test_nobody_has_to_be_there_to_be_asked(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    decision = ask(Places(nowhere, nowhere, (nowhere,)), (), {}, nowhere)
    assert decision.state == "hold"
    assert not Path(nowhere).exists()
