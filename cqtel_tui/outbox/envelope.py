"""Read an envelope: its label on the outside, its header line and the payload inside.

`cqtel_tui.outbox.hold` writes them. What is inside is checked by length and SHA-256 before it is
believed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import CqtelError
from . import FORMAT_VERSION, SUFFIX, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER_BYTES = 16 * 1024
MAX_ENVELOPE_BYTES = 8 * 1024 * 1024
_FIELDS = 10
_CREATED_DIGITS = 16
_ID_DIGITS = 16
_HEX = "0123456789abcdef"
_NOTHING_CAUGHT = {"length": 0, "sha256": sha256(b"")}


class TornEnvelopeError(CqtelError):
    """An envelope is not what was sealed: torn, altered, or of a later version."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is written on the outside of an envelope.

    Attributes:
        created: when it was sealed, in microseconds since 1970.
        id: 16 hex digits, random.
        attempt: how often delivery was tried in vain.
        size: the length in bytes of the payload, and of what was caught.
        origin: `record` (recorded here) or `gate` (caught).
        app: the program, a plain name.
        version: its version, or empty.
        operation: the operation, a plain name.
        outcome: `ok` or `failed`; empty if unknown.
        duration: in milliseconds.
    """

    created: int
    id: str
    attempt: int
    size: int
    origin: str
    app: str
    version: str
    operation: str
    outcome: str
    duration: int

    @property
    def file_name(self) -> str:
        """The envelope's file name: sorts by time, never collides."""
        return (
            f"{self.created:016d},{self.id},{self.attempt},{self.size},{self.origin},{self.app},"
            f"{self.version},{self.operation},{self.outcome},{self.duration}{SUFFIX}"
        )

    def tried_again(self) -> Label:
        """Return the label after one more attempt in vain."""
        return replace(self, attempt=self.attempt + 1)


def read_label(file_name: str) -> Label | None:
    """Return what a file name says; None if it is not an envelope's."""
    fields = file_name.removesuffix(SUFFIX).split(",")
    if not file_name.endswith(SUFFIX) or len(fields) != _FIELDS or not file_name.isascii():
        return None
    created, identity, attempt, size, origin, app, version, operation, outcome, duration = fields
    numbers = (created, attempt, size, duration)
    if (
        not all(number.isdigit() for number in numbers)
        or len(created) != _CREATED_DIGITS
        or len(identity) != _ID_DIGITS
        or identity.strip(_HEX)
    ):
        return None
    label = Label(
        int(created),
        identity,
        int(attempt),
        int(size),
        origin,
        app,
        version,
        operation,
        outcome,
        int(duration),
    )
    # A number that we write otherwise would lead to another file.
    return label if label.file_name == file_name else None


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope, opened and found whole.

    Attributes:
        id: 16 hex digits.
        kind: what the payload is, `otlp-traces` for our own.
        created: when it was sealed, in microseconds since 1970.
        origin: `record` or `gate`.
        app: the program's name.
        version: the program's version, or empty.
        target: where it was bound for, if the program said so.
        headers: the HTTP headers that go with it.
        project: the mark of the project it was recorded in.
        dropped: how many values and spans were left out.
        sha256: the payload's, 64 hex digits.
        payload: the exact bytes that would be sent.
        caught: what the payload was made of, by the gate; never sent. Empty for our own.
    """

    id: str
    kind: str
    created: int
    origin: str
    app: str
    version: str
    target: str | None
    headers: Mapping[str, str]
    project: str
    dropped: int
    sha256: str
    payload: bytes
    caught: bytes = b""


def open_envelope(data: bytes) -> Envelope:
    """Return what is in an envelope.

    Raises:
        TornEnvelopeError: it is not whole, or not what was sealed.
    """
    end = data.find(b"\n", 0, MAX_HEADER_BYTES)
    if end < 0:
        raise TornEnvelopeError("it has no header line; it was torn while it was written")
    inside = data[end + 1 :]
    try:
        header = json.loads(data[:end].decode("ascii"))
        length, behind = header["length"], header.get("caught", _NOTHING_CAUGHT)
        payload, caught = inside[: int(length)], inside[int(length) :]
        envelope = _from_header(header, payload, caught)
        parts = [(payload, length, header["sha256"]), (caught, behind["length"], behind["sha256"])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TornEnvelopeError(f"its header line cannot be read ({error})") from None
    if header.get("v") != FORMAT_VERSION:
        raise TornEnvelopeError(f"its format is {header.get('v')!r}, not {FORMAT_VERSION}")
    for part, stated, digest in parts:
        if stated != len(part):
            raise TornEnvelopeError(f"it has {len(part)} bytes of {stated}; it is torn")
        if digest != sha256(part):
            raise TornEnvelopeError("its bytes do not have the SHA-256 it was sealed with")
    return envelope


def with_payload(data: bytes, payload: bytes, dropped: int) -> bytes:
    """Return an envelope with another payload in it; all else is as it was.

    Args:
        data: the envelope, whole.
        payload: what is in it from now on.
        dropped: how many more values were left out.

    Raises:
        TornEnvelopeError: it is not whole.
    """
    caught = open_envelope(data).caught
    header = json.loads(data[: data.index(b"\n")])
    header |= {
        "dropped": header["dropped"] + dropped,
        "sha256": sha256(payload),
        "length": len(payload),
    }
    return json.dumps(header, separators=(",", ":")).encode("ascii") + b"\n" + payload + caught


def _from_header(header: Any, payload: bytes, caught: bytes) -> Envelope:
    texts = [header["id"], header["kind"], header["origin"], header["project"], header["sha256"]]
    texts += [header["app"]["name"], header["app"]["version"], *header["headers"].values()]
    target = header["target"]
    if not all(isinstance(text, str) for text in [*texts, target or ""]):
        raise TypeError("a text is not a text")
    if type(header["created"]) is not int or type(header["dropped"]) is not int:
        raise TypeError("a number is not a number")
    return Envelope(
        header["id"],
        header["kind"],
        header["created"],
        header["origin"],
        header["app"]["name"],
        header["app"]["version"],
        target,
        header["headers"],
        header["project"],
        header["dropped"],
        header["sha256"],
        payload,
        caught,
    )
