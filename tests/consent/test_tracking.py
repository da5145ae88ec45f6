"""Whether git tracks a file is read from its index: git itself runs what a repository tells it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqtel_tui.consent.tracking import is_tracked

if TYPE_CHECKING:
    from pathlib import Path

GIT = shutil.which("git")
NAME = ".cq/telemetry-cookie"

pytestmark = pytest.mark.skipif(GIT is None, reason="there is no git to make an index with")


def git(folder: Path, *arguments: str) -> None:
    assert GIT is not None
    who = ["-c", "user.email=a@example.org", "-c", "user.name=a"]
    subprocess.run([GIT, *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "sub" / ".cq").mkdir(parents=True)
    (folder / ".cq").mkdir()
    for name in (NAME, f"sub/{NAME}", ".cq/telemetry-cookie-2", "a", "z", "x"):
        (folder / name).write_text(name)
    git(folder, "init", "-q")
    return folder


def add(folder: Path, *names: str) -> None:
    git(folder, "add", "-f", *names)


def test_what_was_never_added_is_not_tracked(repository: Path) -> None:
    assert is_tracked(str(repository), NAME) is False
    add(repository, "a", "z", ".cq/telemetry-cookie-2")
    assert is_tracked(str(repository), NAME) is False


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_what_was_added_is(repository: Path, version: str, form: str) -> None:
    shutil.rmtree(repository / ".git")
    git(repository, "init", "-q", f"--object-format={form}")
    git(repository, "config", "index.version", version)
    add(repository, "a", "z", f"sub/{NAME}", ".cq/telemetry-cookie-2")
    if version == "3":
        git(repository, "add", "-N", "x")  # which needs more flags
    assert (repository / ".git" / "index").read_bytes()[7] == int(version)
    assert is_tracked(str(repository), NAME) is False
    assert is_tracked(str(repository / "sub"), NAME) is True
    add(repository, NAME)
    assert is_tracked(str(repository), NAME) is True
    git(repository, "rm", "-q", "--cached", NAME)
    assert is_tracked(str(repository), NAME) is False


def test_an_index_that_is_split_is_read_whole(repository: Path) -> None:
    add(repository, "a", NAME)
    git(repository, "update-index", "--split-index")
    add(repository, "z")
    assert list((repository / ".git").glob("sharedindex.*"))
    assert is_tracked(str(repository), NAME) is True


def test_a_worktree_has_an_index_of_its_own(repository: Path, tmp_path: Path) -> None:
    add(repository, "a", NAME)
    git(repository, "commit", "-qm", "x")
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(repository, "rm", "-q", "--cached", NAME)
    assert is_tracked(str(repository), NAME) is False
    assert is_tracked(str(tmp_path / "tree"), NAME) is True


def test_nothing_is_tracked_outside_of_a_repository(tmp_path: Path) -> None:
    assert is_tracked(str(tmp_path), NAME) is False


@pytest.mark.parametrize(
    "content", [b"", b"nonsense" * 9, b"DIRC\0\0\0\4\0\0\0\1", b"DIRC\0\0\0\4\xff\xff\xff\xff"]
)
def test_an_index_that_cannot_be_read_is_not_known(repository: Path, content: bytes) -> None:
    (repository / ".git" / "index").write_bytes(content)
    assert is_tracked(str(repository), NAME) is None


def test_a_fifo_in_its_place_is_not_waited_for(repository: Path) -> None:
    os.mkfifo(repository / ".git" / "index")
    assert is_tracked(str(repository), NAME) is None


def test_no_program_of_the_repository_s_is_run(repository: Path, tmp_path: Path) -> None:
    add(repository, NAME)
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(hook))
    assert is_tracked(str(repository), NAME) is True
    assert not (tmp_path / "run").exists()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=300), version=st.integers(0, 6))
def test_whatever_is_in_an_index_no_error_comes_of_it(
    repository: Path, content: bytes, version: int
) -> None:
    head = b"DIRC" + version.to_bytes(4, "big")
    (repository / ".git" / "index").write_bytes(head + content)
    assert is_tracked(str(repository), NAME) in {None, False}
