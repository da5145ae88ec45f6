"""Read a program's contract: whose it is, where its payloads go, and which fields it adds.

A program ships one as `telemetry.toml`. It is data, and read strictly: a key that is not known, a
value that does not fit or a text that a terminal would obey is a problem, and a contract with a
problem is none. Its own fields stand under a prefix of its own, and have the catalogue's shapes.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..catalogue import (
    MAX_NAME,
    MAX_PLUGINS,
    MAX_VERSION,
    OWN_SHAPES,
    RECORDED,
    is_name,
)
from ..errors import CqtelError
from ..sanitize import is_printable
from . import UNNAMED
from .endpoint import endpoint_problem

if TYPE_CHECKING:
    from collections.abc import Callable

RISKS = ("none", "low", "medium", "high")
"""How well a field could tell one installation from another, from the least on."""
MAX_BYTES = 64 * 1024
MAX_FIELDS = 64
MAX_KEY = 80
MAX_TEXT = 300
MAX_VERSION_NUMBER = 1_000_000
MAX_RETENTION_DAYS = 3660
MAX_PROBLEMS = 20
"""How many problems are named; the rest is counted."""

_BOOLEAN = "boolean"
_INTEGER = "integer"
_STRING = "string"
_STRINGS = "array of strings"
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_RESERVED = frozenset(
    {key.partition(".")[0] for key in RECORDED} | {"geo", "otel", "telemetry", "cqtel"}
)
"""Prefixes that are the catalogue's, the collector's or OpenTelemetry's own."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may look like.

    Attributes:
        name: what a contract calls it.
        type: the JSON type of its values.
        words: the shape in words.
        accepts: tells whether a value has it.
    """

    name: str
    type: str
    words: str
    accepts: Callable[[object], bool]


_SHAPE_WORDS = {
    "boolean": (_BOOLEAN, "true or false"),
    "class_name": (_STRING, f"the name of a class, up to {MAX_NAME * 2}"),
    "date": (_STRING, "YYYY-MM-DD, or with a time in UTC"),
    "exit_code": (_INTEGER, "0 to 255"),
    "name": (_STRING, f"letters, digits, . _ -, up to {MAX_NAME}"),
    "plugins": (_STRINGS, f"kind/organisation/name@version, up to {MAX_PLUGINS}"),
    "version": (_STRING, f"a version, up to {MAX_VERSION} characters"),
}
SHAPES = {name: Shape(name, *_SHAPE_WORDS[name], accepts) for name, accepts in OWN_SHAPES.items()}
"""The shapes that a program's own fields may have (see `catalogue.OWN_SHAPES`), in words."""


class ContractError(CqtelError):
    """A contract cannot be read or has problems; the message names the file and the way out.

    Attributes:
        problems: each problem in words, the file itself not named.
    """

    def __init__(self, path: str, problems: list[str]) -> None:
        self.problems = tuple(problems[:MAX_PROBLEMS])
        if more := len(problems) - MAX_PROBLEMS:
            self.problems += (f"and {more} more",) if more > 0 else ()
        super().__init__(
            f"{path} is not a contract: {'; '.join(self.problems)}. Correct it, and check it "
            "again: cq-telemetry contract check FILE"
        )


@dataclass(frozen=True, slots=True)
class OwnField:
    """A field that a program adds to the catalogue's.

    Attributes:
        key: its key, under the program's own prefix.
        shape: what a value may look like.
        sentence: what the program's documentation says of it.
        why: what it is collected for.
        risk: how well it could tell one installation from another: one of `RISKS`.
        since: the contract's version that brought it, or what it says of it now.
    """

    key: str
    shape: Shape
    sentence: str
    why: str
    risk: str
    since: int


@dataclass(frozen=True, slots=True)
class Contract:
    """What a program promises to those who use it.

    Attributes:
        program: its name.
        version: raised whenever there is something new to agree to.
        endpoint: where its payloads go; None if it has no endpoint of its own.
        documentation: the URL of its page about telemetry.
        contact: whom to write to: an e-mail address or a URL.
        retention_days: after how many days what was sent is deleted.
        fields: its own.
    """

    program: str
    version: int
    endpoint: str | None
    documentation: str
    contact: str
    retention_days: int
    fields: tuple[OwnField, ...]


def read_contract(path: str) -> Contract:
    """Return the contract in a file.

    Raises:
        ContractError: it cannot be read, or has problems: all of them are named.
    """
    try:
        data = bytes_of(path)
    except OSError as error:
        raise ContractError(path, [f"it cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ContractError(path, [str(error)]) from None
    return parse_contract(data, path)


def parse_contract(data: bytes, path: str) -> Contract:
    """Return the contract in the bytes of a file.

    Args:
        data: all of them.
        path: the file's, for errors.

    Raises:
        ContractError: they have problems: all of them are named.
    """
    try:
        content = tomllib.loads(data.decode())
    except RecursionError:
        raise ContractError(path, ["it is nested too deeply"]) from None
    except ValueError as error:  # also of TOML and of UTF-8
        raise ContractError(path, [str(error)]) from None
    table = _Table(content, "", [])
    contract = _contract(table)
    if table.problems:
        raise ContractError(path, table.problems)
    return contract


def prefix_of(program: str) -> str:
    """Return what the keys of a program's own fields begin with."""
    return re.sub(r"[.-]", "_", program.lower()) + "."


def bytes_of(path: str) -> bytes:
    """Return what is in a file; of a FIFO no writer is waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, or too large.
    """
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("it is not a regular file")
        data = b""
        while part := os.read(opened, MAX_BYTES + 1 - len(data)):
            data += part
    finally:
        os.close(opened)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    return data


class _Table:
    """A table of which each key is asked for once; each problem is noted, and reading goes on."""

    def __init__(self, content: dict[str, Any], where: str, problems: list[str]) -> None:
        self._remaining = dict(content)
        self._where = where
        self.problems = problems

    def problem(self, key: str, what: str) -> None:
        self.problems.append(f'"{self._where}{key}" {what}')

    def text(self, key: str, wrong: Callable[[str], str | None] = lambda _: None) -> str:
        """Return a text on one line; `wrong` says what else is wrong with it."""
        value = self._remaining.pop(key, None)
        if value is None:
            self.problem(key, "is missing")
        elif not isinstance(value, str):
            self.problem(key, "is not a text")
        elif not value.strip() or len(value) > MAX_TEXT:
            self.problem(key, f"is not 1 to {MAX_TEXT} characters long")
        elif not is_printable(value):
            self.problem(key, "has a line break or a character that cannot be seen")
        elif what := wrong(value):
            self.problem(key, what)
        else:
            return value
        return ""

    def text_if_any(self, key: str, wrong: Callable[[str], str | None]) -> str | None:
        return self.text(key, wrong) if key in self._remaining else None

    def number(self, key: str, highest: int) -> int:
        value = self._remaining.pop(key, None)
        if value is None:
            self.problem(key, "is missing")
        elif type(value) is not int or not 0 < value <= highest:
            self.problem(key, f"is not a whole number from 1 to {highest}")
        else:
            return value
        return 0

    def tables(self, key: str) -> list[_Table]:
        value = self._remaining.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.problem(key, f"is not a list of tables, [[{key}]]")
            return []
        if len(value) > MAX_FIELDS:
            self.problem(key, f"has more than {MAX_FIELDS} tables")
            return []
        return [
            _Table(one, f"{self._where}{key}[{at}].", self.problems)
            for at, one in enumerate(value, 1)
        ]

    def end(self) -> None:
        for key in self._remaining:
            self.problem(key, "is not a key of a contract")


def _contract(table: _Table) -> Contract:
    program = table.text("name", _wrong_with_name)
    version = table.number("version", MAX_VERSION_NUMBER)
    contract = Contract(
        program=program,
        version=version,
        endpoint=table.text_if_any("endpoint", _wrong_with_url),
        documentation=table.text("documentation", _wrong_with_url),
        contact=table.text("contact", _wrong_with_contact),
        retention_days=table.number("retention_days", MAX_RETENTION_DAYS),
        fields=tuple(_field(one, program, version) for one in table.tables("fields")),
    )
    table.end()
    _look_for_prefix_and_doubles(table, contract)
    return contract


def _field(table: _Table, program: str, version: int) -> OwnField:
    key = table.text("key", lambda key: _wrong_with_key(key, program))
    kind = table.text("type")
    shape_name = table.text("shape", lambda name: _not_one_of(name, SHAPES))
    shape = SHAPES.get(shape_name, SHAPES["boolean"])
    if shape_name and kind and kind != shape.type:
        table.problem("type", f'is not "{shape.type}", which the shape "{shape_name}" has')
    field = OwnField(
        key=key,
        shape=shape,
        sentence=table.text("sentence"),
        why=table.text("why"),
        risk=table.text("risk", lambda risk: _not_one_of(risk, RISKS)),
        since=table.number("since", MAX_VERSION_NUMBER),
    )
    if version and field.since > version:
        table.problem("since", f"is later than the contract's version, {version}")
    table.end()
    return field


def _look_for_prefix_and_doubles(table: _Table, contract: Contract) -> None:
    prefix = prefix_of(contract.program)
    if contract.fields and contract.program and prefix[:-1] in _RESERVED:
        table.problem("fields", f'cannot be added: the prefix "{prefix}" is not the program\'s own')
    keys = [field.key for field in contract.fields if field.key]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        table.problem("fields", f"has the key {key} more than once")


def _wrong_with_name(name: str) -> str | None:
    if name == UNNAMED or not is_name(name):
        return f"is not a plain name: letters, digits, . _ -, up to {MAX_NAME}"
    return None


def _wrong_with_url(url: str) -> str | None:
    problem = endpoint_problem(url)
    return problem and f"cannot be used: {problem}"


def _wrong_with_contact(contact: str) -> str | None:
    if _ADDRESS.fullmatch(contact) or not endpoint_problem(contact):
        return None
    return "is neither an e-mail address nor a URL with https"


def _wrong_with_key(key: str, program: str) -> str | None:
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        return f"is not lower-case words of letters, digits and _, joined by dots, up to {MAX_KEY}"
    if program and not key.startswith(prefix_of(program)):
        return f'does not begin with the program\'s own prefix, "{prefix_of(program)}"'
    return None


def _not_one_of(value: str, known: object) -> str | None:
    names = [str(one) for one in known] if isinstance(known, dict | tuple) else []
    return None if value in names else f"is not one of {', '.join(names)}"
