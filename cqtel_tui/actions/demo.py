"""A throw-away home whose payloads were really recorded by the client, and held by the gate."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.saving import decide_endpoint, decide_telemetry, save
from ..paths import HOME_VARIABLE, places
from ..record.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ..gate.requests import Request

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
_PREFIX = "cqtel-demo-"
_PROCESS = ".process"
_MINUTE = 60_000_000_000
_RUNS: tuple[tuple[int, str, int, dict[str, int], bool], ...] = (
    (31, "init", 1_840, {}, False),
    (24, "validate-config", 212, {}, False),
    (17, "sync", 48_310, {"sync.aws": 31_020, "sync.github": 12_400}, False),
    (9, "sync", 9_120, {"sync.aws": 8_800}, True),
    (2, "tables", 655, {}, False),
)
"""How many minutes ago, what, for how many milliseconds, with which parts, and if it failed."""
_DELIVERED = (
    (50, "rejected", 400, '{"code":3,"message":"not an OTLP request"}'),
    (26, "sent", 200, "{}"),
    (3, "sent", 200, "{}"),
)
"""How many hours ago, in which box it is now, and what was answered."""
_MINUTES_SINCE_RUN = 38
_RUN_MILLISECONDS = 15_960
_WRITE_KEY = "Basic ZGVtb25zdHJhdGlvbjo="
_RUN_ID = "4f0f4c43-98a5-46d1-8f6c-1d4c2be7a1f0"


class TableError(Exception):
    """What a table of the demonstration fails with."""


@contextlib.contextmanager
def throw_away_home(
    now_nano: int | None = None,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
    within: str | None = None,
    receiving: Callable[[Path], AbstractContextManager[str]] | None = None,
) -> Iterator[Path]:
    """Make a home and a project in a temporary folder, record a few operations, and go there.

    The folder is gone afterwards; the environment and the current directory are as before.

    Args:
        now_nano: when the last of the operations ends, in nanoseconds since 1970.
        entropy: where the ids come from.
        within: where the temporary folder is made.
        receiving: makes a place on loopback for all that is sent, given the home, and returns its
            address: some of what was recorded was sent there, some rejected. None for a home from
            which nobody sends.
    """
    before, directory = dict(os.environ), Path.cwd()
    remove_abandoned(within)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=within) as folder:
        home = Path(folder).resolve()
        (home / _PROCESS).write_text(str(os.getpid()))
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
            now = time.time_ns() if now_nano is None else now_nano
            with contextlib.ExitStack() as stack:
                if receiving is None:
                    catch(now, entropy)
                else:
                    address = stack.enter_context(receiving(home))
                    _deliver(now, address, entropy)
                    catch(now, entropy, address)
                record(now, entropy)
                yield project
        finally:
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(before)


def remove_abandoned(within: str | None = None) -> None:
    """Remove what demonstrations of ours left that were killed.

    Args:
        within: the temporary folder.
    """
    if sys.platform == "win32":
        return
    for folder in Path(within or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            status = folder.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if is_ours and not _is_running(int((folder / _PROCESS).read_text())):
                shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no number of a process: leave it
        return True
    return True


def record(now_nano: int, entropy: Callable[[int], bytes] = os.urandom) -> None:
    """Record what somebody might have run in the last half hour."""
    for minutes, name, milliseconds, parts, fails in _RUNS:
        telemetry = Telemetry("cloudquery", version="6.21.1")
        telemetry.entropy = entropy
        _operation(telemetry, now_nano - minutes * _MINUTE, name, milliseconds, parts, fails=fails)


def _deliver(now_nano: int, address: str, entropy: Callable[[int], bytes]) -> None:
    """Name the place that is sent to, and record what was sent there and rejected before."""
    from ..outbox.receipts import Receipt
    from ..outbox.store import REJECTED, SENT, Outbox
    from ..outbox.writing import PENDING

    url = f"{address}/v1/traces"
    # With an ID, for it was allowed then; without an endpoint, or a sender would be started.
    save(places().config, decide_telemetry("on"), program="cloudquery")
    outbox = Outbox(places().state)
    for hours, box, status, answer in _DELIVERED:
        telemetry = Telemetry("cloudquery", version="6.21.1")
        telemetry.entropy = entropy
        began = now_nano - hours * 60 * _MINUTE
        _operation(telemetry, began, "sync", 31_000, {"sync.aws": 30_000}, fails=False)
        [label] = outbox.labels(PENDING)
        envelope = outbox.open(PENDING, label)
        length, when = len(envelope.payload), label.created + 2_000_000
        receipt = Receipt(label.id, envelope.sha256, length, url, status, when, answer)
        outbox.close(label, SENT if box == "sent" else REJECTED, receipt)
    change = {**decide_telemetry(None), **decide_endpoint(url)}
    save(places().config, change, program="cloudquery")


def catch(
    now_nano: int,
    entropy: Callable[[int], bytes] = os.urandom,
    upstream: str = "",
) -> None:
    """Record and hold what a run of CloudQuery 6.21.1 under the gate left before all that.

    Args:
        now_nano: when all of it ends, in nanoseconds since 1970.
        entropy: where the ids come from.
        upstream: where it is bound for; CloudQuery's makers by default.
    """
    from ..gate.channels import CLOUDQUERY
    from ..gate.holding import Reporter, hold_requests
    from ..outbox import runs
    from ..outbox.envelope import read_label

    telemetry = Telemetry("cloudquery", version="6.21.1")
    telemetry.entropy = entropy
    began = now_nano - _MINUTES_SINCE_RUN * _MINUTE
    clock = _Clock(began)
    telemetry.clock = telemetry.stopwatch = clock.time
    with telemetry.operation("init") as recorded:
        clock.pass_by(_RUN_MILLISECONDS)
        recorded.exit(1)
    operation = read_label(recorded.held or "")
    if operation is None:
        return
    state = places().state
    run = Reporter(
        "cloudquery",
        "6.21.1",
        os.path.realpath("."),
        operation.id,
        upstream or CLOUDQUERY.upstream,
        debug=False,
    )
    requests = [
        _request("init_started", began + 40_000_000, {}),
        _request(
            "init_completed",
            clock.now - 60_000_000,
            {"status": "error", "error": _ERROR},
        ),
    ]
    names = hold_requests(state, requests, CLOUDQUERY, run, entropy=entropy)
    labels = [label for name in names if (label := read_label(name)) is not None]
    blocked = (
        runs.BlockedChannel(each.name, each.reason, 1 if each.counted else None)
        for each in CLOUDQUERY.blocked
    )
    ids = tuple(label.id for label in labels)
    runs.write_run(
        state,
        runs.Run(operation.id, operation.created, run.app, run.version, ids, 0, tuple(blocked)),
    )


_ERROR = (
    'failed to list plugins: Get "https://api.cloudquery.io/plugins?page=1&per_page=100": dial '
    "tcp: lookup api.cloudquery.io on 192.0.2.53:53: no such host"
)


def _request(event: str, nanoseconds: int, properties: dict[str, str]) -> Request:
    """Return a request as CloudQuery makes it, which names a run and a path, too."""
    from ..gate.requests import Request

    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    when = f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}Z"
    message = {
        "type": "track",
        "messageId": f"7bd27354-6cf0-46f3-88eb-{nanoseconds % (1 << 48):012x}",
        "anonymousId": _RUN_ID,
        "event": event,
        "originalTimestamp": when,
        "sentAt": when,
        "context": {"library": {"name": "analytics-go", "version": "4.2.1"}},
        "properties": {
            "accept_defaults": True,
            "destination": "cloudquery/postgresql",
            "invocation_uuid": _RUN_ID,
            "source": "cloudquery/hackernews",
            "spec_path": "/home/demo/specs/hackernews.yml",
            **properties,
        },
        "channel": "server",
    }
    headers = (
        ("user-agent", "analytics-go (version: 4.2.1)"),
        ("authorization", _WRITE_KEY),
        ("content-encoding", "gzip"),
        ("content-type", "application/json"),
    )
    body = gzip.compress(json.dumps({"batch": [message]}).encode(), mtime=0)
    return Request("POST", "/v1/batch", headers, body, nanoseconds // 1000)


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
