"""The shapes of what must never be in a payload: tokens and keys, addresses, paths of people.

Each pattern begins with a fixed text wherever it can, which makes it fast, and repeats nothing
inside a repetition, which keeps it linear: what is before its beginning is checked by hand. The
shapes of tokens are those that their makers document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "token"  # noqa: S105  # the word itself
URL = "url"
ASSIGNMENT = "assignment"
EMAIL = "email"
ADDRESS = "address"
MAC = "mac"
PERSONAL_PATH = "personal path"

BEARER = "a bearer token"
BASIC = "a name and password (basic authentication)"

Range: TypeAlias = "tuple[int, int]"

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = b"0123456789"
HEX = b"0123456789abcdefABCDEF"
LOCAL_PART = LETTERS + DIGITS + b"._%+-"
IN_URL_SCHEME = LETTERS + DIGITS + b"+.-"
WORD = frozenset(LETTERS + DIGITS + bytes(range(0x80, 0x100)))
_OUR_PLUGIN = re.compile(
    rb"(?:source|destination|transformer|provider)/[A-Za-z0-9._-]{1,40}/[A-Za-z0-9._-]{1,40}@v?\Z"
)
VERSION = re.compile(rb"v?\d+\.\d[\d.]*(?:[-+][0-9A-Za-z.+-]*)?")
NOTHING = re.compile(rb"[*x._-]*|none|null|true|false|undefined|redacted|removed")


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of something that must not be in a payload.

    Attributes:
        kind: which sort of thing it is.
        what: what a text of that shape is, in words.
        pattern: finds where it may be.
        accepts: gives the range of a match that is one, None if it is none.
        folded: whether the pattern is for the lower-case form of a payload.
    """

    kind: str
    what: str
    pattern: re.Pattern[bytes]
    accepts: Callable[[bytes, re.Match[bytes]], Range | None]
    folded: bool = False


def is_word(data: bytes, at: int) -> bool:
    """Tell whether a letter or a digit stands there."""
    return 0 <= at < len(data) and data[at] in WORD


def after_plugin(data: bytes, at: int) -> bool:
    """Tell whether what stands there is the version of a plugin, as the recorder writes it."""
    may_be = at > 0 and data[at - 1] in b"@v"
    return may_be and _OUR_PLUGIN.search(data, max(0, at - 100), at) is not None


def begins_word(data: bytes, match: re.Match[bytes]) -> Range | None:
    """Accept what no letter or digit stands before."""
    start, end = match.span()
    return None if is_word(data, start - 1) else (start, end)


def anywhere(_: bytes, match: re.Match[bytes]) -> Range | None:
    """Accept every match."""
    return match.span()


def back(data: bytes, at: int, characters: bytes, most: int) -> int:
    """Return where the run of such characters that ends at `at` begins, `most` of them at most."""
    before = data[max(0, at - most) : at]
    return at - len(before) + len(before.rstrip(characters))
