"""How often one network may come: a bucket of tokens for each, in a table of bounded size."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NETWORKS = 1 << 16
BURST_SECONDS = 10


class Limits:
    """Counts requests by network.

    Args:
        rate: requests a second in the long run; 0 is without limit.
        most: how many networks are remembered; beyond, those that came least recently are not.
        clock: seconds, never going back.

    Attributes:
        burst: how many requests may come at once after a pause.
    """

    def __init__(
        self,
        rate: float,
        *,
        most: int = MAX_NETWORKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst = max(1.0, rate * BURST_SECONDS)
        self._rate = rate
        self._most = most
        self._clock = clock
        self._buckets: dict[bytes, tuple[float, float]] = {}

    def wait(self, network: bytes) -> float:
        """Take one token; return 0, or in how many seconds there will be one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        buckets = self._buckets
        tokens, since = buckets.pop(network, (self.burst, now))
        tokens = min(self.burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        buckets[network] = (tokens - allowed, now)
        if len(buckets) > self._most:
            del buckets[next(iter(buckets))]
        return 0.0 if allowed else (1 - tokens) / self._rate
