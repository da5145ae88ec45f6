"""The payloads on this machine, each in an envelope: pending, sent or rejected, with receipts."""

from ..formats import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FIELDS",
    "OUTBOX",
    "PENDING",
    "PROJECTS",
    "SUFFIX",
    "bounds",
    "deliveries",
    "dispatch",
    "envelope",
    "field_of",
    "file_name",
    "filters",
    "heads",
    "included",
    "left_out",
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
FIELDS = (
    *("created", "id", "attempt", "size", "origin"),
    *("app", "version", "operation", "outcome", "duration"),
)
"""What an envelope's file name says, in this order; `envelope.Label` has their types."""
PROJECTS = "projects"
"""Where each project's path is kept under its mark."""


def file_name(fields: "Sequence[object]") -> str:
    """Return an envelope's file name, from what `FIELDS` names: it sorts by time."""
    created, *others = [str(field) for field in fields]
    return f"{created:0>16},{','.join(others)}{SUFFIX}"


def field_of(name: str, field: str) -> str:
    """Return one of `FIELDS` of a file name; empty if it has none: it may be anybody's file."""
    at = FIELDS.index(field)
    fields = name.removesuffix(SUFFIX).split(",", at + 1)
    return fields[at] if at < len(fields) else ""


def project_mark(project: str) -> str:
    """Return what stands on an envelope for a project: a hash, so that it holds no path."""
    return sha256(project.encode("utf-8", "surrogateescape"))[:16]
