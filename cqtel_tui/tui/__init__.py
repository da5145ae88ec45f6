"""The terminal UI: the only room that imports Textual."""

from __future__ import annotations

__all__ = ["ahead", "app", "first_run", "keys", "reporting", "serving", "terminal"]
