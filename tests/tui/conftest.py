"""A machine of its own for each test of the UI, and a clock that tests may stop."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.actions import demo
from cqtel_tui.paths import HOME_VARIABLE, places

from ..deliver.collectors import Collector, running
from .driving import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPEAKING = ("TEXTUAL_", "COLUMNS", "LINES", "NO_COLOR", "PAGER", "EDITOR", "VISUAL")


@pytest.fixture(autouse=True)
def _quiet(scrubbed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let neither CI nor anybody's shell have a say in what is drawn."""
    del scrubbed
    for name in list(os.environ):
        if name.startswith(_SPEAKING):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TZ", "UTC")
    _set_time_zone()
    yield
    monkeypatch.undo()
    _set_time_zone()


def _set_time_zone() -> None:
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.fixture
def empty(tmp_path: Path, scrubbed: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine on which nothing was ever recorded; its project is where we are."""
    del scrubbed
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "cqtel"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "policy"))
    monkeypatch.chdir(project)
    return Machine(places(), project)


@pytest.fixture
def machine(empty: Machine) -> Machine:
    """Return a machine on which the commands of the demonstration were run."""
    demo.record(time.time_ns())
    return empty


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Listen on loopback, and write down what comes."""
    with running() as listening:
        yield listening


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keys(*ids): the bindings that a test presses")
