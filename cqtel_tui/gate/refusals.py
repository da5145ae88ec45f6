"""Why the gate refuses a request, in words, and what to do about it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOST = "gate"
"""The word by which a request that could not be held is counted among what was lost."""

TOO_LARGE = "too large"
HTTP_2 = "HTTP/2"
NOT_OTLP = "gRPC, but not OpenTelemetry"
TLS = "TLS"
NOT_HTTP = "not HTTP"
TOO_SLOW = "too slow"
TOO_MANY = "too many at once"
STRANGER = "without the secret"
DISK_FULL = "not written"
BROKEN = "aborted"

WHAT_TO_DO: Mapping[str, str] = {
    TOO_LARGE: "a request may have up to 4 MiB; make the program send smaller batches",
    HTTP_2: "make the program use HTTP/1.1, for OpenTelemetry OTEL_EXPORTER_OTLP_PROTOCOL="
    "http/protobuf",
    NOT_OTLP: "of gRPC only OpenTelemetry's traces, metrics and logs are accepted; make the "
    "program report over HTTP",
    TLS: "the gate's address begins with http://; make the program use it as it is",
    NOT_HTTP: "make the program use HTTP/1.1",
    TOO_SLOW: "the program did not finish its request within 30 seconds",
    TOO_MANY: "the program sent faster than requests can be stored; it may try again",
    STRANGER: "another program on this machine tried to report here, and was refused",
    DISK_FULL: "free space on the disk of the state folder, or check its permissions",
    BROKEN: "the program aborted its request",
}


def refused_words(refused: Mapping[str, int]) -> str:
    """Say how many requests were refused, why, and what to do; empty if none was."""
    listed = [
        f"{number:,} {reason} ({WHAT_TO_DO.get(reason, 'see the README')})"
        for reason, number in refused.items()
        if number
    ]
    if refused.get(HTTP_2):
        from ..extras import how_to_install

        listed.append(f"to have HTTP/2 and gRPC intercepted: {how_to_install('grpc')}")
    return "; ".join(listed)
