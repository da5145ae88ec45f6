"""CloudQuery's summary of a sync, the one event of its older usage statistics: read and written.

Protobuf, by the numbers that the descriptor in CloudQuery's own binary gives its fields. What has a
number that is not known stands under that number, and is never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .fields import COUNT, PLUGIN, VERSION, Field, message
from .protobuf_wire import fields_of, varint
from .readers import NotOfKindError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .strict_json import JsonValue

_VARINT, _BYTES = 0, 2
_MOST_FIELDS = 10_000
_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a field is: its name, and of a message its fields; else a text or a number."""

    name: str
    members: Mapping[int, _Shape] = field(default_factory=dict)
    is_number: bool = False
    is_list: bool = False


_DESTINATION = {1: _Shape("Path"), 2: _Shape("Version")}
_SUMMARY = {
    1: _Shape("Invocation_UUID"),
    2: _Shape("Message_UUID"),
    3: _Shape("Timestamp", is_number=True),
    4: _Shape("Source_path"),
    5: _Shape("Source_version"),
    6: _Shape("Destinations", _DESTINATION, is_list=True),
    8: _Shape("Resources", is_number=True),
    9: _Shape("Errors", is_number=True),
    10: _Shape("Panics", is_number=True),
    11: _Shape("Client_version"),
    12: _Shape("Exit_reason"),
}
_REQUEST = {1: _Shape("sync_summary", _SUMMARY)}

REQUEST = message(
    {
        "sync_summary": message(
            {
                "Source_path": Field(PLUGIN, "summary.source_path"),
                "Source_version": Field(VERSION, "summary.source_version"),
                "Destinations": message(
                    {
                        "Path": Field(PLUGIN, "summary.destination_path"),
                        "Version": Field(VERSION, "summary.destination_version"),
                    },
                    is_list=True,
                    group="destination",
                ),
                "Resources": Field(COUNT, "summary.resources"),
                "Errors": Field(COUNT, "summary.errors"),
                "Panics": Field(COUNT, "summary.panics"),
                "Client_version": Field(VERSION, "summary.client_version"),
            }
        )
    }
)
"""What may leave of it: neither an id, nor a time, nor what may be an error's text."""


def read_summary(body: bytes) -> JsonValue:
    """Read a request as a document.

    Raises:
        NotOfKindError: the bytes are no such message.
    """
    return _read(body, _REQUEST, [_MOST_FIELDS])


def write_summary(document: JsonValue) -> bytes:
    """Write a document as `read_summary` reads it; what has no number is left out."""
    return _written(document, _REQUEST)


def _read(body: bytes, members: Mapping[int, _Shape], left: list[int]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    try:
        for number, value in fields_of(body):
            left[0] -= 1
            if left[0] < 0:
                raise NotOfKindError("it has too many fields")
            shape = members.get(number, _Shape(str(number)))
            read = _value(value, shape, left, is_known=number in members)
            if shape.is_list:
                listed = found.setdefault(shape.name, [])
                assert isinstance(listed, list)  # noqa: S101  # nothing else has its name
                listed.append(read)
            else:
                found[shape.name] = read
    except ValueError as error:
        raise NotOfKindError(str(error)) from None
    return found


def _value(value: int | bytes, shape: _Shape, left: list[int], *, is_known: bool) -> JsonValue:
    if is_known and isinstance(value, int) != shape.is_number:
        raise NotOfKindError(f"{shape.name} is not what it should be")
    if isinstance(value, int):
        return value - (_SIGN << 1) if value >= _SIGN else value
    return _read(value, shape.members, left) if shape.members else value.decode()


def _written(document: JsonValue, members: Mapping[int, _Shape]) -> bytes:
    if not isinstance(document, dict):
        return b""
    written = b""
    for number, shape in members.items():
        value = document.get(shape.name)
        for one in value if isinstance(value, list) else [value]:
            if shape.is_number and isinstance(one, int):
                written += varint(number << 3 | _VARINT) + varint(one % (_SIGN << 1))
            elif shape.members and isinstance(one, dict):
                written += _delimited(number, _written(one, shape.members))
            elif isinstance(one, str):
                written += _delimited(number, one.encode())
    return written


def _delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | _BYTES) + varint(len(data)) + data
