from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.catalogue import is_name
from cqtel_tui.consent.decision import OPTIONS
from cqtel_tui.gate.profiles import CLOUDQUERY, OTHER_OPERATION, Invocation
from cqtel_tui.gate.recognising import hush, recognise, take_options
from cqtel_tui.gate.shipped import PROFILES

WORDS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                *("--", "-h", "--help", "-v", "--log-level", "--cq-dir", "sync", "help", "other"),
                *("--telemetry-level", "--telemetry-level=all", "./secret/path", "--no-telemetry"),
            ]
        ),
    ),
    max_size=8,
)


def operation_of(line: str) -> str | None:
    return Invocation(CLOUDQUERY, ("cloudquery",), tuple(shlex.split(line))).operation


@pytest.mark.parametrize(
    "line",
    [
        "cloudquery sync spec.yml",
        "/opt/cloudquery/bin/cloudquery sync spec.yml",
        "./cloudquery sync spec.yml",
        "'../with space/cloudquery.exe' sync spec.yml",
        "python -m cloudquery sync spec.yml",
        "python3 -m cloudquery sync spec.yml",
        "/usr/bin/python3.13t -m cloudquery sync spec.yml",
        "python -mcloudquery sync spec.yml",
        "python -X dev -W error -I -m cloudquery sync spec.yml",
        "python --check-hash-based-pycs never -m cloudquery sync spec.yml",
    ],
)
def test_cloudquery_is_known_by_its_name_by_any_path_and_as_a_module(line: str) -> None:
    command = shlex.split(line)
    found = recognise(command)
    assert found is not None
    assert found.profile is CLOUDQUERY
    assert found.arguments == ("sync", "spec.yml")
    assert [*found.prefix, *found.arguments] == command
    assert found.through_python == ("python" in line)
    assert found.operation == "sync"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "''",
        "steampipe query",
        "cloudquery-2 sync",
        "mycloudquery sync",
        "python",
        "python cloudquery sync",
        "python script.py -m cloudquery",
        "python - -m cloudquery",
        "python -c pass -m cloudquery",
        "python -m cloudquery.other sync",
        "python -m pip install cloudquery",
        "python -m",
        "pythonic -m cloudquery",
    ],
)
def test_what_is_not_cloudquery_is_not_taken_for_it(line: str) -> None:
    assert recognise(shlex.split(line)) is None


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("sync spec.yml", "sync"),
        ("validate-config spec.yml", "validate-config"),
        ("--log-console sync spec.yml", "sync"),
        ("--log-level debug sync spec.yml", "sync"),
        ("--log-level=debug sync spec.yml", "sync"),
        ("--telemetry-level all sync", "sync"),
        ("plugin install", "plugin"),
        ("policy run k8s", "policy"),
        ("sync -- --help", "sync"),
        # what is not in the profile is never told
        ("./secret/path", OTHER_OPERATION),
        ("synk", OTHER_OPERATION),
        ("SYNC", OTHER_OPERATION),
        ("--unknown hunter2 sync", OTHER_OPERATION),
        # the value of an option is no operation
        ("--log-level sync", None),
        ("--log-level sync init", "init"),
        ("--cq-dir sync tables", "tables"),
        ("--config fetch drift", "drift"),
        ("--telemetry-level sync init", "init"),
        # the releases of 2021 and 2022, and the first of release 6
        ("-v fetch", "fetch"),
        ("-v --config fetch.hcl fetch", "fetch"),
        ("--verbose --no-verify fetch aws", "fetch"),
        ("-v fetch --no-telemetry", "fetch"),
        ("-v=true fetch", "fetch"),
        ("--plugin-dir X fetch", "fetch"),
        ("--plugin-dir=X fetch", "fetch"),
        ("--plugin-dir fetch policy run", "policy"),
        ("--policy-dir ./policies --dsn postgres://u:p@h/d policy run", "policy"),
        ("--reattach-providers r.json --log-file x.log provider sync", "provider"),
        ("--telemetry-endpoint localhost:4317 --max-size 3 gen config", "gen"),
        ("--maxAge 3 --logFile x --driver postgresql query", "query"),
        ("--encode-json --enable-file-logging=false --color never drift scan", "drift"),
        ("--license l.json --log-console sync .", "sync"),
        ("install", "install"),
        ("--log-level info install", "install"),
        ("-v ./secret/path", OTHER_OPERATION),
    ],
)
def test_an_operation_is_a_word_of_the_profile_and_never_an_argument(
    line: str, operation: str | None
) -> None:
    assert operation_of(line) == operation


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-h",
        "--help",
        "--help sync",
        "sync --help",
        "sync spec.yml -h",
        "plugin install --help",
        "help",
        "help sync",
        "-v",
        "-v --log-level debug",
        "-v help",
        "-v version",
        "-v -h fetch",
        "-v fetch --help",
        "--plugin-dir fetch",
        "--version",
        "--log-level debug --version",
        "version",
        "completion bash",
        "__complete sync ''",
        "__completeNoDesc sync ''",
        "--log-console",
        "--",
        "-- sync",
    ],
)
def test_help_version_and_completion_are_no_operation(line: str) -> None:
    assert operation_of(line) is None


@given(WORDS)
def test_whatever_the_arguments_are_an_operation_is_a_word_of_the_profile(words: list[str]) -> None:
    operation = Invocation(CLOUDQUERY, ("cloudquery",), tuple(words)).operation
    assert operation is None or operation in CLOUDQUERY.operations | {OTHER_OPERATION}


def test_every_word_of_a_profile_may_be_recorded() -> None:
    for profile in PROFILES:
        assert all(map(is_name, {profile.name, OTHER_OPERATION, *profile.operations}))


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        ("sync spec.yml", [], "sync spec.yml"),
        ("--no-telemetry sync spec.yml", ["--no-telemetry"], "sync spec.yml"),
        ("sync --inspect-telemetry spec.yml", ["--inspect-telemetry"], "sync spec.yml"),
        ("sync spec.yml --debug-telemetry", ["--debug-telemetry"], "sync spec.yml"),
        (
            "--debug-telemetry sync --no-telemetry --debug-telemetry",
            ["--debug-telemetry", "--no-telemetry", "--debug-telemetry"],
            "sync",
        ),
        ("sync -- --no-telemetry", [], "sync -- --no-telemetry"),
        ("sync --no-telemetry -- --no-telemetry", ["--no-telemetry"], "sync -- --no-telemetry"),
        ("sync --no-telemetry=false", [], "sync"),
        ("sync --no-telemetry=0", [], "sync"),
        ("sync --no-telemetry=true", ["--no-telemetry"], "sync"),
        ("sync --no-telemetry=whatever", ["--no-telemetry"], "sync"),
        ("sync --no-telemetry=", ["--no-telemetry"], "sync"),
        ("sync --inspect-telemetry=whatever", ["--inspect-telemetry"], "sync"),
        ("sync --debug-telemetry=whatever", [], "sync"),
        ("sync --debug-telemetry=", [], "sync"),
        ("sync --debug-telemetry=TRUE", ["--debug-telemetry"], "sync"),
        ("sync --no-telemetry-please", [], "sync --no-telemetry-please"),
        ("sync -no-telemetry", [], "sync -no-telemetry"),
    ],
)
def test_the_three_options_are_taken_out_and_read_as_the_variables_are(
    line: str, options: list[str], rest: str
) -> None:
    assert take_options(shlex.split(line)) == (options, shlex.split(rest))


@given(WORDS)
def test_nothing_else_is_taken_out(words: list[str]) -> None:
    _, rest = take_options(words)
    end = words.index("--") if "--" in words else len(words)
    ours = [word for word in words[:end] if word.partition("=")[0] in OPTIONS]
    assert sorted([*rest, *ours]) == sorted(words)


@pytest.mark.parametrize(
    ("line", "hushed"),
    [
        ("sync spec.yml", "sync spec.yml"),
        ("sync --telemetry-level none", "sync --telemetry-level none"),
        ("sync --telemetry-level=none", "sync --telemetry-level=none"),
        ("--telemetry-level all sync", "--telemetry-level none sync"),
        ("sync --telemetry-level=stats", "sync --telemetry-level=none"),
        ("sync --telemetry-level=", "sync --telemetry-level=none"),
        ("sync --telemetry-level errors -- x", "sync --telemetry-level none -- x"),
        ("sync -- --telemetry-level all", "sync -- --telemetry-level all"),
        ("sync --telemetry-level", "sync --telemetry-level"),
        (
            "sync --telemetry-level all --telemetry-level=all",
            "sync --telemetry-level none --telemetry-level=none",
        ),
    ],
)
def test_the_level_of_its_own_telemetry_is_turned_down(line: str, hushed: str) -> None:
    words = shlex.split(line)
    assert hush(CLOUDQUERY, words) == (shlex.split(hushed), line != hushed)


@given(WORDS)
def test_no_other_argument_is_changed(words: list[str]) -> None:
    hushed, is_changed = hush(CLOUDQUERY, words)
    assert len(hushed) == len(words)
    assert is_changed == (hushed != words)
    changed = [at for at, word in enumerate(words) if hushed[at] != word]
    for at in changed:
        assert words[at].startswith("--telemetry-level=") or words[at - 1] == "--telemetry-level"
        assert hushed[at].removeprefix("--telemetry-level=") == "none"


def test_an_option_of_a_profile_has_a_value_or_ends_it_but_not_both() -> None:
    for profile in PROFILES:
        assert not profile.valued & profile.silent
        assert not profile.valued & profile.operations
        assert all(option.startswith("-") for option in profile.valued)
        assert profile.folders <= profile.valued
