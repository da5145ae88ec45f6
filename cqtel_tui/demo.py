"""A throw-away home whose payloads were really recorded by the client."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .paths import HOME_VARIABLE
from .record import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLUGINS = (
    "source/cloudquery/aws/v33.4.0",
    "source/cloudquery/github/v14.0.1",
    "destination/cloudquery/postgresql/v8.8.2",
)
_CLEARED = (
    "CQ_NO_TELEMETRY",
    "DO_NOT_TRACK",
    "CQ_TELEMETRY_LEVEL",
    "CQ_DEBUG_TELEMETRY",
    "CQ_INSPECT_TELEMETRY",
)


class TableError(Exception):
    """What a table of the demonstration fails with."""


@contextlib.contextmanager
def throw_away_home(now_nano: int | None = None) -> Iterator[Path]:
    """Make a home and a project in a temporary folder, record a few operations, and go there.

    The folder is gone afterwards; the environment and the current directory are as before.

    Args:
        now_nano: when the last of the operations ends, in nanoseconds since 1970.
    """
    before, directory = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cqtel-demo-") as folder:
        project = Path(folder).resolve() / "project"
        for plugin in _PLUGINS:
            (project / ".cq" / "plugins" / plugin).mkdir(parents=True)
        os.environ[HOME_VARIABLE] = str(Path(folder).resolve() / "home")
        for name in _CLEARED:
            os.environ.pop(name, None)
        os.chdir(project)
        try:
            record(time.time_ns() if now_nano is None else now_nano)
            yield project
        finally:
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(before)


def record(now_nano: int) -> None:
    """Record what somebody might have run in the last half hour."""
    minutes = 60_000_000_000
    _operation(now_nano - 31 * minutes, "init", 1_840)
    _operation(now_nano - 24 * minutes, "validate-config", 212)
    _operation(now_nano - 17 * minutes, "sync", 48_310, {"sync.aws": 31_020, "sync.github": 12_400})
    _operation(now_nano - 9 * minutes, "sync", 9_120, {"sync.aws": 8_800}, fails=True)
    _operation(now_nano - 2 * minutes, "tables", 655)


def _operation(
    began: int,
    name: str,
    milliseconds: int,
    parts: dict[str, int] | None = None,
    *,
    fails: bool = False,
) -> None:
    """Record one operation on a clock of its own, so that nobody waits for it."""
    clock = _Clock(began)
    telemetry = Telemetry("cloudquery", version="6.21.1")
    telemetry.clock = clock.time
    telemetry.stopwatch = clock.time
    with contextlib.suppress(TableError), telemetry.operation(name) as operation:
        for part, length in (parts or {}).items():
            with operation.span(part):
                clock.pass_by(length)
                if fails:
                    raise TableError("permission denied for table accounts")
        clock.pass_by(max(0, milliseconds - sum((parts or {}).values())))


class _Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self, now: int) -> None:
        self.now = now

    def time(self) -> int:
        return self.now

    def pass_by(self, milliseconds: int) -> None:
        self.now += milliseconds * 1_000_000
