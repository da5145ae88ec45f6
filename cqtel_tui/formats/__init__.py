"""What bytes mean, understood once."""

import sys

__all__ = [
    "MAX_BODY_BYTES",
    "OPAQUE",
    "UNREDACTED",
    "bare_json",
    "cloudquery_fields",
    "documents",
    "encodings",
    "fields",
    "grpc",
    "headers",
    "inspection",
    "json_paths",
    "otlp_fields",
    "otlp_protobuf",
    "otlp_traces",
    "posthog_fields",
    "protobuf_wire",
    "queries",
    "quote",
    "readers",
    "rudderstack_fields",
    "sentry_fields",
    "sha256",
    "snowplow_fields",
    "spans",
    "strict_json",
    "values",
]

MAX_BODY_BYTES = 4 << 20
"""Of a request, compressed or not: what the gate takes is read, and what it sends is taken."""
OPAQUE = "unknown"
"""The kind of a payload that nobody here can read."""
UNREDACTED = "unredacted"
"""The kind of what could not be redacted: it has nothing that would be sent."""


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hex digits."""
    # The name is asked for where it is: a failed import searches the whole path.
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as digest
        else:
            from _sha256 import sha256 as digest
    except ImportError:
        from hashlib import sha256 as digest
    return str(digest(data).hexdigest())


def quote(text: str) -> str:
    """Return `text` as a JSON string of plain ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from .bare_json import quote as escape

    return escape(text)
