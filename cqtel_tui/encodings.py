"""Undo what HTTP may have done to a body: gzip and deflate, up to a bound."""

from __future__ import annotations

import zlib

MAX_DECODED_BYTES = 1 << 20
"""200 MB of zeros come as 200 kB of gzip."""

_GZIP = 16 + zlib.MAX_WBITS
_ANY_SPELLING_OF_GZIP = {"gzip", "x-gzip"}
_MAX_MEMBERS = 64
"""Of gzip, one after the other; each costs a copy of those that follow it."""


class UndecodableError(ValueError):
    """A body is not what its Content-Encoding says, or is too much; the message says which."""


class UnknownEncodingError(UndecodableError):
    """A Content-Encoding is not one that can be undone."""


class TooLargeError(UndecodableError):
    """A body has more bytes than the limit."""


def decoded(body: bytes, encoding: str, limit: int = MAX_DECODED_BYTES) -> bytes:
    """Return a body as it was before its Content-Encoding.

    Raises:
        UnknownEncodingError: the encoding is not one of these.
        TooLargeError: it has more than `limit` bytes.
        UndecodableError: it cannot be had.
    """
    named = [one.strip().lower() for one in encoding.split(",") if one.strip()]
    if named in ([], ["identity"]):
        found = body[: limit + 1]
    elif len(named) == 1 and named[0] in _ANY_SPELLING_OF_GZIP:
        found = _inflated(body, _GZIP, limit)
    elif named == ["deflate"]:
        # RFC 9110 §8.4.1.2 has it in zlib's wrapping; some clients leave that out.
        try:
            found = _inflated(body, zlib.MAX_WBITS, limit)
        except UndecodableError:
            found = _inflated(body, -zlib.MAX_WBITS, limit)
    else:
        raise UnknownEncodingError("its Content-Encoding is not one that we know")
    if len(found) > limit:
        raise TooLargeError(f"it has more than {limit:,} bytes")
    return found


def _inflated(body: bytes, wrapping: int, limit: int) -> bytes:
    found = b""
    members = 0
    while body:
        members += 1
        if members > _MAX_MEMBERS:
            raise UndecodableError("it has too many members")
        inflater = zlib.decompressobj(wrapping)
        try:
            found += inflater.decompress(body, limit + 1 - len(found))
        except zlib.error as error:
            raise UndecodableError(f"it cannot be decompressed ({error})") from None
        if len(found) > limit:
            return found
        if not inflater.eof:
            raise UndecodableError("it ends before its end")
        if wrapping != _GZIP and inflater.unused_data:
            raise UndecodableError("something follows its end")
        body = inflater.unused_data  # gzip may have several members
    return found
