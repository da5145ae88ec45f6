"""Find a known program in a command line, and the options in its arguments that are ours.

Pure but for links, and lean: a launcher reads a command line before it starts it (DESIGN §11).
"""

import os

from ..consent.decision import NO_TELEMETRY, OPTIONS, boolean
from .prefixes import layers, plain_name
from .profiles import Invocation
from .shipped import PROFILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .profiles import Profile

_PYTHON_OPTIONS_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}
_IN_RELEASE_NAMES = frozenset(
    {
        *("darwin", "freebsd", "linux", "macos", "windows", "musl", "gnu", "cli"),
        *("386", "aarch64", "amd64", "arm64", "armv6", "armv7", "i386", "x64", "x86", "64"),
    }
)


_AROUND_WORDS = "'\"`;&|(){}"


def recognise(
    command: "Sequence[str]", profiles: "Iterable[Profile]" = PROFILES, path: str = ""
) -> "Invocation | None":
    """Return the known program that a command line runs, also behind the usual prefixes.

    Args:
        command: the whole command line.
        profiles: what is known.
        path: the program's `PATH`, to learn what a link points to; empty to follow none.
    """
    outer = layers(command)
    stages = [((), tuple(command), False)] + [
        (one.before, one.rest, one.in_script) for one in outer
    ]
    for before, words, in_script in stages:
        direct = _direct(words, profiles, path)
        if direct is not None:
            profile, length = direct
            return Invocation(profile, words[:length], words[length:], before, in_script)
    return None


def _direct(
    words: "tuple[str, ...]", profiles: "Iterable[Profile]", path: str
) -> "tuple[Profile, int] | None":
    """Return the profile of a program, and how many words name it."""
    if not words:
        return None
    name = plain_name(words[0])
    for profile in profiles:
        if any([is_name_of(program, name) for program in profile.programs]):
            return profile, 1
    if _is_python(name):
        return _python_module(words, profiles)
    target = plain_name(_link_target(words[0], path)) if path else name
    if target != name:
        for profile in profiles:
            if any([is_name_of(program, target) for program in profile.programs]):
                return profile, 1
    return None


def is_name_of(program: str, name: str) -> bool:
    """Tell whether a file of this name is the program, as released or as downloaded."""
    if name == program:
        return True
    rest = name.removeprefix(program)
    if rest == name or rest[:1] not in {"_", "-"}:
        return False
    words = rest.lower().replace("_", "-").split("-")[1:]
    return any([word in _IN_RELEASE_NAMES for word in words]) and all(
        [
            word in _IN_RELEASE_NAMES or not word.removeprefix("v").strip("0123456789.")
            for word in words
        ]
    )


def _is_python(name: str) -> bool:
    version = name.removeprefix("python").removesuffix("t")
    return name.startswith("python") and not version.strip("0123456789.")


def _link_target(word: str, path: str) -> str:
    """Return the file that a word stands for, through all links; the word itself without one."""
    places = [word]
    if "/" not in word:
        places = [f"{folder}/{word}" for folder in path.split(os.pathsep) if folder]
    for place in places:
        if os.access(place, os.X_OK):
            return os.path.realpath(place)
    return word


def _python_module(
    command: "tuple[str, ...]", profiles: "Iterable[Profile]"
) -> "tuple[Profile, int] | None":
    at = 1
    while at < len(command):
        word = command[at]
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            end = at + (2 if word == "-m" else 1)
            module = "".join(command[at:end]).removeprefix("-m")
            known = [one for one in profiles if module and module == one.module]
            return (known[0], end) if known else None
        if not word.startswith("-") or word in {"-", "-c"}:
            return None
        at += 2 if word in _PYTHON_OPTIONS_WITH_VALUE else 1
    return None


def says_no(command: "Sequence[str]") -> bool:
    """Tell whether a command line that is not known has `--no-telemetry`, also in a script."""
    words = [word.strip(_AROUND_WORDS) for one in command for word in one.split()]
    return NO_TELEMETRY in take_options([word for word in words if word != "--"])[0]


def take_options(arguments: "Sequence[str]") -> "tuple[list[str], list[str]]":
    """Take the three options of the documentation out of a program's arguments.

    `--no-telemetry=false` and its like are read as the variables are, but that an empty value is
    one that says nothing, and counts as the more private answer. What follows `--` is the
    program's alone.

    Returns:
        the options that were given, and the arguments without them.
    """
    options: list[str] = []
    rest: list[str] = []
    for at, word in enumerate(arguments):
        if word == "--":
            rest += arguments[at:]
            break
        option, has_value, value = word.partition("=")
        private = option != "--debug-telemetry"
        if option not in OPTIONS:
            rest.append(word)
        elif not has_value or boolean(value, otherwise=private) or (private and not value):
            options.append(option)
    return options, rest


def values_of(arguments: "Sequence[str]", options: "frozenset[str]") -> "list[str]":
    """Return the values that these options are given, in order."""
    words = iter(arguments)
    values = []
    for word in words:
        option, has_value, value = word.partition("=")
        if word == "--":
            break
        if option in options:
            values.append(value if has_value else next(words, ""))
    return [value for value in values if value]


def hush(
    profile: "Profile", arguments: "Sequence[str]", levels: "Mapping[str, str] | None" = None
) -> "tuple[list[str], bool]":
    """Turn the program's own telemetry level down where its arguments set one.

    Args:
        profile: the program's.
        arguments: its own.
        levels: what a level becomes; `profile.quiet` for all others.

    Returns:
        the arguments, and whether one of them was changed.
    """
    if not profile.level:
        return list(arguments), False
    changed = []
    levels = levels or {}
    words = iter(arguments)
    for word in words:
        option, separator, level = word.partition("=")
        if word == "--":
            changed += [word, *words]
        elif word == profile.level:
            changed.append(word)
            if (value := next(words, None)) is not None:
                changed.append(levels.get(value, profile.quiet))
        elif option == profile.level and separator:
            changed.append(f"{option}={levels.get(level, profile.quiet)}")
        else:
            changed.append(word)
    return changed, changed != list(arguments)
