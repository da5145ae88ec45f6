"""The program as people install it: a wheel, in a virtual environment of its own.

`python -m pytest tests/e2e/field` runs it as it was run where things went wrong.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from ...deliver.collectors import Collector, running
from .installing import Installed, install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a wheel of this tree once for all test processes; return the folder of commands."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return install(folder / "installed")


@pytest.fixture
def machine(tmp_path: Path, programs: Path) -> Installed:
    return Installed(tmp_path, programs)


@pytest.fixture
def upstream() -> Iterator[Collector]:
    """Run what a program would have sent to, if nobody had been in between."""
    with running() as collector:
        yield collector
