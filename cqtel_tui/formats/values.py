"""What one value of a protocol says, decided once: every reader asks here.

Numbers go by the JSON mapping of protobuf (https://protobuf.dev/programming-guides/json/), which
OTLP/JSON takes over: a 64-bit integer is a JSON number or a decimal string, and either may have a
fraction of zeros or an exponent. Nothing else is one: no space, no `+`, no `_`, no `true`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .strict_json import JsonValue

MAX_UNSIGNED = (1 << 64) - 1
MAX_SIGNED = (1 << 63) - 1
MIN_SIGNED = -(1 << 63)
MAX_COUNT = (1 << 53) - 1
"""The largest integer that every reader of JSON tells from its neighbours."""

STATUS_CODES = ("unset", "ok", "error")
STATUS_PREFIX = "STATUS_CODE_"
SPAN_KIND_PREFIX = "SPAN_KIND_"

_DIGITS = re.compile(r"-?[0-9]{1,20}")
_DECIMAL = re.compile(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?")
_HEX = re.compile(r"[0-9a-fA-F]+")
_EVENT = re.compile(r"\$?[A-Za-z0-9][A-Za-z0-9 ._:-]{0,79}", re.ASCII)
# Of UTC alone: another offset says where the user is.
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


def integer(value: object) -> int | None:
    """Read an integer of up to 64 bits, signed or not; None if it is none.

    `"007"`, 7.0 and `"70e-1"` are 7, `"1e3"` is 1000, `"-0"` is 0; `" 7"`, `"+7"`, `""`, 7.5, true
    and what needs more bits are none.
    """
    if type(value) is int:
        number: int | None = value
    elif isinstance(value, str):
        number = int(value) if _DIGITS.fullmatch(value) else _decimal(value)
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    else:
        return None
    return number if number is not None and MIN_SIGNED <= number <= MAX_UNSIGNED else None


def _decimal(text: str) -> int | None:
    """Read a whole number that is written with a fraction or an exponent."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    sign, integral, fraction, exponent = match.groups()
    digits = integral + (fraction or "")
    shift = int(exponent or 0) - len(fraction or "")
    if shift >= 0:
        number = int(digits + "0" * shift)
    elif digits[shift:].strip("0"):
        return None  # something is left behind the point
    else:
        number = int(digits[:shift] or 0)
    return -number if sign else number


def signed(value: object) -> int | None:
    """Read an `int64`; None if it is none."""
    number = integer(value)
    return number if number is not None and number <= MAX_SIGNED else None


def unsigned(value: object) -> int | None:
    """Read a `fixed64` or a `uint64`, such as a time in nanoseconds; None if it is none."""
    number = integer(value)
    return number if number is not None and number >= 0 else None


def count(value: object) -> int | None:
    """Read a number of things, up to what every reader of JSON can hold; None if it is none."""
    number = unsigned(value)
    return number if number is not None and number <= MAX_COUNT else None


def as_usual(value: JsonValue) -> JsonValue:
    """Return a number as it is usually written: without zeros before it, point or exponent.

    How a number is written could say more than the number does.
    """
    number = integer(value)
    if number is None:
        return value
    return str(number) if isinstance(value, str) else number


def is_usual(value: JsonValue) -> bool:
    """Tell whether a value is written as usual, so that nothing about it is lost in words."""
    usual = as_usual(value)
    return type(usual) is type(value) and usual == value


def enum(value: object, names: Sequence[str], prefix: str = "") -> int | None:
    """Read a value of an enum: its number, or its name as protobuf has it; None if it is none.

    OTLP/JSON has numbers alone, protobuf's own JSON writes `STATUS_CODE_OK`, and some libraries
    leave the prefix out, write it in other letters, or put the number in quotes.
    """
    if isinstance(value, str):
        name = value.strip().lower().removeprefix(prefix.lower())
        if name in names:
            return names.index(name)
        numbers = [str(number) for number in range(len(names))]
        return numbers.index(name) if name in numbers else None
    number = integer(value)
    return number if number is not None and 0 <= number < len(names) else None


def status_code(value: object) -> int | None:
    """Read the code of a span's status: 0 for unset, 1 for ok, 2 for an error; None if none."""
    return enum(value, STATUS_CODES, STATUS_PREFIX)


def identifier(value: object, digits: int) -> str | None:
    """Read an id of so many hex digits, in lower case; empty for zeros only, None if it is none."""
    if not isinstance(value, str) or len(value) != digits or not _HEX.fullmatch(value):
        return None
    return value.lower() if value.strip("0") else ""


def is_event(value: object) -> bool:
    """Tell whether a value is the name of an event, which may have spaces: `Sync Completed`."""
    return isinstance(value, str) and _EVENT.fullmatch(value) is not None


def is_utc_time(value: object) -> bool:
    """Tell whether a value is a time in UTC as RFC 3339 has it, on a day that there was."""
    if not isinstance(value, str) or not _UTC_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def as_json(value: JsonValue) -> bytes:
    """Return a value as compact JSON of plain ASCII."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
