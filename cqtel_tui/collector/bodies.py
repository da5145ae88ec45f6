"""Read a request's body: undo its compression, count what is in it, then make something of it.

What is small is read at once. What is not waits in one lane for all of it, and the lane rests as
long as it works: however many send large bodies, the small ones of others are read meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from ..formats import MAX_BODY_BYTES
from ..formats.encodings import TooLargeError, decoded
from .allowing import MAX_ELEMENTS, NO_FIELDS, too_many
from .json_reading import elements, from_json
from .otlp_responses import JSON
from .protobuf_reading import from_protobuf
from .sinks import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .allowing import Allowed, OwnFields
    from .arrivals import Origin

SMALL_BYTES = 1 << 15
MAX_WAITING = 64
"""Large bodies that may wait to be read."""
_LONGEST_REST = 0.1


class Body(NamedTuple):
    """A body as it came.

    Attributes:
        data: its bytes.
        compression: the Content-Encoding; empty if it has none.
        encoding: `JSON` or `PROTOBUF`.
    """

    data: bytes
    compression: str
    encoding: str

    def decompressed(self, limit: int = MAX_BODY_BYTES) -> bytes:
        """Return the bytes without compression, no further than a request's elements may go.

        Raises:
            UndecodableError: it is not what its Content-Encoding says.
            TooLargeError: it has more bytes than `limit`, or too many elements.
        """
        if not self.compression:
            return self.data
        look = _counting() if self.encoding == JSON else None
        return decoded(self.data, self.compression, limit, look)


class Reader:
    """Reads bodies.

    Args:
        own: the own fields of each program that may be kept.
    """

    def __init__(self, own: OwnFields = NO_FIELDS) -> None:
        self._own = own
        self._lane = ThreadPoolExecutor(1, "bodies")
        self._waiting = 0

    def close(self) -> None:
        """Read no more."""
        self._lane.shutdown(wait=False)

    async def read(
        self, body: Body, origin: Origin, received: float, charge: Callable[[int], None]
    ) -> Allowed:
        """Read a body.

        Args:
            body: as it came.
            origin: what was derived from the address.
            received: seconds since 1970.
            charge: called with the number of its bytes without compression.

        Raises:
            UndecodableError: it is not what its Content-Encoding says.
            TooLargeError: it has too many bytes, or elements.
            MalformedError: it is no OTLP.
            BusyError: too many large ones wait.
        """
        small = _small(body)
        if small is not None:
            charge(len(small))
            return _read(small, body.encoding, origin, received, self._own)
        if self._waiting >= MAX_WAITING:
            raise BusyError("too many large bodies wait to be read")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._lane, self._read_large, body, origin, received, charge
            )
        finally:
            self._waiting -= 1

    def _read_large(
        self, body: Body, origin: Origin, received: float, charge: Callable[[int], None]
    ) -> Allowed:
        begun = time.perf_counter()
        charged = MAX_BODY_BYTES
        try:
            data = body.decompressed()
            charged = len(data)
            return _read(data, body.encoding, origin, received, self._own)
        finally:
            charge(charged)
            if self._waiting > 1:
                time.sleep(min(time.perf_counter() - begun, _LONGEST_REST))


def _small(body: Body) -> bytes | None:
    """Return the bytes of a body that are few; None if they are not."""
    if len(body.data) > SMALL_BYTES:
        return None
    try:
        return body.decompressed(SMALL_BYTES)
    except TooLargeError:
        return None


def read(body: Body, origin: Origin, received: float, own: OwnFields = NO_FIELDS) -> Allowed:
    """Read a body of any size at once; as `Reader.read`."""
    return _read(body.decompressed(), body.encoding, origin, received, own)


def _read(data: bytes, encoding: str, origin: Origin, received: float, own: OwnFields) -> Allowed:
    read = from_json if encoding == JSON else from_protobuf
    return read(data, origin, received, own)


def _counting() -> Callable[[bytes], None]:
    """Return what looks at each piece of JSON, and has no more once there are too many elements."""
    counted = 0

    def look(piece: bytes) -> None:
        nonlocal counted
        counted += elements(piece)
        if counted > MAX_ELEMENTS:
            raise too_many()

    return look
