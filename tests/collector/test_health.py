"""A store that is gone, full or damaged is told of, and acknowledges nothing."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.collector import health
from cqtel_tui.collector.schema import StoreError
from cqtel_tui.collector.store import Store

from .arriving import NOW, arrival, some
from .requests import as_json, request
from .served import Command, command, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")


@pytest.fixture(autouse=True)
def _looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOK_SECONDS", -1.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "collector" / "store.sqlite3", clock=lambda: NOW)) as opened:
        yield opened


def remove_file(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def move_file(path: Path) -> None:
    path.rename(path.with_name("moved"))


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace(path: Path) -> None:
    """Put another store in its place, as a restored copy would be."""
    other = path.with_name("other")
    with closing(Store(other)) as opened:
        opened.keep(some(3)).result()
    other.replace(path)


def replace_by_nothing(path: Path) -> None:
    path.unlink()
    path.touch()


def make_anew(path: Path) -> None:
    """Remove all of it, and have another collector make it again."""
    shutil.rmtree(path.parent)
    with closing(Store(path)) as opened:
        opened.keep(some(3)).result()


def remove_journal(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def truncate(path: Path) -> None:
    os.truncate(path, 0)


GONE: list[Callable[[Path], None]] = [
    *(remove_file, remove_folder, move_file, move_folder, replace, replace_by_nothing),
    *(make_anew, remove_journal, truncate),
]


@posix
@pytest.mark.parametrize("go", GONE, ids=lambda go: go.__name__)
def test_a_store_that_is_gone_acknowledges_nothing(
    store: Store, go: Callable[[Path], None]
) -> None:
    store.keep(some(5)).result()
    assert store.trouble() == ""
    go(store.path)
    for number in range(3):
        with pytest.raises(StoreError):
            store.keep([arrival(number)]).result()
    with pytest.raises(StoreError):
        store.expire()
    assert store.trouble() == health.GONE
    assert str(store.path.parent) not in store.trouble()


@posix
def test_a_store_that_is_moved_back_goes_on(store: Store) -> None:
    store.keep(some(5)).result()
    moved = store.path.parent.with_name("moved")
    store.path.parent.rename(moved)
    assert store.trouble() == health.GONE
    moved.rename(store.path.parent)
    assert store.trouble() == ""
    assert store.keep([arrival(1)]).result().new == 3


@posix
@pytest.mark.parametrize("go", [remove_folder, replace, move_folder], ids=lambda go: go.__name__)
def test_a_client_is_told_to_come_again_and_the_health_check_fails(
    tmp_path: Path, go: Callable[[Path], None]
) -> None:
    path = tmp_path / "collector" / "store.sqlite3"
    with closing(Store(path)) as store, served(tmp_path, store) as collector:
        assert collector.is_well()
        assert collector.client.get("/healthz").json() == {"status": "ok"}
        go(path)
        answer = collector.post(as_json(request()))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        health_check = collector.client.get("/healthz")
        assert health_check.status_code == 503
        assert health_check.json() == {"status": "failing", "reason": health.GONE}
        assert str(tmp_path) not in health_check.text


def damage(path: Path, first: int = 1) -> None:
    """Overwrite pages as a broken disk does, under the same name."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(first * 4096)
        file.write(b"\xee" * (size - first * 4096))


def filled(store: Store) -> None:
    store.keep(some(2_000, days=5)).result()
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@posix
@pytest.mark.parametrize("first", [0, 1, 40])
def test_a_damaged_store_is_told_of_and_takes_nothing_more(store: Store, first: int) -> None:
    filled(store)
    damage(store.path, first)
    assert store.trouble() == health.DAMAGED
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        store.keep([arrival(1)]).result()
    assert store.trouble() == health.DAMAGED


@posix
@pytest.mark.parametrize(
    ("first", "form"), [(0, []), (1, ["--json"]), (40, ["--csv"])], ids=["all", "most", "some"]
)
def test_a_report_of_a_damaged_store_is_none(store: Store, first: int, form: list[str]) -> None:
    filled(store)
    store.close()
    damage(store.path, first)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "import sys; from cqtel_tui.cli import main; sys.exit(main())"),
            *("collector", "--store", str(store.path), "report", "--since", "9999d", *form),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "cq-telemetry: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_told_of_and_forgotten_with_room_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.keep(some(5)).result()
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    failing = None
    for number in range(2_000):
        try:
            store.keep([arrival(number, who=number)]).result()
        except StoreError as error:
            failing = error
            break
    assert failing is not None
    assert health.reason(failing) == health.FULL
    store._connection.execute("PRAGMA max_page_count=1000000")
    assert store.trouble() == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, ""), health.FULL),
        (OSError(errno.EFBIG, ""), health.FULL),
        (PermissionError(errno.EACCES, ""), health.UNWRITABLE),
        (ValueError(), health.UNWRITABLE),
    ],
)
def test_what_was_in_the_way_is_said(error: Exception, expected: str) -> None:
    failing = StoreError("/some/path")
    failing.__cause__ = error
    assert health.reason(failing) == expected


@posix
def test_a_disk_without_room_is_told_of_by_the_health_check(tmp_path: Path) -> None:
    import resource

    store = tmp_path / "store.sqlite3"
    with command(tmp_path, "--store", str(store), "--rate", "0") as collector:
        assert _health(collector) == (200, {"status": "ok"})
        size = max(path.stat().st_size for path in tmp_path.glob("store.sqlite3*"))
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (size, size))
        told = set()
        for _ in range(3_000):
            answer = collector.post(as_json(request()))
            assert answer.status_code in {200, 503}
            if answer.status_code == 503:
                status, said = _health(collector)
                told.add((status, said.get("reason")))
            # The limit is on a file's size: SQLite knows no more than that it cannot write on, and
            # may find room once more where it begins its journal anew.
            if (503, health.UNWRITABLE) in told:
                break
        assert told <= {(200, None), (503, health.UNWRITABLE)}
        assert (503, health.UNWRITABLE) in told


def _health(collector: Command) -> tuple[int, dict[str, str]]:
    answer = collector.client.get("/healthz")
    return answer.status_code, answer.json()
