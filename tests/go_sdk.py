"""The official Go SDK of OpenTelemetry, where its modules are there: no test downloads any."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

GO = Path(__file__).with_name("go")
INSTALL = "go -C tests/go mod download"
_PATIENCE_SECONDS = 300


@cache
def reporter() -> tuple[Path | None, str]:
    """Return a program that reports one span by that SDK; or None, and why there is none."""
    go = shutil.which("go")
    if go is None:
        return None, "go is not installed, and the Go SDK needs it"
    folder = mkdtemp(prefix="cqtel-go-")
    atexit.register(shutil.rmtree, folder)
    program = Path(folder) / "reporter"
    environment = os.environ | {
        "GOPROXY": "off",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
    }
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=GO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    if built.returncode:
        return None, f"the Go SDK is not here ({INSTALL}): {built.stderr.strip()[-200:]}"
    return program, ""
