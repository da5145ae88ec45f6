"""Edges that share the keys of days give the same address the same hash."""

from __future__ import annotations

import hmac
import ipaddress
import os
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli import main
from cqtel_tui.collector.addresses import Addresses
from cqtel_tui.collector.settings import HMAC_DAILY, Settings
from cqtel_tui.errors import CqtelError

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_768_473_000
"""2026-01-15 10:30 UTC."""
DAY = 86_400
FIRST, SECOND = "ab" * 32, "cd" * 32
ADDRESS = ipaddress.ip_address("198.51.100.77")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"2026-01-15 {FIRST}\n2026-01-16 {SECOND}\n", encoding="ascii")
    path.chmod(0o640)
    return path


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def edge(folder: Path, keys: Path, clock: Clock) -> Addresses:
    settings = Settings(folder / "store", ip_hash=HMAC_DAILY, hmac_key_file=keys)
    return Addresses(settings, clock=clock)


def hashed(key: str) -> str:
    return hmac.digest(bytes.fromhex(key), str(ADDRESS).encode(), "sha256").hex()


def test_two_edges_hash_alike_and_otherwise_on_another_day(tmp_path: Path, keys: Path) -> None:
    clock = Clock()
    one, other = (edge(tmp_path / name, keys, clock) for name in ("1", "2"))
    memory: dict[str, object] = {}
    for key in (FIRST, SECOND):
        found = one.again(str(ADDRESS), [], memory)
        assert found is not None
        assert found.origin.address_hash == hashed(key)
        assert other.derive(ADDRESS).origin == found.origin
        clock.now += DAY
    assert not (tmp_path / "1").exists()  # no key of its own


def test_nothing_is_taken_on_a_day_without_a_key(tmp_path: Path, keys: Path) -> None:
    clock = Clock()
    found = edge(tmp_path, keys, clock)
    clock.now += 2 * DAY
    with pytest.raises(CqtelError, match="no key of 2026-01-17"):
        found.derive(ADDRESS)
    keys.write_text(f"2026-01-17 {SECOND}\n", encoding="ascii")
    assert found.derive(ADDRESS).origin.address_hash == hashed(SECOND)


@pytest.mark.parametrize(
    "text", ["", "2026-01-15\n", f"2026-01-15 {FIRST[:-2]}\n", "2026-01-15 xyz\n", "\x00\xff"]
)
def test_a_file_without_a_key_is_told_of(text: str, tmp_path: Path, keys: Path) -> None:
    keys.write_text(text, encoding="latin-1")
    with pytest.raises(CqtelError, match="no key of 2026-01-15"):
        edge(tmp_path, keys, Clock())


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path, keys: Path) -> None:
    keys.chmod(0o644)
    with pytest.raises(CqtelError, match="read by everybody"):
        edge(tmp_path, keys, Clock())
    keys.unlink()
    with pytest.raises(CqtelError, match="--hmac-key-file"):
        edge(tmp_path, keys, Clock())


def test_it_is_for_hashes_with_a_key(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collector", "--hmac-key-file", str(keys)]) == 2
    assert "--ip-hash hmac-daily" in capsys.readouterr().err
