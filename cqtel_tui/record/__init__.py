"""Record operations: the client that runs inside somebody else's command.

It is in `hot_path`, with all that an ordinary recording needs; the rest of this room is cold.
"""

from __future__ import annotations

from ..hot_path import (
    CI_VARIABLES,
    HEADERS,
    MAX_SPANS,
    SCOPE,
    UNNAMED,
    Operation,
    Span,
    Telemetry,
    installed_plugins,
)

__all__ = [
    "CI_VARIABLES",
    "HEADERS",
    "MAX_SPANS",
    "SCOPE",
    "UNNAMED",
    "Operation",
    "Span",
    "Telemetry",
    "installed_plugins",
]
