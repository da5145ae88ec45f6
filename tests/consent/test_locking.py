from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.files import locked

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60

HOLDER = """
import sys
from pathlib import Path
from cqtel_tui.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_had_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        got = threading.Event()

        def wait_for_it() -> None:
            with locked(path):
                got.set()

        waiting = threading.Thread(target=wait_for_it, daemon=True)
        waiting.start()
        assert not got.wait(0.1)
        holder.send_signal(signal.SIGKILL)
        assert got.wait(PATIENCE)
        waiting.join(PATIENCE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_can_be_had_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock"):
        pass


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), locked(tmp_path / "lock"):
        pytest.fail("it was locked")
    assert not (tmp_path / "elsewhere").exists()


class TestOnWindows:
    """With a stand-in for the one module that only Windows has."""

    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        answers: list[int] = []
        msvcrt = ModuleType("msvcrt")

        def locking(opened: int, how: int, count: int) -> None:
            assert (os.fstat(opened).st_size, how, count) == (0, 1, 1)
            if answers and (number := answers.pop(0)):
                raise OSError(number, os.strerror(number))

        vars(msvcrt).update(LK_LOCK=1, locking=locking)
        monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
        monkeypatch.setattr(sys, "platform", "win32")
        return answers

    def test_a_lock_that_takes_long_is_waited_for(self, tmp_path: Path, answers: list[int]) -> None:
        answers += [errno.EDEADLK, errno.EACCES, 0]
        with locked(tmp_path / "lock"):
            assert answers == []

    def test_a_lock_that_cannot_be_had_is_an_error(
        self, tmp_path: Path, answers: list[int]
    ) -> None:
        answers += [errno.EINVAL]
        with pytest.raises(OSError, match=os.strerror(errno.EINVAL)), locked(tmp_path / "lock"):
            pytest.fail("it was locked")
