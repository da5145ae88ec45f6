"""How often one network may come: a bucket of tokens for each, in a table of bounded size."""

from __future__ import annotations

import mmap
import struct
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_NETWORKS = 1 << 16
BURST_SECONDS = 10
SITE_FACTOR = 4
"""A /48 may send this many times as often as each /64 in it."""


class Table(Protocol):
    """Remembers how many tokens a network had, and when."""

    def pop(self, network: bytes, none: tuple[float, float], /) -> tuple[float, float]:
        """Return what is remembered."""

    def __setitem__(self, network: bytes, bucket: tuple[float, float], /) -> None: ...


class OwnTable(dict[bytes, tuple[float, float]]):
    """The table of one process; those that came least recently are not remembered."""

    def __init__(self, most: int = MAX_NETWORKS) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, network: bytes, bucket: tuple[float, float], /) -> None:
        super().__setitem__(network, bucket)
        if len(self) > self._most:
            del self[next(iter(self))]


class SharedTable:
    """The table of several processes, in a file that all of them have mapped.

    Two networks in one place share their tokens; two processes that look at one place at the same
    moment may give out one token twice.
    """

    _ROW = struct.Struct("dd")

    def __init__(self, path: Path) -> None:
        size = MAX_NETWORKS * self._ROW.size
        with path.open("a+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)

    def pop(self, network: bytes, none: tuple[float, float], /) -> tuple[float, float]:
        """Return what is remembered."""
        tokens, since = self._ROW.unpack_from(self._map, self._place(network))
        return (tokens, since) if since else none

    def __setitem__(self, network: bytes, bucket: tuple[float, float], /) -> None:
        self._ROW.pack_into(self._map, self._place(network), *bucket)

    def _place(self, network: bytes) -> int:
        return int.from_bytes(network, "big") % MAX_NETWORKS * self._ROW.size


class Limits:
    """Counts requests by network.

    Args:
        rate: requests a second in the long run; 0 is without limit.
        table: what remembers; by default this process alone.
        clock: seconds, never going back, the same for all processes of a table.

    Attributes:
        burst: how many requests may arrive at once after a pause.
    """

    def __init__(
        self,
        rate: float,
        *,
        table: Table | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst = max(1.0, rate * BURST_SECONDS)
        self._rate = rate
        self._clock = clock
        self._table: Table = OwnTable() if table is None else table

    def wait(self, network: bytes, site: bytes = b"") -> float:
        """Take one token; return 0, or in how many seconds there will be one.

        Args:
            network: who comes.
            site: what that is part of, if anything.
        """
        if not self._rate:
            return 0.0
        waits = self._take(network, 1)
        return max(waits, self._take(site, SITE_FACTOR)) if site else waits

    def charge(self, tokens: float, network: bytes, site: bytes = b"") -> None:
        """Take more tokens for a request that turned out larger; they may become negative."""
        if self._rate:
            for one, factor in ((network, 1), (site, SITE_FACTOR)):
                if one:
                    left, now = self._left(one, factor)
                    self._table[one] = (max(left - tokens, -self.burst), now)

    def _take(self, network: bytes, factor: int) -> float:
        tokens, now = self._left(network, factor)
        allowed = tokens >= 1
        self._table[network] = (tokens - allowed, now)
        return 0.0 if allowed else (1 - tokens) / (self._rate * factor)

    def _left(self, network: bytes, factor: int) -> tuple[float, float]:
        now = self._clock()
        burst = self.burst * factor
        tokens, since = self._table.pop(network, (burst, now))
        return min(burst, tokens + (now - since) * self._rate * factor), now
