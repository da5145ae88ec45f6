"""Random ids in the place of a program's own: what tells two runs apart tells nobody who it was."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

from ..formats.fields import ID, SPAN_ID, TRACE_ID

if TYPE_CHECKING:
    from ..formats.strict_json import JsonValue

IDS = frozenset({ID, TRACE_ID, SPAN_ID})

_DIGITS = {TRACE_ID: 32, SPAN_ID: 16}
_HEX = frozenset("0123456789abcdef")
_ZEROS = frozenset({"0" * 16, "0" * 32, "00000000-0000-0000-0000-000000000000"})


class Pseudonyms:
    """Random ids for the ids of one run: the same for the same, and of the form that is due.

    Args:
        key: random bytes of this run; nothing leads back without them, and they are not kept.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._issued: set[str] = set()

    def __call__(self, text: str, form: str = ID) -> str:
        """Return what stands for an id: hex for one of OTLP's, else a UUID."""
        if text in self._issued:
            return text
        text = text.lower()  # hex may be in either case
        digits = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()
        length = _DIGITS.get(form, len(text))
        if form in _DIGITS or (length in _DIGITS.values() and _HEX.issuperset(text)):
            pseudonym = digits[:length]
        else:
            pseudonym = (
                f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-"
                f"{'89ab'[int(digits[16], 16) % 4]}{digits[17:20]}-{digits[20:32]}"
            )
        self._issued.add(pseudonym)
        return pseudonym


def id_text(value: JsonValue, form: str = ID) -> str:
    """Return an id as a text, whatever a program wrote; empty where it stands for "none".

    None is what all protocols have for it: nothing at all, an empty text, false, and an id of
    nothing but zeros. The number 0 may be a user's; it is none where a trace's id would be.
    """
    if value is None or value is False or value in ([], {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    is_none = not text.strip("0- ") if form in _DIGITS else text.strip() in _ZEROS
    return "" if is_none else text.strip()
