"""One complete request to the gate, as it came."""

from __future__ import annotations

from dataclasses import dataclass

from ..formats.grpc import is_grpc


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request.

    Attributes:
        method: as it came.
        path: without the secret, with its query.
        headers: names in lower case and values, in their order.
        body: as it was received, its chunks joined, its compression untouched.
        when: microseconds since 1970.
        profile: the name of the profile whose URL it came in on.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    when: int
    profile: str = ""

    def header(self, name: str) -> str:
        """Return the last value of a header, empty if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), "")

    @property
    def is_grpc(self) -> bool:
        """Whether it is a call in gRPC; then its body is the message of that call."""
        return is_grpc(self.header("content-type"))

    @property
    def encoding(self) -> str:
        """How its body is compressed, as a header says; empty if it is not."""
        return self.header("grpc-encoding" if self.is_grpc else "content-encoding")
