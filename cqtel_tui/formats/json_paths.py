"""Say where in a document a value stands, and which value stands at an offset of its bytes."""

from __future__ import annotations

import re
from json import loads
from typing import TYPE_CHECKING, TypeAlias

from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

Path: TypeAlias = "tuple[Path, str | int] | None"
"""The names and indices that lead to a value, the last one outermost; None for the document.

Linked, and not a text, because a hostile payload may have many long ones that nobody will see.
"""

MAX_PATH = 500
_MAX_STEP = 60
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)


def path_text(path: Path) -> str:
    """Return a path as a person writes it, such as `resourceSpans[0].resource`.

    It is printable; of a long one, the end is given after `…`.
    """
    steps: list[str] = []
    length = 0
    while path is not None and length <= MAX_PATH:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        elif _PLAIN_NAME.fullmatch(step):
            steps.append(f".{step}")
        else:
            steps.append(f'["{printable(step, limit=_MAX_STEP)}"]')
        length += len(steps[-1])
    text = "".join(reversed(steps)).removeprefix(".")
    return text if length <= MAX_PATH else f"…{text[1 - MAX_PATH :]}"


def attribute_key(value: object) -> str | None:
    """Return the key of one of OTLP's attributes, by which it is told apart; None for all else."""
    if isinstance(value, dict) and value.keys() == {"key", "value"}:
        key = value["key"]
        return key if isinstance(key, str) else None
    return None


def item_step(value: object, at: int) -> str | int:
    """Return the step to an item of a list: its index, or the key of an attribute."""
    key = attribute_key(value)
    return at if key is None else key


def paths_at(payload: bytes, offsets: Iterable[int]) -> dict[int, Path]:
    """Return the path of what stands at each of these offsets.

    A name's path is that of its value; what is between values belongs to what is before it.

    Args:
        payload: bytes that `strict_json.parse` can read; of others, less is found.
        offsets: in bytes.
    """
    wanted = sorted(set(offsets), reverse=True)
    paths: dict[int, Path] = {}
    reading = _Reading()
    for token in _TOKEN.finditer(payload):
        while wanted and wanted[-1] < token.start():
            paths[wanted.pop()] = reading.path
        if not wanted:
            break
        reading.go_on(token[0])
        while wanted and wanted[-1] < token.end():
            paths[wanted.pop()] = reading.path
    return paths | dict.fromkeys(wanted)


class _Reading:
    """Where a reader is in a document, token by token.

    Attributes:
        path: the path of the value that is being read.
        around: the path of each object or array around it, and whether it is an object.
        naming: whether a string is a name now.
    """

    def __init__(self) -> None:
        self.path: Path = None
        self.around: list[tuple[Path, bool]] = []
        self.naming = False

    def go_on(self, token: bytes) -> None:
        """Read one more token."""
        if token in {b"{", b"["}:
            self.naming = token == b"{"
            self.around.append((self.path, self.naming))
            if not self.naming:
                self.path = (self.path, 0)
        elif token in {b"}", b"]"}:
            self.naming = False
            self.path = self.around.pop()[0] if self.around else None
        elif self.around:
            within, is_object = self.around[-1]
            if self.naming and token[:1] == b'"':
                self.path = (within, _name(token))
                self.naming = False
            elif token == b",":
                self.naming = is_object
                if not is_object and self.path is not None and isinstance(self.path[1], int):
                    self.path = (within, self.path[1] + 1)


def _name(token: bytes) -> str:
    try:
        return str(loads(token))
    except ValueError:
        return token.decode("utf-8", "replace")
