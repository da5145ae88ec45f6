"""A small disk of its own, which a test can fill or make read-only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Disk:
    """A small disk, mounted on `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filling = folder / "filling"

    def fill(self) -> None:
        """Leave no room for another byte."""
        with self.filling.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass

    def make_room(self) -> None:
        """Leave all the room again."""
        self.filling.unlink()

    def mount_read_only(self) -> None:
        """Let nothing be written any more."""
        _run("mount", "-o", "remount,ro", str(self.folder))

    def mount_writable(self) -> None:
        """Let it be written again."""
        _run("mount", "-o", "remount,rw", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)


@contextlib.contextmanager
def mounted(folder: Path, size: str = "400k") -> Iterator[Disk]:
    """Mount a small disk; skip the test where that cannot be done."""
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a disk of its own")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield Disk(folder)
    finally:
        _run("umount", "-l", str(folder))
