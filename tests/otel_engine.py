"""A real OpenTelemetry Collector, where it was built: no test builds it."""

from __future__ import annotations

import shutil
from pathlib import Path

ENGINE = Path(__file__).with_name("engine")
BUILD = "cd tests/engine && go build -trimpath -o target/engine ."
BINARY = ENGINE / "target" / "engine"


def why_no_engine() -> str:
    """Return why its tests cannot run here; empty if they can."""
    if BINARY.is_file():
        return ""
    if shutil.which("go") is None:
        return "Go is not installed, and an OpenTelemetry Collector is built with it"
    return f"the OpenTelemetry Collector is not built: {BUILD}"
