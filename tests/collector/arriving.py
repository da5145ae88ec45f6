"""Arrivals as they come: operations of many installations, with parts, in some order of days."""

from __future__ import annotations

import hashlib
import random
import uuid
from typing import TYPE_CHECKING

from cqtel_tui.collector.arrivals import Arrival, ArrivedSpan, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_768_473_000
"""2026-01-15 10:30 UTC, in seconds since 1970."""
DAY = 24 * 3600

OPERATIONS = ("sync", "fetch", "policy", "drift")
VERSIONS = ("6.21.1", "6.21.0", "6.20.3", "5.9.0")
PLUGINS = (
    "source/cloudquery/aws@22.1.0",
    "source/cloudquery/gcp@14.0.1",
    "source/cloudquery/k8s@6.1.2",
    "destination/cloudquery/postgresql@7.2.0",
)
COUNTRIES = ("DE", "US", "FR", "JP", "BR", None)


def cookie(number: int) -> str:
    digest = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def address_hash(number: int) -> str:
    return hashlib.sha1(f"10.0.0.{number}".encode(), usedforsecurity=False).hexdigest()


def arrival(  # noqa: PLR0913  # a case says what matters to it
    number: int,
    *,
    who: int = 0,
    with_cookie: bool = True,
    operation: str = "sync",
    parts: int = 2,
    version: str | None = "6.21.1",
    plugins: Sequence[str] = PLUGINS[:1],
    ci: bool | None = False,
    country: str | None = "DE",
    received: int = NOW,
    milliseconds: int = 1_500,
    failed: bool = False,
    message: str | None = None,
) -> Arrival:
    """Make the arrival of one operation; `number` makes its ids, `who` is the installation."""
    trace = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
    began = (received - 60) * 1_000_000_000
    root = ArrivedSpan(
        trace_id=trace,
        span_id=trace[:8],
        parent_id=b"",
        name=operation,
        started=began,
        duration=milliseconds * 1_000_000,
        failed=failed,
        exit_code=int(failed),
        error_type="ValueError" if failed else None,
        message=message,
    )
    spans = [
        ArrivedSpan(
            trace_id=trace,
            span_id=(int.from_bytes(trace[:4], "big") ^ (part + 1)).to_bytes(8, "big"),
            parent_id=root.span_id,
            name=f"{operation}.part{part}",
            started=began + part,
            duration=milliseconds * 1_000_000 // (part + 2),
            failed=False,
        )
        for part in range(parts)
    ]
    return Arrival(
        received=received,
        origin=Origin(address_hash(who), country),
        app="cloudquery",
        version=version,
        build_date="2025-12-01",
        ci=ci,
        plugins=tuple(plugins),
        cookie=cookie(who) if with_cookie else None,
        spans=(root, *spans),
    )


def some(
    count: int, *, installations: int = 20, days: int = 30, seed: int = 1, now: int = NOW
) -> list[Arrival]:
    """Make the arrivals of `count` operations: most of few versions, countries and names."""
    draw = random.Random(seed)  # noqa: S311  # the same each time
    return [
        arrival(
            seed * 1_000_000_000 + number,
            who=(who := draw.randrange(installations)),
            with_cookie=who % 7 != 0,
            operation=OPERATIONS[min(int(draw.expovariate(1.2)), 3)],
            parts=5,
            version=VERSIONS[who % 3 if who % 50 else 3],
            plugins=PLUGINS[: 1 + who % 4],
            ci=who % 5 == 0,
            country=COUNTRIES[who % 6],
            received=now - draw.randrange(days) * DAY,
            milliseconds=int(draw.lognormvariate(7, 1.5)),
            failed=draw.random() < 0.05,
        )
        for number in range(count)
    ]


def odd() -> list[Arrival]:
    """Return what is at the edge of what a report tells."""
    return [
        arrival(1, who=1, version=None, ci=None, country=None, plugins=()),
        arrival(2, who=2, parts=0, milliseconds=0),
        arrival(3, who=3, with_cookie=False),
        arrival(4, who=4, failed=True, message="no such file"),
        arrival(5, who=5, plugins=("source/a/b@1", "source/a/b@2", "source/a/b@2")),
        *(arrival(100 + number, who=number, operation="rare") for number in range(4)),
    ]
