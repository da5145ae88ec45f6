"""Undo what HTTP may have done to a body: gzip, deflate and zstd, up to a bound."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from . import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GZIP = 16 + zlib.MAX_WBITS
_ANY_SPELLING_OF_GZIP = {"gzip", "x-gzip"}
_MAX_MEMBERS = 64
"""Gzip members of one body; each costs more than its bytes."""
_READ_BYTES = 1 << 14
_PIECE_BYTES = 1 << 16
_ZSTD_WINDOW = 1 << 23
"""The window that RFC 8878 asks every decoder to support; no larger one is taken."""


class UndecodableError(ValueError):
    """A body is not what its Content-Encoding says, or is too much; the message says which."""


class UnknownEncodingError(UndecodableError):
    """A Content-Encoding is not one that can be undone."""


class TooLargeError(UndecodableError):
    """A body has more bytes than the limit."""


def decoded(
    body: bytes,
    encoding: str,
    limit: int = MAX_BODY_BYTES,
    look: Callable[[bytes], None] | None = None,
) -> bytes:
    """Return a body as it was before its Content-Encoding.

    Args:
        body: as it came.
        encoding: the header's value.
        limit: how many bytes it may have; 200 MB of zeros come as 200 kB of gzip.
        look: called with each piece as soon as there is one; it may raise to stop.

    Raises:
        UnknownEncodingError: the encoding is not one of these.
        TooLargeError: it has more than `limit` bytes.
        UndecodableError: the body is not what the encoding says.
    """
    named = [one.strip().lower() for one in encoding.split(",") if one.strip()]
    if named in ([], ["identity"]):
        pieces = iter([body])
    elif len(named) == 1 and named[0] in _ANY_SPELLING_OF_GZIP:
        pieces = _inflated(body, _GZIP)
    elif named == ["deflate"]:
        pieces = _inflated(body, _wrapping_of(body))
    elif named == ["zstd"]:
        pieces = _unpacked(body, limit)
    else:
        raise UnknownEncodingError("its Content-Encoding is unknown")
    decompressed: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise TooLargeError(f"it has more than {limit:,} bytes")
        if look is not None:
            look(piece)
        decompressed.append(piece)
    return b"".join(decompressed)


def _wrapping_of(body: bytes) -> int:
    """Return how a deflated body is wrapped: RFC 9110 has zlib's, some clients leave that out."""
    try:
        zlib.decompressobj().decompress(body[:_READ_BYTES], 1)
    except zlib.error:
        return -zlib.MAX_WBITS
    return zlib.MAX_WBITS


def _inflated(body: bytes, wrapping: int) -> Iterator[bytes]:
    members = at = 0
    while at < len(body):  # gzip may have several members
        members += 1
        if members > _MAX_MEMBERS:
            raise UndecodableError("it has too many members")
        inflater = zlib.decompressobj(wrapping)
        while not inflater.eof:
            more = inflater.unconsumed_tail or body[at : at + _READ_BYTES]
            if not inflater.unconsumed_tail:
                at += len(more)
            try:
                piece = inflater.decompress(more, _PIECE_BYTES)
            except zlib.error as error:
                raise UndecodableError(f"it cannot be decompressed ({error})") from None
            if piece:
                yield piece
            elif not more:
                raise UndecodableError("it ends too early")
        at -= len(inflater.unused_data)
        if wrapping != _GZIP and at < len(body):
            raise UndecodableError("there is more after its end")


def _unpacked(body: bytes, limit: int) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise UnknownEncodingError("its Content-Encoding is unknown") from None
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if limit < size not in {zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR}:
            raise TooLargeError(f"it has more than {limit:,} bytes")
        unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        yield unpacker.decompress(body, max_output_size=limit, allow_extra_data=False)
    except zstandard.ZstdError:
        raise UndecodableError("it cannot be decompressed, or has too many bytes") from None
