"""Read a payload: bytes in, rows out. No I/O, no terminal."""

from __future__ import annotations

__all__ = [
    "changes",
    "contract_page",
    "critical",
    "destination",
    "durations",
    "explain",
    "export",
    "exposure",
    "headers",
    "inspected",
    "intercepted",
    "known_shapes",
    "leaks",
    "needles",
    "own",
    "promises",
    "registry",
    "requests",
    "sentences",
    "shapes",
    "waterfall",
]
