"""Ask a program for its version, once for each binary: by path, size and time of change."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from ..catalogue import is_version
from ..outbox import make_folder, project_mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .profiles import Invocation

CACHE = "versions.json"
_LONGEST_SECONDS = 5.0
_MAX_ENTRIES = 100
_VERSION = re.compile(rb"\bv?\d+\.\d+[0-9A-Za-z.+-]*")


def packaged_binary(invocation: Invocation) -> str | None:
    """Return the binary that the program's Python package brings, if it is installed with us."""
    for scheme in ("purelib", "platlib"):
        binary = Path(sysconfig.get_path(scheme), invocation.profile.module)
        binary /= invocation.profile.binary
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def find_binary(invocation: Invocation, environment: Mapping[str, str]) -> str | None:
    """Return the file that will run, if it can be told from here."""
    program = which(invocation.prefix[0], path=environment.get("PATH"))
    if not invocation.through_python:
        return program or packaged_binary(invocation)
    if program is None:
        return None
    packages = Path(program).parent.parent.glob("[Ll]ib/**/site-packages")
    for folder in packages:
        binary = folder / invocation.profile.module / invocation.profile.binary
        if binary.is_file():
            return str(binary)
    return None


class Version:
    """The version of a program: remembered, or being asked for while the program runs.

    Args:
        binary: the file that runs.
        state: the folder to remember it in.
        environment: that of the program, its telemetry turned off.
    """

    def __init__(self, binary: str, state: str, environment: Mapping[str, str]) -> None:
        self._cache = Path(state) / CACHE
        self._key = self._mark(binary)
        self._asked: subprocess.Popen[bytes] | None = None
        self._known = self._remembered().get(self._key)
        if not is_version(self._known):
            self._known = None
            self._asked = subprocess.Popen(
                [binary, "--version"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,  # a Ctrl+C at the keyboard is not meant for it
            )

    def get(self) -> str | None:
        """Return the version, waiting for the answer if need be; None if there is none."""
        if self._asked is None:
            return self._known
        try:
            answer, _ = self._asked.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            self._asked.kill()
            self._asked.communicate()
            return None
        self._asked = None
        found = _VERSION.search(answer[:4096])
        version = found.group().decode().removeprefix("v") if found else None
        if is_version(version):
            self._known = version
            self._remember()
        return self._known

    @staticmethod
    def _mark(binary: str) -> str:
        path = os.path.realpath(binary)
        status = Path(path).stat()
        return f"{project_mark(path)} {status.st_size} {status.st_mtime_ns}"

    def _remembered(self) -> dict[str, str]:
        try:
            content = json.loads(self._cache.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _remember(self) -> None:
        known = {**self._remembered(), self._key: self._known}
        kept = dict(list(known.items())[-_MAX_ENTRIES:])
        make_folder(str(self._cache.parent))
        temporary = self._cache.with_name(f".{CACHE}.{os.getpid()}")
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(self._cache)
