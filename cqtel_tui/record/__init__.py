"""Record operations: the client that runs inside somebody else's command."""

from ..catalogue import is_name

__all__ = [
    "PLAIN",
    "SCOPE",
    "ending",
    "inspection",
    "leaving_out",
    "payload",
    "plugins",
    "telemetry",
]

SCOPE = "cqtel"
"""The scope that our own spans are recorded in."""
PLAIN = frozenset({str, int, bool, list})
"""The very classes that a value may have: one derived from them can do anything."""


def name_of(value: object) -> str:
    """Return a plain name, empty if it is none."""
    name = plain(value)
    return str(name) if type(name) is str and is_name(name) else ""


def plain(value: object) -> object:
    """Return a text without what a class of the program's own may have added to it."""
    return str.__str__(value) if issubclass(type(value), str) else value
