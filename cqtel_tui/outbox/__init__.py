"""The payloads on this machine, each in an envelope: pending, sent or rejected, with receipts."""

from ..formats import sha256

__all__ = [
    "OUTBOX",
    "PENDING",
    "PROJECTS",
    "SUFFIX",
    "bounds",
    "deliveries",
    "dispatch",
    "envelope",
    "included",
    "losses",
    "project_mark",
    "projects",
    "receipts",
    "runs",
    "shown",
    "store",
    "writing",
]

OUTBOX = "outbox"
"""Where all of it lies in the state folder."""
PENDING = "pending"
SUFFIX = ".envelope"
PROJECTS = "projects"
"""Where each project's path is kept under its mark."""


def project_mark(project: str) -> str:
    """Return what stands on an envelope for a project: a hash, so that it holds no path."""
    return sha256(project.encode("utf-8", "surrogateescape"))[:16]
