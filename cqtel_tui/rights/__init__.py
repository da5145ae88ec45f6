"""What a collector announces, what it has of this installation, and erasing it."""

from __future__ import annotations

__all__ = ["announced", "exporting", "requests"]
