"""Read an envelope: its label on the outside, its sealed header line and the payload inside.

`outbox.writing.sealed` writes them. Nothing of what is inside is believed before its seal has been
compared: one SHA-256 over the header line, the payload and what was intercepted. There is no key in
it, for whoever can write into the folder is its user; it tells what was altered by accident or by
hand. Whatever is wrong with an envelope is a `TornEnvelopeError`, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import CqtelError
from ..formats import sha256
from ..formats.bare_json import parse_object
from . import FIELDS, SUFFIX, field_of, file_name
from .writing import FORMAT_VERSION, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER_BYTES = 16 * 1024
MAX_ENVELOPE_BYTES = 16 * 1024 * 1024
"""What would be sent, and what was intercepted with all that was removed of it."""
UNSEALED_VERSION = 1
"""The format of earlier releases, whose header nothing covers: it is read, and never sent."""
_CREATED_DIGITS = 16
_ID_DIGITS = 16
_HEX = "0123456789abcdef"
_SEAL = re.compile(rb',"seal":"([0-9a-f]{64})"\}')
_SEAL_BYTES = len(',"seal":""}') + 64
_NOTHING_INTERCEPTED = {"length": 0, "sha256": sha256(b"")}


class TornEnvelopeError(CqtelError):
    """An envelope is not what was sealed: torn, altered, or of a later version."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is written on the outside of an envelope.

    Attributes:
        created: when it was sealed, in microseconds since 1970.
        id: 16 hex digits, random.
        attempt: how often delivery was tried in vain.
        size: the length in bytes of the payload, and of what was intercepted.
        origin: `record` (recorded here) or `gate` (intercepted).
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
        return file_name([getattr(self, field) for field in FIELDS])

    def tried_again(self) -> Label:
        """Return the label after one more attempt in vain."""
        return replace(self, attempt=self.attempt + 1)


def identity_of(name: str) -> str:
    """Return the id in an envelope's file name, without reading the rest; empty if it has none."""
    return field_of(name, "id")


def app_of(name: str) -> str:
    """Return the program in an envelope's file name, without reading the rest; empty for none."""
    return field_of(name, "app") if name.count(",") == len(FIELDS) - 1 else ""


def read_label(name: str) -> Label | None:
    """Return what a file name says; None if it is not an envelope's."""
    fields = name.removesuffix(SUFFIX).split(",")
    if not name.endswith(SUFFIX) or len(fields) != len(FIELDS) or not name.isascii():
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
    # A number that is not written our way is in the name of another file.
    return label if label.file_name == name else None


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope that was opened, and is intact.

    Attributes:
        id: 16 hex digits.
        kind: what the payload is, `otlp-traces` for our own.
        created: when it was sealed, in microseconds since 1970.
        origin: `record` or `gate`.
        app: the program's name.
        version: the program's version, or empty.
        operation: the operation, a plain name.
        outcome: `ok` or `failed`; empty if unknown.
        duration: in milliseconds.
        target: where it was bound for, if the program said so.
        headers: the HTTP headers that go with it.
        project: the mark of the project it was recorded in.
        consent: the mark of the yes under which it was recorded, or empty.
        contract: the SHA-256 of the program's contract that its own fields are of; empty without.
        has_error_text: whether an error's text was in the payload when it was recorded.
        dropped: how many values and spans were left out.
        sha256: the payload's, 64 hex digits.
        payload: the exact bytes that would be sent.
        intercepted: what the payload was made of, by the gate; never sent. Empty for our own.
        is_sealed: whether a seal covers its header. Earlier releases wrote none.
    """

    id: str
    kind: str
    created: int
    origin: str
    app: str
    version: str
    operation: str
    outcome: str
    duration: int
    target: str | None
    headers: Mapping[str, str]
    project: str
    consent: str
    has_error_text: bool
    dropped: int
    sha256: str
    payload: bytes
    intercepted: bytes = b""
    is_sealed: bool = True
    contract: str = ""

    def label(self, attempt: int) -> Label:
        """Return its label after so many attempts in vain."""
        return Label(
            self.created,
            self.id,
            attempt,
            len(self.payload) + len(self.intercepted),
            self.origin,
            self.app,
            self.version,
            self.operation,
            self.outcome,
            self.duration,
        )

    @property
    def data(self) -> bytes:
        """All of its bytes, as they lie on the disk."""
        return self.with_payload(self.payload, 0)[1]

    def with_payload(self, payload: bytes, dropped: int) -> tuple[Label, bytes]:
        """Seal another payload, from which its user took something out; all else stays.

        Args:
            payload: what is in it from now on.
            dropped: how many more values are left out.

        Returns:
            the label before any attempt, and the envelope's bytes.

        Raises:
            TornEnvelopeError: it has no seal, and is given none: nobody knows what it was.
        """
        if not self.is_sealed:
            raise TornEnvelopeError(
                "an earlier release wrote it without a seal; it is left as it is"
            )
        name, data = sealed(
            payload,
            self.created,
            self.id,
            app=self.app,
            version=self.version,
            operation=self.operation,
            outcome=self.outcome,
            duration=self.duration,
            headers=self.headers,
            project=self.project,
            consent=self.consent,
            contract=self.contract,
            has_error_text=self.has_error_text,
            dropped=self.dropped + dropped,
            kind=self.kind,
            origin=self.origin,
            target=self.target,
            intercepted=self.intercepted,
        )
        label = read_label(name)
        if label is None:
            raise TornEnvelopeError(f"it cannot be called {name!r}")
        return label, data


def open_envelope(data: bytes, label: Label) -> Envelope:
    """Return what is in an envelope.

    Args:
        data: all of its bytes.
        label: what stands on the outside of it.

    Raises:
        TornEnvelopeError: it is incomplete, not what was sealed, or not what its name says.
    """
    end = data.find(b"\n", 0, MAX_HEADER_BYTES)
    if end < 0:
        raise TornEnvelopeError("it has no header line; it was written incompletely")
    line, inside = data[:end], data[end + 1 :]
    try:
        header = parse_object(line.decode("ascii"))
        version = header.get("v")
        if type(version) is not int or version not in {UNSEALED_VERSION, FORMAT_VERSION}:
            raise TornEnvelopeError(f"its format is {version!r:.40}, not {FORMAT_VERSION}")
        envelope = _opened(header, inside, label)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as why:
        raise TornEnvelopeError(f"its header line cannot be read ({why!s:.200})") from None
    if envelope.is_sealed and not _has_its_seal(line, inside):
        raise TornEnvelopeError("it does not have the SHA-256 it was sealed with: it was altered")
    if envelope.label(label.attempt) != label:
        raise TornEnvelopeError(f"its name and its header (of {envelope.id:.40}) do not agree")
    return envelope


def _has_its_seal(line: bytes, inside: bytes) -> bool:
    seal = _SEAL.fullmatch(line[-_SEAL_BYTES:])
    return seal is not None and seal[1].decode() == sha256(line[:-_SEAL_BYTES] + inside)


def _opened(header: dict[str, Any], inside: bytes, label: Label) -> Envelope:
    """Return the envelope with this header, each value checked for its type."""
    is_sealed = header["v"] != UNSEALED_VERSION or "seal" in header
    if not is_sealed:
        stated = {"operation": label.operation, "outcome": label.outcome}
        header = {**header, **stated, "duration": label.duration, "consent": ""}
        header["has_error_text"] = True  # not known, so the answer is the cautious one
    length, behind = (
        _number(header["length"]),
        _object(header.get("intercepted", _NOTHING_INTERCEPTED)),
    )
    payload, intercepted = inside[:length], inside[length:]
    app, target = _object(header["app"]), header["target"]
    _check(payload, length, header["sha256"])
    _check(intercepted, _number(behind["length"]), behind["sha256"])
    if type(header["has_error_text"]) is not bool:
        raise TypeError("a truth value is not one")
    return Envelope(
        _text(header["id"]),
        _text(header["kind"]),
        _number(header["created"]),
        _text(header["origin"]),
        _text(app["name"]),
        _text(app["version"]),
        _text(header["operation"]),
        _text(header["outcome"]),
        _number(header["duration"]),
        None if target is None else _text(target),
        {_text(key): _text(value) for key, value in _object(header["headers"]).items()},
        _text(header["project"]),
        _text(header["consent"]),
        header["has_error_text"],
        _number(header["dropped"]),
        _text(header["sha256"]),
        payload,
        intercepted,
        is_sealed,
        _text(header.get("contract", "")),
    )


def _check(part: bytes, stated: int, digest: object) -> None:
    if stated != len(part):
        raise TornEnvelopeError(f"it has {len(part)} bytes of {stated:.6g}; it is incomplete")
    if digest != sha256(part):
        raise TornEnvelopeError("its bytes do not have the SHA-256 it was sealed with")


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object is not one")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is not a text")
    value.encode()  # ValueError for half of a pair of surrogates, which nothing can be made of
    return value


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a number is not a whole number")
    if not 0 <= value < 1 << 63:
        raise ValueError("a number is out of range")
    return value
