from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.consent import cookie
from cqtel_tui.consent.changing import CookieError, legacy, lock, reset, unlock
from cqtel_tui.consent.cookie import look, new_value, read_or_create
from cqtel_tui.errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Machine

    Put = Callable[[Path, object], None]
    Run = Callable[..., str]

VALUE = "0b8f1a52-8f3e-4c55-9a4e-6a2f6f0f7d11"
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def project(machine: Machine) -> str:
    return str(machine.project)


@pytest.fixture
def state(machine: Machine) -> str:
    return str(machine.state)


@pytest.fixture
def home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which an earlier release kept its files."""
    monkeypatch.setenv("HOME", str(machine.home))
    (machine.home / ".cq").mkdir()
    return machine.home


class TestLooking:
    def test_there_is_none(self, machine: Machine, project: str, state: str) -> None:
        found = look(project, state)
        assert (found.state, found.value, found.reason, found.modified) == (
            "absent",
            None,
            "",
            None,
        )
        assert found.path == str(machine.cookie)

    def test_there_is_no_folder(self, machine: Machine, project: str, state: str) -> None:
        machine.cookie.parent.rmdir()
        assert look(project, state).state == "absent"
        assert not machine.cookie.parent.exists()

    @pytest.mark.parametrize("text", [VALUE, f"{VALUE}\n", f" {VALUE}\r\n"])
    def test_there_is_one(
        self, machine: Machine, put: Put, project: str, text: str, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        put(machine.cookie, text)
        os.utime(machine.cookie, (7, 7))
        found = look(project, state)
        assert (found.state, found.value, found.reason, found.modified) == ("present", VALUE, "", 7)

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0])
    def test_a_directory_locks_it(
        self, machine: Machine, project: str, mode: int, state: str
    ) -> None:
        machine.cookie.mkdir()
        machine.cookie.chmod(mode)
        found = look(project, state)
        machine.cookie.chmod(0o700)
        assert (found.state, found.value) == ("locked", None)


CLOSED_TO_AN_ORDINARY_USER = """
import os, sys, tempfile
from cqtel_tui.consent.changing import lock, unlock
from cqtel_tui.consent.cookie import look, read_or_create
from cqtel_tui.formats import sha256
sha256(b"")  # what it needs may be out of reach for another user
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as project:
    os.environ["HOME"] = project
    state = project + "/state"
    path = project + "/.cq/telemetry-cookie"
    print(read_or_create(project, state) == look(project, state).value)
    os.chmod(path, 0)
    print(look(project, state).state, look(project, state).reason)
    lock(project, state)
    os.chmod(path, 0)
    print(look(project, state).state, lock(project, state), read_or_create(project, state))
    os.chmod(project + "/.cq", 0)
    print(look(project, state).state, look(project, state).reason)
    os.chmod(project + "/.cq", 0o700)
    unlock(project, state)
    os.unlink(project + "/.cq/.gitignore")
    os.rmdir(project + "/.cq")
    os.chmod(project, 0o500)
    print(read_or_create(project, state), look(project, state).state)
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
    machine.has_cookie(VALUE)
    machine.cookie.chmod(0o666)


def make_foreign(machine: Machine) -> None:
    machine.has_cookie(VALUE)
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
    (make_writable_by_all, "it is writable by everybody"),
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
        self,
        machine: Machine,
        project: str,
        state: str,
        make: Callable[[Machine], None],
        reason: str,
    ) -> None:
        make(machine)
        found = look(project, state)
        assert (found.state, found.value, found.reason) == ("unsafe", None, reason)
        assert read_or_create(project, state) is None
        assert look(project, state).state == "unsafe"

    @pytest.mark.parametrize(("make", "reason"), UNSAFE)
    def test_is_replaced_by_one_of_the_user_s_own(
        self,
        machine: Machine,
        project: str,
        state: str,
        make: Callable[[Machine], None],
        reason: str,
    ) -> None:
        make(machine)
        assert look(project, state).reason == reason
        old, new = reset(project, state, create=True)
        assert (old, look(project, state).value) == (None, new)
        assert new is not None
        elsewhere = machine.root / "elsewhere"
        assert not elsewhere.exists() or elsewhere.read_text() == VALUE

    @pytest.mark.parametrize(("make", "reason"), UNSAFE_FOLDERS)
    def test_in_a_folder_that_is_unsafe_itself_is_left_alone(
        self,
        machine: Machine,
        project: str,
        state: str,
        make: Callable[[Machine], None],
        reason: str,
    ) -> None:
        make(machine)
        with pytest.raises(CookieError) as refused:
            reset(project, state, create=True)
        assert f"{reason} in {project}. Put a real folder there" in str(refused.value)

    @pytest.mark.parametrize("content", NO_COOKIES.values(), ids=NO_COOKIES)
    def test_is_what_is_no_random_uuid(
        self, machine: Machine, put: Put, project: str, content: bytes, state: str
    ) -> None:
        put(machine.cookie, content)
        found = look(project, state)
        assert (found.state, found.value) == ("unsafe", None)
        assert found.reason == "it does not contain a random UUID (version 4)"
        assert read_or_create(project, state) is None
        assert machine.cookie.read_bytes() == content

    def test_is_a_project_s_folder_in_which_nothing_may_be_made(
        self, machine: Machine, state: str
    ) -> None:
        assert read_or_create(str(machine.root / "no such project"), state) is None

    def test_is_not_what_is_behind_a_link_to_the_project(
        self, machine: Machine, state: str
    ) -> None:
        link = machine.root / "link"
        link.symlink_to(machine.project)
        assert read_or_create(str(link), state) == machine.cookie.read_text().strip()


class TestReadOrCreate:
    def test_makes_a_private_file_with_a_random_uuid(
        self, machine: Machine, project: str, state: str
    ) -> None:
        value = read_or_create(project, state)
        assert value is not None
        assert uuid.UUID(value).version == 4
        assert str(uuid.UUID(value)) == value
        assert machine.cookie.read_text() == f"{value}\n"
        assert stat.S_IMODE(machine.cookie.lstat().st_mode) == 0o600
        assert machine.cookie.lstat().st_nlink == 1
        assert names(machine.cookie.parent) == {"telemetry-cookie", ".gitignore"}

    def test_makes_the_folder_too(self, machine: Machine, project: str, state: str) -> None:
        machine.cookie.parent.rmdir()
        assert read_or_create(project, state) == look(project, state).value

    def test_returns_what_is_there_ever_after(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        assert [read_or_create(project, state) for _ in range(3)] == [VALUE] * 3
        assert machine.cookie.read_text() == f"{VALUE}\n"

    def test_makes_none_where_a_directory_locks_it(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.cookie.mkdir()
        assert read_or_create(project, state) is None
        assert machine.cookie.is_dir()
        assert list(machine.cookie.iterdir()) == []

    def test_loses_to_whoever_makes_it_meanwhile(
        self, machine: Machine, project: str, state: str
    ) -> None:
        def slow(count: int) -> bytes:
            machine.has_cookie(VALUE)
            return bytes(count)

        assert read_or_create(project, state, slow) == VALUE
        assert names(machine.cookie.parent) == {"telemetry-cookie", ".gitignore"}

    def test_loses_to_whoever_locks_it_meanwhile(
        self, machine: Machine, project: str, state: str
    ) -> None:
        def slow(count: int) -> bytes:
            machine.cookie.mkdir(exist_ok=True)
            return bytes(count)

        assert read_or_create(project, state, slow) is None
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
        os.write(answer, f"{read_or_create(*sys.argv[1:])}\\n".encode())
        os._exit(0)
    children.append(child)
os.close(starter)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print(os.read(answers, 1 << 16).decode(), end="")
"""


@pytest.mark.parametrize("folder", ["there", "to be made"])
def test_of_fifty_processes_at_once_one_makes_it_and_all_have_it(
    machine: Machine, run: Run, project: str, state: str, folder: str
) -> None:
    if folder == "to be made":
        machine.cookie.parent.rmdir()
    answers = run(FIFTY_AT_ONCE, project, state).splitlines()
    assert len(answers) == 50
    assert set(answers) == {machine.cookie.read_text().strip()}
    assert names(machine.cookie.parent) == {"telemetry-cookie", ".gitignore"}


def test_nothing_is_made_unless_it_is_asked_for(
    machine: Machine, project: str, home: Path, state: str
) -> None:
    machine.cookie.parent.rmdir()
    look(project, state)
    look(project, state, cookie.LEGACY_NAME)
    legacy(project, state)
    unlock(project, state)
    assert reset(project, state, create=False) == (None, None)
    assert list(machine.project.iterdir()) == []
    assert list((home / ".cq").iterdir()) == []


class TestOneThatWasNotMadeHere:
    """Whoever put it there knows it, and so can read and erase what a collector has of it."""

    @pytest.fixture
    def planted(self, machine: Machine) -> Machine:
        machine.cookie.write_text(f"{VALUE}\n")
        return machine

    def test_is_unsafe_and_never_used(self, planted: Machine, project: str, state: str) -> None:
        found = look(project, state)
        assert (found.state, found.value) == ("unsafe", None)
        assert found.reason.startswith("it was not made on this machine")
        assert read_or_create(project, state) is None
        assert planted.cookie.read_text() == f"{VALUE}\n"

    @pytest.mark.usefixtures("planted")
    def test_is_replaced_when_asked_to(self, project: str, state: str) -> None:
        old, new = reset(project, state, create=True)
        assert old is None
        assert new not in {None, VALUE}
        assert look(project, state).value == new

    def test_is_removed_when_asked_to(self, planted: Machine, project: str, state: str) -> None:
        assert reset(project, state, create=False) == (None, None)
        assert not planted.cookie.exists()

    @pytest.mark.usefixtures("planted")
    def test_is_locked_when_asked_to(self, project: str, state: str) -> None:
        lock(project, state)
        assert look(project, state).state == "locked"

    def test_comes_with_a_copy_of_a_project(
        self, machine: Machine, project: str, state: str
    ) -> None:
        read_or_create(project, state)
        copy = machine.root / "copy"
        shutil.copytree(machine.project, copy)
        found = look(str(copy), state)
        assert (found.state, found.value) == ("unsafe", None)
        assert found.reason == f"it was made for {project}, and copied here"
        assert look(project, state).state == "present"

    def test_is_not_one_that_moved_with_its_project(
        self, machine: Machine, project: str, state: str
    ) -> None:
        value = read_or_create(project, state)
        moved = machine.project.rename(machine.root / "moved")
        assert look(str(moved), state).value == value

    def test_is_not_one_that_a_backup_brought_back(
        self, machine: Machine, project: str, state: str
    ) -> None:
        value = read_or_create(project, state)
        shutil.copytree(machine.project, machine.root / "backup")
        shutil.rmtree(machine.project)
        shutil.copytree(machine.root / "backup", machine.project)
        assert look(project, state).value == value

    def test_is_not_made_good_by_the_record_of_another(
        self, machine: Machine, project: str, state: str
    ) -> None:
        read_or_create(project, state)
        machine.cookie.write_text(f"{VALUE}\n")
        assert look(project, state).state == "unsafe"

    @pytest.mark.parametrize("content", ["", "0 0", "\n", "torn"])
    def test_is_not_made_good_by_a_torn_record(
        self, planted: Machine, project: str, state: str, content: str
    ) -> None:
        planted.has_cookie(VALUE)
        (record,) = (planted.state / "cookies").iterdir()
        record.write_text(content)
        assert look(project, state).state == "unsafe"

    def test_is_not_made_good_by_a_record_that_others_may_write(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        (record,) = (machine.state / "cookies").iterdir()
        record.chmod(0o666)
        assert "its record cannot be trusted" in look(project, state).reason

    def test_of_an_earlier_release_is_shown_as_it_is(
        self, machine: Machine, project: str, state: str
    ) -> None:
        (machine.cookie.parent / "telemetry-random-id").write_text(VALUE)
        found = look(project, state, "telemetry-random-id")
        assert (found.state, found.value) == ("present", VALUE)

    @as_root
    def test_is_not_made_by_root_in_the_folder_of_a_user(
        self, machine: Machine, project: str, state: str
    ) -> None:
        os.chown(machine.cookie.parent, NOBODY, NOBODY)
        assert read_or_create(project, state) is None
        assert names(machine.cookie.parent) == set()
        machine.cookie.parent.rmdir()
        os.chown(machine.project, NOBODY, NOBODY)
        with pytest.raises(CookieError, match=r"you are root, and .* is another user's"):
            reset(project, state, create=True)
        assert names(machine.project) == set()


class TestTheRecord:
    def test_is_private_and_does_not_tell_the_cookie(
        self, machine: Machine, project: str, state: str
    ) -> None:
        value = read_or_create(project, state)
        assert value is not None
        (record,) = (machine.state / "cookies").iterdir()
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
        assert value not in record.name + record.read_text()

    def test_goes_with_the_cookie(self, machine: Machine, project: str, state: str) -> None:
        read_or_create(project, state)
        reset(project, state, create=True)
        assert len(list((machine.state / "cookies").iterdir())) == 1
        lock(project, state)
        assert list((machine.state / "cookies").iterdir()) == []

    def test_of_a_cookie_that_came_second_goes(
        self, machine: Machine, project: str, state: str
    ) -> None:
        def slow(count: int) -> bytes:
            machine.has_cookie(VALUE)
            return bytes(count)

        assert read_or_create(project, state, slow) == VALUE
        assert len(list((machine.state / "cookies").iterdir())) == 1

    def test_that_cannot_be_written_is_the_reason_that_there_is_no_cookie(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.state.parent.mkdir(parents=True)
        machine.state.write_text("a file")
        assert read_or_create(project, state) is None
        with pytest.raises(CookieError, match="Something that is no folder is in the way"):
            reset(project, state, create=True)
        assert names(machine.cookie.parent) == set()


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A file system without hard links."""

    def link(*_: object, **__: object) -> None:
        raise request.param

    monkeypatch.setattr(os, "link", link)


NO_LINKS = [
    OSError(errno.EPERM, "Operation not permitted"),
    OSError(errno.ENOTSUP, "Operation not supported"),
    OSError(errno.ENOSYS, "Function not implemented"),
    OSError(errno.EMLINK, "Too many links"),
    NotImplementedError("follow_symlinks"),
]


@pytest.mark.usefixtures("no_links")
@pytest.mark.parametrize("no_links", NO_LINKS, ids=str, indirect=True)
class TestWithoutHardLinks:
    def test_a_cookie_is_made_all_the_same(
        self, machine: Machine, project: str, state: str
    ) -> None:
        value = read_or_create(project, state)
        assert value is not None
        assert look(project, state).value == value
        assert stat.S_IMODE(machine.cookie.lstat().st_mode) == 0o600
        assert names(machine.cookie.parent) == {"telemetry-cookie", ".gitignore"}

    def test_a_lock_that_came_meanwhile_stays(
        self, machine: Machine, project: str, state: str
    ) -> None:
        def slow(count: int) -> bytes:
            machine.cookie.mkdir(exist_ok=True)
            return os.urandom(count)

        assert read_or_create(project, state, slow) is None
        assert machine.cookie.is_dir()

    def test_a_claim_of_a_process_that_was_killed_is_not_waited_for(
        self, machine: Machine, project: str, state: str
    ) -> None:
        claim = machine.cookie.parent / ".telemetry-cookie.claim"
        claim.touch()
        os.utime(claim, (5, 5))
        assert read_or_create(project, state) == look(project, state).value
        assert not claim.exists()

    def test_a_claim_of_a_process_that_is_at_it_is_not_broken(
        self, machine: Machine, project: str, state: str
    ) -> None:
        (machine.cookie.parent / ".telemetry-cookie.claim").touch()
        assert read_or_create(project, state) is None
        assert names(machine.cookie.parent) == {".gitignore", ".telemetry-cookie.claim"}


FIFTY_WITHOUT_LINKS = """
import os
def link(*_, **__):
    raise PermissionError(1, "Operation not permitted")
os.link = link
"""


def test_of_fifty_processes_at_once_one_makes_it_without_hard_links(
    machine: Machine, run: Run, project: str, state: str
) -> None:
    answers = run(FIFTY_WITHOUT_LINKS + FIFTY_AT_ONCE, project, state).splitlines()
    assert set(answers) == {machine.cookie.read_text().strip()}
    assert names(machine.cookie.parent) == {"telemetry-cookie", ".gitignore"}


@given(st.binary(min_size=16, max_size=16))
def test_any_random_bytes_make_a_random_uuid(entropy: bytes) -> None:
    value = new_value(lambda count: entropy[:count])
    assert value == str(uuid.UUID(bytes=entropy, version=4))


class TestReset:
    def test_forgets_the_value(self, machine: Machine, project: str, state: str) -> None:
        machine.has_cookie(VALUE)
        assert reset(project, state, create=False) == (VALUE, None)
        assert not machine.cookie.exists()

    def test_makes_another_when_asked_to(self, machine: Machine, project: str, state: str) -> None:
        machine.has_cookie(VALUE)
        old, new = reset(project, state, create=True)
        assert old == VALUE
        assert new not in {VALUE, None}
        assert look(project, state).value == new

    def test_of_nothing_can_make_the_first(self, project: str, state: str) -> None:
        assert reset(project, state, create=True) == (None, look(project, state).value)

    def test_of_a_locked_one_is_refused_with_the_way_out(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.cookie.mkdir()
        with pytest.raises(CookieError, match=r"is locked\. Unlock it first: cq-telemetry cookie"):
            reset(project, state, create=True)
        assert machine.cookie.is_dir()

    def test_that_cannot_make_another_says_so(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.cookie.parent.rmdir()
        with pytest.raises(CookieError, match="could not be made"):
            reset(f"{project}/gone", state, create=True)

    def test_is_an_error_of_ours_when_refused(self) -> None:
        assert issubclass(CookieError, CqtelError)


class TestLock:
    def test_puts_a_directory_in_its_place(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        old = machine.cookie.parent / "telemetry-random-id"
        old.write_text(VALUE)
        assert lock(project, state) == [str(machine.cookie), str(old)]
        for path in (machine.cookie, old):
            assert path.is_dir()
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert look(project, state).state == "locked"
        assert read_or_create(project, state) is None

    def test_makes_the_folder_it_needs(self, machine: Machine, project: str, state: str) -> None:
        machine.cookie.parent.rmdir()
        lock(project, state)
        assert look(project, state).state == "locked"

    def test_of_a_locked_one_changes_nothing(
        self, machine: Machine, project: str, state: str
    ) -> None:
        machine.cookie.mkdir()
        (machine.cookie / "mine").write_text("kept")
        assert lock(project, state) == [str(machine.cookie.parent / "telemetry-random-id")]
        assert lock(project, state) == []
        assert (machine.cookie / "mine").read_text() == "kept"

    @pytest.mark.parametrize(("make", "reason"), UNSAFE)
    def test_of_an_unsafe_one_replaces_it(
        self,
        machine: Machine,
        project: str,
        make: Callable[[Machine], None],
        reason: str,
        state: str,
    ) -> None:
        make(machine)
        assert look(project, state).reason == reason
        lock(project, state)
        assert look(project, state).state == "locked"
        assert not machine.cookie.is_symlink()

    def test_of_a_link_removes_the_link_and_not_what_it_points_to(
        self, machine: Machine, project: str, state: str
    ) -> None:
        make_link(machine)
        lock(project, state)
        assert (machine.root / "elsewhere").read_text() == VALUE

    @pytest.mark.parametrize(("make", "reason"), UNSAFE_FOLDERS)
    def test_in_an_unsafe_folder_touches_nothing_and_says_so(
        self,
        machine: Machine,
        project: str,
        make: Callable[[Machine], None],
        reason: str,
        state: str,
    ) -> None:
        make(machine)
        with pytest.raises(CookieError) as refused:
            lock(project, state)
        assert f"{reason} in {project}. Put a real folder there" in str(refused.value)
        elsewhere = machine.root / "elsewhere"
        if elsewhere.exists():
            assert [path.name for path in elsewhere.iterdir()] == ["telemetry-cookie"]
            assert (elsewhere / "telemetry-cookie").read_text() == VALUE

    def test_wins_over_programs_that_make_one_all_the_time(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        real, turns = os.unlink, iter(range(3))

        def unlink(name: str, *, dir_fd: int | None = None) -> None:
            real(name, dir_fd=dir_fd)
            if name == "telemetry-cookie" and next(turns, None) is not None:
                machine.has_cookie(VALUE)

        monkeypatch.setattr(os, "unlink", unlink)
        lock(project, state)
        assert look(project, state).state == "locked"

    def test_gives_up_in_the_end_and_says_so(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        machine.has_cookie(VALUE)
        monkeypatch.setattr(os, "unlink", lambda *_, **__: None)
        with pytest.raises(CookieError, match=r"telemetry-cookie could not be changed: another"):
            lock(project, state)
        assert look(project, state).state == "present"

    def test_leaves_to_another_that_locks_it_first(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        real = os.mkdir

        def mkdir(path: str, mode: int, *, dir_fd: int | None = None) -> None:
            if path == "telemetry-cookie":
                machine.cookie.mkdir()
            real(path, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "mkdir", mkdir)
        lock(project, state)
        assert look(project, state).state == "locked"


class TestUnlock:
    def test_removes_the_directories(self, machine: Machine, project: str, state: str) -> None:
        locked = lock(project, state)
        assert unlock(project, state) == locked
        assert look(project, state).state == "absent"
        assert list(machine.cookie.parent.iterdir()) == []
        assert unlock(project, state) == []

    def test_never_removes_what_is_in_one(self, machine: Machine, project: str, state: str) -> None:
        lock(project, state)
        (machine.cookie / "mine").write_text("kept")
        with pytest.raises(
            CookieError, match=r"telemetry-cookie could not be changed: .* try again"
        ):
            unlock(project, state)
        assert (machine.cookie / "mine").read_text() == "kept"

    def test_leaves_a_cookie_alone(self, machine: Machine, project: str, state: str) -> None:
        machine.has_cookie(VALUE)
        assert unlock(project, state) == []
        assert machine.cookie.read_text() == f"{VALUE}\n"


class TestWhatEarlierReleasesLeft:
    def test_is_shown_here_and_in_the_home_folder(
        self, machine: Machine, project: str, home: Path, state: str
    ) -> None:
        here = machine.cookie.parent
        (here / "telemetry-random-id").write_text(VALUE)
        (home / ".cq" / "telemetry-random-id").symlink_to("nowhere")
        (home / ".cq" / "telemetry-cookie").mkdir()
        assert [(found.path, found.state) for found in legacy(project, state)] == [
            (str(here / "telemetry-random-id"), "present"),
            (str(home / ".cq" / "telemetry-cookie"), "locked"),
            (str(home / ".cq" / "telemetry-random-id"), "unsafe"),
        ]

    @pytest.mark.usefixtures("home")
    def test_is_shown_once_where_the_project_is_the_home_folder(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        (machine.root / "same").symlink_to(machine.home)
        monkeypatch.setenv("HOME", str(machine.root / "same"))
        assert [found.path for found in legacy(str(machine.home), state)] == [
            str(machine.home / ".cq" / "telemetry-random-id")
        ]
        assert len(lock(str(machine.home), state)) == 2

    def test_is_locked_and_unlocked_too(
        self, machine: Machine, project: str, home: Path, state: str
    ) -> None:
        (home / ".cq" / "telemetry-random-id").write_text(VALUE)
        names = ("telemetry-cookie", "telemetry-random-id")
        paths = [str(place / n) for place in (machine.cookie.parent, home / ".cq") for n in names]
        assert lock(project, state) == paths
        assert all(Path(path).is_dir() for path in paths)
        assert unlock(project, state) == paths

    def test_is_found_in_the_folders_that_a_program_was_told_to_keep_its_files_in(
        self, machine: Machine, project: str, state: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(machine.home))
        files = machine.root / "files"
        files.mkdir()
        (files / "telemetry-random-id").write_text(VALUE)
        named = [str(files), "../files", "not/there", ".cq", str(machine.root / "a link")]
        (machine.root / "a link").symlink_to(files)
        found = {one.path: one.state for one in legacy(project, state, named)}
        assert found[str(files / "telemetry-random-id")] == "present"
        assert len([path for path in found if "files" in path]) == 2
        assert lock(project, state, named)[2:] == [
            str(files / "telemetry-cookie"),
            str(files / "telemetry-random-id"),
        ]
        assert (files / "telemetry-random-id").is_dir()
        assert not (Path(project) / "not").exists()
        assert len(unlock(project, state, named)) == 4

    def test_makes_no_folder_in_a_home_that_has_none(
        self, machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        monkeypatch.setenv("HOME", str(machine.home))
        lock(project, state)
        assert not (machine.home / ".cq").exists()

    def test_is_nowhere_without_a_home(
        self, project: str, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        assert len(legacy(project, state)) == 1
        assert len(lock(project, state)) == 2


def test_a_system_that_cannot_hold_a_folder_has_no_cookie(
    machine: Machine, project: str, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr("cqtel_tui.opening.HAS_DIR_FD", False)
    machine.has_cookie(VALUE)
    assert look(project, state).state == "unsafe"
    assert read_or_create(project, state) is None
    with pytest.raises(CookieError, match="without following links"):
        lock(project, state)


def test_there_is_no_other_name_to_be_had_from_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cookie.nothing  # noqa: B018
