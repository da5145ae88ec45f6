"""Which headers a request of each protocol needs to be taken where it is bound for.

They are all that leaves of its headers, with the Content-Type and what a profile forwards.
"""

from __future__ import annotations

from types import MappingProxyType

from . import OPAQUE, UNREDACTED

_NEEDED = MappingProxyType(
    {
        "otlp": frozenset({"authorization"}),  # its specification leaves credentials to HTTP
        "rudderstack": frozenset({"authorization"}),  # the write key, as a user name
        "sentry": frozenset({"x-sentry-auth"}),  # the program's public key
        OPAQUE: frozenset({"authorization", "content-encoding"}),  # its bytes stay as they are
        UNREDACTED: frozenset[str](),
    }
)


def needed_headers(kind: str) -> frozenset[str]:
    """Return the headers that requests of a kind need, in lower case; none for an unknown one.

    Args:
        kind: the envelope's: protocol, signal and encoding, such as `otlp-traces-json`.
    """
    return _NEEDED.get(kind.partition("-")[0], frozenset())
