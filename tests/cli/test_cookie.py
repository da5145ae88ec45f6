from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ..cookies import record_cookie

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Here

GIT = shutil.which("git") or "/usr/bin/git"
COOKIE = "0b2f7c2e-6b0e-4c38-9c3e-0f6a5a3f9a11"


@pytest.fixture
def cookie(cq: Here) -> Path:
    """Where the cookie is, in a folder that is there."""
    path = cq.project / ".cq" / "telemetry-cookie"
    path.parent.mkdir()
    return path


def has_cookie(cq: Here, cookie: Path) -> None:
    cookie.write_text(COOKIE)
    record_cookie(cq.outbox.folder.parent, COOKIE, cq.project)


def test_looking_creates_nothing(cq: Here) -> None:
    ended = cq("cookie")
    assert ended.code == 0
    assert ended.err == b""
    assert ended.lines == [
        f"{cq.project}/.cq/telemetry-cookie: absent",
        f"{cq.project}/.cq/telemetry-random-id: absent",
        f"{cq.home}/.cq/telemetry-cookie: absent",
        f"{cq.home}/.cq/telemetry-random-id: absent",
    ]
    assert cq("cookie", "show").lines == ended.lines
    assert cq.files() == set()


def test_one_of_2021_is_shown_and_locked_in_the_folder_that_its_program_was_told(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = cq.home / "files" / "telemetry-random-id"
    old.parent.mkdir()
    old.write_text(COOKIE)
    assert str(old) not in cq("cookie").out.decode()
    for option in ("--data-dir", "--cq-dir"):
        assert f"{old}: present: {COOKIE}" in cq("cookie", option, str(old.parent)).lines
    monkeypatch.setenv("CQ_DATA_DIR", str(old.parent))
    assert f"{old}: present: {COOKIE}" in cq("cookie").lines
    assert f"{old} is present: {COOKIE}" in cq("status").out.decode()
    assert cq("cookie", "lock").code == 0
    assert old.is_dir()
    assert cq("cookie", "unlock").code == 0
    assert not old.exists()


def test_a_value_is_shown(cq: Here, cookie: Path) -> None:
    has_cookie(cq, cookie)
    assert cq("cookie").lines[0] == f"{cookie}: present: {COOKIE}"
    [found, *_] = cq("cookie", "show", "--json").json
    assert found.pop("modified").endswith("+00:00")
    assert found == {
        "state": "present",
        "path": str(cookie),
        "value": COOKIE,
        "reason": "",
        "tracked": False,
    }


def test_resetting_forgets_the_value_and_makes_none_while_telemetry_is_not_on(
    cq: Here, cookie: Path
) -> None:
    has_cookie(cq, cookie)
    ended = cq("cookie", "reset")
    assert ended.code == 0
    assert ended.said == f"cq-telemetry: {COOKIE} → none, until telemetry is on\n"
    assert ended.lines[0] == f"{cookie}: absent"
    assert not cookie.exists()
    assert cq("cookie", "reset").said.startswith("cq-telemetry: no installation ID → none")


def test_resetting_makes_a_new_value_while_telemetry_is_on(cq: Here, cookie: Path) -> None:
    cq("on")
    has_cookie(cq, cookie)
    ended = cq("cookie", "reset", "--json")
    new = ended.json[0]["value"]
    assert UUID(new).version == 4
    assert new != COOKIE
    assert ended.said == f"cq-telemetry: {COOKIE} → {new}\n"
    assert cookie.read_text().strip() == new


def test_locking_puts_a_folder_in_its_place_and_unlocking_removes_it(
    cq: Here, cookie: Path
) -> None:
    has_cookie(cq, cookie)
    old = cookie.with_name("telemetry-random-id")
    ended = cq("cookie", "lock")
    assert ended.code == 0
    assert ended.said == f"cq-telemetry: locked: {cookie}, {old}\n"
    assert ended.lines[0] == f"{cookie}: locked: no identifier is sent"
    assert cookie.is_dir()
    assert old.is_dir()
    assert cq("cookie", "lock").said == "cq-telemetry: locked: no change\n"
    assert cq("cookie", "reset").code == 1
    assert cq("cookie", "unlock").said == f"cq-telemetry: unlocked: {cookie}, {old}\n"
    assert cq("cookie", "unlock").said == "cq-telemetry: unlocked: no change\n"
    assert not cookie.exists()


def test_locking_also_locks_what_earlier_releases_left_in_the_home_folder(cq: Here) -> None:
    (cq.home / ".cq").mkdir()
    cq("cookie", "lock")
    assert (cq.home / ".cq" / "telemetry-random-id").is_dir()
    assert (cq.home / ".cq" / "telemetry-cookie").is_dir()


def test_an_unsafe_cookie_is_told_and_can_be_replaced(cq: Here, cookie: Path) -> None:
    target = cq.home / "target"
    target.write_text("mine")
    cookie.symlink_to(target)
    assert cq("cookie").lines[0] == (
        f"{cookie}: unsafe: it is a link; no identifier is sent. To replace it: cq-telemetry "
        "cookie reset"
    )
    ended = cq("cookie", "reset")
    assert ended.code == 0
    assert ended.said == "cq-telemetry: no installation ID → none, until telemetry is on\n"
    assert not cookie.is_symlink()
    assert target.read_text() == "mine"


def test_a_cookie_that_came_with_a_repository_is_told_and_can_be_replaced(
    cq: Here, cookie: Path
) -> None:
    cq("on")
    cookie.write_text(COOKIE)
    assert "unsafe: it was not made on this machine" in cq("cookie").lines[0]
    assert cq("status", "--json").json["cookie"]["value"] is None
    ended = cq("cookie", "reset", "--json")
    assert (ended.code, ended.json[0]["state"]) == (0, "present")
    assert ended.json[0]["value"] != COOKIE


def git(cq: Here, *arguments: str) -> str:
    done = subprocess.run(
        [GIT, "-c", "user.email=a@example.org", "-c", "user.name=a", *arguments],
        cwd=cq.project,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_git_leaves_a_cookie_alone_that_was_made_here(cq: Here) -> None:
    git(cq, "init", "-q")
    cq("on")
    cq("cookie", "reset")
    assert git(cq, "status", "--porcelain", "-uall") == ""
    assert cq("status", "--json").json["cookie"]["tracked"] is False


def test_a_project_s_own_list_of_what_git_ignores_is_left_as_it_is(cq: Here, cookie: Path) -> None:
    ignored = cookie.with_name(".gitignore")
    ignored.write_text("mine\n")
    cq("on")
    cq("cookie", "reset")
    assert cookie.exists()
    assert ignored.read_text() == "mine\n"


def test_a_cookie_that_git_tracks_is_told_of(cq: Here, cookie: Path) -> None:
    has_cookie(cq, cookie)
    git(cq, "init", "-q")
    git(cq, "add", "-f", ".cq/telemetry-cookie")
    assert "git tracks .cq/telemetry-cookie" in cq("cookie").said
    assert any("git tracks .cq/telemetry-cookie" in line for line in cq("status").lines)
    assert cq("status", "--json").json["cookie"]["tracked"] is True


def test_a_lock_that_holds_something_stays_and_is_told(cq: Here, cookie: Path) -> None:
    cookie.mkdir()
    (cookie / "file").touch()
    ended = cq("cookie", "unlock")
    assert ended.code == 1
    assert f"{cookie} could not be changed: Directory not empty" in ended.said
    assert cookie.is_dir()


def test_a_link_in_the_folders_place_is_never_followed(cq: Here) -> None:
    (cq.project / ".cq").symlink_to(cq.home)
    assert "unsafe" in cq("cookie").lines[0]
    for action in ("reset", "lock"):
        ended = cq("cookie", action)
        assert ended.code == 1
        assert "Traceback" not in ended.said
    assert list(cq.home.iterdir()) == []


def test_in_a_folder_that_is_gone_it_is_told(cq: Here) -> None:
    cq.project.rmdir()
    for action in ("show", "reset", "lock", "unlock"):
        ended = cq("cookie", action)
        assert ended.code == 1
        assert ended.said.startswith("cq-telemetry: The current directory cannot be read")


def test_an_unknown_action_is_wrong_usage(cq: Here) -> None:
    assert cq("cookie", "eat").code == 2
    assert cq.files() == set()
    assert os.listdir(cq.project) == []  # noqa: PTH208
