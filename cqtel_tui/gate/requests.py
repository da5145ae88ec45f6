"""One complete request to the gate, as it came."""

from __future__ import annotations

from dataclasses import dataclass


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
