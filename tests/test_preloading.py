"""What a recording needs is imported in one go, and is what `import` makes of it."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cqtel_tui

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(cqtel_tui.__file__).parent
PATIENCE = 60
RECORD = """
import sys
sys.path.insert(0, sys.argv[1])
from cqtel_tui import Telemetry
with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
    with operation.span("fetch.aws"):
        pass
assert operation.held and not operation.telemetry.lost
"""
DESCRIBE = """
for name in sorted(sys.modules):
    if name.partition(".")[0] == "cqtel_tui":
        module = sys.modules[name]
        above, _, last = name.rpartition(".")
        assert not above or getattr(sys.modules[above], last) is module
        assert module.__loader__ is module.__spec__.loader
        spec = module.__spec__
        print(
            name, spec.name, type(spec.loader).__name__, spec.loader.path, spec.origin, spec.parent,
            spec.cached, spec.has_location, spec.submodule_search_locations, module.__file__,
            module.__package__, getattr(module, "__path__", None),
            sorted({*vars(module)} - {"__cached__"}),  # deprecated: the spec says it
        )
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package, whose modules are compiled."""
    folder = tmp_path / "installed"
    shutil.copytree(PACKAGE, folder / "cqtel_tui", ignore=shutil.ignore_patterns("__pycache__"))
    for source in sources(folder):
        py_compile.compile(str(source), doraise=True)
    return folder


def sources(folder: Path) -> Iterator[Path]:
    rooms = ("", "consent", "formats", "outbox", "record")
    return (path for room in rooms for path in (folder / "cqtel_tui" / room).glob("*.py"))


def run(
    installed: Path, home: Path, program: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a program that records, with nothing but Python and the package in its way."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", *options, "-c", program, str(installed)],
        env={**os.environ, "CQ_TELEMETRY_HOME": str(home / "telemetry")},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def imported(installed: Path, home: Path) -> set[str]:
    """Return what of ours is imported the usual way where a program records."""
    told = run(installed, home, RECORD, "-X", "importtime").stderr.splitlines()
    names = {line.rpartition("|")[2].strip() for line in told}
    return {name for name in names if name.partition(".")[0] == "cqtel_tui"}


def recorded(installed: Path, home: Path) -> None:
    """Record once, so that the folders are there."""
    run(installed, home, RECORD)


BY_CHANCE = {
    f"cqtel_tui.{name}" for name in ("files", "outbox.bounds", "outbox.expiry", "outbox.losses")
}
"""One recording in sixteen makes room."""


def test_a_recording_imports_one_module_the_usual_way(installed: Path, scrubbed: Path) -> None:
    recorded(installed, scrubbed)
    assert imported(installed, scrubbed) - BY_CHANCE == {"cqtel_tui"}


def test_nor_does_one_after_a_yes_import_more(installed: Path, scrubbed: Path) -> None:
    recorded(installed, scrubbed)
    choices = scrubbed / "telemetry" / "choices.json"
    choices.write_text('{"version": 1, "all": {"telemetry": "on", "catalogue": 1}}')
    choices.chmod(0o600)
    (scrubbed / ".cq" / "plugins" / "source" / "cloudquery" / "aws" / "v1.0.0").mkdir(parents=True)
    recorded(installed, scrubbed)
    assert (scrubbed / ".cq" / "telemetry-cookie").is_file()
    assert imported(installed, scrubbed) - BY_CHANCE == {"cqtel_tui"}


def test_each_module_is_what_import_makes_of_it(installed: Path, scrubbed: Path) -> None:
    recorded(installed, scrubbed)
    modules = RECORD + "from cqtel_tui.outbox import bounds" + DESCRIBE
    usual = modules.replace(
        "from cqtel_tui import Telemetry",
        "import cqtel_tui\n"
        "cqtel_tui.preload = lambda *names: None\n"
        "from cqtel_tui import Telemetry",
    )
    assert run(installed, scrubbed, modules).stdout == run(installed, scrubbed, usual).stdout


@pytest.mark.parametrize("how", ["not compiled", "newer", "of another size", "torn", "of no time"])
def test_what_was_not_compiled_from_the_source_as_it_is_is_not_believed(
    installed: Path, scrubbed: Path, how: str
) -> None:
    recorded(installed, scrubbed)
    source = installed / "cqtel_tui" / "folders.py"
    compiled = Path(source.parent / "__pycache__" / f"folders.{sys.implementation.cache_tag}.pyc")
    program = RECORD + "print(sys.modules['cqtel_tui.folders'].APPLICATION)"
    told = "cqtel"
    if how == "not compiled":
        compiled.unlink()
    elif how == "torn":
        compiled.write_bytes(compiled.read_bytes()[:8])
    elif how == "of no time":
        invalidation = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), doraise=True, invalidation_mode=invalidation)
    else:
        before = source.stat()
        text = source.read_text().replace('APPLICATION = "cqtel"', 'APPLICATION = "other"')
        later = 10 if how == "newer" else 0
        source.write_text(text if later else text + "# longer")
        os.utime(source, (before.st_atime, before.st_mtime + later))
        told = "other"
    assert run(installed, scrubbed, program).stdout.strip() == told


def test_a_package_in_a_zip_file_is_imported_as_ever(installed: Path, scrubbed: Path) -> None:
    archive = scrubbed / "cqtel.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for source in sources(installed):
            opened.write(source, source.relative_to(installed))
    run(archive, scrubbed, RECORD)


def test_threads_that_record_first_at_once_share_each_module(
    installed: Path, scrubbed: Path
) -> None:
    run(
        installed,
        scrubbed,
        """
import sys
sys.path.insert(0, sys.argv[1])
import threading
import cqtel_tui
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
lost = []
def record():
    barrier.wait()
    telemetry = cqtel_tui.Telemetry("cloudquery")
    with telemetry.operation("fetch") as operation:
        pass
    lost.append((telemetry.lost, operation.held is None))
threads = [threading.Thread(target=record) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert lost == [(0, False)] * 8, lost
""",
    )
