"""What is known of a program that we did not write: data, and how to recognise its command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..consent import OPTIONS, boolean
from .channels import CLOUDQUERY as CLOUDQUERY_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .channels import Channels

OTHER_OPERATION = "other"
_PYTHON = re.compile(r"python(\d+(\.\d+)*)?t?(\.exe)?")
_PYTHON_OPTIONS_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one program.

    Attributes:
        name: its name, a plain one.
        programs: the names of its binaries.
        operations: the words that name an operation; no other word is ever recorded. Without any,
            each run is one operation.
        silent: options with which no operation runs at all.
        valued: options whose value is a word of its own.
        refuse: variables that turn its telemetry off.
        closed: variables that close all its channels, where nothing of them can be held.
        channels: how it reports, and what of it can be held.
        answer: what it prints for `--version`, with the version as the only group; None where it
            is not asked.
        module: the Python package that brings the binary, run with `python -m`; empty for none.
        binary: where in that package the binary lies.
        level: the option that decides over its own telemetry, above all variables; empty for none.
        quiet: the value that turns it off.
        levels: what its level becomes where what it reports is held; `quiet` for all others.
        ours: variables that we answer to in its place, so that it is not given them.
    """

    name: str
    programs: frozenset[str]
    operations: frozenset[str]
    silent: frozenset[str]
    valued: frozenset[str]
    refuse: Mapping[str, str]
    closed: Mapping[str, str]
    channels: Channels
    answer: re.Pattern[str] | None = None
    module: str = ""
    binary: str = ""
    level: str = ""
    quiet: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()


CLOUDQUERY = Profile(
    name="cloudquery",
    programs=frozenset({"cloudquery"}),
    module="cloudquery",
    binary="bin/cloudquery",
    operations=frozenset(
        {
            # release 6
            *("addon", "init", "login", "logout", "migrate", "plugin", "switch", "sync"),
            *("tables", "test-connection", "validate-config"),
            # the releases of 2021 and 2022
            *("apply", "drift", "fetch", "history", "policy", "provider"),
        }
    ),
    silent=frozenset(
        {
            *("-h", "--help", "-v", "--version", "help", "options", "version"),
            *("completion", "__complete", "__completeNoDesc"),
        }
    ),
    valued=frozenset(
        {
            # release 6
            *("--cq-dir", "--invocation-id", "--log-file-name", "--log-format", "--log-level"),
            # the releases of 2021 and 2022
            *("--color", "--config", "--data-dir", "--dsn", "--log-directory", "--log-filename"),
            *("--log-max-age", "--log-max-backups", "--log-max-size", "--sentry-dsn"),
        }
    ),
    level="--telemetry-level",
    quiet="none",
    refuse={"CQ_NO_TELEMETRY": "1", "CQ_TELEMETRY_LEVEL": "none", "DO_NOT_TRACK": "1"},
    # The releases of 2021 and 2022 know no level.
    closed={"CQ_NO_TELEMETRY": "1", "CQ_TELEMETRY_LEVEL": "none"},
    # Those releases would empty the cq-telemetry.txt that is ours to write.
    ours=frozenset({"CQ_DEBUG_TELEMETRY", "CQ_INSPECT_TELEMETRY"}),
    answer=re.compile(r"cloudquery version v?(\d[0-9A-Za-z.+-]*)"),
    channels=CLOUDQUERY_CHANNELS,
    levels=CLOUDQUERY_CHANNELS.levels["CQ_TELEMETRY_LEVEL"],
)

PROFILES = (CLOUDQUERY,)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line of a program that we know.

    Attributes:
        profile: the program's.
        prefix: what starts it: the program, or an interpreter, `-m` and a module.
        arguments: its own arguments.
    """

    profile: Profile
    prefix: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def through_python(self) -> bool:
        """Whether it is run as `python -m`."""
        return len(self.prefix) > 1

    @property
    def operation(self) -> str | None:
        """The operation it asks for; `other` for one not known, None if none runs at all."""
        own = self.arguments
        words = iter(own[: own.index("--")] if "--" in own else own)
        for word in words:
            if word in self.profile.silent:
                return None
            if word in self.profile.valued or (word and word == self.profile.level):
                next(words, None)
            elif not word.startswith("-"):
                if any(rest in {"-h", "--help"} for rest in words):
                    return None
                return word if word in self.profile.operations else OTHER_OPERATION
        # A program that has operations prints its help.
        return None if self.profile.operations else OTHER_OPERATION


def recognise(command: Sequence[str]) -> Invocation | None:
    """Return the program that a command line runs; None if it is none that we know."""
    if not command:
        return None
    name = program_name(command)
    for profile in PROFILES:
        if name in profile.programs:
            return Invocation(profile, (command[0],), tuple(command[1:]))
    if _PYTHON.fullmatch(name):
        return _python_module(command)
    return None


def program_name(command: Sequence[str]) -> str:
    """Return the name of a program, by which profiles know it."""
    return PurePath(command[0]).name.removesuffix(".exe")


def _python_module(command: Sequence[str]) -> Invocation | None:
    at = 1
    while at < len(command):
        word = command[at]
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            end = at + (2 if word == "-m" else 1)
            module = "".join(command[at:end]).removeprefix("-m")
            for profile in PROFILES:
                if module == profile.module:
                    return Invocation(profile, tuple(command[:end]), tuple(command[end:]))
            return None
        if not word.startswith("-") or word in {"-", "-c"}:
            return None
        at += 2 if word in _PYTHON_OPTIONS_WITH_VALUE else 1
    return None


def take_options(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take the three options of the documentation out of a program's arguments.

    `--no-telemetry=false` and its like are read as the variables are, but that an empty value is
    one that says nothing, and counts as the more private answer. What follows `--` is the
    program's alone.

    Returns:
        the options that were given, and the arguments without them.
    """
    given: list[str] = []
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
            given.append(option)
    return given, rest


def hush(
    profile: Profile, arguments: Sequence[str], levels: Mapping[str, str] | None = None
) -> tuple[list[str], bool]:
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
