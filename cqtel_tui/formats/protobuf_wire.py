"""Read a protobuf message by its bytes: count its fields, or take one out.

Two bytes can be an empty message: a few kilobytes of gzip hold millions of them. This reads the
bytes alone (https://protobuf.dev/programming-guides/encoding/), and stops at its bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_MOST_DEEP = 64


def has_too_many_fields(data: bytes, descriptor: Any, most: int) -> bool:
    """Tell whether a message, with all that is in it, has more than so many fields.

    What is no proper message is left to the parser, which refuses it.

    Args:
        data: the message.
        descriptor: its protobuf descriptor, which says what is a message in it.
        most: how many fields it may have.
    """
    left = most
    waiting: list[tuple[int, int, Any, int]] = [(0, len(data), descriptor, 0)]
    while waiting:
        start, end, within, depth = waiting.pop()
        messages = {
            field.number: field.message_type for field in within.fields if field.message_type
        }
        for number, begin, stop in _fields(data, start, end):
            left -= 1
            if left < 0:
                return True
            if number in messages and begin < stop and depth < _MOST_DEEP:
                waiting.append((begin, stop, messages[number], depth + 1))
    return False


def fields_of(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Give the number of each field of a message, and what it is: a number, or bytes.

    Raises:
        ValueError: the bytes are no message, or have a number that is no varint.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at, end)
        value, at = _varint(data, at, end)
        if tag & 7 not in {_VARINT, _BYTES} or at > end:
            raise ValueError("it is not a message of texts and whole numbers")
        if tag & 7 == _BYTES:
            if at + value > end:
                raise ValueError("it ends too early")
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            yield tag >> 3, value & (1 << 64) - 1


def varint(number: int) -> bytes:
    """Return a number, from 0, as it is written."""
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004  # what fits into one byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def message_in(data: bytes, number: int) -> bytes:
    """Return the bytes of a field; of several the last one's, empty if there is none.

    Args:
        data: the message, such as a server's answer: whatever it is, nothing is raised.
        number: the field's.
    """
    found = b""
    for each, begin, end in _fields(data, 0, len(data)):
        if each == number:
            found = data[begin:end]
    return found


def number_in(data: bytes, number: int) -> int:
    """Return the number that a field is, from 0; of several the last one's, 0 if there is none."""
    found = 0
    for each, begin, end in _fields(data, 0, len(data)):
        if each == number and begin == end:
            found = _varint(data, begin, len(data))[0]
    return found & (1 << 64) - 1


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give the number of each field, and where its bytes begin and end; equal for a number."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        begin = at
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _BYTES:
            length, begin = _varint(data, at, end)
            at = begin + length
        elif kind in {_EIGHT, _FOUR}:
            at += 8 if kind == _EIGHT else 4
        else:
            return
        if at > end:
            return
        yield tag >> 3, begin, at if kind == _BYTES else begin


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:  # noqa: PLR2004  # bits
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the last one
            return value, at
        shift += 7
    return value, end + 1
