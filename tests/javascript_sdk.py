"""The official JavaScript SDK of OpenTelemetry, where it was installed: no test installs it."""

from __future__ import annotations

import shutil
from pathlib import Path

JAVASCRIPT = Path(__file__).with_name("javascript")


def why_no_javascript() -> str:
    """Return why its tests cannot run here; empty if they can."""
    if shutil.which("node") is None:
        return "node is not installed, and the JavaScript SDK needs it"
    if not (JAVASCRIPT / "node_modules" / "@opentelemetry").is_dir():
        return "the JavaScript SDK is not installed: npm install --prefix tests/javascript"
    return ""
