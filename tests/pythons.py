"""Go the whole way under each other Python of this machine, and install nothing for it.

    python tests/pythons.py

Each gets a virtual environment that sees this project and the pure-Python libraries of the Python
that runs this. What was built for that one alone is not there: the smoke says what it did not try.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
OLDEST = (3, 11)
NEWEST = (3, 19)
_IDENTITY = "import json, sys; print(json.dumps([sys.version_info[:2], sys.implementation.name]))"


def others() -> dict[str, Path]:
    """Return one CPython of each other version that is on this machine, by its version."""
    names = [f"python{OLDEST[0]}.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    candidates = [Path(path) for name in names if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob("versions/3.*/bin/python"))
    found: dict[str, Path] = {}
    for candidate in candidates:
        if (version := _version(candidate)) is None:
            continue
        if version >= OLDEST and version != sys.version_info[:2]:
            found.setdefault(f"{version[0]}.{version[1]}", candidate)
    return found


def _version(python: Path) -> tuple[int, int] | None:
    """Return the version of a CPython; None if it is something else or cannot be run."""
    try:
        asked = subprocess.run(
            [python, "-c", _IDENTITY], capture_output=True, timeout=60, check=True
        )
        version, name = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # a shim of pyenv for a version that is not chosen, or no Python
    return (version[0], version[1]) if name == "cpython" else None


def environment(python: Path, folder: Path, project: Path = PROJECT) -> Path:
    """Make a virtual environment of a Python that sees our libraries; return its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], timeout=120, check=True)
    [packages] = folder.glob("[Ll]ib/**/site-packages")
    seen = (sysconfig.get_path("purelib"), str(project))
    (packages / "libraries.pth").write_text("".join(f"{path}\n" for path in seen))
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def main() -> int:
    """Run the smoke under each."""
    found = others()
    if not found:
        sys.stdout.write("no other Python is on this machine\n")
    for python in found.values():
        with tempfile.TemporaryDirectory() as folder:
            interpreter = environment(python, Path(folder))
            smoke = [interpreter, PROJECT / "tests" / "smoke.py"]
            if subprocess.run(smoke, cwd=folder, check=False).returncode:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
