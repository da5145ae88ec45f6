"""Read a payload: bytes in, rows out. No I/O, no terminal."""

from __future__ import annotations
