"""A no, the environment and odd programs, as they were met in the field."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ...cli.machines import Result

if TYPE_CHECKING:
    from ...deliver.collectors import Collector
    from .installing import Installed

SHOW_NO = 'env | grep -E "^(CQ_NO_TELEMETRY|DO_NOT_TRACK)=" | sort'
NO = ["CQ_NO_TELEMETRY=1", "DO_NOT_TRACK=1"]
PREFIXES = ["", "env A=1", "nice timeout 60 sh -c 'exec \"$@\"' sh"]


def test_what_is_tried_here_is_the_wheel(machine: Installed) -> None:
    where = machine.python("import cqtel_tui; print(cqtel_tui.__file__)").lines[0]
    assert where.startswith(str(machine.commands.parent))
    assert machine.cq("--version").lines[0].startswith("cqtel ")


@pytest.mark.parametrize("name", ["cloudquery", "cloudquery_linux_amd64"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_no_reaches_the_program_behind_a_prefix_and_by_any_name(
    machine: Installed, prefix: str, name: str
) -> None:
    machine.answering(name, SHOW_NO)
    ended = machine.sh(f"cq-telemetry run --no-telemetry -- {prefix} {name} sync")
    assert ended.lines == NO
    assert machine.cq("off").code == 0
    assert machine.sh(f"cq-telemetry run -- {prefix} {name} sync").lines == NO


def test_a_program_that_heeds_no_opt_out_of_opentelemetry_still_reaches_nobody(
    machine: Installed, upstream: Collector
) -> None:
    machine.profile("shop")
    machine.posting("shop", 'print(post(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], b"{}"))')
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": upstream.url.removesuffix("/v1/traces")}
    undecided = machine.cq("run", "--", "shop", more=own)
    refused = machine.cq("run", "--no-telemetry", "--", "shop", more=own)
    assert undecided.code == refused.code == 0
    assert refused.lines == ["URLError"]
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        ("db.internal", "localhost", ["db.internal,127.0.0.1", "localhost,127.0.0.1"]),
        ("*", "", ["*"]),
        ("", "*", ["*"]),
        ("10.0.0.0/8", "", ["10.0.0.0/8,127.0.0.1"]),
    ],
)
def test_a_list_of_what_needs_no_proxy_is_passed_on_as_it_was(
    machine: Installed, upper: str, lower: str, expected: list[str]
) -> None:
    machine.answering("cloudquery", 'env | grep -i "^no_proxy=" | sort | cut -d= -f2-')
    own = {"HTTPS_PROXY": "http://127.0.0.1:9", "LC_ALL": "C"}
    own |= {"NO_PROXY": upper} if upper else {}
    own |= {"no_proxy": lower} if lower else {}
    assert machine.cq("run", "--", "cloudquery", "sync", more=own).lines == expected


def test_a_network_that_needs_no_proxy_is_known_to_the_sender(machine: Installed) -> None:
    source = (
        "from cqtel_tui.deliver.proxies import proxy_for\n"
        "for url in ('https://10.1.2.3/v1/traces', 'https://11.1.2.3/v1/traces'):\n"
        "    print(repr(proxy_for(url)))\n"
    )
    own = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "10.0.0.0/8"}
    assert machine.python(source, more=own).lines[0] == "''"
    assert machine.python(source, more=own).lines[1] != "''"


@pytest.mark.parametrize(
    "url", ["http://rudder.internal:8080", "rudder.internal:8080", "https://r.example/in?token=1"]
)
def test_an_upstream_that_can_never_be_sent_to_is_told_before_the_program_starts(
    machine: Installed, url: str
) -> None:
    batch = b'{"batch":[{"type":"track","event":"e","anonymousId":"x"}]}'
    machine.posting(
        "cloudquery",
        'if sys.argv[1:] == ["--version"]: sys.exit(print("cloudquery version 6.21.1"))\n'
        'print("it begins", file=sys.stderr, flush=True)\n'
        f'post(os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch", {batch!r})',
    )
    ended = machine.cq(
        "run", "--", "cloudquery", "sync", more={"CQ_RUDDERSTACK_DATA_PLANE_URL": url}
    )
    assert ended.code == 0
    told = ended.said.partition("it begins")[0]
    assert "CQ_RUDDERSTACK_DATA_PLANE_URL" in told
    assert "nothing can be sent to" in told
    [intercepted] = machine.intercepted()
    shown = machine.cq("show", intercepted).lines
    assert [line.split(None, 1)[1] for line in shown if line.startswith("to ")] == [
        "no destination"
    ]


def test_a_flag_that_is_the_programs_own_reaches_it(machine: Installed) -> None:
    machine.program("shop", '#!/bin/sh\necho "given: $*"\n')
    machine.profile("shop", without="OTEL_SDK_DISABLED")
    ended = machine.cq("run", "--", "shop", "--no-telemetry", "--debug-telemetry", "go")
    assert ended.lines == ["given: --no-telemetry --debug-telemetry go"]
    assert machine.envelopes() == []


def test_a_shim_of_our_own_ends_with_an_error_and_not_in_a_chain(machine: Installed) -> None:
    machine.program(
        "cloudquery",
        '#!/bin/sh\necho level >> "$HOME/levels"\n'
        '[ $(wc -l < "$HOME/levels") -gt 15 ] && exit 9\n'
        'exec cq-telemetry run -- cloudquery "$@"\n',
    )
    ended = machine.sh("cloudquery sync x")
    assert ended.code == 1
    assert "and so on without end" in ended.said
    assert f"{machine.commands}/cq-telemetry" in ended.said
    assert f"{machine.programs}/cloudquery" in ended.said
    assert (machine.home / "levels").read_text().count("level") < 8


def test_a_script_without_a_first_line_runs_as_from_a_shell(machine: Installed) -> None:
    machine.program("cloudquery", "echo ran\nexit 5\n")
    assert machine.sh("env cloudquery sync").code == 5
    ended = machine.cq("run", "--", "cloudquery", "sync")
    assert (ended.code, ended.out) == (5, b"ran\n")


_EXECUTE = """\
import ctypes, os, sys
words = [word.encode() for word in sys.argv[1:]]
names = [b"=C:=C:\\\\"] + [f"{name}={value}".encode() for name, value in os.environ.items()]
array = lambda entries: (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
ctypes.CDLL(None).execve(words[0], array(words), array(names))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="such a variable is given by Linux' execve")
def test_a_variable_without_a_name_keeps_no_program_from_starting(machine: Installed) -> None:
    words = [str(word) for word in machine.command("run", "--", "/bin/echo", "ran")]
    assert machine.python(_EXECUTE, *words) == Result(0, b"ran\n", b"")


def _is_first_possible() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "--pid", "--fork", "--kill-child", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _is_first_possible(), reason="unshare is not there, or not permitted")
def test_as_the_first_process_of_a_container_no_orphan_stays_a_zombie(machine: Installed) -> None:
    machine.program(
        "orphans",
        "#!/bin/sh\nfor i in 1 2 3; do ( sh -c 'exit 0' & ); done\n"
        "n=0; until [ $(ps -eo stat | grep -c Z) = 0 ]; do\n"
        "n=$((n + 1)); [ $n -gt 300 ] && exit 9; sleep 0.1; done\necho clean\n",
    )
    ended = machine.cq(
        "run",
        "--",
        "orphans",
        before=("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    )
    assert (ended.code, ended.lines) == (0, ["clean"])


def test_the_documented_commands_make_a_folder_that_is_accepted_with_a_wide_umask(
    machine: Installed,
) -> None:
    [shipped] = machine.commands.parent.glob("lib/*/site-packages/cqtel_tui/**/opentelemetry.toml")
    ended = machine.sh(
        "umask 002; mkdir -p -m 700 ~/.config/cqtel/profiles && "
        f"cp '{shipped}' ~/.config/cqtel/profiles/shop.toml && cq-telemetry run -- true"
    )
    assert ended == Result(0, b"", b"")


def test_providers_of_2021_are_listed_though_they_are_files(machine: Installed) -> None:
    machine.answering("cloudquery", "exit 0")
    folder = machine.project / ".cq" / "providers" / "cloudquery" / "aws"
    folder.mkdir(parents=True)
    (folder / "v0.5.1-linux_amd64").touch()
    machine.cq("run", "--inspect-telemetry", "--", "cloudquery", "fetch", "x.hcl")
    assert "cloudquery.plugins" in (machine.project / "cq-telemetry.txt").read_text()
    assert "aws" in (machine.project / "cq-telemetry.txt").read_text()


def test_no_advice_leads_to_a_name_that_the_index_does_not_have(machine: Installed) -> None:
    [package] = machine.commands.parent.glob("lib/*/site-packages/cqtel_tui")
    found = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "pip install 'cqtel-tui" in path.read_text().replace('"', "'")
    ]
    assert found == []
    ended = machine.sh(f"'{machine.commands}/python' -m cqtel_tui.cli --version")
    assert (ended.code, ended.out) == (0, machine.cq("--version").out)
    assert os.access(machine.commands / "cq-telemetry-ui", os.X_OK)


def test_a_version_that_does_not_answer_is_not_waited_for(machine: Installed) -> None:
    machine.program(
        "cloudquery",
        '#!/bin/sh\n[ "$1" = --version ] && { echo asked >> "$HOME/asked"; exec sleep 30; }\n'
        "echo ran\n",
    )
    for _ in range(2):
        assert machine.cq("run", "--", "cloudquery", "sync").lines == ["ran"]
    assert (machine.home / "asked").read_text().splitlines() == ["asked"]
