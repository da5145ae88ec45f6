"""Whatever is in a file of choices: one type of error, and no yes but from an exact yes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.consent.choice_file import parsed, plain_object
from cqtel_tui.consent.choices import read_policy, read_project, read_user, understand
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.trusted import MAX_BYTES
from cqtel_tui.errors import UntrustedFileError
from cqtel_tui.formats.bare_json import parse

from .conftest import examples

if TYPE_CHECKING:
    from pathlib import Path

YES = {"telemetry": "on", "catalogue": 1, "consented": 5}
NO = {"telemetry": "off"}
HERE = "/a/project"

NO_WORDS = st.sampled_from(
    [
        "off",
        "Off",
        "OFF",
        " off",
        "no",
        "No",
        "false",
        "False",
        "never",
        "none",
        "disabled",
        "0",
        "opt-out",
        "deny",
        "Refused",
    ]
)
NO_VALUES: st.SearchStrategy[Any] = NO_WORDS | st.sampled_from([False, 0])
NO_KEYS = st.sampled_from(
    [
        "Telemetry",
        "TELEMETRY",
        "telemetry_enabled",
        "enabled",
        "Enabled",
        "tracking",
        "analytics",
        "optIn",
        "opt_in",
        "send",
        "usageStats",
        "consent",
        "collect",
        "share",
        "allowTelemetry",
    ]
)
OTHER_KEYS = st.sampled_from(
    [
        "telemetry",
        "debug",
        "endpoint",
        "all",
        "projects",
        "catalogue",
        "consented",
        "version",
        HERE,
        "/",
        "theme",
        "note",
        "",
    ]
)
WORDS = st.sampled_from(["on", "off", "On", "yes", "true", "https://c.example/v1/traces", "1", ""])
LEAVES = st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | WORDS | st.text(max_size=5)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(OTHER_KEYS | NO_KEYS | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
SCOPES = st.fixed_dictionaries(
    {},
    optional={
        "all": st.sampled_from([YES, NO, {}]),
        "projects": st.dictionaries(st.sampled_from([HERE, "/", "/a"]), st.sampled_from([YES, NO])),
    },
)
FILES = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just(1) | st.just(2) | LEAVES,
        "programs": st.dictionaries(
            st.sampled_from(["cloudquery", "dbt", "unnamed", "a b"]), SCOPES | JSON, max_size=3
        )
        | JSON,
        "all": st.sampled_from([YES, NO, {}]) | st.dictionaries(OTHER_KEYS, LEAVES, max_size=4),
        "projects": st.dictionaries(
            st.sampled_from([HERE, "/", "relative", "/a"]), st.sampled_from([YES, NO, {}]) | JSON
        )
        | JSON,
        "theme": JSON,
        "telemetry": NO_VALUES | LEAVES,
    },
)


def text_of(content: object) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


def is_exact_yes(content: Any) -> bool:
    """Written anew from what the documentation says, and not from the reader."""
    return (
        isinstance(content, dict)
        and content.get("telemetry") == "on"
        and type(content.get("catalogue")) is int
        and content["catalogue"] > 0
    )


@examples(400)
@given(data=st.binary(max_size=300) | JSON.map(text_of) | FILES.map(text_of))
def test_a_reader_raises_one_type_of_error_and_invents_no_yes(data: bytes) -> None:
    try:
        content = parsed(data)
        read = understand("choices.json", content)
    except UntrustedFileError:
        return
    whole = json.loads(data)
    version = whole.get("version", 2 if "programs" in whole else 1)
    assert version in {1, 2}
    for program, (every, projects) in read.programs.items():
        # A yes of version 1 was said to CloudQuery.
        scope = whole if version == 1 or program is None else whole["programs"][program]
        assert version == 2 or program in {None, "cloudquery"}
        if every.telemetry == "on":
            assert is_exact_yes(scope["all"])
            assert program is not None or version == 2
            assert "telemetry" not in whole or program is not None
        for where, choice in projects.items():
            assert choice.telemetry != "on" or is_exact_yes(scope["projects"][where])


@examples(400)
@given(
    key=st.just("telemetry") | NO_KEYS,
    value=NO_VALUES,
    beside=st.sampled_from([{}, {"all": YES}, {"all": YES, "projects": {HERE: YES}}]),
    where=st.sampled_from(["top", "all", "project", "theme"]),
)
def test_a_no_wherever_it_is_written_is_never_passed_over(
    key: str, value: object, beside: dict[str, Any], where: str
) -> None:
    content = json.loads(json.dumps(beside))
    if where == "top":
        content[key] = value
    elif where == "project":
        content.setdefault("projects", {}).setdefault(HERE, {})[key] = value
    else:
        content.setdefault(where, {})[key] = value
    try:
        read = understand("choices.json", parsed(text_of(content)))
    except UntrustedFileError:
        return
    said = read.choice(None, HERE if where == "project" else None)
    assert said.telemetry == "off", content


@examples(80)
@given(data=st.binary(max_size=200) | JSON.map(text_of) | FILES.map(text_of))
def test_a_place_that_can_only_refuse_never_says_yes(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / ".cq"
    folder.mkdir(exist_ok=True)
    (folder / "telemetry.json").write_bytes(data)
    (tmp_path / "choices.json").write_bytes(data)
    for read in (read_project(str(tmp_path)), read_policy(str(tmp_path))):
        for choice, projects in read.programs.values():
            assert choice.telemetry in {None, "off"}
            assert choice.debug in {None, False}
            assert choice.endpoint is None
            assert not projects
    nowhere = str(tmp_path / "nowhere")
    admin = (nowhere, nowhere, (str(tmp_path),))
    decision = ask(admin, (), {}, str(tmp_path), (), "cloudquery")
    assert decision.state in {"hold", "off"}
    assert not decision.debug
    assert decision.endpoint is None


@examples(80)
@given(
    choices=FILES.map(text_of) | st.binary(max_size=100),
    project=st.sampled_from([HERE, "/", "/a", "/a/project/below", "/b"]),
    program=st.sampled_from([None, "cloudquery", "dbt"]),
)
def test_what_a_file_comes_to_is_never_more_than_it_says(
    tmp_path: Path, choices: bytes, project: str, program: str | None
) -> None:
    (tmp_path / "choices.json").write_bytes(choices)
    decision = ask((str(tmp_path), str(tmp_path), ()), (), {}, project, (), program)
    read = read_user(str(tmp_path))
    if read.problem is not None:
        assert decision.state == "off"
    elif decision.state == "on":
        scopes = [read.programs[one] for one in {program, None} if one in read.programs]
        said = [one for every, projects in scopes for one in (every, projects.get(project)) if one]
        assert "on" in {one.telemetry for one in said}
        assert "off" not in {every.telemetry for every, _ in scopes}
        for where, choice in [pair for _, projects in scopes for pair in projects.items()]:
            is_around = f"{project}/".replace("//", "/").startswith(f"{where.rstrip('/')}/")
            assert not (is_around and choice.telemetry == "off")


@examples(400)
@given(
    text=JSON.map(json.dumps)
    | st.text(alphabet='{}[]":,0123456789eE.+-truefalsn \n\\', max_size=60)
    | FILES.map(lambda content: json.dumps(content, indent=2))
)
def test_what_is_read_without_a_library_is_what_the_library_reads(text: str) -> None:
    try:
        value = plain_object(text)
    except ValueError:
        value = None
    if value is None:
        return
    assert parse(text) == value == json.loads(text)


@examples(20)
@given(st.integers(0, 3), st.sampled_from([b" ", b"[", b'{"a":', b"9", b'"']))
def test_a_file_of_any_size_ends_in_bounds(more: int, filling: bytes) -> None:
    data = b'{"all":{}}' + filling * (MAX_BYTES + more)
    with pytest.raises(UntrustedFileError, match="larger than"):
        parsed(data)
