"""The promises, how each is kept, and a proof that anybody can run."""

from __future__ import annotations

__all__ = ["audit", "evidence", "rehearsal", "verification"]
