"""Show the headers of a request without the credentials in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SENSITIVE = re.compile(r"auth|cookie|key|secret|token|password|signature", re.IGNORECASE)
_HIDDEN = "•" * 8
_MASKED = re.compile(rf"([A-Za-z]+ )?{_HIDDEN} \(\d+ characters\)")


def masked(name: str, value: str) -> str:
    """Return a header's value as it may be shown: of a credential, its scheme and its length."""
    if not _SENSITIVE.search(name) or not value or _MASKED.fullmatch(value):
        return value
    scheme, space, rest = value.partition(" ")
    if not space or not scheme.isalpha() or len(scheme) > len("signature"):
        scheme, rest = "", value
    return f"{scheme} {_HIDDEN} ({len(rest)} characters)".lstrip()


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they may be shown."""
    return {name: masked(name, value) for name, value in headers.items()}
