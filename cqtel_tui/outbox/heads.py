"""Read the header line of an envelope for a list: how much would be sent, and where to.

Its seal is not compared: that takes the whole envelope, and is done wherever one is opened. A list
says what a file states; nothing is decided or sent by that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..files import read
from .envelope import MAX_HEADER_BYTES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Head:
    """What the header line of an envelope states.

    Attributes:
        kind: what the payload is.
        origin: `record` or `gate`.
        target: where it was bound for, if the program said so; untrusted.
        length: bytes that would be sent.
    """

    kind: str
    origin: str
    target: str | None
    length: int


def read_head(path: Path) -> Head | None:
    """Return what an envelope's header line states; None if it cannot be read."""
    try:
        line = read(path, MAX_HEADER_BYTES).partition(b"\n")[0]
        header = json.loads(line.decode("ascii"))
        kind, origin, target = header["kind"], header["origin"], header["target"]
        length = header["length"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(kind, str) or not isinstance(origin, str):
        return None
    if not isinstance(target, str | None) or type(length) is not int or length < 0:
        return None
    return Head(kind, origin, target, length)
