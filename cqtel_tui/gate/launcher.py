"""Prepare what `cq-telemetry run` starts: decide, and set its command line and environment.

It imports next to nothing (DESIGN §11): all of it is done before the program starts.

Limit: in the C locale Python adds `LC_CTYPE` to its own environment (PEP 538). Linux tells what was
there before; elsewhere the program is given that `LC_CTYPE`, too.
"""

import os
import sys

from ..consent.decision import NO_TELEMETRY, OFF, RUN_VARIABLE, ask_each, concerning
from ..errors import CqtelError
from ..folders import folders
from .nesting import Outer, check_nesting, mark_of
from .prefixes import ELSEWHERE, layers, plain_name
from .profiles import known_profiles
from .recognising import hush, recognise, says_no, take_options, values_of
from .records import record, replace
from .shipped import PROFILES
from .variables import blocked, held, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..consent import Program
    from ..consent.decision import Decision
    from ..folders import Folders
    from .listening import Gate
    from .prefixes import Layer
    from .profiles import Invocation, Profile
    from .variables import Opened

_COERCED_LOCALES = {"C.UTF-8", "C.utf8", "UTF-8"}
_FIRST_ENVIRONMENT = "/proc/self/environ"
_SERVED_BY = "h11"


@record(frozen=True)
class Start:
    """What is started, and what was decided about it.

    Attributes:
        command: the program and its arguments.
        environment: all of its environment.
        decision: what was decided for the program; None, which is off, where there was nowhere to
            ask. Where the program is not known it is what holds for all programs.
        decisions: what was decided for each known program that may be started beneath it.
        options: the telemetry options that were given, to us or to the program.
        invocation: the known program that it runs; None if it is none.
        profiles: all that are known, that of the program first.
        executable: its file, where `PATH` has none.
        gate: where it reports to, if that is held.
        upstreams: where what it reports was bound for, by the name of the profile.
        problem: why nothing of what it reports can be held; empty if it can, or is not wanted.
        notes: what the user is told before it starts.
        open_channels: the variables of the user's own that lead to a place of theirs.
    """

    command: "tuple[str, ...]"
    environment: "Mapping[str, str]"
    decision: "Decision | None"
    options: "tuple[str, ...]"
    invocation: "Invocation | None"
    profiles: "tuple[Profile, ...]"
    executable: "str | None" = None
    gate: "Gate | None" = None
    upstreams: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    problem: str = ""
    notes: "tuple[str, ...]" = ()
    open_channels: "tuple[str, ...]" = ()
    decisions: "Mapping[Program, Decision]" = {}  # noqa: RUF012  # never changed

    @property
    def state(self) -> str:
        """The decision: `on`, `hold` or `off`."""
        return OFF if self.decision is None else self.decision.state

    @property
    def operation(self) -> "str | None":
        """The operation that is recorded of it; None if none is."""
        return None if self.invocation is None else self.invocation.operation

    @property
    def named_folders(self) -> "list[str]":
        """The folders that the program was told to keep its files in, which may say no as well."""
        one = self.invocation
        if one is None:
            return []
        by_variable = [self.environment.get(name) for name in sorted(one.profile.folder_variables)]
        named = values_of(one.arguments, one.profile.folders)
        return named + [folder for folder in by_variable if folder]

    @property
    def is_recorded(self) -> bool:
        """Whether an operation is recorded, or shown."""
        decision = self.decision
        if decision is None or self.operation is None:
            return False
        return decision.state != OFF or decision.inspect


def prepare(command: "Sequence[str]", options: "Sequence[str]") -> Start:
    """Decide about a command, and return what is to be started.

    Raises:
        ProfileError: the user's own profiles cannot be relied on.
        EndlessError: the command would start itself without end.
    """
    initial = environment_given()
    outer = Outer(initial.get(RUN_VARIABLE, ""))
    environment = outer.restored(initial)
    mark, program = mark_of(command, environment)
    check_nesting(mark, program, outer, sys.argv[0])
    where, problem = _places()
    path = environment.get("PATH", os.defpath)
    notes: tuple[str, ...] = ()
    try:
        profiles = known_profiles(where and where[0])
    except CqtelError as error:
        if recognise(command, PROFILES, path) is None:
            raise
        profiles, notes = PROFILES, (f"{error}",)
    invocation = recognise(command, profiles, path)
    if invocation is None:
        options_found = [NO_TELEMETRY] if says_no(command) else []
    else:
        options_found = take_options(invocation.arguments)[0]
        profiles = (
            invocation.profile,
            *[one for one in profiles if one is not invocation.profile],
        )
    options = (*options, *options_found)
    outermost = layers(command)
    assigned = _assigned(outermost)
    start = Start(tuple(command), environment, None, options, invocation, profiles, notes=notes)
    start = _decided(where, problem, start, environment)
    if assigned and start.state != OFF:
        # What the command line sets may say no as well, and takes no other no back.
        start = _decided(where, problem, start, {**environment, **assigned})
    if invocation is not None:
        start = _with_arguments(start, invocation)
    opened, ours = _opened(start, {**environment, **assigned})
    start = _with_variables(start, opened, assigned, ours)
    noted = {RUN_VARIABLE: outer.noted(start.state, mark, environment, start.environment)}
    start = replace(start, environment={**start.environment, **noted})
    return _carried(start, {*ours, *noted}) if outermost or _is_elsewhere(command[0]) else start


def environment_given() -> "dict[str, str]":
    """Return the environment that we were started with, without what Python has put in."""
    environment = dict(os.environ)
    nameless = environment.pop("", None)
    is_coerced = environment.get("LC_CTYPE") in _COERCED_LOCALES
    first = _first_environment() if is_coerced or nameless is not None else []
    if is_coerced and first:
        values = [entry[9:] for entry in first if entry.startswith(b"LC_CTYPE=")]
        if values:
            environment["LC_CTYPE"] = os.fsdecode(values[0])
        else:
            del environment["LC_CTYPE"]
    if nameless is not None:
        # `=C:=C:\` of Wine, MSYS and WSL: to Python that is a name which begins with `=`.
        odd = [entry for entry in first if entry[:1] == b"="] or [os.fsencode(f"={nameless}")]
        for entry in odd:
            name, separator, value = entry[1:].partition(b"=")
            if separator:
                environment[f"={os.fsdecode(name)}"] = os.fsdecode(value)
    return environment


def _first_environment() -> "list[bytes]":
    try:
        with open(_FIRST_ENVIRONMENT, "rb", buffering=0) as file:  # noqa: PTH123  # lean
            return file.readall().split(b"\0")
    except OSError:
        return []


def _places() -> "tuple[Folders | None, str]":
    try:
        return folders(os.environ), ""
    except CqtelError as error:
        return None, f"{error}"


def _decided(
    where: "Folders | None", problem: str, start: Start, environment: "Mapping[str, str]"
) -> Start:
    """Ask for the decisions; the program's is None, which is off, where there is nowhere to ask."""
    own = None if start.invocation is None else start.invocation.profile.name
    if where is not None:
        programs = tuple(dict.fromkeys([own, *[one.name for one in start.profiles]]))
        named = start.named_folders
        try:
            decisions = ask_each(
                programs, where, start.options, concerning(environment), None, named
            )
            return replace(start, decision=decisions[own], decisions=decisions)
        except CqtelError as error:
            problem = f"{error}"
    say(f"{problem} Until then nothing is recorded, and nothing is sent.")
    return replace(start, decision=None, decisions={})


def _assigned(outer: "Sequence[Layer]") -> "dict[str, str]":
    """Return the variables that a command line sets for its program, as `env NAME=…` does."""
    pairs = [one.partition("=") for layer in outer for one in layer.assigned]
    return {name: value for name, _, value in pairs}


def _with_arguments(start: Start, invocation: "Invocation") -> Start:
    """Take out of the program's arguments what it does not have, and turn its level down."""
    profile = invocation.profile
    arguments = list(invocation.arguments)
    without = take_options(arguments)[1]
    if without != arguments and not invocation.in_script and _lacks_options(start, invocation):
        arguments = without
    levels = profile.levels if start.state != OFF and invocation.operation else None
    hushed, is_hushed = hush(profile, arguments, levels)
    notes = start.notes
    if is_hushed and invocation.in_script:
        notes += (
            f"{profile.level} is in a script, so its telemetry level cannot be changed there",
        )
    elif is_hushed:
        notes += (f"{profile.level} was lowered: what cannot be reviewed is not sent",)
    if not invocation.in_script:
        invocation = replace(invocation, arguments=tuple(hushed))
        command = (*invocation.before, *invocation.prefix, *invocation.arguments)
        start = replace(start, command=command, invocation=invocation)
    return replace(start, notes=notes)


def _lacks_options(start: Start, invocation: "Invocation") -> bool:
    """Tell whether the program is known not to have the options of ours."""
    where, _ = _places()
    if where is None or not invocation.profile.lacks_options_since:
        return False
    from .own_options import lacks_options

    inspects = start.decision is not None and start.decision.inspect
    remembers = start.state != OFF and not inspects
    return lacks_options(invocation, start.environment, where[1], remembers=remembers)


def _opened(start: Start, environment: "Mapping[str, str]") -> "tuple[Opened, frozenset[str]]":
    """Return what the program is started with, and the names of the variables that are ours."""
    invocation, profiles = start.invocation, start.profiles
    if start.state == OFF:
        return refused(profiles, environment), frozenset(refused(profiles, {}).variables)
    off = [one for one in profiles if start.decisions[one.name].state == OFF]
    gate, problem = None, ""
    if invocation is None or invocation.operation is not None:
        gate, problem = _open_gate()
    if gate is None:
        opened = replace(blocked(profiles, environment, off), problem=problem)
        return opened, frozenset(blocked(profiles, {}, off).variables)
    return held(profiles, environment, gate, off), frozenset(
        held(profiles, {}, gate, off).variables
    )


def _with_variables(
    start: Start, opened: "Opened", assigned: "Mapping[str, str]", ours: "frozenset[str]"
) -> Start:
    """Return what is started in the environment that was made for it."""
    environment = start.environment
    variables = dict(opened.variables)
    for name in assigned:  # what a prefix sets for its program is not set for the prefix
        if name not in ours:
            variables.pop(name)
            variables.update({name: environment[name]} if name in environment else {})
    for name in start.invocation.profile.ours if start.invocation is not None else ():
        variables.pop(name, None)
    notes = start.notes
    if opened.problem:
        why = f"as it cannot be intercepted: {opened.problem}"
        notes += (f"the program's own telemetry is blocked, {why}",)
    return replace(
        start,
        environment=variables,
        gate=opened.gate,
        upstreams=opened.upstreams,
        problem=opened.problem,
        notes=(*notes, *opened.notes),
        open_channels=opened.open_channels,
        executable=_substitute(start.invocation, variables),
    )


def _substitute(invocation: "Invocation | None", variables: "Mapping[str, str]") -> "str | None":
    """Return the binary that a Python package has brought, where `PATH` has no such program."""
    if invocation is None or invocation.before or invocation.in_script:
        return None
    name = invocation.prefix[0]
    path = variables.get("PATH", os.defpath).split(os.pathsep)
    is_there = any([folder and os.access(f"{folder}/{name}", os.F_OK) for folder in path])
    if is_there or os.sep in name or not invocation.profile.module:
        return None
    from .versions import substitute

    return substitute(invocation, variables)


def _open_gate() -> "tuple[Gate | None, str]":
    """Return a gate; or why there is none, so that what cannot be held is blocked."""
    if not is_installed(_SERVED_BY):
        from ..extras import how_to_install

        return None, f"{_SERVED_BY} is not installed ({how_to_install('gate')})"
    from .listening import Gate

    try:
        return Gate(), ""
    except OSError as error:
        return None, f"no port is available: {error.strerror}"


def is_installed(module: str) -> bool:
    """Tell whether a module can be imported, without importing anything."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return any(
        [
            finder.find_spec(module, None) is not None
            for finder in sys.meta_path
            if hasattr(finder, "find_spec")
        ]
    )


def _carried(start: Start, ours: "set[str]") -> Start:
    """Let the prefixes of a command line neither drop nor change what we have set."""
    from .carrying import carried

    variables = {name: v for name, v in start.environment.items() if name in ours}
    command, notes = carried(start.command, variables)
    return replace(start, command=tuple(command), notes=(*start.notes, *notes))


def _is_elsewhere(word: str) -> bool:
    return plain_name(word) in ELSEWHERE


def say(text: str) -> None:
    """Tell the user something on stderr, if there is one; the text may be untrusted."""
    from ..standard_streams import say_if_possible

    say_if_possible(text)
