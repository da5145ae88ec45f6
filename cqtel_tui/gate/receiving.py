"""What the server of a gate is to each of its connections: what is counted and bounded of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .connection import Connection
    from .requests import Request


@dataclass(slots=True)
class Counts:
    """What one gate has seen.

    Attributes:
        requests: how many complete requests were taken in.
        lost: how many more were complete, and could not be held.
        late: how many of them came after the program's end.
        refused: how many were not answered as wanted, by the reason.
        blocked_attempts: how many connections were tried to the address of the blocked channels.
    """

    requests: int = 0
    lost: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    blocked_attempts: int = 0


class Receiver(Protocol):
    """A server, as its connections see it.

    Attributes:
        counts: what is told of it all.
        under_way: bytes of bodies that are not complete yet.
        calls: the paths of calls that are made without a secret, and the profile whose each is.
    """

    counts: Counts
    under_way: int
    calls: Mapping[bytes, str]

    def recognise(self, target: bytes, shown: bytes = b"") -> tuple[str, bytes] | None:
        """Return the profile that a request is of, and its path without the secret."""

    def lack_of_room(self, size: int, more: int) -> str:
        """Say beyond which bound so many more bytes of a body would be; empty for none."""

    def take(self, request: Request) -> str:
        """Take a complete request; return why it cannot be acknowledged, empty if it can be."""

    def forget(self, connection: Connection) -> None:
        """Watch a connection no more."""
