"""Read JSON that nobody vouches for: bounded, strict, and never by surprise.

The standard library's decoder keeps the last of duplicate keys, accepts NaN, makes infinity of
`1e999`, and dies of nesting. Each of those would let a payload be shown as something other than
what a collector reads, so each is refused here, with the place where it stands.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, compress, count, islice
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from ..errors import CqtelError
from ..sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Documents",
    "JsonObject",
    "JsonProblem",
    "JsonValue",
    "UnreadableError",
    "count_values",
    "parse",
    "parse_concatenated",
]

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, JsonValue]

MAX_BYTES = 8 << 20
"""Twice as much as a request's body: a placeholder can be longer than what was removed."""
MAX_FILE_BYTES = 5 << 20
MAX_DOCUMENTS = 1_000
MAX_DEPTH = 64
MAX_TOKENS = 1_500_000
"""Brackets, commas and quotes: what a decoded document costs in time and memory goes by them."""
MAX_NUMBER = 4_300
"""Characters of one number: Python reads so many by default, as the cost grows with the square."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PIECE_BYTES = 1 << 14
_UNTERMINATED = "unterminated string"
_WHITESPACE = re.compile(r"[ \t\n\r]*")  # RFC 8259, section 2
_NOT_TOKENS = bytes(sorted(set(range(256)) - set(b'[{,"')))
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEPS = [(byte in b"[{") - (byte in b"]}") for byte in range(256)]
# The look-behind makes each run be tried once, not once for each of its characters.
_LONG_NUMBER = re.compile(rb"(?<![0-9.eE+-])[0-9.eE+-]{%d}" % (MAX_NUMBER + 1))


@dataclass(frozen=True, slots=True)
class JsonProblem:
    """Something that could not be read, and where.

    Attributes:
        offset: In bytes from the start of the data, from 0.
        line: From 1.
        reason: A clause without a full stop, safe to print.
    """

    offset: int
    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line:,} (byte {self.offset:,}): {self.reason}"


class UnreadableError(CqtelError, ValueError):
    """These bytes are not a JSON document that we read; `problem` says where and why."""

    def __init__(self, problem: JsonProblem) -> None:
        super().__init__(
            f"Cannot read this as JSON, {problem}. "
            "Look at the raw bytes there, or have the file written again."
        )
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Documents:
    """The JSON objects of one file in their order, and what could not be read of it."""

    values: tuple[JsonObject, ...]
    problems: tuple[JsonProblem, ...]


def parse(
    data: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_tokens: int = MAX_TOKENS,
) -> JsonValue:
    """Read one JSON document as RFC 8259 has it, in UTF-8 and without a byte order mark.

    Args:
        data: The whole document; whitespace around it is fine.
        max_bytes: The most bytes it may have.
        max_depth: The most arrays and objects inside one another; keep it in the hundreds.
        max_tokens: The most brackets, commas and quotes.

    Raises:
        UnreadableError: And nothing else, whatever the bytes are: too long, too deep, not UTF-8,
            not JSON, a key that stands twice in one object, a number that is not finite or has
            more than 4,300 characters, or anything after the document.
    """
    if len(data) > max_bytes:
        reason = f"there are {len(data):,} bytes, and at most {max_bytes:,} are read"
        raise UnreadableError(_problem(data, max_bytes, reason))
    if data.startswith(_BYTE_ORDER_MARK):
        raise UnreadableError(_problem(data, 0, "a byte order mark, which JSON does not allow"))
    source, fault = _readable_part(data, final=True, max_depth=max_depth, max_tokens=max_tokens)
    if fault is not None:
        raise UnreadableError(fault)
    value, end = _decode(source, 0)
    if end < len(source.text):
        raise UnreadableError(source.problem(end, "there is more after the end of the document"))
    return value


def count_values(
    value: JsonValue, seen_as: Callable[[JsonValue], object] = lambda value: value
) -> int:
    """Count the values in a value, each as it is seen; an empty object or array is one."""
    count = 0
    waiting: list[Any] = [value]
    while waiting:
        inside = seen_as(waiting.pop())
        if isinstance(inside, dict) and inside:
            waiting += inside.values()
        elif isinstance(inside, list) and inside:
            waiting += inside
        else:
            count += 1
    return count


def parse_concatenated(
    data: bytes,
    *,
    max_bytes: int = MAX_FILE_BYTES,
    max_documents: int = MAX_DOCUMENTS,
    max_depth: int = MAX_DEPTH,
) -> Documents:
    """Read JSON objects that follow one another with nothing but whitespace between them.

    Go's `json.Encoder` writes such files, and so do we; an array of objects is read as its items.
    Nothing is raised: reading stops at the first fault, keeps the objects before it, and tells of
    it. What a bound cut off is reported in the same way.

    Args:
        data: The whole file.
        max_bytes: The most bytes that are looked at.
        max_documents: The most objects that are kept.
        max_depth: As for `parse`.
    """
    is_whole = len(data) <= max_bytes
    source, fault = _readable_part(data[:max_bytes], final=is_whole, max_depth=max_depth)
    if fault is None and not is_whole:
        reason = f"there are {len(data):,} bytes, and only the first {max_bytes:,} are read"
        fault = _problem(data, max_bytes, reason)
    problems = []
    start = 0
    if data.startswith(_BYTE_ORDER_MARK):
        problems.append(_problem(data, 0, "a byte order mark, which JSON does not allow; skipped"))
        start = 1
    values: list[JsonObject] = []
    try:
        for begin, value in _each_document(source, start, max_documents):
            reason = _keep_objects(value, values, max_documents)
            if reason:
                problems.append(source.problem(begin, reason))
    except UnreadableError as error:
        fault = _what_stopped(error.problem, fault)
    if fault is not None:
        problems.append(fault)
    return Documents(tuple(values), tuple(problems))


def _each_document(
    source: _Source, start: int, max_documents: int
) -> Iterator[tuple[int, JsonObject | list[JsonValue]]]:
    """Give each document and where it begins; raise `UnreadableError` where no more can be read."""
    position = _after_whitespace(source.text, start)
    for _ in range(max_documents):
        if position == len(source.text):
            return
        begin = position
        value, position = _decode(source, begin)
        if not isinstance(value, dict | list):
            raise UnreadableError(source.problem(begin, "neither an object nor an array of them"))
        yield begin, value
    if position < len(source.text):
        raise UnreadableError(source.problem(position, _only_the_first(max_documents)))


def _keep_objects(
    value: JsonObject | list[JsonValue], kept: list[JsonObject], max_documents: int
) -> str:
    """Add the objects of one document to those kept, and say in a clause what was left out."""
    items = value if isinstance(value, list) else [value]
    objects = [item for item in items if isinstance(item, dict)]
    room = max_documents - len(kept)
    kept.extend(objects[:room])
    left_out = []
    if len(objects) < len(items):
        left_out.append(
            f"items of this array that are not objects are left out ({len(items) - len(objects):,})"
        )
    if len(objects) > room:
        left_out.append(_only_the_first(max_documents))
    return "; ".join(left_out)


def _only_the_first(max_documents: int) -> str:
    return f"only the first {max_documents:,} documents are read"


def _what_stopped(stopped: JsonProblem, fault: JsonProblem | None) -> JsonProblem:
    """Choose between where the decoder stopped and the fault that the text was cut at.

    A decoder that only wanted more text stopped because of that fault.
    """
    if fault is None:
        return stopped
    wanted_more = stopped.offset >= fault.offset or stopped.reason == _UNTERMINATED
    return fault if wanted_more else stopped


# Where and why ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """What is decoded, as bytes and as text: people look a place up in the bytes."""

    data: bytes
    text: str

    def problem(self, position: int, reason: str) -> JsonProblem:
        return _problem(self.data, self.offset(position), reason)

    def problem_at(self, token: bytes, nth: int, begin: int, reason: str) -> JsonProblem:
        """Tell of the `nth` match of a pattern outside strings, in the document at `begin`.

        The hooks of the json module get no offset, but they are called in a known order.
        """
        offset = self.offset(begin)
        matches = re.finditer(token, _strings_blanked(self.data[offset:]))
        match = next(islice(matches, nth - 1, None), None)
        return _problem(self.data, offset + (match.start() if match else 0), reason)

    def offset(self, position: int) -> int:
        return position if self.text.isascii() else len(self.text[:position].encode())


def _problem(data: bytes, offset: int, reason: str) -> JsonProblem:
    return JsonProblem(offset=offset, line=data.count(b"\n", 0, offset) + 1, reason=reason)


# What must be known before the decoder may run ----------------------------------------------------


def _readable_part(
    data: bytes, *, final: bool, max_depth: int, max_tokens: int = MAX_TOKENS
) -> tuple[_Source, JsonProblem | None]:
    """Give as much as the decoder may have, and what ends that early, if anything does.

    Unless the data are final, a character that is cut in two at their end is no fault.
    """
    fault = None
    for find, reason in (
        (
            partial(_too_dense_at, max_tokens=max_tokens),
            f"more than {max_tokens:,} brackets, commas and quotes",
        ),
        (partial(_too_deep_at, max_depth=max_depth), f"nested more than {max_depth:,} deep"),
        (_long_number_at, f"a number of more than {MAX_NUMBER:,} characters"),
        (partial(_not_utf8_at, final=final), "not UTF-8"),
    ):
        # Each looks only at what the ones before it left, so the last fault is the first in place.
        offset = find(data)
        if offset is not None:
            fault = _problem(data, offset, reason)
            data = data[:offset]
    return _Source(data, data.decode(errors="ignore")), fault


def _too_dense_at(data: bytes, *, max_tokens: int) -> int | None:
    for at in range(0, len(data), _PIECE_BYTES):  # the piece it is in, and only then its place
        piece = data[at : at + _PIECE_BYTES]
        tokens = len(piece.translate(None, _NOT_TOKENS))
        if tokens > max_tokens:
            return at + next(islice(re.finditer(rb'[\[{,"]', piece), max_tokens, None)).start()
        max_tokens -= tokens
    return None


def _too_deep_at(data: bytes, *, max_depth: int) -> int | None:
    """Find the bracket that nests too deep, by a linear scan that never recurses."""
    brackets = b"".join(_split_at_quotes(data)[::2]).translate(None, _NOT_BRACKETS)
    if next(_too_deep(brackets, max_depth), None) is None:
        return None
    return next(_too_deep(_strings_blanked(data), max_depth))


def _too_deep(data: bytes, max_depth: int) -> Iterator[int]:
    depths = accumulate(map(_STEPS.__getitem__, data))
    return compress(count(), map(max_depth.__lt__, depths))


def _long_number_at(data: bytes) -> int | None:
    # Strings may hold what they like, but most data have such a run nowhere.
    if not _LONG_NUMBER.search(data):
        return None
    match = _LONG_NUMBER.search(_strings_blanked(data))
    return match.start() if match else None


def _not_utf8_at(data: bytes, *, final: bool) -> int | None:
    try:
        codecs.utf_8_decode(data, "strict", final)
    except UnicodeDecodeError as error:
        return error.start
    return None


def _split_at_quotes(data: bytes) -> list[bytes]:
    """Split so that the pieces with an odd index are the insides of strings.

    An escape outside a string would mislead this, but the decoder stops there for good.
    """
    return data.replace(rb"\\", b"..").replace(rb"\"", b"..").split(b'"')


def _strings_blanked(data: bytes) -> bytes:
    """Give data of the same length where the insides of strings are spaces."""
    pieces = _split_at_quotes(data)
    pieces[1::2] = [b" " * len(piece) for piece in pieces[1::2]]
    return b'"'.join(pieces)


# The decoder --------------------------------------------------------------------------------------


def _decode(source: _Source, begin: int) -> tuple[JsonValue, int]:
    """Read the document at `begin`; give it and where the next may begin, after any whitespace."""
    objects_closed = 0

    def without_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
        nonlocal objects_closed
        objects_closed += 1
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        reason = f'the object that ends here has the key "{one_line(twice, 80)}" more than once'
        raise UnreadableError(source.problem_at(rb"}", objects_closed, begin, reason))

    def finite(number: str) -> float:
        value = float(number)
        return value if math.isfinite(value) else not_a_number(number)

    def not_a_number(literal: str) -> NoReturn:
        reason = f"{one_line(literal, 40)} is not a JSON number"
        token = rb"(?<![\w.+-])%b(?![\w.])" % re.escape(literal.encode())
        raise UnreadableError(source.problem_at(token, 1, begin, reason))

    decoder = json.JSONDecoder(
        object_pairs_hook=without_duplicates, parse_constant=not_a_number, parse_float=finite
    )
    try:
        value, end = decoder.raw_decode(source.text, _after_whitespace(source.text, begin))
    except UnreadableError:
        raise
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        raise UnreadableError(source.problem(error.pos, reason)) from None
    except (ValueError, RecursionError) as error:
        # Only where the interpreter was given, or has left, less room than our bounds.
        reason = f"{type(error).__name__} in this document"
        raise UnreadableError(source.problem(begin, reason)) from None
    return value, _after_whitespace(source.text, end)


def _after_whitespace(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position
