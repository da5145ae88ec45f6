"""The connections of one run of the sender, one for each place that payloads go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formats.grpc import is_call
from .calls import Calls
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ..outbox.envelope import Envelope


class Connections:
    """The connections of one run, one for each collector.

    Args:
        seconds: how long one request may take in all, its answer included.
        is_cancelled: called again and again while a request is under way.
    """

    def __init__(self, seconds: float, is_cancelled: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._is_cancelled = is_cancelled
        self._open: dict[tuple[str, bool], Connection | Calls] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open.values():
            connection.close()

    def to(self, url: str, envelope: Envelope) -> Connection | Calls:
        """Return what posts an envelope to `url`: over HTTP, or by gRPC what came by it.

        Raises:
            NoAnswerError: the proxy or the certificates cannot be used.
        """
        by_grpc = is_call(envelope.headers)
        known = self._open.get((url, by_grpc))
        if known is None or known.is_stopped:
            if known is not None:
                known.close()
            kind = Calls if by_grpc else Connection
            self._open[url, by_grpc] = kind(url, self._seconds, self._is_cancelled)
        return self._open[url, by_grpc]
