"""Undo what a text may be disguised by in a payload: JSON's escapes, percent signs, base64.

Each view of a payload is its bytes with one more disguise undone, and knows which bytes of the
payload its own ones stand for. All of it takes linear time, whatever the bytes are.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ..formats import MAX_BODY_BYTES
from ..outbox.writing import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

ESCAPED = "JSON-escaped"
PERCENT = "percent-encoded"
BASE64 = "base64-encoded"

MAX_BYTES = MAX_BODY_BYTES
"""How much of a payload is looked through for disguises: as much as a request can have."""
MAX_UNDONE = MAX_PAYLOAD_BYTES // 2
"""Escapes that are undone in one view: as many as a payload of the recorder could have."""
MAX_DECODED = MAX_PAYLOAD_BYTES // 6
"""Texts in base64 that are decoded in one view, likewise."""

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    rb'|u[0-9a-fA-F]{4}|["\\/bfnrt])'
)
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_MEANINGS = {
    rf"\{letter}".encode(): meaning.encode()
    for letter, meaning in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)
}

# What base64 makes of printable ASCII can be told from most other words, for the topmost bits of
# each byte are few: so it is found wherever it begins, with no regard to what is before it.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FIRST = _ALPHABET[8:32]
_SECOND = bytes(letter for index, letter in enumerate(_ALPHABET) if 2 <= index % 16 <= 7)  # noqa: PLR2004  # 0x20 to 0x7f
_THIRD = bytes(letter for index, letter in enumerate(_ALPHABET) if index % 4 <= 1)
_BASE64 = re.compile(
    rb"(?:[%b][%b][%b][A-Za-z0-9+/_-])++(?:[%b][%b][%b]|[%b][AQgw])?+"
    % (_FIRST, _SECOND, _THIRD, _FIRST, _SECOND, _THIRD, _FIRST)
)
_OF_BASE64 = frozenset(_ALPHABET + b"-_")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_LEAST_ALONE = 6
_LEAST_WITHIN = 20
"""Letters of base64: shorter runs that might be base64 stand in most texts by chance."""


class _Unit(NamedTuple):
    """Something that was undone: where it stands before and after."""

    after: int
    length: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A payload with some disguises undone.

    Attributes:
        data: its bytes.
        disguise: what was undone, in words; empty for the payload itself.
        source: the view that it was made from; None for the payload itself.
        units: gives what was undone, in order.
        is_whole: whether no more than the bounds allow had to be undone.
    """

    data: bytes
    disguise: str
    source: View | None
    units: Callable[[], Iterable[_Unit]]
    is_whole: bool = True

    def origins(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return which bytes of the payload these ranges (start, end) of the view stand for."""
        if self.source is None or not ranges:
            return list(ranges)
        last = max(end for _, end in ranges)
        units: list[_Unit] = []
        for unit in self.units():
            if unit.after >= last:
                break
            units.append(unit)
        begins = [unit.after for unit in units]

        def origin(position: int, *, is_end: bool) -> int:
            number = bisect_right(begins, position - is_end) - 1
            if number < 0:
                return position
            unit = units[number]
            inside = position - unit.after
            if inside > unit.length or (inside == unit.length and not is_end):
                return unit.end + inside - unit.length
            if self.disguise.startswith(BASE64):
                quads = -(-inside // 3) if is_end else inside // 3
                return min(unit.end, unit.start + 4 * quads)
            return unit.end if is_end else unit.start

        ranges_before = [(origin(s, is_end=False), origin(e, is_end=True)) for s, e in ranges]
        return self.source.origins(ranges_before)


def views(payload: bytes) -> Iterator[View]:
    """Give the payload as it is, and then with ever more disguises undone, where it has any."""
    yield View(payload, "", None, tuple)
    flat = View(payload[:MAX_BYTES], "", None, tuple)
    for undo in (_unescaped, _unescaped, _unquoted, _unquoted):
        undone = undo(flat)
        if undone is not None:
            flat = undone
            yield flat
    # What is in base64 is most often JSON, or a URL, or base64 again.
    for undo in (_decoded, _unescaped, _unquoted, _decoded):
        undone = undo(flat)
        if undone is not None:
            flat = undone
            yield flat
        elif undo is _decoded:
            return


def base64_forms(text: bytes) -> list[bytes]:
    """Return what of `text` in base64 is the same whatever is before and after it.

    Three forms, for it may begin at any of three places; more where there are two alphabets.
    """
    forms = []
    for before in range(3):
        encoded = b64encode(bytes(before) + text)
        length = (before + len(text)) * 8 // 6
        form = encoded[(0, 2, 3)[before] : length]
        forms.append(form)
        if b"+" in form or b"/" in form:
            forms.append(form.replace(b"+", b"-").replace(b"/", b"_"))
    return forms


def _view(
    source: View,
    disguise: str,
    data: bytes,
    units: Callable[[], Iterable[_Unit]],
    *,
    is_whole: bool,
) -> View:
    words = f"{disguise}, {source.disguise}" if source.disguise else disguise
    return View(data, words, source, units, is_whole and source.is_whole)


# Escapes ------------------------------------------------------------------------------------------


def _unescaped(view: View) -> View | None:
    if b"\\" not in view.data:
        return None
    return _undone(view, ESCAPED, _ESCAPE, _MEANINGS, _unicode)


def _unicode(escape: bytes) -> bytes:
    digits = escape.replace(rb"\u", b"")
    return bytes.fromhex(digits.decode()).decode("utf-16-be", "replace").encode()


def _unquoted(view: View) -> View | None:
    if b"%" not in view.data:
        return None
    return _undone(view, PERCENT, _PERCENT, {}, lambda escape: bytes([int(escape[1:], 16)]))


def _undone(
    view: View,
    disguise: str,
    pattern: re.Pattern[bytes],
    known: Mapping[bytes, bytes],
    read: Callable[[bytes], bytes],
) -> View | None:
    """Return the view with each escape replaced by what it means; None if there is none."""
    data = view.data
    meanings = dict(known)

    def mean(escape: re.Match[bytes]) -> bytes:
        written = escape[0]
        meaning = meanings.get(written)
        if meaning is None:
            meaning = meanings[written] = read(written)
        return meaning

    def units() -> Iterator[_Unit]:
        gone = 0
        for match in islice(pattern.finditer(data), MAX_UNDONE):
            start, end = match.span()
            length = len(mean(match))
            yield _Unit(start - gone, length, start, end)
            gone += end - start - length

    text, count = pattern.subn(mean, data, MAX_UNDONE)
    return _view(view, disguise, text, units, is_whole=count < MAX_UNDONE) if count else None


# Base64 -------------------------------------------------------------------------------------------


def _decoded(view: View) -> View | None:
    """Return the printable texts in base64, each on a line of its own."""
    data = view.data
    texts: list[bytes] = []
    units: list[_Unit] = []
    is_whole = True
    after = 0
    for match in _BASE64.finditer(data):
        start, end = match.span()
        if end - start < _LEAST_WITHIN and (
            end - start < _LEAST_ALONE or not _stands_alone(data, start, end)
        ):
            continue
        if len(units) == MAX_DECODED:
            is_whole = False
            break
        letters = match[0].translate(_URL_SAFE)
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        text = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
        texts.append(text)
        units.append(_Unit(after, len(text), start, end))
        after += len(text) + 1
    if not texts:
        return None
    return _view(view, BASE64, b"\n".join(texts), lambda: units, is_whole=is_whole)


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    return (start == 0 or data[start - 1] not in _OF_BASE64) and (
        end == len(data) or data[end] not in _OF_BASE64
    )
