"""Why the gate refuses a request, in words, and what to do about it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOST = "gate"
"""The word by which a request that could not be held is counted among what was lost."""

TOO_LARGE = "too large"
HTTP_2 = "HTTP/2"
TLS = "TLS"
NOT_HTTP = "not HTTP"
TOO_SLOW = "too slow"
TOO_MANY = "too many at once"
STRANGER = "without the secret"
DISK_FULL = "not written"
BROKEN = "broken off"

WHAT_TO_DO: Mapping[str, str] = {
    TOO_LARGE: "a request may have 4 MiB; let the program send smaller batches",
    HTTP_2: "let the program use HTTP/1.1, for OpenTelemetry OTEL_EXPORTER_OTLP_PROTOCOL="
    "http/protobuf",
    TLS: "the address of the gate begins with http://; let the program keep it as it is",
    NOT_HTTP: "let the program use HTTP/1.1",
    TOO_SLOW: "the program did not finish its request within 30 seconds",
    TOO_MANY: "the program sent faster than requests can be written down; it may try again",
    STRANGER: "another program on this machine tried to report here; it was not let in",
    DISK_FULL: "make room on the disk that has the state folder, or look at who may write there",
    BROKEN: "the program broke its request off",
}


def refused_words(refused: Mapping[str, int]) -> str:
    """Say how many requests were refused, why, and what to do; empty if none was."""
    listed = [
        f"{number:,} {reason} ({WHAT_TO_DO.get(reason, 'see the README')})"
        for reason, number in refused.items()
        if number
    ]
    return "; ".join(listed)
