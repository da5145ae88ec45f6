"""The one list of every field that may ever be stored, with the shape its values must have.

What is not in it, or has another shape, is dropped. It is written down in `hot_path`, which checks
by it wherever a program records; `promises` says of each field which sentence of the documentation
it falls under.
"""

from __future__ import annotations

from .hot_path import (
    CATALOGUE_VERSION,
    MAX_NAME,
    MAX_PLUGINS,
    MAX_STRING_BYTES,
    MAX_VERSION,
    ON_SPANS,
    RECORDED,
    allows,
    is_boolean,
    is_class_name,
    is_cookie,
    is_date,
    is_exit_code,
    is_message,
    is_name,
    is_plugin,
    is_plugins,
    is_version,
)

__all__ = [
    "CATALOGUE_VERSION",
    "MAX_NAME",
    "MAX_PLUGINS",
    "MAX_STRING_BYTES",
    "MAX_VERSION",
    "ON_SPANS",
    "RECORDED",
    "allows",
    "is_boolean",
    "is_class_name",
    "is_cookie",
    "is_date",
    "is_exit_code",
    "is_message",
    "is_name",
    "is_plugin",
    "is_plugins",
    "is_version",
    "matches",
]


def matches(value: object, pattern: str) -> bool:
    """Compare with a pattern: `9` is a digit, `f` a lower-case hex digit, the rest is literal."""
    digits = "0123456789"
    return (
        isinstance(value, str)
        and len(value) == len(pattern)
        and all(
            c in digits if p == "9" else c in digits + "abcdef" if p == "f" else c == p
            for c, p in zip(value, pattern, strict=True)
        )
    )
