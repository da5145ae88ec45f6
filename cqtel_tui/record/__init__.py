"""Record operations: the client that runs inside somebody else's command."""

__all__ = ["PLAIN", "SCOPE", "UNNAMED", "ending", "inspection", "payload", "plugins", "telemetry"]

SCOPE = "cqtel"
"""The scope that our own spans are recorded in."""
UNNAMED = "unnamed"
"""What stands where a name is none that may be recorded."""
PLAIN = frozenset({str, int, bool, list})
"""The very classes that a value may have: one derived from them can do anything."""
