"""Which headers a request has, and how they are shown: a credential only where it is asked for.

`request_headers` is what delivery sends by and what every view shows by, so that nothing is added
in between.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..formats.grpc import is_call
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_SHOWN = 4096
OF_HTTP = frozenset(
    {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
)
"""Headers that say how a request is carried, in lower case; never in an envelope or a profile."""

_SENSITIVE = re.compile(r"auth|cookie|key|secret|token|password|signature", re.IGNORECASE)
_HIDDEN = "•" * 8
_MASKED = re.compile(rf"([A-Za-z]+ )?{_HIDDEN} \(\d+ characters\)")
_BASIC = re.compile(r"basic +([A-Za-z0-9+/_=-]+)\s*", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def request_headers(
    headers: Mapping[str, str], length: int | None, url: str | None
) -> tuple[tuple[str, str], ...]:
    """Return all headers of a request, in the order in which they are sent.

    Args:
        headers: the envelope's own.
        length: of the body, in bytes; None for a request without one.
        url: where it goes; None where it goes nowhere yet.
    """
    ours = [] if url is None else [("Host", host_header(url))]
    if is_call(headers):  # HTTP/2 says how long a message is, and gRPC asks for trailers
        ours.append(("Te", "trailers"))
    elif length is not None:
        ours.append(("Content-Length", str(length)))
    return (*ours, *headers.items())


def host_header(url: str) -> str:
    """Return the Host that a URL asks for: without a name, a password and a usual port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{port}"


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


def shown_headers(
    headers: Iterable[tuple[str, str]], *, reveal: bool = False
) -> list[tuple[str, str]]:
    """Return headers to be read by somebody, printable; credentials only if they are to be seen."""
    return [
        (
            printable(name, limit=200),
            printable(value if reveal else masked(name, value), limit=MAX_SHOWN),
        )
        for name, value in headers
    ]


def credentials(value: str) -> str:
    """Return what basic credentials say, as `name:password`; empty if these are none."""
    basic = _BASIC.fullmatch(value)
    if basic is None:
        return ""
    letters = basic[1].rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-8", "replace")
    except ValueError:
        return ""
