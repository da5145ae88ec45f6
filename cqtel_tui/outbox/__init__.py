"""The payloads on this machine, each in an envelope: pending, sent or rejected, with receipts."""

__all__ = [
    "bounds",
    "dispatch",
    "envelope",
    "included",
    "losses",
    "projects",
    "receipts",
    "runs",
    "shown",
    "store",
    "writing",
]
