from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest

from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.consent.choices import read_user
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.saving import (
    ChoicesUnreadableError,
    decide_debug,
    decide_endpoint,
    decide_telemetry,
    save,
)
from cqtel_tui.consent.trusted import MAX_BYTES
from cqtel_tui.errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Machine

    Put = Callable[[Path, object], None]
    Run = Callable[..., str]

ENDPOINT = "https://collector.example/v1/traces"
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".choices.json.lock"}


class TestWhatIsDecided:
    def test_a_yes_holds_the_catalogue_it_was_given_for_and_when(self) -> None:
        assert decide_telemetry("on", now=5) == {
            "telemetry": "on",
            "catalogue": CATALOGUE_VERSION,
            "consented": 5,
            "yes": ANY,
            "contract": None,
        }
        assert decide_telemetry("on")["consented"] > 1_700_000_000_000_000_000

    def test_no_two_yeses_are_the_same_whatever_the_clock_says(self) -> None:
        ids = {decide_telemetry("on", now=5)["yes"] for _ in range(100)}
        assert len(ids) == 100

    def test_a_no_takes_the_yes_with_it(self, machine: Machine) -> None:
        save(str(machine.config), decide_telemetry("on", now=5))
        save(str(machine.config), decide_telemetry("off"))
        assert json.loads(machine.choices.read_text())["all"] == {"telemetry": "off"}

    def test_undecided_is_as_if_nothing_had_been_said(self, machine: Machine) -> None:
        save(str(machine.config), decide_telemetry("on", now=5))
        save(str(machine.config), decide_telemetry(None))
        assert json.loads(machine.choices.read_text())["all"] == {}
        assert machine.ask().state == "hold"

    def test_debug_can_be_asked_for_and_no_longer(self, machine: Machine) -> None:
        save(str(machine.config), decide_debug(True))
        assert machine.ask().debug
        save(str(machine.config), decide_debug(False))
        assert not machine.ask().debug
        assert machine.ask(["--debug-telemetry"]).debug

    def test_a_lasting_no_to_debug_is_not_undone_by_another_no(self, machine: Machine) -> None:
        machine.user_chose({"debug": False})
        save(str(machine.config), decide_debug(False))
        assert not machine.ask(["--debug-telemetry"]).debug
        save(str(machine.config), decide_debug(True))
        assert machine.ask().debug

    def test_an_endpoint_can_be_set_and_removed(self, machine: Machine) -> None:
        save(str(machine.config), decide_endpoint(ENDPOINT))
        assert machine.ask().endpoint == ENDPOINT
        save(str(machine.config), decide_endpoint(None))
        assert machine.ask().endpoint is None

    @pytest.mark.parametrize("url", ["http://collector.example/", "", "https://me:pw@x.example/"])
    def test_an_endpoint_that_cannot_be_one_is_refused_with_the_reason(self, url: str) -> None:
        with pytest.raises(CqtelError, match=r"cannot be an endpoint: it .* Give a URL such as"):
            decide_endpoint(url)


class TestSaving:
    @pytest.mark.parametrize("umask", [0, 0o022, 0o077])
    def test_makes_a_file_and_a_folder_for_the_user_alone(
        self, machine: Machine, umask: int
    ) -> None:
        machine.config.rmdir()
        os.umask(umask)
        saved = save(str(machine.config), decide_telemetry("on", now=5))
        assert (saved.choice().telemetry, saved.choice().consented) == ("on", 5)
        assert mode(machine.choices) == 0o600
        assert mode(machine.config) == 0o700
        assert mode(machine.config / ".choices.json.lock") == 0o600
        assert names(machine.config) == {"choices.json"}

    def test_makes_a_file_that_all_could_read_private(self, machine: Machine) -> None:
        machine.user_chose({"telemetry": "off"})
        machine.choices.chmod(0o644)
        save(str(machine.config), decide_debug(True))
        assert mode(machine.choices) == 0o600

    def test_writes_what_a_person_can_read(self, machine: Machine) -> None:
        yes = decide_telemetry("on", now=5)
        save(str(machine.config), yes, project="/home/josé")
        assert machine.choices.read_text("utf-8") == (
            '{\n  "version": 2,\n  "projects": {\n    "/home/josé": {\n'
            f'      "telemetry": "on",\n      "catalogue": {CATALOGUE_VERSION},\n'
            f'      "consented": 5,\n      "yes": "{yes["yes"]}"\n    }}\n  }}\n}}\n'
        )

    def test_keeps_every_key_it_does_not_know(self, machine: Machine, put: Put) -> None:
        content = {
            "version": 2,
            "theme": {"dark": [1, 2.5, None, True, "\N{SNOWMAN}"]},
            "all": {"telemetry": "off", "colour": "red"},
            "projects": {"/a": {"debug": True, "note": ""}, "/b": {}},
        }
        put(machine.choices, content)
        save(str(machine.config), decide_debug(True))
        save(str(machine.config), decide_telemetry("off"), project="/a")
        content["all"] = {"telemetry": "off", "colour": "red", "debug": True}
        content["projects"] = {"/a": {"debug": True, "note": "", "telemetry": "off"}, "/b": {}}
        assert json.loads(machine.choices.read_text("utf-8")) == content

    def test_keeps_text_that_is_no_unicode(self, machine: Machine, put: Put) -> None:
        put(machine.choices, '{"lone": "\\udfff", "all": {}}')
        folder = os.fsdecode(b"/not/utf-8/\xff")
        save(str(machine.config), decide_telemetry("off"), project=folder)
        assert json.loads(machine.choices.read_text("utf-8"))["lone"] == "\udfff"
        assert read_user(str(machine.config)).choice(None, folder).telemetry == "off"

    def test_forgets_a_project_of_which_nothing_is_left_to_say(self, machine: Machine) -> None:
        save(str(machine.config), decide_telemetry("off"), project="/a")
        save(str(machine.config), decide_telemetry(None), project="/a")
        assert json.loads(machine.choices.read_text())["projects"] == {}

    def test_keys_a_project_by_its_real_path(self, machine: Machine) -> None:
        link = machine.root / "link"
        link.symlink_to(machine.project)
        save(str(machine.config), decide_telemetry("off"), project=f"{link}/.cq/../")
        assert list(read_user(str(machine.config)).projects) == [str(machine.project)]
        assert machine.ask().state == "off"
        assert ask(machine.places, (), {}, str(link)).state == "off"
        assert ask(machine.places, (), {}, str(machine.root)).state == "hold"

    @pytest.mark.parametrize(
        "change", [{"telemetry": "maybe"}, {"telemetry": "on"}, {"debug": 1}, {"endpoint": "x"}]
    )
    def test_refuses_what_it_could_not_read_again(
        self, machine: Machine, change: dict[str, object]
    ) -> None:
        machine.user_chose({"telemetry": "off"})
        before = machine.choices.read_bytes()
        with pytest.raises(CqtelError, match="could not be read again"):
            save(str(machine.config), change)
        assert machine.choices.read_bytes() == before
        assert names(machine.config) == {"choices.json"}

    def test_refuses_a_number_that_it_could_not_write(self, machine: Machine, put: Put) -> None:
        put(machine.choices, '{"a": 1e999}')
        with pytest.raises(CqtelError, match=r"could not be read again: .* Infinity is not JSON"):
            save(str(machine.config), decide_telemetry("off"))
        assert machine.choices.read_text() == '{"a": 1e999}'

    def test_keeps_or_refuses_what_is_nested_deeply(self, machine: Machine, put: Put) -> None:
        # What can be read is not always what can be written: it takes more of the stack.
        for depth in (10, 300, 500, 900, 980, 1100, 2000):
            content = '{"a":' + "[" * depth + "]" * depth + "}"
            put(machine.choices, content)
            try:
                saved = save(str(machine.config), decide_telemetry("off"))
            except CqtelError as refused:
                assert str(machine.choices) in str(refused)  # noqa: PT017  # not always refused
                assert machine.choices.read_text() == content
            else:
                assert saved.content["a"] == json.loads(content)["a"]
                assert saved.choice().telemetry == "off"

    def test_refuses_to_grow_beyond_what_it_reads(self, machine: Machine, put: Put) -> None:
        projects = {f"/{number:>0100}": {"debug": True} for number in range(1900)}
        put(machine.choices, {"projects": projects})
        assert machine.choices.stat().st_size < MAX_BYTES
        assert machine.ask().state == "hold"
        before = machine.choices.read_bytes()
        with pytest.raises(CqtelError, match="larger than"):
            save(str(machine.config), decide_telemetry("off"))
        assert machine.choices.read_bytes() == before

    def test_says_so_when_the_folder_cannot_be_made(self, machine: Machine) -> None:
        machine.config.rmdir()
        machine.config.write_text("a file")
        with pytest.raises(CqtelError, match=r"choices\.json could not be written: .* status"):
            save(str(machine.config), decide_telemetry("off"))
        assert machine.config.read_text() == "a file"

    @pytest.mark.usefixtures("shared_group")
    @pytest.mark.parametrize("replace", [False, True])
    def test_refuses_a_folder_that_others_may_write_with_the_way_out(
        self, machine: Machine, *, replace: bool
    ) -> None:
        machine.config.chmod(0o770)
        with pytest.raises(CqtelError, match="folder can be written by others; use chmod go-w"):
            save(str(machine.config), decide_telemetry("on"), replace_unreadable=replace)
        assert list(machine.config.iterdir()) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_refuses_a_folder_of_another_user(self, machine: Machine) -> None:
        os.chown(machine.config, NOBODY, NOBODY)
        with pytest.raises(CqtelError, match=f"the folder of another user .uid {NOBODY}"):
            save(str(machine.config), decide_telemetry("off"))
        assert list(machine.config.iterdir()) == []

    def test_does_not_follow_a_link_in_the_place_of_its_lock(self, machine: Machine) -> None:
        (machine.config / ".choices.json.lock").symlink_to(machine.root / "elsewhere")
        with pytest.raises(CqtelError, match="could not be written"):
            save(str(machine.config), decide_telemetry("off"))
        assert not (machine.root / "elsewhere").exists()


def make_garbage(path: Path) -> None:
    path.write_text("garbage")


def make_link(path: Path) -> None:
    path.symlink_to("elsewhere")


def make_folder(path: Path) -> None:
    (path / "within").mkdir(parents=True)


def make_writable_by_all(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0o666)


def make_foreign(path: Path) -> None:
    path.write_text("{}")
    os.chown(path, NOBODY, NOBODY)


UNREADABLE = [
    make_garbage,
    make_link,
    os.mkfifo,
    make_folder,
    make_writable_by_all,
    pytest.param(
        make_foreign,
        marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away"),
    ),
]


class TestBeginningAnew:
    @pytest.mark.parametrize("make", UNREADABLE)
    def test_keeps_the_old_file_beside_the_new_one(
        self, machine: Machine, make: Callable[[Path], None]
    ) -> None:
        make(machine.choices)
        old = machine.choices.lstat()
        with pytest.raises(ChoicesUnreadableError):
            save(str(machine.config), decide_telemetry("on", now=5))
        assert names(machine.config) == {"choices.json"}

        saved = save(str(machine.config), decide_telemetry("on", now=5), replace_unreadable=True)
        assert saved.problem is None
        assert machine.ask().state == "on"
        (kept,) = names(machine.config) - {"choices.json"}
        assert kept.startswith("choices.json.unreadable-")
        status = (machine.config / kept).lstat()
        assert (status.st_mode, status.st_ino, status.st_uid, status.st_nlink) == (
            (old.st_mode, old.st_ino, old.st_uid, old.st_nlink)
        )

    def test_of_a_file_that_can_be_read_is_an_ordinary_save(self, machine: Machine) -> None:
        save(str(machine.config), decide_debug(True))
        save(str(machine.config), decide_telemetry("off"), replace_unreadable=True)
        assert names(machine.config) == {"choices.json"}
        assert json.loads(machine.choices.read_text())["all"] == {"debug": True, "telemetry": "off"}


MANY_AT_ONCE = """
import os, sys
from cqtel_tui.consent.saving import save

config = sys.argv[1]
gate, starter = os.pipe()
children = []
for number in range(20):
    child = os.fork()
    if not child:
        os.close(starter)
        os.read(gate, 1)
        for turn in range(3):
            save(config, {f"key {number} {turn}": number})
            save(config, {"debug": True}, project=f"/project {number} {turn}")
        os._exit(0)
    children.append(child)
os.close(starter)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("folder", ["there", "to be made"])
def test_twenty_processes_that_save_at_once_lose_nothing(
    machine: Machine, run: Run, folder: str
) -> None:
    if folder == "there":
        machine.user_chose({"telemetry": "off"})
    else:
        machine.config.rmdir()
    run(MANY_AT_ONCE, machine.config)
    content = json.loads(machine.choices.read_text())
    keys = {(number, turn) for number in range(20) for turn in range(3)}
    assert {f"key {number} {turn}" for number, turn in keys} <= content["all"].keys()
    assert set(content["projects"]) == {f"/project {number} {turn}" for number, turn in keys}
    assert (content["all"].get("telemetry") == "off") == (folder == "there")
    assert names(machine.config) == {"choices.json"}


# Kills a process that saves before its first line, its second, and so on, until it is not killed.
KILLED_AT_EVERY_LINE = """
import os, shutil, signal, sys
from cqtel_tui.consent import choices, saving
from cqtel_tui import files

config, before = sys.argv[1], os.fsencode(sys.argv[2])
path = config + "/choices.json"
ours = (saving.__file__, files.__file__)

def save(kill_at):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename not in ours:
            return None
        lines += event == "line"
        if lines == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    change = saving.decide_telemetry("on", now=5)
    saving.save(config, {**change, "endpoint": "https://a.example/x"}, replace_unreadable=True)

kill_at = 0
while True:
    kill_at += 1
    shutil.rmtree(config)
    os.mkdir(config, 0o700)
    if before:
        with open(path, "wb") as file:
            file.write(before)
    child = os.fork()
    if not child:
        save(kill_at)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    read = choices.read_user(config)
    if not status:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    with open(path, "rb") if os.path.exists(path) else open(os.devnull, "rb") as file:
        found = file.read()
    is_new = read.choice().telemetry == "on" and read.choice().endpoint == "https://a.example/x"
    assert is_new or found == before, (kill_at, found)
assert read.choice().telemetry == "on"
print(kill_at)
"""


@pytest.mark.parametrize("before", ["", '{"all": {"telemetry": "off"}, "more": 1}', "garbage"])
def test_a_process_killed_in_a_save_leaves_the_old_file_or_the_new_one(
    machine: Machine, run: Run, before: str
) -> None:
    assert int(run(KILLED_AT_EVERY_LINE, machine.config, before)) > 40


# A file-size limit is what a full disk is to a program: its write fails half-way.
ON_A_FULL_DISK = """
import os, resource, sys
from cqtel_tui.consent.saving import decide_telemetry, save
from cqtel_tui.errors import CqtelError

resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
try:
    save(sys.argv[1], decide_telemetry("on"), replace_unreadable=True)
except CqtelError as error:
    print(error)
"""


@pytest.mark.parametrize("before", ['{"all": {"telemetry": "off"}}', "garbage"])
def test_a_full_disk_changes_nothing_and_is_told(
    machine: Machine, put: Put, run: Run, before: str
) -> None:
    put(machine.choices, before)
    said = run(ON_A_FULL_DISK, machine.config)
    assert said.startswith(f"{machine.choices} could not be written: File too large.")
    assert machine.choices.read_text() == before
    assert names(machine.config) == {"choices.json"}
    assert machine.ask().state == "off"


def test_a_file_system_without_fsync_for_folders_will_do(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(22, "Invalid argument")
        real(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    assert save(str(machine.config), decide_telemetry("off")).choice().telemetry == "off"


def test_the_file_and_then_its_folder_are_seen_to_the_disk(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    real = os.fsync

    def fsync(opened: int) -> None:
        status = os.fstat(opened)
        synced.append(status.st_ino)
        if len(synced) == 1:
            assert not machine.choices.exists()
        real(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    save(str(machine.config), decide_telemetry("off"))
    assert synced == [machine.choices.stat().st_ino, machine.config.stat().st_ino]


NO_LOCK = """
import fcntl
def flock(*_):
    raise OSError(37, "No locks available")
fcntl.flock = flock
"""
PROJECTS_AT_ONCE = """
import os, sys
from cqtel_tui.consent.saving import decide_telemetry, save
gate, starter = os.pipe()
children = []
for number in range(12):
    child = os.fork()
    if not child:
        os.close(starter)
        os.read(gate, 1)
        for turn in range(4):
            save(sys.argv[1], decide_telemetry("off"), project=f"/project-{number}-{turn}")
        os._exit(0)
    children.append(child)
os.close(starter)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


class TestWithoutLocks:
    """NFS without them, Lustre, some FUSE."""

    @pytest.fixture(autouse=True, params=[errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
    def no_locks(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        def flock(*_: object) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(fcntl, "flock", flock)

    def test_a_no_is_saved_all_the_same(self, machine: Machine) -> None:
        save(str(machine.config), decide_telemetry("off"))
        assert machine.ask().state == "off"
        assert names(machine.config) == {"choices.json"}

    def test_a_claim_that_was_left_behind_is_not_waited_for(self, machine: Machine) -> None:
        claim = machine.config / ".choices.json.lock.held"
        claim.touch()
        os.utime(claim, (5, 5))
        save(str(machine.config), decide_telemetry("off"))
        assert machine.ask().state == "off"
        assert not claim.exists()

    def test_a_refused_change_leaves_no_claim(self, machine: Machine) -> None:
        with pytest.raises(CqtelError):
            save(str(machine.config), {"telemetry": "maybe"})
        assert not (machine.config / ".choices.json.lock.held").exists()


def test_many_processes_without_locks_lose_nothing(machine: Machine, run: Run) -> None:
    run(NO_LOCK + PROJECTS_AT_ONCE, machine.config)
    assert len(read_user(str(machine.config)).projects) == 48
    assert names(machine.config) == {"choices.json"}


def test_what_somebody_else_writes_at_the_same_time_is_kept(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process on another machine, say, that shares the folder and not the lock."""
    real = os.fsync
    turns = iter([True])

    def fsync(opened: int) -> None:
        real(opened)
        if next(turns, False):
            other = machine.config / "other"
            other.write_text(json.dumps({"projects": {"/a": {"telemetry": "off"}}}))
            other.chmod(0o600)
            other.replace(machine.choices)

    monkeypatch.setattr(os, "fsync", fsync)
    save(str(machine.config), decide_telemetry("off"), project="/b")
    assert set(read_user(str(machine.config)).projects) == {"/a", "/b"}


@pytest.mark.parametrize("umask", [0, 0o002, 0o022, 0o077, 0o777, 0o277])
def test_all_folders_that_are_made_are_private_whatever_the_umask(
    machine: Machine, umask: int
) -> None:
    config = machine.root / "new" / "a" / "b"
    before = os.umask(umask)
    try:
        save(str(config), decide_telemetry("off"))
    finally:
        os.umask(before)
    assert [mode(folder) for folder in (config, config.parent, config.parents[1])] == [0o700] * 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_saves_nothing_in_the_home_of_a_user_and_says_why(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(machine.home))
    machine.config.rmdir()
    os.chown(machine.home, NOBODY, NOBODY)
    with pytest.raises(CqtelError, match=r"was not changed: you are root, .* Go without sudo"):
        save(str(machine.config), decide_telemetry("off"))
    assert not machine.config.exists()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free some space there"),
        (errno.EDQUOT, "Your quota is used up"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "who owns the folder"),
        (errno.EIO, "The disk has an error"),
        (errno.EBADMSG, "Look at the folder and at its file system"),
    ],
)
def test_a_failure_tells_its_true_reason_and_how_else_to_say_no(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CqtelError) as refused:
        save(str(machine.config), decide_telemetry("off"))
    assert os.strerror(number) in str(refused.value)
    assert advice in str(refused.value)
    assert "DO_NOT_TRACK=1 in the environment opts out without a file" in str(refused.value)
