"""All shapes that are looked for."""

from __future__ import annotations

from .address_shapes import ADDRESSES, ASSIGNMENTS, PATHS
from .token_shapes import KEYS, TOKENS

SHAPES = (*TOKENS, *KEYS, *ASSIGNMENTS, *ADDRESSES, *PATHS)
"""In the order in which they are looked for."""
