"""What is to be evaluated in a shell, really evaluated there."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.cli.parser import SHELLS, parser
from cqtel_tui.gate.profile_files import SHIPPED

from ..tui.terminal import terminal
from .machines import Machine, run

if TYPE_CHECKING:
    from .conftest import Here

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-c"],
    "zsh": ["zsh", "-f", "-c"],
    "fish": ["fish", "--no-config", "-c"],
    "powershell": ["pwsh", "-NoProfile", "-NonInteractive", "-Command"],
}
# An alias holds from the next line on, and in a script only where it is asked for.
EVALUATED = {
    "bash": 'shopt -s expand_aliases\neval "$(cq-telemetry env)"\n',
    "zsh": 'setopt aliases\neval "$(cq-telemetry env --shell zsh)"\neval ',
    "fish": "cq-telemetry env --shell fish | source\n",
    "powershell": "cq-telemetry env --shell powershell | Out-String | Invoke-Expression\n",
}
installed = {name: shutil.which(command[0]) for name, command in COMMANDS.items()}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if installed[name] is None:
        pytest.skip(f"{name} is not installed")
    return name


def in_shell(machine: Machine, shell: str, script: str) -> str:
    """Run a script in a shell where `cq-telemetry` is on the PATH; return what it prints."""
    machine.program(
        "cq-telemetry", "#!/bin/sh\nexec " + " ".join(map(str, machine.command())) + ' "$@"\n'
    )
    program = installed[shell]
    assert program is not None
    ended = run(
        [program, *COMMANDS[shell][1:], script],
        environment=machine.environment,
        cwd=machine.project,
    )
    assert ended.said == "", ended.said
    return ended.out.decode("utf-8", "replace")


def test_evaluated_in_a_shell_cloudquery_runs_through_here(machine: Machine, shell: str) -> None:
    witness = machine.witness()
    quote = '\'cloudquery sync "a b" --no-telemetry=0 "*" 2> /dev/null\''
    line = quote if shell == "zsh" else quote.strip("'")
    in_shell(machine, shell, EVALUATED[shell] + line)
    assert witness.arguments == ["sync", "a b", "*"]
    assert [span["name"] for span in machine.spans()] == ["sync"]


def test_evaluated_while_telemetry_is_off_the_opt_out_variables_are_set(
    machine: Machine, shell: str
) -> None:
    assert machine.cq("off").code == 0
    names = ("CQ_NO_TELEMETRY", "CQ_TELEMETRY_LEVEL", "DO_NOT_TRACK")
    script = EVALUATED[shell].removesuffix("eval ") + "env"
    variables = in_shell(machine, shell, script).splitlines()
    assert {
        f"{name}={value}" for name, value in zip(names, ("1", "none", "1"), strict=True)
    } <= set(variables)


def test_each_shell_has_its_own_words_for_it(cq: Here) -> None:
    alias = "alias cloudquery='cq-telemetry run -- cloudquery'"
    assert cq("env").lines == [alias]
    assert cq("env", "--shell", "zsh").lines == [alias]
    assert cq("env", "--shell", "fish").lines == [
        "alias cloudquery 'cq-telemetry run -- cloudquery'"
    ]
    assert cq("env", "--shell", "powershell").lines == [
        "function cloudquery { cq-telemetry run -- cloudquery @args }"
    ]
    assert cq("env", "--shell", "tcsh").code == 2
    assert cq.files() == set()


def test_off_is_told_to_each_shell(cq: Here) -> None:
    cq("off")
    assert cq("env", "--shell", "bash").lines[1:] == [
        "export CQ_NO_TELEMETRY=1",
        "export CQ_TELEMETRY_LEVEL=none",
        "export DO_NOT_TRACK=1",
        "export CDK_DISABLE_CLI_TELEMETRY=true",
        "export SAM_CLI_TELEMETRY=0",
        "export RUNTIME__DLTHUB_TELEMETRY=false",
        "export MELTANO_SEND_ANONYMOUS_USAGE_STATS=false",
        """export MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS='["http://127.0.0.1:1"]'""",
        "export STORYBOOK_DISABLE_TELEMETRY=1",
    ]
    assert cq("env", "--shell", "fish").lines[1] == "set -gx CQ_NO_TELEMETRY 1"
    assert cq("env", "--shell", "powershell").lines[2] == '$env:CQ_TELEMETRY_LEVEL = "none"'


def test_off_is_told_of_the_users_own_programs_too_each_value_as_one_word(cq: Here) -> None:
    folder = cq.config / "profiles"
    folder.mkdir(parents=True, mode=0o700)
    shipped = SHIPPED.read_text().replace("programs = []", 'programs = ["shop"]')
    own = re.sub(r"\[refuse\].*", lambda _: '[refuse]\nSHOP_QUIET = "it\'s $HOME"', shipped)
    assert own.count("SHOP_QUIET") == 1
    (folder / "shop.toml").write_text(own)
    (folder / "shop.toml").chmod(0o600)
    cq("off")
    assert _line(cq, "bash") == """export SHOP_QUIET='it'"'"'s $HOME'"""
    assert _line(cq, "fish") == "set -gx SHOP_QUIET 'it\\'s $HOME'"
    assert _line(cq, "powershell") == '$env:SHOP_QUIET = "it\'s `$HOME"'


def _line(cq: Here, shell: str) -> str:
    [line] = [line for line in cq("env", "--shell", shell).lines if "SHOP_QUIET" in line]
    return line


# completion --------------------------------------------------------------------------------------


def completed(machine: Machine, *words: str) -> list[str]:
    """Let bash complete the last of these words."""
    line = " ".join(["cq-telemetry", *words])
    script = f"""eval "$(cq-telemetry completion bash)"
set -u
complete -p cq-telemetry > /dev/null || exit 1
COMP_LINE='{line}' COMP_POINT={len(line)}
COMP_WORDS=(cq-telemetry {" ".join(f"'{word}'" for word in words)}) COMP_CWORD={len(words)}
_cq_telemetry
printf '%s\\n' "${{COMPREPLY[@]}}" """
    return in_shell(machine, "bash", script).split()


@pytest.mark.skipif(installed["bash"] is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_choices(machine: Machine) -> None:
    commands = completed(machine, "")
    assert {"status", "on", "off", "run", "show"} <= set(commands)
    assert completed(machine, "st") == ["status"]
    assert completed(machine, "off", "--d") == ["--discard"]
    assert completed(machine, "cookie", "l") == ["lock"]
    assert completed(machine, "debug", "o") == ["on", "off"]
    assert completed(machine, "env", "--sh") == ["--shell"]
    assert completed(machine, "export", "0123", "--f") == ["--format"]
    assert completed(machine, "no-such-command", "-") == []


INTERACTIVE = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(cq-telemetry completion bash)"'),
    "zsh": (["-f", "-i"], 'eval "$(cq-telemetry completion zsh)"'),
    "zsh, compinit before": (
        ["-f", "-i"],
        'autoload -U compinit; compinit -u -D; eval "$(cq-telemetry completion zsh)"',
    ),
    "zsh, compinit behind": (
        ["-f", "-i"],
        'eval "$(cq-telemetry completion zsh)"; autoload -U compinit; compinit -u -D',
    ),
    "fish": (["--no-config", "-i"], "cq-telemetry completion fish | source"),
}


@pytest.mark.parametrize("name", INTERACTIVE)
def test_a_tab_completes_in_the_real_shell(machine: Machine, name: str) -> None:
    shell = installed[name.partition(",")[0]]
    if shell is None:
        pytest.skip(f"{name} is not installed")
    options, source = INTERACTIVE[name]
    machine.program(
        "cq-telemetry", "#!/bin/sh\nexec " + " ".join(map(str, machine.command())) + ' "$@"\n'
    )
    environ: Any = {**machine.environment, "PS1": "READY> ", "TERM": "xterm", "COLUMNS": "120"}
    with terminal(shell, *options, size=(120, 30), **environ) as it:
        it.type(f"cd {machine.project}; {source}; echo LOAD''ED\n".encode())
        it.shows("\nLOADED" if "fish" not in name else "LOADED")
        it.type(b"cq-telemetry catal\t--he\t")
        it.shows("cq-telemetry catalogue --help")
        assert "not found" not in it.text
        it.type(b"\x03exit\n")


@pytest.mark.skipif(installed["zsh"] is None, reason="zsh is not installed")
def test_zsh_takes_it_where_compinit_has_not_run(machine: Machine) -> None:
    script = 'eval "$(cq-telemetry completion zsh)"; echo rc=$?'
    assert in_shell(machine, "zsh", script) == "rc=0\n"


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_take_their_completion_without_a_word(machine: Machine, name: str) -> None:
    if installed[name] is None:
        pytest.skip(f"{name} is not installed")
    before = "autoload -U compinit; compinit -u -D; " if name == "zsh" else ""
    source = (
        'eval "$(cq-telemetry completion zsh)"'
        if name == "zsh"
        else ("cq-telemetry completion fish | source")
    )
    assert in_shell(machine, name, before + source) == ""


def test_every_command_is_completed_in_every_shell(cq: Here) -> None:
    [table] = [action for action in parser()._actions if action.dest == "==SUPPRESS=="] or [
        action for action in parser()._actions if action.choices
    ]
    assert table.choices is not None
    for shell in ("bash", "zsh", "fish"):
        ended = cq("completion", shell)
        assert (ended.code, ended.err) == (0, b"")
        for name in table.choices:
            assert str(name) in ended.out.decode()
    assert cq("completion", "powershell").code == 2
