"""How much, and how long, the gate takes of one client."""

from __future__ import annotations

MAX_HEAD_BYTES = 16 * 1024
"""Of all headers of a request."""
MAX_UNDER_WAY_BYTES = 64 << 20
"""Of all bodies that are not complete yet."""
MAX_CONNECTIONS = 128
STRANGER_SECONDS = 10.0
"""How long a client may take to show the secret."""
IDLE_SECONDS = 120.0
"""How long a known client may be silent between requests; Go's closes after 90."""
BODY_SECONDS = 30.0
"""How long a request may take."""
