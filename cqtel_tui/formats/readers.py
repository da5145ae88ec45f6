"""What a body is that is no plain JSON: read into a document, and written again.

One reader and one writer for each kind, and one error where the bytes are not what it says.
"""

from __future__ import annotations

import binascii
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus

from .encodings import UndecodableError, decoded
from .strict_json import UnreadableError, parse
from .values import as_json

if TYPE_CHECKING:
    from .strict_json import JsonObject, JsonValue

MAX_ITEMS = 1_000
"""The most items of an envelope, and fields of a form."""

BASE64 = "base64"
JSON = "json"
"""The names under which a document inside a text is shown, by how it is written."""

_GZIP = b"\x1f\x8b"
_LEAST_BASE64 = 3
_IN_BASE64 = {"ue_px": True, "cx": True, "ue_pr": False, "co": False}
"""Snowplow's parameters that hold a document, and whether that is in base64."""


class NotOfKindError(ValueError):
    """Bytes are not what their kind says."""


# Sentry ------------------------------------------------------------------------------------------


def read_envelope(body: bytes) -> JsonValue:
    """Read Sentry's envelope: a header, and items with a header and a payload each.

    https://develop.sentry.dev/sdk/data-model/envelopes/. A payload that is no JSON, such as an
    attachment, is represented by its size.

    Raises:
        NotOfKindError: the bytes are no such envelope.
    """
    header, at = _line(body, 0)
    items: list[JsonValue] = []
    while at < len(body):
        if body[at : at + 1] == b"\n":
            at += 1
            continue
        if len(items) >= MAX_ITEMS:
            raise NotOfKindError(f"it has more than {MAX_ITEMS:,} items")
        about, at = _line(body, at)
        length = about.pop("length", None)
        if length is None:
            end = body.find(b"\n", at)
            end = len(body) if end < 0 else end
        elif type(length) is int and 0 <= length <= len(body) - at:
            end = at + length
        else:
            raise NotOfKindError("an item is not as long as its header says")
        items.append({"header": about, "payload": _json_or_size(body[at:end])})
        at = end + 1
    return {"header": header, "items": items}


def write_envelope(document: JsonValue) -> bytes:
    """Return the envelope that `read_envelope` reads as this document."""
    lines: list[bytes] = []
    envelope: Any = document
    lines.append(as_json(envelope.get("header", {})))
    for item in envelope.get("items", []):
        payload = as_json(item.get("payload", {}))
        lines += [as_json({**item.get("header", {}), "length": len(payload)}), payload]
    return b"\n".join(lines) + b"\n"


def _line(body: bytes, at: int) -> tuple[JsonObject, int]:
    end = body.find(b"\n", at)
    end = len(body) if end < 0 else end
    value = _parsed(body[at:end])
    if not isinstance(value, dict):
        raise NotOfKindError("a header is no object")
    return value, end + 1


def _json_or_size(payload: bytes) -> JsonValue:
    try:
        return parse(payload)
    except UnreadableError:
        return {"bytes": len(payload)}


# Snowplow ----------------------------------------------------------------------------------------


def read_snowplow(body: bytes) -> JsonValue:
    """Read what a Snowplow tracker posts, with the documents that its parameters hold.

    https://docs.snowplow.io/docs/events/going-deeper/http-requests/

    Raises:
        NotOfKindError: it is no JSON.
    """
    document = _parsed(body)
    events = document.get("data") if isinstance(document, dict) else None
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            _open_parameters(event)
    return document


def _open_parameters(event: JsonObject) -> None:
    for name, is_base64 in _IN_BASE64.items():
        text = event.get(name)
        if isinstance(text, str):
            inner = _from_base64(text) if is_base64 else _object(text.encode("utf-8", "replace"))
            event[name] = text if inner is None else inner


def write_snowplow(document: JsonValue) -> bytes:
    """Return the body that `read_snowplow` reads as this document."""
    request: Any = document
    written: list[JsonValue] = [
        {name: _parameter(name, value) for name, value in event.items()}
        for event in request.get("data", [])
    ]
    return as_json({**request, "data": written} if "data" in request else request)


def _parameter(name: str, value: JsonValue) -> JsonValue:
    if name not in _IN_BASE64 or not isinstance(value, dict):
        return value
    return _to_base64(value) if _IN_BASE64[name] else as_json(value).decode()


# PostHog -----------------------------------------------------------------------------------------


def read_posthog(body: bytes) -> JsonValue:
    """Read what PostHog's libraries post: JSON, compressed or not, or a form with it in base64.

    Raises:
        NotOfKindError: the bytes are none of these.
    """
    if body.startswith(_GZIP):  # they say so in the query alone
        try:
            body = decoded(body, "gzip")
        except UndecodableError as error:
            raise NotOfKindError(str(error)) from None
    if body.startswith(b"data="):
        form: Any = read_form(body)
        held = form.get("data")
        value = held.get(BASE64, held.get(JSON)) if isinstance(held, dict) else None
        if value is None:
            raise NotOfKindError("its form has no document")
        return value  # type: ignore[no-any-return]  # of JSON
    return _parsed(body)


# Forms and queries -------------------------------------------------------------------------------


def read_form(body: bytes) -> JsonValue:
    """Read a form: each name with its value, or with a list where it stands more than once.

    A value that is a JSON object or array, as it is or in base64, is read as well.

    Raises:
        NotOfKindError: the bytes are no form.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_ITEMS,
        )
    except ValueError as error:
        raise NotOfKindError(f"it is no form ({error})") from None
    form: dict[str, list[JsonValue]] = {}
    for name, text in pairs:
        form.setdefault(name, []).append(_opened(text))
    return {name: each[0] if len(each) == 1 else each for name, each in form.items()}


def write_form(document: JsonValue) -> bytes:
    """Return the form that `read_form` reads as this document."""
    form: Any = document
    pairs = [
        (name, value)
        for name, values in form.items()
        for value in (values if isinstance(values, list) else [values])
        if value not in ({}, [])  # of whose document nothing is left
    ]
    return "&".join(
        f"{quote_plus(name)}={quote_plus(_closed(one))}" for name, one in pairs
    ).encode()


def _opened(text: str) -> JsonValue:
    inner = _object(text.encode("utf-8", "replace"))
    if inner is not None:
        return {JSON: inner}
    inner = _from_base64(text)
    return text if inner is None else {BASE64: inner}


def _closed(value: JsonValue) -> str:
    if isinstance(value, dict):
        inner = value.get(BASE64, value.get(JSON, {}))
        return _to_base64(inner) if BASE64 in value else as_json(inner).decode()
    return value if isinstance(value, str) else json.dumps(value)


# What they share ---------------------------------------------------------------------------------


def _parsed(data: bytes) -> JsonValue:
    try:
        return parse(data)
    except UnreadableError as error:
        raise NotOfKindError(str(error)) from None


def _object(data: bytes) -> JsonValue:
    """Return the object or array that these bytes are; None if they are none."""
    if data[:1] not in {b"{", b"["}:
        return None
    try:
        return parse(data)
    except UnreadableError:
        return None


def _from_base64(text: str) -> JsonValue:
    """Return the object or array that a text is in base64, of either alphabet; None if none."""
    stripped = text.rstrip("=")
    if len(stripped) < _LEAST_BASE64 or not text.isascii():
        return None
    padded = stripped.translate(_ALPHABET) + "=" * (-len(stripped) % 4)
    try:
        return _object(binascii.a2b_base64(padded, strict_mode=True))
    except (ValueError, binascii.Error):
        return None


_ALPHABET = str.maketrans("-_", "+/")


def _to_base64(value: JsonValue) -> str:
    return binascii.b2a_base64(as_json(value), newline=False).decode()
