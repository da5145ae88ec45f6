"""Real collectors: `cq-telemetry collector` in processes of its own, on ports of loopback."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
_SETTLED_SECONDS = 0.01


class Collector:
    """A running collector.

    Attributes:
        process: the one that was started; it may have workers.
        home: all that it can write to.
        url: where it takes traces.
    """

    def __init__(self, process: subprocess.Popen[bytes], home: Path, log: Path) -> None:
        self.process = process
        self.home = home
        self._log = log
        self.url = ""

    @property
    def store(self) -> Path:
        return self.home / "collector" / "store.sqlite3"

    def beside(self, path: str) -> str:
        """Return the URL of what is served beside the traces."""
        return self.url.removesuffix("/v1/traces") + path

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return what it has logged of an event so far."""
        lines = self._log.read_text("utf-8").split("\n")[:-1]
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [one for one in said if one["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Return what it has logged of an event, once it has as often as that."""
        until = time.monotonic() + PATIENCE
        while len(said := self.said(event)) < count:
            assert self.process.poll() is None, self._log.read_text("utf-8")
            assert time.monotonic() < until, self._log.read_text("utf-8")
            time.sleep(_SETTLED_SECONDS)
        return said


@contextlib.contextmanager
def collecting(folder: Path, *options: str, workers: int = 1) -> Iterator[Collector]:
    """Run a collector with all its files in `folder`; it ends with the block, gracefully."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    log = folder / "collector.log"
    command: list[str | Path] = [
        *(Path(sys.executable).with_name("cq-telemetry"), "collector"),
        *("--listen", "127.0.0.1:0", "--rate", "0", "--workers", str(workers), *options),
    ]
    environment = {
        "CQ_TELEMETRY_HOME": str(home),
        "HOME": str(home),
        "TMPDIR": str(folder),
        "PATH": os.defpath,
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        collector = Collector(process, home, log)
        port = collector.wait_for("listening", workers)[0]["port"]
        collector.url = f"http://127.0.0.1:{port}/v1/traces"
        yield collector
        process.terminate()
        assert process.wait(PATIENCE) == 0, log.read_text("utf-8")
    finally:
        process.kill()
        process.wait(PATIENCE)
