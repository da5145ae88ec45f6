"""Where the headers of a payload used to be."""

from . import HEADERS

__all__ = ["HEADERS"]
