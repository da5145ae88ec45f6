"""Every field that may ever be recorded, and the shape its value must have."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STRING_BYTES = 1024
MAX_NAME = 40
MAX_VERSION = 32
MAX_PLUGINS = 64
CATALOGUE_VERSION = 1
"""Raised when a field is added; a saved yes holds the version that it was given for."""
DIGITS = "0123456789"
_HEX = DIGITS + "abcdef"
LOWER = "abcdefghijklmnopqrstuvwxyz"
_WORD = LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + DIGITS
_NAME = _WORD + "._-"
_TO_9 = str.maketrans(DIGITS, "9" * 10)
_TO_F = str.maketrans(_HEX, "f" * 16)
_DATES = ("9999-99-99", "9999-99-99T99:99:99Z")


def allows(key: str, value: object, version: int, *, debug: bool) -> bool:
    """Tell whether this value of this attribute may be recorded.

    Args:
        key: the attribute's key.
        value: what would be stored.
        version: the catalogue version that the user agreed to.
        debug: whether debug mode is on.
    """
    accepts, since, only_in_debug = RECORDED.get(key, (None, 0, False))
    return (
        accepts is not None and since <= version and (debug or not only_in_debug) and accepts(value)
    )


def _made_of(value: object, characters: str, longest: int, first: str) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and value[0] in first
        and not value.strip(characters)
    )


def is_name(value: object) -> bool:
    """Tell whether `value` is a plain name: no space, slash or @, so no path and no e-mail."""
    return _made_of(value, _NAME, MAX_NAME, _WORD)


def is_version(value: object) -> bool:
    """Tell whether `value` is a version such as 6.21.1 or v0.20.0-rc.1."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_VERSION
        and _made_of(value.removeprefix("v"), _WORD + ".+-", MAX_VERSION, DIGITS)
    )


def is_plugins(value: object) -> bool:
    """Tell whether `value` is a list of `kind/organisation/name@version`."""
    return isinstance(value, list) and len(value) <= MAX_PLUGINS and all(map(is_plugin, value))


def is_plugin(value: object) -> bool:
    """Tell whether `value` is `kind/organisation/name@version`."""
    path, _, version = value.partition("@") if isinstance(value, str) else ("", "", "")
    parts = path.split("/")
    return (
        len(parts) == 3  # noqa: PLR2004  # kind, organisation and name
        and parts[0] in {"source", "destination", "transformer", "provider"}
        and is_name(parts[1])
        and is_name(parts[2])
        and is_version(version)
    )


def is_date(value: object) -> bool:
    """Tell whether `value` is a day, or a day and a time in UTC."""
    return isinstance(value, str) and value.translate(_TO_9) in _DATES


def is_cookie(value: object) -> bool:
    """Tell whether `value` is a random UUID (version 4) in its canonical lower-case form."""
    return (
        isinstance(value, str)
        and value.translate(_TO_F) == "ffffffff-ffff-ffff-ffff-ffffffffffff"
        and value[14] == "4"
        and value[19] in "89ab"
    )


def is_boolean(value: object) -> bool:
    """Tell whether `value` is true or false."""
    return value is True or value is False


def is_exit_code(value: object) -> bool:
    """Tell whether `value` is what a program can exit with."""
    return type(value) is int and 0 <= value < 256  # noqa: PLR2004  # one byte


def is_class_name(value: object) -> bool:
    """Tell whether `value` is the name of a class."""
    return _made_of(value, _WORD + "_.", MAX_NAME * 2, _WORD + "_")


def is_message(value: object) -> bool:
    """Tell whether `value` is a text within the bound."""
    return isinstance(value, str) and len(value.encode("utf-8", "replace")) <= MAX_STRING_BYTES


RECORDED: "dict[str, tuple[Callable[[object], bool], int, bool]]" = {
    "service.name": (is_name, 1, False),
    "service.version": (is_version, 1, False),
    "cloudquery.build_date": (is_date, 1, False),
    "service.instance.id": (is_cookie, 1, False),
    "cloudquery.ci": (is_boolean, 1, False),
    "cloudquery.plugins": (is_plugins, 1, False),
    "cloudquery.debug": (is_boolean, 1, True),
    "process.exit.code": (is_exit_code, 1, False),
    "error.type": (is_class_name, 1, False),
    "exception.message": (is_message, 1, True),
}
"""Each attribute that may be recorded: its shape, since which catalogue, whether only in debug."""
ON_SPANS = frozenset({"process.exit.code", "error.type", "exception.message"})
"""What the operation or a part of it may say; all else is about the program, and set by us."""


OWN_SHAPES: "dict[str, Callable[[object], bool]]" = {
    "boolean": is_boolean,
    "class_name": is_class_name,
    "date": is_date,
    "exit_code": is_exit_code,
    "name": is_name,
    "plugins": is_plugins,
    "version": is_version,
}
"""The shapes that a program's own fields may have, by what its contract calls them: all but the
random UUID and the free text, for a second identifier or any text is nothing that it may add."""


def matches(value: object, pattern: str) -> bool:
    """Compare with a pattern: `9` is a digit, `f` a lower-case hex digit, the rest is literal."""
    digits = "0123456789"
    return (
        isinstance(value, str)
        and len(value) == len(pattern)
        and all(
            c in digits if p == "9" else c in digits + "abcdef" if p == "f" else c == p
            for c, p in zip(value, pattern, strict=True)
        )
    )
