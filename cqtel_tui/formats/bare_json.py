"""JSON without what importing `json` costs (11 ms): its C parts alone, or `json` without them.

The reader of every small file of our own, and what a program uses while it records. What others
send is read by `strict_json`, which bounds it and says where it is wrong.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _object(pairs: "list[tuple[str, object]]") -> "dict[str, object]":
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice")
    return members


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _Strict:
    """What the C scanner reads its settings from: no NaN, no doubled keys."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_constant)
    memo: "dict[str, str]" = {}  # noqa: RUF012  # an interpreter detail: the C scanner wants the name


def parse(text: str) -> object:
    """Return the value of one strict JSON text; ValueError says what is wrong with it."""
    try:
        from _json import make_scanner
    except ImportError:
        return _parse_at_length(text)
    stripped = text.strip(" \t\r\n")
    try:
        value, end = make_scanner(_Strict)(stripped, 0)  # type: ignore[arg-type]
    except StopIteration:
        raise ValueError("it is not JSON") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except SystemError:
        # The C scanner has no error to raise where `json` was not imported.
        return _parse_at_length(text)
    if end != len(stripped):
        raise ValueError("there is more after the JSON value")
    return value


def parse_object(data: "bytes | str") -> "dict[str, Any]":
    """Return the object of one strict JSON text, bytes being UTF-8; ValueError if it is none."""
    value = parse(data if isinstance(data, str) else data.decode())
    if not isinstance(value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004  # all that is wrong with it is one
    return value


def _parse_at_length(text: str) -> object:
    from json import loads

    return loads(text, object_pairs_hook=_object, parse_constant=_constant)


def quote(text: str) -> str:
    r"""Return `text` as a JSON string of plain ASCII; lone surrogates become `\udcxx`."""
    encode: Callable[[str], str]
    try:
        from _json import encode_basestring_ascii as encode
    except ImportError:
        from json.encoder import encode_basestring_ascii as encode
    return encode(text)
