"""Write the lowest versions that the bounds in pyproject.toml allow, as constraints for pip.

    python tests/lowest.py > lowest.txt && pip install -c lowest.txt '.[gate,grpc,collector,serve]'

What only the tests and the benchmarks use may be as new as it is.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("cloudquery", "gate", "grpc", "collector", "serve")
_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[^]]*\])?\s*>=\s*(?P<lowest>[^\s,;]+)")


def lowest(pyproject: str) -> dict[str, str]:
    """Return the lowest version of each requirement that a user may install.

    Raises:
        ValueError: a requirement has no lower bound.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    found: dict[str, str] = {}
    for line in (*project["dependencies"], *(each for name in EXTRAS for each in extras[name])):
        bound = _BOUND.match(line)
        if bound is None:
            raise ValueError(f"{line!r} has no lower bound. Give it one in pyproject.toml.")
        found[bound["name"]] = bound["lowest"]
    return found


def main() -> int:
    """Write them, one a line."""
    pyproject = Path(__file__).parent.parent / "pyproject.toml"
    for name, version in lowest(pyproject.read_text(encoding="utf-8")).items():
        sys.stdout.write(f"{name}=={version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
