"""The official Java SDK of OpenTelemetry, where it was installed: no test installs it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

JAVA = Path(__file__).with_name("java")
INSTALL = "mvn -q -B -f tests/java dependency:copy-dependencies"
_JARS = JAVA / "target" / "dependency"


def why_no_java() -> str:
    """Return why its tests cannot run here; empty if they can."""
    if shutil.which("java") is None:
        return "java is not installed, and the Java SDK needs it"
    if not any(_JARS.glob("opentelemetry-exporter-sender-jdk-*.jar")):
        return f"the Java SDK is not installed: {INSTALL}"
    return ""


def delivering(url: str, compression: str, cookie: str) -> list[str]:
    """Return the command that delivers one operation with one part.

    It prints `delivered` once the SDK has sent all of it.
    """
    java = shutil.which("java")
    assert java is not None
    path = os.pathsep.join(map(str, sorted(_JARS.glob("*.jar"))))
    source = str(JAVA / "Deliver.java")
    return [java, "--class-path", path, source, url, compression, cookie]
