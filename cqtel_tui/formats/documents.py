"""The document that a payload is, whatever it is encoded in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import OPAQUE, UNREDACTED, otlp_protobuf
from .strict_json import UnreadableError, parse
from .values import as_json

if TYPE_CHECKING:
    from .strict_json import JsonValue

_PROTOBUF = "-protobuf"


def as_document(kind: str, payload: bytes) -> JsonValue | None:
    """Return what a payload of ours, or one that is to be sent, says; None if nobody can read it.

    Args:
        kind: the envelope's.
        payload: the exact bytes that would be sent.
    """
    if kind in {OPAQUE, UNREDACTED}:
        return None
    if kind.endswith(_PROTOBUF):
        return otlp_protobuf.from_protobuf(kind, payload)
    try:
        return parse(payload)
    except UnreadableError:
        return None


def as_payload(kind: str, document: JsonValue) -> bytes:
    """Return the bytes of a document, in the encoding of its kind."""
    if kind.endswith(_PROTOBUF):
        return otlp_protobuf.to_protobuf(kind, document)
    return as_json(document)
