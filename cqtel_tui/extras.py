"""Say how to install what is missing, from where this copy came: no package index is relied on.

The index may not have this program, or may have somebody else's by its name.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

DISTRIBUTION = "cqtel-tui"
PLAIN = {
    "clickhouse": ("clickhouse-connect",),
    "collector": ("iptocc", "maxminddb", "msgspec", "opentelemetry-proto", "prometheus-client",
                  "starlette", "uvicorn", "zstandard"),
    "gate": ("h11", "opentelemetry-proto"),
    "grpc": ("h2",),
    "serve": ("textual-serve",),
}  # fmt: skip
"""What each extra comes to, where no metadata tells: a zipapp, a folder that was copied."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*?)\s*(?:;(.*))?$")


def how_to_install(extra: str) -> str:
    """Return a command that brings what an extra needs, to be typed into a shell."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(DISTRIBUTION)
        origin, requires = installed.read_text("direct_url.json"), installed.requires or ()
    except (PackageNotFoundError, OSError):
        origin, requires = None, ()
    return f"pip install {command(extra, origin, requires)}"


def command(extra: str, origin: str | None, requires: Sequence[str]) -> str:
    """Return what follows `pip install`.

    Args:
        extra: the extra's name.
        origin: the installation's direct_url.json (PEP 610); None if it came from an index, or is
            no installation at all.
        requires: the requirements in the metadata.
    """
    source = _source(origin)
    if source:
        return shlex.quote(source.replace("[]", f"[{extra}]"))
    needed: dict[str, str] = {}
    for requirement in requires:
        parts = _REQUIREMENT.match(requirement)
        if parts and re.search(rf"extra\s*==\s*['\"]{extra}['\"]", parts[3] or ""):
            needed.setdefault(parts[1], f"{parts[1]}{parts[2]}")
    return " ".join(shlex.quote(each) for each in needed.values() or PLAIN[extra])


def _source(origin: str | None) -> str:
    """Return where this copy came from, as pip takes it, with `[]` for an extra; empty if gone."""
    try:
        direct_url = json.loads(origin or "")
        url = str(direct_url["url"])
        parts = urlsplit(url)
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    if "vcs_info" in direct_url:
        tool, commit = (
            direct_url["vcs_info"].get("vcs", "git"),
            direct_url["vcs_info"].get("commit_id", ""),
        )
        return f"{DISTRIBUTION}[] @ {tool}+{url}" + (f"@{commit}" if commit else "")
    if parts.scheme != "file":
        return f"{DISTRIBUTION}[] @ {url}" if parts.scheme and parts.netloc else ""
    path = Path(unquote(parts.path))
    is_there = path.is_file() or (path / "pyproject.toml").is_file()
    return f"{path}[]" if is_there else ""
