"""What a report groups operations by, and their days."""

from __future__ import annotations

OPERATION, SPAN = "operation", "span"
VERSION, CI, COUNTRY = "version", "ci", "country"
PROVIDER, PROVIDER_VERSION = "provider", "provider version"
PROGRAM, FIELD, FIELD_VALUE = "program", "field", "field value"
TOTAL = "total"
"""The kinds of traits; the last one's is what every operation has."""

DAY_SECONDS = 24 * 3600


def day_of(seconds: float) -> int:
    """Return the day, since 1970, of a moment."""
    return int(seconds // DAY_SECONDS)
