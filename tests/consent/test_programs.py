"""A choice is for a program: no yes to one lets anything of another be sent."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqtel_tui.consent.choice_file import migrated
from cqtel_tui.consent.choices import read_user
from cqtel_tui.consent.decision import ask, ask_each
from cqtel_tui.consent.layers import reasons
from cqtel_tui.consent.saving import decide_debug, decide_endpoint, decide_telemetry, save
from cqtel_tui.errors import CqtelError

from .conftest import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Machine

    Put = Callable[[Path, object], None]

PROGRAMS = ("cloudquery", "dbt", "steampipe")
ENDPOINT = "https://collector.example/v1/traces"
YES: dict[str, Any] = {"telemetry": "on", "catalogue": 1, "consented": 5, "yes": "a"}
NO: dict[str, Any] = {"telemetry": "off"}

# What the layers may say, each as what it says and of whom; None: of all programs.
USER_CHOICES = {
    "nothing": {},
    "yes to one": {"programs": {"dbt": {"all": YES}}},
    "yes to one here": {"programs": {"dbt": {"projects": {"HERE": YES}}}},
    "yes to one elsewhere": {"programs": {"dbt": {"projects": {"/elsewhere": YES}}}},
    "no to one": {"programs": {"dbt": {"all": NO}}},
    "yes to all": {"all": YES},
    "yes to all here": {"projects": {"HERE": YES}},
    "no to all": {"all": NO},
    "no to all, yes to one": {"all": NO, "programs": {"dbt": {"all": YES}}},
    "yes to all, no to one": {"all": YES, "programs": {"dbt": {"all": NO}}},
    "yes to all, no to one here": {"all": YES, "programs": {"dbt": {"projects": {"HERE": NO}}}},
}
EXPECTED = {  # for dbt, and for every other program
    "nothing": ("hold", "hold"),
    "yes to one": ("on", "hold"),
    "yes to one here": ("on", "hold"),
    "yes to one elsewhere": ("hold", "hold"),
    "no to one": ("off", "hold"),
    "yes to all": ("on", "on"),
    "yes to all here": ("on", "on"),
    "no to all": ("off", "off"),
    "no to all, yes to one": ("off", "off"),
    "yes to all, no to one": ("off", "on"),
    "yes to all, no to one here": ("off", "on"),
}
POLICIES: dict[str, tuple[object, set[str]]] = {
    "no policy": (None, set()),
    "no to one": ({"programs": {"dbt": {"telemetry": "off"}}}, {"dbt"}),
    "no to another": ({"programs": {"steampipe": {"telemetry": "off"}}}, {"steampipe"}),
    "no to all": ({"telemetry": "off"}, set(PROGRAMS)),
    "no debug": ({"debug": False}, set()),
}
OPTIONS: dict[str, tuple[tuple[str, ...], bool]] = {
    "no option": ((), False),
    "refused": (("--no-telemetry",), True),
    "debug": (("--debug-telemetry",), False),
}
ENVIRONMENTS: dict[str, tuple[dict[str, str], bool]] = {
    "no variable": ({}, False),
    "refused": ({"DO_NOT_TRACK": "1"}, True),
}
PROJECT_FILES: dict[str, tuple[object, bool]] = {
    "no file": (None, False),
    "refused": ({"telemetry": "off"}, True),
    "asks for more": ({"telemetry": "on", "catalogue": 1}, True),
}


def placed(content: object, machine: Machine) -> dict[str, Any]:
    text = json.dumps(content).replace("HERE", str(machine.project))
    return {"version": 2, **json.loads(text)}


@pytest.mark.parametrize("said", USER_CHOICES)
def test_every_program_gets_what_all_layers_come_to_for_it(machine: Machine, said: str) -> None:
    write(machine.choices, placed(USER_CHOICES[said], machine))
    table = itertools.product(
        POLICIES.values(), OPTIONS.values(), ENVIRONMENTS.values(), PROJECT_FILES.values()
    )
    for (policy, refused), (options, no_option), (variables, no_variable), (file, no_file) in table:
        write(machine.policy_file, policy)
        write(machine.project_file, file)
        places, here = machine.places, str(machine.project)
        decisions = ask_each(PROGRAMS, places, options, variables, here)
        for program in PROGRAMS:
            is_off = no_option or no_variable or no_file or program in refused
            wanted = "off" if is_off else EXPECTED[said][program != "dbt"]
            assert decisions[program].state == wanted, (program, policy, options, variables, file)
            alone = ask(places, options, variables, here, (), program)
            assert (alone.state, alone.debug, alone.endpoint, alone.yeses) == (
                decisions[program].state,
                decisions[program].debug,
                decisions[program].endpoint,
                decisions[program].yeses,
            )


def test_a_yes_a_debug_and_an_endpoint_are_for_one_program(machine: Machine) -> None:
    config = str(machine.config)
    save(config, decide_telemetry("on", now=5), program="dbt")
    save(config, decide_debug(True), program="dbt")
    save(config, decide_endpoint(ENDPOINT), program="dbt")
    dbt, other, every = (machine.ask(program=one) for one in ("dbt", "cloudquery", None))
    assert (dbt.state, dbt.debug, dbt.endpoint) == ("on", True, ENDPOINT)
    for one in (other, every):
        assert (one.state, one.debug, one.endpoint, one.yeses) == ("hold", False, None, [])


def test_the_narrowest_choice_comes_first(machine: Machine) -> None:
    config, here = str(machine.config), str(machine.project)
    for number, (program, project) in enumerate(
        [(None, None), (None, here), ("dbt", None), ("dbt", here)]
    ):
        change = {**decide_telemetry("on"), **decide_endpoint(f"https://h{number}.example/x")}
        save(config, change, program=program, project=project)
        assert machine.ask(program="dbt").endpoint == f"https://h{number}.example/x"
        assert machine.ask(program="dbt").yeses[0] == change["yes"]
    assert machine.ask(program="cloudquery").endpoint == "https://h1.example/x"


def test_a_reason_says_for_whom_it_was_said(machine: Machine, put: Put) -> None:
    save(str(machine.config), decide_telemetry("off"), program="dbt")
    save(str(machine.config), decide_telemetry("on"))
    put(machine.policy_file, {"programs": {"dbt": {"debug": False}}})
    said = {(one.says, one.note) for one in reasons(machine.ask(program="dbt")) if one.note}
    assert said == {
        ("off", "you chose this for dbt"),
        ("on", "you chose this for all programs"),
        ("no debug", "for dbt"),
    }
    assert {one.note for one in reasons(machine.ask()) if one.note} == {
        "you chose this for all programs"
    }


@pytest.mark.parametrize("name", ["unnamed", "", "a b", "/x", "é", "x" * 200])
def test_nothing_is_saved_for_what_is_no_program(machine: Machine, name: str) -> None:
    with pytest.raises(CqtelError, match="is no program's name"):
        save(str(machine.config), decide_telemetry("on"), program=name)
    assert not machine.choices.exists()


class TestAFileOfVersion1:
    def test_gives_its_yes_to_cloudquery_and_its_no_to_all(self, machine: Machine) -> None:
        machine.user_chose({**YES, "endpoint": ENDPOINT}, {"debug": True})
        assert machine.ask(program="cloudquery").state == "on"
        assert machine.ask(program="cloudquery").endpoint == ENDPOINT
        assert machine.ask(program="cloudquery").debug
        assert machine.ask(program="dbt").state == "hold"
        assert machine.ask(program="dbt").endpoint is None
        machine.user_chose(NO)
        assert {machine.ask(program=one).state for one in (*PROGRAMS, None)} == {"off"}
        machine.user_chose(YES, NO)
        assert {machine.ask(program=one).state for one in (*PROGRAMS, None)} == {"off"}

    def test_is_written_as_version_2_with_the_same_yes(self, machine: Machine) -> None:
        machine.user_chose({**YES, "endpoint": ENDPOINT, "note": 1}, {**NO, "endpoint": ENDPOINT})
        before = machine.ask()
        save(str(machine.config), decide_debug(True), program="dbt")
        assert json.loads(machine.choices.read_text()) == {
            "version": 2,
            "all": {"note": 1},
            "projects": {str(machine.project): NO},
            "programs": {
                "cloudquery": {
                    "all": {**YES, "endpoint": ENDPOINT},
                    "projects": {str(machine.project): {"endpoint": ENDPOINT}},
                },
                "dbt": {"all": {"debug": True}},
            },
        }
        assert (machine.ask().state, machine.ask().yeses) == (before.state, before.yeses)

    def test_may_not_name_programs(self, machine: Machine, put: Put) -> None:
        put(machine.choices, {"version": 1, "programs": {"cloudquery": {"all": YES}}})
        assert {machine.ask(program=one).state for one in (*PROGRAMS, None)} == {"off"}


# Whatever is chosen, by whomever ------------------------------------------------------------------

CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "telemetry": st.sampled_from(["on", "off"]),
        "debug": st.booleans(),
        "endpoint": st.sampled_from([ENDPOINT, "http://127.0.0.1:4318"]),
    },
).map(lambda one: {**one, "catalogue": 1, "yes": "b"} if one.get("telemetry") == "on" else one)
SCOPE = st.fixed_dictionaries(
    {},
    optional={
        "all": CHOICE,
        "projects": st.dictionaries(st.sampled_from(["HERE", "/", "/other"]), CHOICE, max_size=2),
    },
)
OF_OTHERS = st.dictionaries(st.sampled_from(["dbt", "steampipe"]), SCOPE, max_size=2)
UNTRUSTED = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["on", "off", "yes", ENDPOINT, 1, 0]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("telemetry", "debug", "endpoint", "all", "programs", "projects"),
                    *("catalogue", "version", "cloudquery", "dbt", "yes"),
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@many
@given(programs=OF_OTHERS)
def test_no_choice_for_other_programs_changes_anything_for_this_one(
    machine: Machine, programs: dict[str, Any]
) -> None:
    write(machine.choices, placed({"programs": programs}, machine))
    assert read_user(str(machine.config)).problem is None
    for program in ("cloudquery", "unnamed", None):
        decision = machine.ask(program=program)
        assert (decision.state, decision.debug, decision.endpoint) == ("hold", False, None)
        assert decision.mark(ENDPOINT) == decision.mark(None) == ""


@many
@given(policy=UNTRUSTED, project=UNTRUSTED, own=SCOPE)
def test_untrusted_layers_turn_nothing_on(
    machine: Machine, policy: object, project: object, own: dict[str, Any]
) -> None:
    write(machine.choices, placed({"programs": {"cloudquery": own}}, machine))
    write(machine.policy_file, None)
    write(machine.project_file, None)
    trusted = {program: machine.ask(program=program) for program in (*PROGRAMS, None)}
    write(machine.policy_file, {} if policy is None else json.dumps(policy))
    write(machine.project_file, {} if project is None else json.dumps(project))
    for program, before in trusted.items():
        after = machine.ask(program=program)
        assert after.state in {before.state, "off"}
        assert after.debug <= before.debug
        assert after.endpoint == before.endpoint
        assert after.yeses == before.yeses


@many
@given(every=CHOICE, projects=st.dictionaries(st.sampled_from(["HERE", "/"]), CHOICE, max_size=2))
def test_what_becomes_of_version_1_is_no_more_than_it_said(
    machine: Machine, every: dict[str, Any], projects: dict[str, Any]
) -> None:
    text = json.dumps({"version": 1, "all": every, "projects": projects})
    content = json.loads(text.replace("HERE", str(machine.project)))
    write(machine.choices, content)
    read = {one: machine.ask(program=one) for one in (*PROGRAMS, None)}
    write(machine.choices, migrated(content))
    for program, before in read.items():
        after = machine.ask(program=program)
        assert (after.state, after.debug, after.endpoint) == (
            before.state,
            before.debug,
            before.endpoint,
        )
        if program != "cloudquery":
            assert after.state != "on"
            assert after.endpoint is None
