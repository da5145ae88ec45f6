"""Know more programs: profiles as TOML files in the user's own folder, never from a project.

`opentelemetry.toml`, beside this module, is one for any OpenTelemetry program, and says in its
comments what each key means.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue import is_name
from ..consent.endpoint import endpoint_problem
from ..consent.trusted import check_folder, owners, read_trusted
from ..errors import CqtelError, UntrustedFileError
from .channels import Blocked, Channels
from .field_shapes import ALL_SHAPES, fields_at
from .profiles import FOLDER, SUFFIX, Profile
from .responses import PROTOCOLS

if TYPE_CHECKING:
    from .field_shapes import Schema

SHIPPED = Path(__file__).with_name("opentelemetry.toml")

_VERSION = r"\d[0-9A-Za-z.+-]*"
_MAX_BYTES = 64 * 1024
_MAX_FILES = 100
_MAX_TEXTS = 200
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IN_VARIABLES = frozenset(f"{_UPPER}{_UPPER.lower()}0123456789_")


class ProfileError(CqtelError):
    """A profile's file cannot be read, trusted or understood; the message names it."""


def read_profiles(config: str) -> list[Profile]:
    """Return all profiles of the user, by the names of their files.

    Args:
        config: the user's configuration folder.

    Raises:
        ProfileError: a file, or their folder, cannot be read, trusted or understood.
    """
    folder = Path(config) / FOLDER
    try:
        names = sorted(file.name for file in folder.iterdir() if file.suffix == SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ProfileError(f"{folder} cannot be read: {error.strerror}. {_WAY_OUT}") from None
    try:
        check_folder(config)
        check_folder(str(folder))
    except UntrustedFileError as error:
        raise ProfileError(f"{folder} cannot be trusted: {error}. {_WAY_OUT}") from None
    if len(names) > _MAX_FILES:
        raise ProfileError(f"{folder} has more than {_MAX_FILES} profiles. {_WAY_OUT}")
    return [read_profile(folder / name) for name in names]


def read_profile(path: Path) -> Profile:
    """Return the profile in a file that nobody else can have written.

    Raises:
        ProfileError: it cannot be read, trusted or understood.
    """
    try:
        return _profile(_Table(tomllib.loads(_trusted(path).decode()), ""))
    except UntrustedFileError as error:
        raise ProfileError(f"{path} cannot be trusted: {error}. {_WAY_OUT}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ProfileError(f"{path} is not a profile: {error}. {_WAY_OUT}") from None


_WAY_OUT = f"Correct it, or move it away; {SHIPPED} shows what a profile is made of."


def _trusted(path: Path) -> bytes:
    data = read_trusted(str(path), owners())
    if data is None:
        raise UntrustedFileError("it is gone")
    if len(data) > _MAX_BYTES:
        raise UntrustedFileError(f"it is larger than {_MAX_BYTES} bytes")
    return data


class _Table:
    """A table of a profile, of which each key is asked for once; what is left over is a mistake."""

    def __init__(self, content: object, where: str) -> None:
        if not isinstance(content, dict):
            raise TypeError(f"{where or 'it'} is not a table")
        self._left: dict[str, Any] = dict(content)
        self._where = where

    def text(self, key: str, otherwise: str = "") -> str:
        value = self._left.pop(key, otherwise)
        if not isinstance(value, str):
            raise TypeError(f'"{self._name(key)}" is not a text')
        return value

    def number(self, key: str, otherwise: int) -> int:
        value = self._left.pop(key, otherwise)
        if type(value) is not int or not 0 < value <= 1_000_000_000:  # noqa: PLR2004  # a second
            raise ValueError(f'"{self._name(key)}" is not a number of nanoseconds')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ValueError(f'"{self._name(key)}" is not a list of texts')
        if len(value) > _MAX_TEXTS:
            raise ValueError(f'"{self._name(key)}" has more than {_MAX_TEXTS} texts')
        return tuple(value)

    def table(self, key: str) -> _Table:
        return _Table(self._left.pop(key, {}), self._name(key))

    def tables(self, key: str) -> list[_Table]:
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise TypeError(f'"{self._name(key)}" is not a list of tables')
        return [_Table(one, f"{self._name(key)}[{at}]") for at, one in enumerate(value)]

    def all_texts(self) -> dict[str, str]:
        return {key: self.text(key) for key in list(self._left)}

    def rest(self) -> dict[str, Any]:
        rest, self._left = self._left, {}
        return rest

    def end(self) -> None:
        if self._left:
            raise ValueError(f'"{self._name(next(iter(self._left)))}" is no key of a profile')

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def _profile(table: _Table) -> Profile:
    name = table.text("name")
    programs = table.texts("programs")
    for one in (name, *programs):
        if not is_name(one):
            raise ValueError(f"{one!r} is not a plain name")
    refuse = _variables(table.table("refuse"))
    profile = Profile(
        name=name,
        programs=frozenset(programs),
        operations=frozenset(table.texts("operations")),
        silent=frozenset(table.texts("silent")),
        valued=frozenset(table.texts("valued")),
        refuse=refuse,
        blocked=refuse,
        channels=_channels(table),
        answer=_answer(table.text("version")),
    )
    table.end()
    if not all(map(is_name, profile.operations)):
        raise ValueError('"operations" has a word that is not a plain name')
    return profile


def _answer(words: str) -> str:
    if not words:
        return ""
    before, braces, after = words.partition("{}")
    if not braces:
        raise ValueError('"version" has no {} where the version stands')
    return f"{re.escape(before)}v?({_VERSION}){re.escape(after)}"


def _channels(table: _Table) -> Channels:
    intercept = table.table("intercept")
    upstream = intercept.text("upstream")
    if upstream and (problem := endpoint_problem(upstream)):
        raise ValueError(f'"intercept.upstream" cannot be used: {problem}')
    channels = Channels(
        variable=_variable(intercept.text("variable")),
        upstream=upstream,
        headers=tuple(map(_variable, intercept.texts("headers"))),
        transports=tuple(map(_variable, intercept.texts("transports"))),
        fields=fields_at({k: _shape(k, v) for k, v in table.table("fields").rest().items()}),
        never=table.table("never").all_texts(),
        also=_variables(intercept.table("also")),
        blocking=_variables(intercept.table("blocking")),
        levels={
            _variable(key): _Table(value, f"intercept.levels.{key}").all_texts()
            for key, value in intercept.table("levels").rest().items()
        },
        blocked=tuple(map(_blocked, table.tables("close"))),
        own=tuple(map(_variable, intercept.texts("own"))),
        forwarded=tuple(name.lower() for name in intercept.texts("forwarded")),
        protocol=intercept.text("protocol"),
        duration_unit=intercept.number("duration_unit", 1_000_000),
        words=frozenset(word.lower() for word in intercept.texts("words")),
    )
    intercept.end()
    if channels.protocol not in {"", *PROTOCOLS}:
        raise ValueError(f'"intercept.protocol" is not one of {", ".join(PROTOCOLS)}')
    return channels


def _blocked(table: _Table) -> Blocked:
    counted = table.text("counted")
    blocked = Blocked(table.text("name"), table.text("reason"), counted and _variable(counted))
    table.end()
    return blocked


def _shape(key: str, value: object) -> Schema:
    if isinstance(value, str) and value in ALL_SHAPES:
        return value
    if isinstance(value, list) and len(value) == 1 and value[0] in ALL_SHAPES:
        return (str(value[0]),)
    listed = ", ".join(sorted(ALL_SHAPES))
    raise ValueError(f'"fields.{key}" is not one of {listed}, nor a list of one')


def _variables(table: _Table) -> dict[str, str]:
    return {_variable(key): value for key, value in table.all_texts().items()}


def _variable(name: str) -> str:
    if not name or name[0].isdigit() or not _IN_VARIABLES.issuperset(name):
        raise ValueError(f"{name!r} is not the name of a variable")
    return name
