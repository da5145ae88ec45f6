from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.consent import cookie
from cqtel_tui.consent.cookie import (
    CookieError,
    legacy,
    lock,
    look,
    new_value,
    read_or_create,
    reset,
    unlock,
)
from cqtel_tui.errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.consent.conftest import Machine

    Put = Callable[[Path, object], None]
    Run = Callable[..., str]

VALUE = "0b8f1a52-8f3e-4c55-9a4e-6a2f6f0f7d11"
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def project(machine: Machine) -> str:
    return str(machine.project)


@pytest.fixture
def home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which an earlier release kept its files."""
    monkeypatch.setenv("HOME", str(machine.home))
    (machine.home / ".cq").mkdir()
    return machine.home


class TestLooking:
    def test_there_is_none(self, machine: Machine, project: str) -> None:
        found = look(project)
        assert (found.state, found.value, found.reason, found.modified) == (
            "absent",
            None,
            "",
            None,
        )
        assert found.path == str(machine.cookie)

    def test_there_is_no_folder(self, machine: Machine, project: str) -> None:
        machine.cookie.parent.rmdir()
        assert look(project).state == "absent"
        assert not machine.cookie.parent.exists()

    @pytest.mark.parametrize("text", [VALUE, f"{VALUE}\n", f" {VALUE}\r\n"])
    def test_there_is_one(self, machine: Machine, put: Put, project: str, text: str) -> None:
        put(machine.cookie, text)
        os.utime(machine.cookie, (7, 7))
        found = look(project)
        assert (found.state, found.value, found.reason, found.modified) == ("present", VALUE, "", 7)

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0])
    def test_a_directory_locks_it(self, machine: Machine, project: str, mode: int) -> None:
        machine.cookie.mkdir()
        machine.cookie.chmod(mode)
        found = look(project)
        machine.cookie.chmod(0o700)
        assert (found.state, found.value) == ("locked", None)


CLOSED_TO_AN_ORDINARY_USER = """
import os, sys, tempfile
from cqtel_tui.consent.cookie import lock, look, read_or_create, unlock
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as project:
    os.environ["HOME"] = project
    path = project + "/.cq/telemetry-cookie"
    print(read_or_create(project) == look(project).value)
    os.chmod(path, 0)
    print(look(project).state, look(project).reason)
    lock(project)
    os.chmod(path, 0)
    print(look(project).state, lock(project), read_or_create(project))
    os.chmod(project + "/.cq", 0)
    print(look(project).state, look(project).reason)
    os.chmod(project + "/.cq", 0o700)
    unlock(project)
    os.rmdir(project + "/.cq")
    os.chmod(project, 0o500)
    print(read_or_create(project), look(project).state)
    os.chmod(project, 0o700)
"""


def test_what_may_not_be_opened_is_unsafe_but_for_a_directory(run: Run, open_to_all: Path) -> None:
    assert run(CLOSED_TO_AN_ORDINARY_USER, open_to_all).splitlines() == [
        "True",
        "unsafe it cannot be read: Permission denied",
        "locked [] None",
        "unsafe .cq cannot be opened: Permission denied",
        "None absent",
    ]


def make_link(machine: Machine) -> None:
    (machine.root / "elsewhere").write_text(VALUE)
    machine.cookie.symlink_to(machine.root / "elsewhere")


def make_link_to_nowhere(machine: Machine) -> None:
    machine.cookie.symlink_to(machine.root / "nowhere")


def make_link_to_a_folder(machine: Machine) -> None:
    machine.cookie.symlink_to(machine.root)


def make_fifo(machine: Machine) -> None:
    os.mkfifo(machine.cookie)


def make_writable_by_all(machine: Machine) -> None:
    machine.cookie.write_text(VALUE)
    machine.cookie.chmod(0o666)


def make_foreign(machine: Machine) -> None:
    machine.cookie.write_text(VALUE)
    os.chown(machine.cookie, NOBODY, NOBODY)


def make_folder_a_link(machine: Machine) -> None:
    elsewhere = machine.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "telemetry-cookie").write_text(VALUE)
    machine.cookie.parent.rmdir()
    machine.cookie.parent.symlink_to(elsewhere)


def make_folder_a_file(machine: Machine) -> None:
    machine.cookie.parent.rmdir()
    machine.cookie.parent.write_text(VALUE)


def make_folder_a_fifo(machine: Machine) -> None:
    machine.cookie.parent.rmdir()
    os.mkfifo(machine.cookie.parent)


NO_COOKIES = {
    "empty": b"",
    "text": b"hello",
    "NUL": b"\0" * 36,
    "not ASCII": VALUE.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}").encode(),
    "version 1": b"c232ab00-9414-11ec-b3c8-9e6bdeced846",
    "version 7": b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "another variant": b"0b8f1a52-8f3e-4c55-ca4e-6a2f6f0f7d11",
    "nil": b"00000000-0000-0000-0000-000000000000",
    "upper case": VALUE.upper().encode(),
    "braces": f"{{{VALUE}}}".encode(),
    "no dashes": VALUE.replace("-", "").encode(),
    "two of them": f"{VALUE}\n{VALUE}\n".encode(),
    "something far behind it": VALUE.encode() + b" " * 40 + b"user@example.com",
    "large": VALUE.encode() * 100_000,
}

UNSAFE: list[Any] = [
    (make_link, "it is a link"),
    (make_link_to_nowhere, "it is a link"),
    (make_link_to_a_folder, "it is a link"),
    (make_fifo, "it is not a regular file"),
    (make_writable_by_all, "everybody may write it"),
    pytest.param(make_foreign, f"it belongs to another user (uid {NOBODY})", marks=as_root),
]
UNSAFE_FOLDERS: list[Any] = [
    (make_folder_a_link, ".cq is a link"),
    (make_folder_a_file, ".cq cannot be opened: Not a directory"),
    (make_folder_a_fifo, ".cq cannot be opened: Not a directory"),
]


class TestAnUnsafeOne:
    @pytest.mark.parametrize(("make", "reason"), UNSAFE + UNSAFE_FOLDERS)
    def test_is_named_with_the_reason_and_never_used(
        self, machine: Machine, project: str, make: Callable[[Machine], None], reason: str
    ) -> None:
        make(machine)
        found = look(project)
        assert (found.state, found.value, found.reason) == ("unsafe", None, reason)
        assert read_or_create(project) is None
        with pytest.raises(CookieError) as refused:
            reset(project, create=True)
        assert str(machine.cookie) in str(refused.value)
        assert reason in str(refused.value)
        assert look(project).state == "unsafe"

    @pytest.mark.parametrize("content", NO_COOKIES.values(), ids=NO_COOKIES)
    def test_is_what_is_no_random_uuid(
        self, machine: Machine, put: Put, project: str, content: bytes
    ) -> None:
        put(machine.cookie, content)
        found = look(project)
        assert (found.state, found.value) == ("unsafe", None)
        assert found.reason == "it does not hold a random UUID (version 4)"
        assert read_or_create(project) is None
        assert machine.cookie.read_bytes() == content

    def test_is_a_project_s_folder_in_which_nothing_may_be_made(self, machine: Machine) -> None:
        assert read_or_create(str(machine.root / "no such project")) is None

    def test_is_not_what_is_behind_a_link_to_the_project(self, machine: Machine) -> None:
        link = machine.root / "link"
        link.symlink_to(machine.project)
        assert read_or_create(str(link)) == machine.cookie.read_text().strip()


class TestReadOrCreate:
    def test_makes_a_private_file_with_a_random_uuid(self, machine: Machine, project: str) -> None:
        value = read_or_create(project)
        assert value is not None
        assert uuid.UUID(value).version == 4
        assert str(uuid.UUID(value)) == value
        assert machine.cookie.read_text() == f"{value}\n"
        assert stat.S_IMODE(machine.cookie.lstat().st_mode) == 0o600
        assert machine.cookie.lstat().st_nlink == 1
        assert [path.name for path in machine.cookie.parent.iterdir()] == ["telemetry-cookie"]

    def test_makes_the_folder_too(self, machine: Machine, project: str) -> None:
        machine.cookie.parent.rmdir()
        assert read_or_create(project) == look(project).value

    def test_returns_what_is_there_ever_after(self, machine: Machine, project: str) -> None:
        machine.cookie.write_text(VALUE)
        assert [read_or_create(project) for _ in range(3)] == [VALUE] * 3
        assert machine.cookie.read_text() == VALUE

    def test_makes_none_where_a_directory_locks_it(self, machine: Machine, project: str) -> None:
        machine.cookie.mkdir()
        assert read_or_create(project) is None
        assert machine.cookie.is_dir()
        assert list(machine.cookie.iterdir()) == []

    def test_loses_to_whoever_makes_it_meanwhile(self, machine: Machine, project: str) -> None:
        def slow(count: int) -> bytes:
            machine.cookie.write_text(VALUE)
            return bytes(count)

        assert read_or_create(project, slow) == VALUE
        assert [path.name for path in machine.cookie.parent.iterdir()] == ["telemetry-cookie"]

    def test_loses_to_whoever_locks_it_meanwhile(self, machine: Machine, project: str) -> None:
        def slow(count: int) -> bytes:
            machine.cookie.mkdir(exist_ok=True)
            return bytes(count)

        assert read_or_create(project, slow) is None
        assert machine.cookie.is_dir()


FIFTY_AT_ONCE = """
import os, sys
from cqtel_tui.consent.cookie import read_or_create

gate, starter = os.pipe()
answers, answer = os.pipe()
children = []
for number in range(50):
    child = os.fork()
    if not child:
        os.close(starter)
        os.read(gate, 1)
        os.write(answer, f"{read_or_create(sys.argv[1])}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(starter)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print(os.read(answers, 1 << 16).decode(), end="")
"""


@pytest.mark.parametrize("folder", ["there", "to be made"])
def test_of_fifty_processes_at_once_one_makes_it_and_all_have_it(
    machine: Machine, run: Run, project: str, folder: str
) -> None:
    if folder == "to be made":
        machine.cookie.parent.rmdir()
    answers = run(FIFTY_AT_ONCE, project).splitlines()
    assert len(answers) == 50
    assert set(answers) == {machine.cookie.read_text().strip()}
    assert [path.name for path in machine.cookie.parent.iterdir()] == ["telemetry-cookie"]


def test_nothing_is_made_unless_it_is_asked_for(machine: Machine, project: str, home: Path) -> None:
    machine.cookie.parent.rmdir()
    look(project)
    look(project, cookie.LEGACY_NAME)
    legacy(project)
    unlock(project)
    assert reset(project, create=False) == (None, None)
    assert list(machine.project.iterdir()) == []
    assert list((home / ".cq").iterdir()) == []


@given(st.binary(min_size=16, max_size=16))
def test_any_random_bytes_make_a_random_uuid(entropy: bytes) -> None:
    value = new_value(lambda count: entropy[:count])
    assert value == str(uuid.UUID(bytes=entropy, version=4))


class TestReset:
    def test_forgets_the_value(self, machine: Machine, project: str) -> None:
        machine.cookie.write_text(VALUE)
        assert reset(project, create=False) == (VALUE, None)
        assert not machine.cookie.exists()

    def test_makes_another_when_asked_to(self, machine: Machine, project: str) -> None:
        machine.cookie.write_text(VALUE)
        old, new = reset(project, create=True)
        assert old == VALUE
        assert new not in {VALUE, None}
        assert look(project).value == new

    def test_of_nothing_can_make_the_first(self, project: str) -> None:
        assert reset(project, create=True) == (None, look(project).value)

    def test_of_a_locked_one_is_refused_with_the_way_out(
        self, machine: Machine, project: str
    ) -> None:
        machine.cookie.mkdir()
        with pytest.raises(CookieError, match=r"is locked\. Unlock it first: cq-telemetry cookie"):
            reset(project, create=True)
        assert machine.cookie.is_dir()

    def test_that_cannot_make_another_says_so(self, machine: Machine, project: str) -> None:
        machine.cookie.parent.rmdir()
        with pytest.raises(CookieError, match="could not be made"):
            reset(f"{project}/gone", create=True)

    def test_is_an_error_of_ours_when_refused(self) -> None:
        assert issubclass(CookieError, CqtelError)


class TestLock:
    def test_puts_a_directory_in_its_place(self, machine: Machine, project: str) -> None:
        machine.cookie.write_text(VALUE)
        old = machine.cookie.parent / "telemetry-random-id"
        old.write_text(VALUE)
        assert lock(project) == [str(machine.cookie), str(old)]
        for path in (machine.cookie, old):
            assert path.is_dir()
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert look(project).state == "locked"
        assert read_or_create(project) is None

    def test_makes_the_folder_it_needs(self, machine: Machine, project: str) -> None:
        machine.cookie.parent.rmdir()
        lock(project)
        assert look(project).state == "locked"

    def test_of_a_locked_one_changes_nothing(self, machine: Machine, project: str) -> None:
        machine.cookie.mkdir()
        (machine.cookie / "mine").write_text("kept")
        assert lock(project) == [str(machine.cookie.parent / "telemetry-random-id")]
        assert lock(project) == []
        assert (machine.cookie / "mine").read_text() == "kept"

    @pytest.mark.parametrize(("make", "reason"), UNSAFE)
    def test_of_an_unsafe_one_replaces_it(
        self, machine: Machine, project: str, make: Callable[[Machine], None], reason: str
    ) -> None:
        make(machine)
        assert look(project).reason == reason
        lock(project)
        assert look(project).state == "locked"
        assert not machine.cookie.is_symlink()

    def test_of_a_link_removes_the_link_and_not_what_it_points_to(
        self, machine: Machine, project: str
    ) -> None:
        make_link(machine)
        lock(project)
        assert (machine.root / "elsewhere").read_text() == VALUE

    @pytest.mark.parametrize(("make", "reason"), UNSAFE_FOLDERS)
    def test_in_an_unsafe_folder_touches_nothing_and_says_so(
        self, machine: Machine, project: str, make: Callable[[Machine], None], reason: str
    ) -> None:
        make(machine)
        with pytest.raises(CookieError) as refused:
            lock(project)
        assert f"{reason} in {project}. Put a real folder there" in str(refused.value)
        elsewhere = machine.root / "elsewhere"
        if elsewhere.exists():
            assert [path.name for path in elsewhere.iterdir()] == ["telemetry-cookie"]
            assert (elsewhere / "telemetry-cookie").read_text() == VALUE

    def test_wins_over_programs_that_make_one_all_the_time(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.cookie.write_text(VALUE)
        real, turns = os.unlink, iter(range(3))

        def unlink(name: str, *, dir_fd: int) -> None:
            real(name, dir_fd=dir_fd)
            if name == "telemetry-cookie" and next(turns, None) is not None:
                machine.cookie.write_text(VALUE)

        monkeypatch.setattr(os, "unlink", unlink)
        lock(project)
        assert look(project).state == "locked"

    def test_gives_up_in_the_end_and_says_so(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.cookie.write_text(VALUE)
        monkeypatch.setattr(os, "unlink", lambda *_, **__: None)
        with pytest.raises(CookieError, match=r"telemetry-cookie could not be changed: another"):
            lock(project)
        assert look(project).state == "present"

    def test_leaves_to_another_that_locks_it_first(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.mkdir

        def mkdir(path: str, mode: int, *, dir_fd: int | None = None) -> None:
            if path == "telemetry-cookie":
                machine.cookie.mkdir()
            real(path, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "mkdir", mkdir)
        lock(project)
        assert look(project).state == "locked"


class TestUnlock:
    def test_removes_the_directories(self, machine: Machine, project: str) -> None:
        locked = lock(project)
        assert unlock(project) == locked
        assert look(project).state == "absent"
        assert list(machine.cookie.parent.iterdir()) == []
        assert unlock(project) == []

    def test_never_removes_what_is_in_one(self, machine: Machine, project: str) -> None:
        lock(project)
        (machine.cookie / "mine").write_text("kept")
        with pytest.raises(
            CookieError, match=r"telemetry-cookie could not be changed: .* try again"
        ):
            unlock(project)
        assert (machine.cookie / "mine").read_text() == "kept"

    def test_leaves_a_cookie_alone(self, machine: Machine, project: str) -> None:
        machine.cookie.write_text(VALUE)
        assert unlock(project) == []
        assert machine.cookie.read_text() == VALUE


class TestWhatEarlierReleasesLeft:
    def test_is_shown_here_and_in_the_home_folder(
        self, machine: Machine, project: str, home: Path
    ) -> None:
        here = machine.cookie.parent
        (here / "telemetry-random-id").write_text(VALUE)
        (home / ".cq" / "telemetry-random-id").symlink_to("nowhere")
        (home / ".cq" / "telemetry-cookie").mkdir()
        assert [(found.path, found.state) for found in legacy(project)] == [
            (str(here / "telemetry-random-id"), "present"),
            (str(home / ".cq" / "telemetry-cookie"), "locked"),
            (str(home / ".cq" / "telemetry-random-id"), "unsafe"),
        ]

    @pytest.mark.usefixtures("home")
    def test_is_shown_once_where_the_project_is_the_home_folder(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (machine.root / "same").symlink_to(machine.home)
        monkeypatch.setenv("HOME", str(machine.root / "same"))
        assert [found.path for found in legacy(str(machine.home))] == [
            str(machine.home / ".cq" / "telemetry-random-id")
        ]
        assert len(lock(str(machine.home))) == 2

    def test_is_locked_and_unlocked_too(self, machine: Machine, project: str, home: Path) -> None:
        (home / ".cq" / "telemetry-random-id").write_text(VALUE)
        names = ("telemetry-cookie", "telemetry-random-id")
        paths = [str(place / n) for place in (machine.cookie.parent, home / ".cq") for n in names]
        assert lock(project) == paths
        assert all(Path(path).is_dir() for path in paths)
        assert unlock(project) == paths

    def test_makes_no_folder_in_a_home_that_has_none(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(machine.home))
        lock(project)
        assert not (machine.home / ".cq").exists()

    def test_is_nowhere_without_a_home(self, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        assert len(legacy(project)) == 1
        assert len(lock(project)) == 2


def test_a_system_that_cannot_hold_a_folder_has_no_cookie(
    machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cqtel_tui.hot_path.HAS_DIR_FD", False)
    machine.cookie.write_text(VALUE)
    assert look(project).state == "unsafe"
    assert read_or_create(project) is None
    with pytest.raises(CookieError, match="without following links"):
        lock(project)


def test_there_is_no_other_name_to_be_had_from_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cookie.nothing  # noqa: B018
