"""Read a payload: bytes in, rows out. No I/O, no terminal."""

from __future__ import annotations

__all__ = [
    "changes",
    "destination",
    "durations",
    "explain",
    "export",
    "headers",
    "inspected",
    "intercepted",
    "known_shapes",
    "leaks",
    "needles",
    "promises",
    "requests",
    "shapes",
    "waterfall",
]
