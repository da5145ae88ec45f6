"""Exit codes, streams, and what no user should ever see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import __version__
from cqtel_tui.cli.parser import parser

from ..gate.test_process import at_a_terminal
from .machines import PATIENCE, Machine, Result, run, started, without_rights

if TYPE_CHECKING:
    from .conftest import Here

posix = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")
BASH = shutil.which("bash") or ""
with_bash = pytest.mark.skipif(not BASH, reason="bash is not installed")
HEAVY = {"textual", "rich", "httpx", "anyio", "pygments"}
COMMANDS = [
    *("status", "consent", "forget", "on", "off", "undecide", "debug", "endpoint"),
    *("cookie", "env", "pending", "sent", "rejected", "runs", "show", "trim"),
    *("drop", "send", "retry", "export", "inspect", "catalogue", "run", "verify", "audit"),
    *(
        "completion",
        "demo",
        "collector-policy",
        "policy",
        "policy-file",
        "mine",
        "erase",
        "collector",
    ),
    *("contract", "help"),
]


def commands() -> list[str]:
    [table] = [action for action in parser()._actions if action.choices]
    assert table.choices is not None
    return list(table.choices)


# Usage -------------------------------------------------------------------------------------------


def test_these_are_the_commands() -> None:
    assert sorted(commands()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_on_stdout_and_creates_nothing(cq: Here, command: str) -> None:
    ended = cq(command, "--help")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines[0].startswith(f"usage: cq-telemetry {command}")
    assert cq.files() == set()


def test_the_help_names_every_command_and_the_version_is_ours(cq: Here) -> None:
    ended = cq("--help")
    assert (ended.code, ended.err) == (0, b"")
    assert [name for name in COMMANDS if f"\n    {name}" not in ended.out.decode()] == []
    assert cq("--version") == Result(0, f"cqtel {__version__}\n".encode(), b"")


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "status extra",
        "on --discard",
        "off --include-held",
        "on --erase",
        "cookie show --erase",
        "cookie unlock --erase",
        "mine --export",
        "erase",  # nobody is there to be asked
        "erase --y",
        "off --disc",  # nothing is deleted by half a word
        "debug",
        "debug maybe",
        "endpoint",
        "cookie eat",
        "env --shell tcsh",
        "show",
        "export",
        "export 1 --format xml",
        "drop",
        "send",
        "retry",
        "completion",
        "completion tcsh",
        "run --nonsense -- true",
        "verify",
        "verify --",
        "--json",
    ],
)
def test_wrong_usage_is_told_on_stderr_with_exit_code_2(cq: Here, line: str) -> None:
    ended = cq(*line.split())
    assert (ended.code, ended.out) == (2, b"")
    assert "cq-telemetry" in ended.said
    assert cq.files() == set()


def test_hostile_arguments_are_not_given_back_raw(cq: Here) -> None:
    for arguments in (["\x1b]0;x\x07"], ["status", "\x1b]0;x\x07"], ["show", "\x1b]0;x\x07\x9b"]):
        ended = cq(*arguments)
        assert ended.code
        assert not set("\x1b\x07\x9b") & set(ended.said)


def test_without_a_home_every_command_says_so(machine: Machine) -> None:
    machine.forget_who_is_there()
    for line in ("status", "status --json", "on", "pending", "send --all", "env"):
        ended = machine.cq(*line.split())
        assert (ended.code, ended.out) == (1, b"")
        assert ended.said.startswith("cq-telemetry: There is no home folder to keep your choices")
        assert "Set HOME or CQ_TELEMETRY_HOME" in ended.said
        assert ended.said.count("\n") == 1


# Streams -----------------------------------------------------------------------------------------


def shell(machine: Machine, line: str) -> Result:
    """Run a line in bash, where `$CQ` is `cq-telemetry`."""
    ours = " ".join(map(str, machine.command()))
    return run(
        [BASH, "-c", line],
        environment=machine.environment | {"CQ": ours},
        cwd=machine.project,
    )


@with_bash
@pytest.mark.parametrize(
    "line", ["catalogue", "catalogue --json", "--help", "completion fish", "status --json"]
)
def test_a_reader_that_has_seen_enough_ends_it_without_a_word(machine: Machine, line: str) -> None:
    # The output goes to a pipe whose reader is gone before the first byte.
    ended = shell(machine, f"{{ sleep 0.3; $CQ {line}; echo $? >&2; }} | true")
    assert (ended.code, ended.said) == (0, "141\n")


@with_bash
def test_a_reader_of_both_streams_that_is_gone_ends_it_without_a_word(machine: Machine) -> None:
    notes = machine.outside / "notes"
    shell(machine, f"{{ sleep 0.3; $CQ pending; echo $? > {notes}; }} 2>&1 | true")
    assert notes.read_text() == "141\n"


@with_bash
def test_the_first_lines_can_be_read_alone(machine: Machine) -> None:
    ended = shell(machine, "$CQ catalogue | head -1")
    assert ended.code == 0
    assert ended.err == b""
    assert ended.lines == ["service.name (string: letters, digits, . _ -, up to 40)"]


@with_bash
@pytest.mark.parametrize("line", ["status", "catalogue --json", "--help", "pending"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble(machine: Machine, line: str, closed: str) -> None:
    ended = shell(machine, f"$CQ {line} {closed}")
    assert ended.code == 0
    assert b"Traceback" not in ended.err + ended.out
    assert b"Exception" not in ended.err


@with_bash
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("line", ["status", "catalogue", "--help", "status --json"])
def test_a_disk_that_is_full_is_told(machine: Machine, line: str) -> None:
    ended = shell(machine, f"$CQ {line} > /dev/full")
    assert ended == Result(
        1, b"", b"cq-telemetry: The output could not be written: No space left on device.\n"
    )


@with_bash
@pytest.mark.parametrize(
    "settings", ["PYTHONIOENCODING=ascii", "LC_ALL=C", "PYTHONUTF8=0 LC_ALL=C"]
)
def test_a_terminal_that_knows_no_unicode_is_given_escapes(machine: Machine, settings: str) -> None:
    ended = shell(machine, f"{settings} $CQ catalogue")
    assert ended.code == 0
    assert ended.err == b""
    assert b"service.name" in ended.out


@posix
def test_names_that_are_not_utf8_are_no_trouble(machine: Machine) -> None:
    odd = machine.project / os.fsdecode(b"\xff\xfe.txt")
    odd.write_text("{}")
    ended = machine.cq("inspect", os.fsencode(odd.name))
    assert (ended.code, ended.lines) == (0, ["  {}"])
    ended = machine.cq("inspect", b"none\xff")
    assert ended.code == 1
    assert ended.said == (
        "cq-telemetry: none\\u{dcff} cannot be read: No such file or directory.\n"
    )


@posix
def test_ctrl_c_ends_it_without_a_traceback(machine: Machine) -> None:
    fifo = machine.outside / "fifo"
    os.mkfifo(fifo)
    command = machine.command("inspect", str(fifo))
    with started(command, environment=machine.environment, cwd=machine.project) as process:
        writer = os.open(fifo, os.O_WRONLY)  # which waits until it is read
        process.send_signal(signal.SIGINT)
        os.close(writer)  # a signal that came just before it read is seen when it has read
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, b"", b"")


# Files that cannot be had ------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    "line", ["status", "pending", "sent", "show 1", "drop --all", "send --all"]
)
def test_a_file_where_the_state_folder_should_be_is_told(machine: Machine, line: str) -> None:
    machine.state.parent.mkdir(parents=True)
    machine.state.write_text("mine")
    ended = machine.cq(*line.split())
    assert ended.code == 1
    assert "Not a directory" in ended.said + ended.out.decode()
    assert str(machine.state) in ended.said + ended.out.decode()
    assert "Traceback" not in ended.said
    assert machine.state.read_text() == "mine"


@posix
def test_folders_that_may_not_be_read_or_written_are_told(machine: Machine) -> None:
    before = without_rights()
    if before is None:
        pytest.skip("root reads and writes everything, and rights cannot be given up here")
    machine.witness()
    assert machine.wrap("cloudquery", "sync").code == 0
    assert machine.cq("on").code == 0
    pending = machine.outbox / "pending"
    choices = machine.config / "choices.json"
    content = choices.read_bytes()
    for folder, mode, lines in (
        (pending, 0, ["status", "pending", "show 1", "drop --all", "send --all", "off --discard"]),
        (pending, 0o500, ["drop --all", "off --discard"]),
        (machine.config, 0o500, ["on", "off", "debug on", "endpoint none"]),
        (choices, 0, ["on", "off", "debug on", "endpoint none"]),
    ):
        rights = folder.stat().st_mode
        folder.chmod(mode)
        try:
            for line in lines:
                ended = machine.cq(*line.split(), before=before)
                assert ended.code == 1, line
                words = ended.said + ended.out.decode()
                assert "Permission denied" in words, line
                assert str(folder) in words, line
                assert "Traceback" not in words, line
                if "discard" in line:
                    choices.write_bytes(content)
        finally:
            folder.chmod(rights)
    assert choices.read_bytes() == content
    assert len(machine.envelopes()) == 1


# What is not imported ----------------------------------------------------------------------------

# What a command imported is told when it has ended.
_EACH = """
import json, os, sys
from cqtel_tui.cli import main
imported = lambda: json.dumps(sorted({name.split(".")[0] for name in sys.modules}))
def ended(code):
    print("imported", imported(), file=sys.stderr, flush=True)
    exit(code)
exit, os._exit = os._exit, ended  # `run` ends as the program does, and no `finally` comes after it
try:
    main(sys.argv[1:])
finally:
    ended(0)
"""


def test_what_draws_or_sends_is_imported_by_no_command_that_does_neither(
    machine: Machine,
) -> None:
    machine.witness()
    assert machine.wrap("cloudquery", "sync").code == 0
    machine.cq("endpoint", "https://collector.example/v1/traces")
    [envelope] = machine.envelopes()
    identity = envelope.name.split(",")[1]
    heavy = {}
    for line in (
        *("--help", "status", "status --json", "on", "undecide", "debug on", "cookie", "env"),
        *("pending", "sent", "rejected", "retry --all", f"show {identity}", "completion bash"),
        *(
            f"show {identity} --raw",
            f"show {identity} --leaks",
            f"export {identity} --format har",
            "inspect",
            "catalogue",
        ),
        *("run -- cloudquery sync", "run -- true", "off --discard", f"drop {identity}"),
    ):
        ended = run(
            [sys.executable, "-c", _EACH, *line.split()],
            environment=machine.environment,
            cwd=machine.project,
        )
        imported = json.loads(ended.said.rpartition("imported ")[2])
        heavy[line] = HEAVY & set(imported)
    assert not any(heavy.values()), heavy


# The terminal UI without a terminal --------------------------------------------------------------


def ui() -> list[str]:
    """Return the command line of `cq-telemetry-ui`."""
    script = Path(sys.executable).with_name("cq-telemetry-ui")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "cqtel_tui"]


@posix
@pytest.mark.parametrize("way", ["cq-telemetry-ui", "python -m cqtel_tui", "cq-telemetry demo"])
def test_the_ui_without_a_terminal_ends_at_once_with_words(machine: Machine, way: str) -> None:
    commands: dict[str, list[str | bytes]] = {
        "cq-telemetry-ui": [*ui()],
        "python -m cqtel_tui": [sys.executable, "-X", "importtime", "-m", "cqtel_tui"],
        "cq-telemetry demo": machine.command("demo"),
    }
    ended = run(commands[way], environment=machine.environment, cwd=machine.project)
    assert (ended.code, ended.out) == (1, b"")
    assert "needs a terminal" in ended.said.splitlines()[-1]
    assert "cq-telemetry status" in ended.said
    assert "| textual" not in ended.said
    assert machine.files() == set()


@posix
@pytest.mark.usefixtures("scrubbed")
def test_the_ui_on_a_terminal_that_can_do_nothing_ends_at_once_with_words(
    machine: Machine,
) -> None:
    with at_a_terminal(ui(), **machine.environment, TERM="dumb") as terminal:
        assert "terminal" in terminal.the_rest()
        assert terminal.ends() == 1
