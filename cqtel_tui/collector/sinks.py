"""Where arrivals go from the front: into the store, or on to what stands behind an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ..errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .arrivals import Arrival
    from .waiting import Awaited

RETRY_SECONDS = 5
BAD_GATEWAY = 502
UNAVAILABLE = 503


class BusyError(CqtelError):
    """Arrivals cannot be kept just now; who sent them is to come again.

    Attributes:
        seconds: when.
        status: the HTTP status to answer with: 429, 502 or 503.
    """

    def __init__(
        self, message: str, seconds: int = RETRY_SECONDS, status: int = UNAVAILABLE
    ) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.status = status


class RefusedError(CqtelError):
    """Arrivals will not be kept, however often they come.

    Attributes:
        status: the HTTP status to answer with, 4xx.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class KeepResult(NamedTuple):
    """What became of the spans of one request.

    Attributes:
        new: kept now.
        duplicates: kept before.
        erased: dropped, because their cookie was erased.
        refused: left out by what stands behind an edge.
        words: why, in its words; untrusted.
    """

    new: int
    duplicates: int = 0
    erased: int = 0
    refused: int = 0
    words: str = ""


class Sink(Protocol):
    """What takes arrivals."""

    def keep(self, arrivals: Sequence[Arrival]) -> Awaited[KeepResult]:
        """Take the arrivals of one request; the future is done once they cannot be lost any more.

        Raises:
            BusyError: too much waits already. The future may raise it, too.
        """

    def trouble(self) -> str:
        """Say why nothing can be taken, without a path; empty if it can. It may wait a while."""

    def close(self) -> None:
        """Finish what was taken, and take no more."""


@runtime_checkable
class Keeper(Sink, Protocol):
    """A sink that keeps data itself, and so can give it back and erase it."""

    def pages(self, cookie: str) -> Iterator[list[dict[str, Any]]]:
        """Yield everything that is kept of a cookie, some operations at a time."""

    def erase(self, cookie: str) -> Awaited[int]:
        """Erase all spans of a cookie, those to come included; resolves to how many there were."""

    def expire(self) -> int:
        """Forget what is older than the retention."""
