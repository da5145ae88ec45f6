"""What each colour means: one thing each, and never by colour alone.

Nothing else in this room names a colour, so that none can come to mean two things.
"""

from __future__ import annotations

QUIET = "$quiet"
"""What matters less."""
ACCENT = "$text-primary"
"""Headings, keys, charts and what is current: it judges nothing."""
SAFE = "$text-success"
"""It went well, or it stays on this machine."""
CARE = "$text-warning"
"""It identifies somebody, more or less: a medium re-identification risk, and nothing else."""
WRONG = "$text-error"
"""It failed, must not be here, or identifies somebody: look at it."""

HEADING = f"bold {ACCENT}"
KEY = HEADING
LOUD = f"bold {WRONG}"
RISKS = {"none": QUIET, "low": SAFE, "medium": CARE, "high": WRONG}
"""How much a field identifies, from least to most."""
