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
    from collections.abc import Callable, Iterator

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
_MINUTE = 60_000_000_000
_RUNS: tuple[tuple[int, str, int, dict[str, int], bool], ...] = (
    (31, "init", 1_840, {}, False),
    (24, "validate-config", 212, {}, False),
    (17, "sync", 48_310, {"sync.aws": 31_020, "sync.github": 12_400}, False),
    (9, "sync", 9_120, {"sync.aws": 8_800}, True),
    (2, "tables", 655, {}, False),
)
"""How many minutes ago, what, for how many milliseconds, with which parts, and if it failed."""


class TableError(Exception):
    """What a table of the demonstration fails with."""


@contextlib.contextmanager
def throw_away_home(
    now_nano: int | None = None,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
    within: str | None = None,
) -> Iterator[Path]:
    """Make a home and a project in a temporary folder, record a few operations, and go there.

    The folder is gone afterwards; the environment and the current directory are as before.

    Args:
        now_nano: when the last of the operations ends, in nanoseconds since 1970.
        entropy: where the ids come from.
        within: where the temporary folder is made.
    """
    before, directory = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cqtel-demo-", dir=within) as folder:
        home = Path(folder).resolve()
        project = home / "project"
        for plugin in _PLUGINS:
            (project / ".cq" / "plugins" / plugin).mkdir(parents=True)
        # The home folder as well: locking the cookie locks what earlier releases left there.
        os.environ |= {
            HOME_VARIABLE: str(home / "cqtel"),
            "HOME": str(home),
            "USERPROFILE": str(home),
        }
        for name in _CLEARED:
            os.environ.pop(name, None)
        os.chdir(project)
        try:
            record(time.time_ns() if now_nano is None else now_nano, entropy)
            yield project
        finally:
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(before)


def record(now_nano: int, entropy: Callable[[int], bytes] = os.urandom) -> None:
    """Record what somebody might have run in the last half hour."""
    for minutes, name, milliseconds, parts, fails in _RUNS:
        telemetry = Telemetry("cloudquery", version="6.21.1")
        telemetry.entropy = entropy
        _operation(telemetry, now_nano - minutes * _MINUTE, name, milliseconds, parts, fails=fails)


def _operation(  # noqa: PLR0913  # what is told of a run, each thing its own
    telemetry: Telemetry,
    began: int,
    name: str,
    milliseconds: int,
    parts: dict[str, int],
    *,
    fails: bool,
) -> None:
    """Record one operation on a clock of its own, so that nobody waits for it."""
    clock = _Clock(began)
    telemetry.clock = clock.time
    telemetry.stopwatch = clock.time
    with contextlib.suppress(TableError), telemetry.operation(name) as operation:
        for part, length in parts.items():
            with operation.span(part):
                clock.pass_by(length)
                if fails:
                    raise TableError("permission denied for table accounts")
        clock.pass_by(max(0, milliseconds - sum(parts.values())))


class _Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self, now: int) -> None:
        self.now = now

    def time(self) -> int:
        return self.now

    def pass_by(self, milliseconds: int) -> None:
        self.now += milliseconds * 1_000_000
