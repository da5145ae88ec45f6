from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.profile_files import SHIPPED
from cqtel_tui.gate.variables import BLOCKED_URL

from ..cli.machines import PATIENCE, Machine, Result, run, started
from .test_process import at_a_terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

NO = ("CQ_NO_TELEMETRY=1", "CQ_TELEMETRY_LEVEL=none", "DO_NOT_TRACK=1")
TELL = "env | grep -E '^(CQ_NO_TELEMETRY|CQ_TELEMETRY_LEVEL|DO_NOT_TRACK)=' | sort; echo given $*"
SUDO = r"""#!/bin/sh
# As sudo does: all variables are dropped but those that are named, and may be.
keep=
while :; do case "$1" in
  --preserve-env=*) keep="${1#*=}"; shift;;
  -n) shift;;
  *=*) echo "sudo: no assignments here" >&2; exit 1;;
  *) break;;
esac; done
[ -n "$SUDO_FORBIDS" ] && [ -n "$keep" ] && {
  echo "sudo: sorry, you are not allowed to preserve the environment" >&2; exit 1; }
set -- "$@"
for name in $(echo "$keep" | tr , ' '); do
  eval "value=\$$name"; given="$given $name=$value"; done
exec env -i PATH="$PATH" HOME="$HOME" $given "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def tells(machine: Machine, name: str = "cloudquery", version: str = "6.21.1") -> None:
    """Put a program on the PATH that says what it was given."""
    machine.program(
        name,
        f'#!/bin/sh\n[ "$*" = --version ] && echo cloudquery version {version} && exit\n{TELL}\n',
    )


def us(machine: Machine) -> Path:
    words = " ".join(f"'{word}'" for word in map(str, machine.command()))
    return machine.program("cq-telemetry", f'#!/bin/sh\nexec {words} "$@"\n')


def profile(machine: Machine, name: str) -> Path:
    folder = machine.config / "profiles"
    folder.mkdir(parents=True, mode=0o700)
    machine.config.chmod(0o700)
    text = SHIPPED.read_text().replace("programs = []", f'programs = ["{name}"]')
    path = folder / f"{name}.toml"
    path.write_text(text.replace('name = "opentelemetry"', f'name = "{name}"'))
    path.chmod(0o600)
    return path


# A no --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "cloudquery sync",
        "env A=1 cloudquery sync",
        "env -i PATH=$PATH cloudquery sync",
        "env CQ_NO_TELEMETRY=0 DO_NOT_TRACK=0 CQ_TELEMETRY_LEVEL=all cloudquery sync",
        "nice cloudquery sync",
        "bash -c 'cloudquery sync'",
        "sh -c 'true; cloudquery sync'",
        "sudo -n cloudquery sync",
        "other-name sync",
        "cloudquery_linux_amd64 sync",
        "cq-telemetry run -- cloudquery sync",
        "cq-telemetry run -- nice cq-telemetry run -- cloudquery sync",
    ],
)
@pytest.mark.parametrize("way", ["option", "variable", "saved", "its own", "project", "no home"])
def test_a_no_reaches_the_program_whatever_stands_before_it(
    machine: Machine, line: str, way: str
) -> None:
    for name in ("cloudquery", "other-name", "cloudquery_linux_amd64"):
        tells(machine, name)
    us(machine)
    machine.program("sudo", SUDO)
    more = {"DO_NOT_TRACK": "1"} if way == "variable" else {}
    if way == "saved":
        machine.cq("off", "--all-programs")
    if way == "its own":
        machine.cq("off", "--program", "cloudquery")
    if way == "project":
        machine.cq("off", "--all-programs", "--project")
    if way == "no home":
        machine.forget_who_is_there()
    options = ["--no-telemetry"] if way == "option" else []
    ours = " ".join(f"'{word}'" for word in map(str, machine.command("run", *options)))
    before = machine.files()
    ended = run(
        ["/bin/sh", "-c", f"{ours} -- {line}"],
        environment=machine.environment | more,
        cwd=machine.project,
    )
    assert ended.code == 0, ended
    assert ended.lines == [*NO, "given sync"]
    machine.wait_for_gates()  # one that begins late leaves its folders late
    assert machine.envelopes() == []
    # Where the program is not seen in the line, others may be started, who have no no.
    is_unseen = any(one in line for one in ("cq-telemetry run", "other-name", "sh -c 'true;"))
    assert machine.files() == before or (way == "its own" and is_unseen)


def test_while_telemetry_is_off_we_become_the_program(machine: Machine) -> None:
    machine.program("tool", "#!/bin/sh\necho $$\n")
    command = machine.command("run", "--no-telemetry", "--", "tool")
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        out, _ = process.communicate(timeout=PATIENCE)
        assert int(out) == process.pid


@pytest.mark.parametrize(
    ("version", "given"),
    [("6.21.1", "given sync"), ("0.20.0", "given sync --no-telemetry=true")],
)
def test_an_option_of_ours_is_taken_only_from_a_release_that_does_not_have_it(
    machine: Machine, version: str, given: str
) -> None:
    tells(machine, version=version)
    for before in ([], ["env", "A=1"], ["nice"]):
        ended = machine.wrap(*before, "cloudquery", "sync", "--no-telemetry=true")
        assert ended.lines == [*NO, given]


def test_what_says_no_version_keeps_its_options_and_they_count(machine: Machine) -> None:
    machine.program("cloudquery", f"#!/bin/sh\n[ $1 = --version ] && exit\n{TELL}\n")
    ended = machine.wrap("cloudquery", "--no-telemetry", "sync")
    assert ended.lines == [*NO, "given --no-telemetry sync"]


def test_an_option_in_a_script_reaches_the_program_and_counts(machine: Machine) -> None:
    tells(machine)
    ended = machine.wrap("sh", "-c", "cloudquery sync --no-telemetry; true")
    assert ended.lines == [*NO, "given sync --no-telemetry"]


def test_a_native_program_is_looked_into_and_not_run_to_learn_of_its_options(
    machine: Machine,
) -> None:
    true = shutil.which("true") or "/bin/true"
    shutil.copy2(true, machine.programs / "cloudquery")
    ended = machine.wrap("cloudquery", "--no-telemetry", "--help")
    shown = run([true, "--help"], environment=machine.environment, cwd=machine.project)
    assert ended.out.count(b"\n") == shown.out.count(b"\n") > 3  # as without the option


def test_what_sudo_does_not_allow_starts_nothing(machine: Machine) -> None:
    tells(machine)
    machine.program("sudo", SUDO)
    ended = machine.wrap("sudo", "cloudquery", "sync", more={"SUDO_FORBIDS": "1"})
    assert ended.code == 1
    assert ended.out == b""
    assert "ours is passed on with --preserve-env" in ended.said
    assert "not allowed to preserve" in ended.said


@pytest.mark.parametrize("line", ["make", "env A=1 cloudquery sync", "bash -c 'exit 1; :'"])
def test_verify_says_what_was_decided(machine: Machine, line: str) -> None:
    tells(machine)
    machine.program("make", "#!/bin/sh\ntrue\n")
    import shlex

    for option, decision in (("--no-telemetry", "off"), ("--debug-telemetry", "hold")):
        found = machine.cq("verify", "--json", option, "--", *shlex.split(line))
        assert found.json["decision"] == decision


# A program that starts itself --------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        'exec cq-telemetry run -- cloudquery "$@"',
        'cq-telemetry run -- cloudquery "$@"; exit $?',
        'exec cq-telemetry run -- env A=1 nice cloudquery "$@"',
        "exec cq-telemetry run -- sh -c 'cloudquery sync'",
        'exec cq-telemetry run --no-telemetry -- cloudquery "$@"',
        'exec cq-telemetry run -- link "$@"',
        'exec cq-telemetry run -- other "$@"',
        'exec cq-telemetry run -- cloudquery --more "$@"',
    ],
)
def test_a_script_that_starts_itself_through_us_ends_with_an_error_that_names_both(
    machine: Machine, how: str
) -> None:
    us(machine)
    shim = machine.program("cloudquery", f"#!/bin/sh\n{how}\n")
    machine.program("other", '#!/bin/sh\nexec cq-telemetry run -- cloudquery "$@"\n')
    (machine.programs / "link").symlink_to(shim)
    ended = run([str(shim), "sync"], environment=machine.environment, cwd=machine.project)
    assert ended.code == 1
    [error] = [line for line in ended.said.splitlines() if "without end" in line]
    assert "cloudquery starts" in error or "other starts" in error or "link starts" in error
    assert "cqtel_tui" in error or "cq-telemetry" in error.removeprefix("cq-telemetry: ")


def test_a_run_within_a_run_works_and_both_are_recorded(machine: Machine) -> None:
    us(machine)
    witness = machine.witness()
    machine.program("make", "#!/bin/sh\ncq-telemetry run -- cloudquery sync\n")
    machine.program("outer", "#!/bin/sh\ncq-telemetry run -- make\n")
    assert machine.wrap("outer").code == 0
    assert [span["name"] for span in machine.spans()] == ["sync"]
    assert witness.last["environment"][b"CQ_NO_TELEMETRY"] == b"T"
    # What is the user's own within the outer run is heard.
    machine.program("make", "#!/bin/sh\nDO_NOT_TRACK=1 cq-telemetry run -- cloudquery sync\n")
    machine.wrap("outer")
    assert witness.last["environment"][b"CQ_NO_TELEMETRY"] == b"1"
    assert len(machine.spans()) == 1


# Sessions ----------------------------------------------------------------------------------------


def test_without_a_command_the_users_shell_is_a_session(machine: Machine) -> None:
    tells(machine)
    for options, words in (
        ([], "this is a session: what programs in it"),
        (["--no-telemetry"], "this is a session: telemetry is off"),
    ):
        ended = machine.cq(
            "run", *options, stdin=b"cloudquery sync; exit 7\n", more={"SHELL": "/bin/sh"}
        )
        assert ended.code == 7
        assert ended.said.startswith(f"cq-telemetry: {words}")
        assert "given sync" in ended.lines
        assert ("the session is over; 0 pending" in ended.said) is (not options)


# As without us -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--no-telemetry"]])
def test_a_script_without_its_first_line_is_run_by_sh(machine: Machine, options: list[str]) -> None:
    machine.program("tool", 'echo "ran $*"\nexit 5\n')
    (machine.programs / "empty").write_text("")
    (machine.programs / "empty").chmod(0o755)
    (machine.programs / "binary").write_bytes(b"\0\1\2\3" * 100)
    (machine.programs / "binary").chmod(0o755)
    assert machine.cq("run", *options, "--", "tool", "a b") == Result(5, b"ran a b\n", b"")
    assert machine.cq("run", *options, "--", "empty").code == 0
    ended = machine.cq("run", *options, "--", "binary")
    assert ended.code == 126
    assert "cannot execute binary file" in ended.said


@pytest.mark.skipif(sys.platform != "linux", reason="it is handed over by Linux' execve")
@pytest.mark.parametrize("options", [[], ["--no-telemetry"]])
def test_a_variable_without_a_name_is_passed_on(machine: Machine, options: list[str]) -> None:
    command = [os.fsencode(word) for word in machine.command("run", *options, "--", "/usr/bin/env")]
    entries = [b"=C:=C:\\", b"=::=::\\", b"=odd"]
    entries += [f"{name}={value}".encode() for name, value in machine.environment.items()]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        words = (ctypes.c_char_p * (len(command) + 1))(*command, None)
        variables = (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
        ctypes.CDLL(None).execve(command[0], words, variables)
        os._exit(99)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = file.read().split(b"\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert {b"=C:=C:\\", b"=::=::\\"} <= set(told)


def _can_be_first() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = subprocess.run(
        [unshare, "--pid", "--fork", "--kill-child", "--mount-proc", "true"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


@pytest.mark.skipif(not _can_be_first(), reason="unshare is not there, or not permitted")
def test_as_the_first_process_we_leave_no_zombie_and_pass_signals_on(machine: Machine) -> None:
    machine.program(
        "tool",
        "#!/bin/sh\ntrap 'echo told; exit 6' TERM\n"
        "for i in 1 2 3; do ( sh -c 'exit 0' & ); done\n"
        "n=0; until [ $(ps -eo stat | grep -c Z) = 0 ]; do\n"
        "n=$((n + 1)); [ $n -gt 600 ] && exit 9; sleep 0.1; done\n"
        "echo clean\nsh -c 'kill -TERM 1'\n"
        "while n=$((n + 1)) && [ $n -lt 1200 ]; do sleep 0.1; done\nexit 8\n",
    )
    first = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    ended = run(
        [*first, *machine.command("run", "--", "tool")],
        environment=machine.environment,
        cwd=machine.project,
    )
    assert (ended.code, ended.lines) == (6, ["clean", "told"])


# Programs that do not heed their opt-out ---------------------------------------------------------


def test_a_profile_of_the_users_is_refused_for_whatever_is_started(machine: Machine) -> None:
    profile(machine, "shop")
    machine.program("make", "#!/bin/sh\nenv | grep OTEL_ | sort\n")
    ended = machine.cq("run", "--no-telemetry", "--", "make")
    assert {
        "OTEL_SDK_DISABLED=true",
        "OTEL_TRACES_EXPORTER=none",
        "OTEL_METRICS_EXPORTER=none",
        "OTEL_LOGS_EXPORTER=none",
        f"OTEL_EXPORTER_OTLP_ENDPOINT={BLOCKED_URL}",
        f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={BLOCKED_URL}",
    } <= set(ended.lines)


def test_at_a_terminal_a_session_is_a_shell_as_without_us(machine: Machine) -> None:
    machine.environment |= {"SHELL": "/bin/sh", "PS1": "> ", "TERM": "xterm"}
    with at_a_terminal(list(map(str, machine.command("run"))), **machine.environment) as terminal:
        terminal.expect("this is a session")
        terminal.type("test -t 0 && test -t 2 && echo both$((1))\n")
        terminal.expect("both1")
        terminal.type("exit 7\n")
        assert terminal.ends() == 7
