"""The whole way under each other Python of this machine, of which nothing is installed for it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ...pythons import PROJECT, environment, others

if TYPE_CHECKING:
    from pathlib import Path

PYTHONS = others()


@pytest.mark.parametrize("version", PYTHONS or ["none"])
def test_the_whole_way_can_be_gone_under_another_python(tmp_path: Path, version: str) -> None:
    if version == "none":
        pytest.skip("no other Python is on this machine")
    interpreter = environment(PYTHONS[version], tmp_path / "venv")
    smoke = [interpreter, PROJECT / "tests" / "smoke.py"]
    done = subprocess.run(
        smoke, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"Python {version}.")
