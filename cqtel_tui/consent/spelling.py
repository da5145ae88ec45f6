"""Understand a file of choices that a person wrote: any plausible way to say no is one.

Imported where a file has a key or a value that is not what `saving` writes. What looks like a no
and is not plainly one makes the file unreadable, which means off: never is it silence.
"""

from __future__ import annotations

from ..errors import UntrustedFileError
from . import OFF, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOES = frozenset(
    (
        *("0", "n", "f", "no", "off", "out", "false", "never", "none", "nope", "stop", "optout"),
        *("deny", "denied", "disable", "disabled", "forbid", "forbidden", "refuse", "refused"),
        *("reject", "rejected"),
    )
)
_TELLING = (
    *("allow", "analytic", "catalog", "collect", "consent", "debug", "deny", "denied", "disabl"),
    *("donot", "dont", "enabl", "endpoint", "forbid", "metric", "optin", "optout", "phone"),
    *("privacy", "private", "program", "project", "refus", "reject", "report", "send", "shar"),
    *("statist", "stats", "telem", "track", "upload", "usage"),
)
_TELLING_WHOLE = frozenset(
    (
        *("active", "all", "choice", "default", "everything", "global", "level", "mode", "on"),
        *("version", *_NOES),
    )
)
_HOW = 'an opt-out is written as {"telemetry": "off"}'


def check_version(content: Mapping[str, object]) -> None:
    """Make sure that a file is not of another version than the one that is read here.

    Raises:
        UntrustedFileError: it is.
    """
    version = content.get("version", VERSION)
    if type(version) is int and version > VERSION:
        raise UntrustedFileError(
            f"it is of version {version}, and a newer program than this one wrote it; this one "
            f"reads up to version {VERSION}"
        )
    if type(version) is not int or not 0 < version <= VERSION:
        raise UntrustedFileError(f'its "version" is not 1 to {VERSION}')
    if version == 1 and "version" in content and "programs" in content:
        raise UntrustedFileError('it is of version 1, and "programs" is of version 2')


def refusals(scope: Mapping[str, object]) -> tuple[str | None, bool | None]:
    """Return what a place that can only refuse says of telemetry and of debug mode.

    Raises:
        UntrustedFileError: it asks for more, or it cannot be told what it says.
    """
    telemetry = debug = None
    if "telemetry" in scope:
        telemetry = telemetry_of(scope["telemetry"], 'it may only say "telemetry": "off"')
    if scope.get("debug") is not None:
        if not is_no(scope["debug"]):
            raise UntrustedFileError('it may only say "telemetry": "off" or "debug": false')
        debug = False
    if "endpoint" in scope:
        raise UntrustedFileError("it names an endpoint, which it may not")
    return telemetry, debug


def telemetry_of(value: object, problem: str) -> str:
    """Return `off` for what a person may have written for it.

    Raises:
        UntrustedFileError: it is something else; the message is `problem`.
    """
    if is_no(value):
        return OFF
    raise UntrustedFileError(problem)


def is_no(value: object) -> bool:
    """Tell whether a value says no: `"off"`, `"No"`, `false`, `0` and their kin."""
    if isinstance(value, str):
        return _plain(value) in _NOES
    return value is False or (type(value) is int and value == 0)


def check_others(content: Mapping[str, object], known: Iterable[str]) -> None:
    """Make sure that no key that is not known, nor anything in it, can have been meant as a no.

    Raises:
        UntrustedFileError: one may have been.
    """
    for key, value in content.items():
        if key not in known and (telling := _telling(key, value)):
            raise UntrustedFileError(f"it has {telling!r}, which is not known here; {_HOW}")


def _telling(key: str, value: object) -> str:
    """Return the key, or one within it, that may be about telemetry; empty if there is none."""
    waiting: list[tuple[str, object]] = [(key, value)]
    while waiting:
        name, what = waiting.pop()
        plain = _plain(name)
        if plain in _TELLING_WHOLE or any(stem in plain for stem in _TELLING):
            return name
        if what is False or (isinstance(what, str) and is_no(what)):
            return name
        if isinstance(what, dict):
            waiting += what.items()
        elif isinstance(what, list):
            waiting += [(name, each) for each in what]
    return ""


def _plain(text: str) -> str:
    """Return a text without what spellings differ in: case, and all but letters and digits."""
    return "".join([letter for letter in text.casefold() if letter.isalnum()])
