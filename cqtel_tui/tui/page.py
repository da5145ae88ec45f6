"""A text some of whose lines can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.content import Content


@dataclass(frozen=True, slots=True)
class Page:
    """A text some of whose lines can be chosen.

    Attributes:
        paragraphs: its lines.
        stops: the numbers of those that can be chosen, in order.
        keys: what folds there, for each of those; empty where nothing folds.
    """

    paragraphs: Sequence[Content]
    stops: Sequence[int] = ()
    keys: Sequence[int] = ()
