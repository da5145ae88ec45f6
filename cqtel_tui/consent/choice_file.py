"""Read the user's choices, for a program and for all, for a project and for all of them."""

import os

from ..catalogue import DIGITS, is_boolean, is_name
from . import CLOUDQUERY, DEBUG, FILE_NAME, NO_CONTRACT, NO_DEBUG, OFF, ON, UNNAMED, USER, VERSION
from .endpoint import endpoint_problem, with_path
from .trusted import MAX_BYTES, check_folder, owners, read_trusted, untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..folders import Folders
    from . import Chosen, Program, Statement

    ByProgram = dict[Program, tuple[Chosen, dict[str, Chosen]]]
    """For each program the choice for all projects, and those for one each; None: all programs."""

_MAX_PLAIN = 4096
_MAX_YES = 64
_FIRST = 1
_REPOSITORIES = (".git", ".hg", ".jj", ".svn")
_SCOPE = frozenset({"all", "projects"})
_KEYS = frozenset({"version", "programs", *_SCOPE})
_CHOICES = frozenset(
    {"telemetry", "debug", "endpoint", "catalogue", "consented", "yes", "contract"}
)
"""What a file of choices may say, as a whole and for a project; `spelling` looks at the rest."""
_read_last: "tuple[bytes, ByProgram | None]" = (b"", None)
"""The bytes of a file of choices, and what they say: it is read twice, and seldom changed."""


def user_statements(
    config: str, programs: "Iterable[Program]", project: str, *named: str
) -> "dict[Program, tuple[list[Statement], list[Chosen]]]":
    """Return for each program what the user says of it in this project, and those choices.

    What is chosen for a program is for no other; what is chosen for all programs is for each. The
    narrowest choices come first. A no for a project holds in everything beneath it, and where
    `named` is beneath it as well. A yes, an endpoint and debug mode are for the very folder that
    they were chosen for: what lies beneath may be somebody else's repository.
    """
    path = f"{config}/{FILE_NAME}"
    try:
        data = read_trusted(path, owners())
        if data is None:
            from .choices import check_reached

            check_reached(config)
            return {program: ([], []) for program in programs}
        check_folder(config)
        choices = _chosen(data)
    except ValueError as problem:
        return {program: ([(USER, OFF, path, str(problem))], []) for program in programs}
    return {program: _said(choices, program, path, project, named) for program in programs}


def _said(
    choices: "ByProgram", program: "Program", path: str, project: str, named: "tuple[str, ...]"
) -> "tuple[list[Statement], list[Chosen]]":
    statements: list[Statement] = []
    chosen: list[Chosen] = []
    for name in (program, None) if program is not None and program in choices else (None,):
        every, projects = choices[name]
        whom = name or "all programs"
        noted = [(every, f"you chose this for {whom}")]
        if projects:
            # Keyed by real path; a link to a project is that project.
            names = dict.fromkeys((os.path.realpath(project), project))
            here = [projects[where] for where in names if where in projects]
            noted = [(one, f"you chose this for {whom} in this project") for one in here] + noted
            statements += _refused_around(projects, names, named, path, whom)
        chosen += [choice for choice, _ in noted]
        statements += _statements(noted, path)
    return statements, chosen


def _statements(noted: "list[tuple[Chosen, str]]", path: str) -> "list[Statement]":
    statements: list[Statement] = []
    for (telemetry, debug, *_), note in noted:
        if telemetry is not None:
            statements.append((USER, telemetry, path, note))
        if debug is not None:
            statements.append((USER, DEBUG if debug else NO_DEBUG, path, note))
    return statements


def _refused_around(
    projects: "dict[str, Chosen]",
    names: "dict[str, None]",
    named: "tuple[str, ...]",
    path: str,
    whom: str,
) -> "list[Statement]":
    """Return what the user refused for a project that this one, or a named folder, lies in."""
    statements: list[Statement] = []
    around: dict[tuple[int, int], None] = {}
    for where, choice in projects.items():
        refused = [OFF] * (choice[0] == OFF) + [NO_DEBUG] * (choice[1] is False)
        if where in names or not refused:
            continue
        if not around:
            around = _identities([*names, *named])
        inside = where.rstrip(os.sep) + os.sep
        if not any([(start + os.sep).startswith(inside) for start in (*names, *named)]):
            # By another name, such as one with a link in it, it may be the same folder.
            try:
                status = os.stat(where)  # noqa: PTH116  # pathlib costs 13 ms
            except (OSError, ValueError):
                continue
            if (status.st_dev, status.st_ino) not in around:
                continue
        statements += [
            (USER, no, path, f"you chose this for {whom} in {where}, which this lies in")
            for no in refused
        ]
    return statements


def _identities(starts: "list[str]") -> "dict[tuple[int, int], None]":
    """Return what tells each of these folders, and each above them, from all others."""
    identities: dict[tuple[int, int], None] = {}
    for start in starts:
        folder = start
        while True:
            try:
                status = os.stat(folder or os.sep)  # noqa: PTH116
                identities[status.st_dev, status.st_ino] = None
            except OSError:
                pass
            if not folder or os.sep not in folder:
                break
            folder = folder.rpartition(os.sep)[0]
    return identities


def moved_statements(
    places: "Folders", chosen: "list[Chosen]", project: str, home: str
) -> "list[Statement]":
    """Return a no where what was chosen may have come with the repository that this is asked in.

    A variable can move the choices anywhere, also into a repository, which is never to say yes, nor
    to name an endpoint. The home folder, and what is above it, may be under version control.
    """
    config, state, _ = places
    if not any([choice[0] == ON or choice[1] or choice[2] for choice in chosen]):
        return []
    real = [os.path.realpath(folder) + os.sep for folder in (config, state)]
    at = project
    while at and not (home + os.sep).startswith(at + os.sep):
        if any([folder.startswith(at + os.sep) for folder in real]):
            for mark in _REPOSITORIES:
                try:
                    os.lstat(f"{at}/{mark}")
                except OSError:
                    continue
                note = f"it is in the repository {at}, which may not decide for you"
                return [(USER, OFF, f"{config}/{FILE_NAME}", note)]
        at = at.rpartition(os.sep)[0]
    return []


def _chosen(data: bytes) -> "ByProgram":
    """Return what the bytes of a file of choices say, for each program and for all."""
    global _read_last  # noqa: PLW0603  # asked twice, of the same file
    known, choices = _read_last
    if choices is None or known != data:
        choices = checked_choices(parsed(data))
        _read_last = data, choices
    return choices


def checked_choices(content: "Mapping[str, object]") -> "ByProgram":
    """Return the choices of each program that has any, and under None those for all programs.

    Raises:
        UntrustedFileError: one of them is not what it may be.
    """
    top: tuple[str | None, bool | None] = (None, None)
    is_first = content.get("version", _FIRST) is _FIRST and "programs" not in content
    is_plain = is_first or content.get("version") is VERSION
    if not is_plain or not _KEYS.issuperset(content):
        from .choices import check_top

        top = check_top(content)
    content = migrated(content)
    every, projects = _scope(content, "")
    if top[0] or top[1] is False:
        every = (top[0] or every[0], every[1] if top[1] is None else False, *every[2:])
    return {None: (every, projects), **_checked_programs(content.get("programs", {}))}


def _checked_programs(programs: object) -> "ByProgram":
    if not isinstance(programs, dict):
        raise untrusted('"programs" is not an object')
    choices: ByProgram = {}
    for name, scope in programs.items():
        if not is_name(name) or name == UNNAMED:
            raise untrusted(f'"programs" has {name!r}, which is no program\'s name')
        if not isinstance(scope, dict):
            raise untrusted(f'"programs": {name!r} is not an object')
        if not _SCOPE.issuperset(scope):
            from .spelling import check_others

            check_others(scope, _SCOPE)
        choices[name] = _scope(scope, f'"programs": {name!r}: ')
    return choices


def migrated(content: "Mapping[str, object]") -> "dict[str, object]":
    """Return a file of choices as version 2 has it, with all keys that are not known here.

    Version 1 knew no programs, and the only one that asked was CloudQuery. A yes, debug mode and an
    endpoint become choices for CloudQuery; a no stays one for all programs.
    """
    content = dict(content)
    if content.get("version", _FIRST if "programs" not in content else VERSION) == VERSION:
        return content
    content["version"] = VERSION
    every, own = _parted(content.get("all", {}))
    scope: dict[str, object] = {}
    if own:
        content["all"] = every
        scope["all"] = own
    projects = content.get("projects", {})
    if isinstance(projects, dict):
        parts = {where: _parted(chosen) for where, chosen in projects.items()}
        if moved := {where: own for where, (_, own) in parts.items() if own}:
            # What was chosen for a project and is all CloudQuery's leaves nothing behind.
            content["projects"] = {at: rest for at, (rest, own) in parts.items() if rest or not own}
            scope["projects"] = moved
    if scope:
        content["programs"] = {CLOUDQUERY: scope}
    return content


def _parted(chosen: object) -> "tuple[object, dict[str, object]]":
    """Return of one choice of version 1 what it refuses, and what it allows."""
    if not isinstance(chosen, dict):
        return chosen, {}
    allows = []
    if chosen.get("telemetry") == "on":
        allows += ["telemetry", "catalogue", "consented", "yes", "contract"]
    if chosen.get("debug") is True:
        allows.append("debug")
    allows.append("endpoint")
    own = {key: value for key, value in chosen.items() if key in allows}
    return {key: value for key, value in chosen.items() if key not in allows}, own


def _scope(content: "Mapping[str, object]", prefix: str) -> "tuple[Chosen, dict[str, Chosen]]":
    """Return the choice for all projects, and those for one each by real path."""
    projects = content.get("projects", {})
    if not isinstance(projects, dict):
        raise untrusted(f'{prefix}"projects" is not an object')
    for where in projects:
        if not os.path.isabs(where):  # noqa: PTH117  # pathlib costs 13 ms
            raise untrusted(f'{prefix}"projects" has {where!r}, which is not an absolute path')
    return _checked(content.get("all", {}), f'{prefix}"all"'), {
        where: _checked(chosen, f'{prefix}"projects": {where!r}')
        for where, chosen in projects.items()
    }


def _checked(content: object, where: str) -> "Chosen":
    if not isinstance(content, dict):
        raise untrusted(f"{where} is not an object")
    telemetry = content.get("telemetry")
    debug = content.get("debug")
    endpoint = content.get("endpoint")
    catalogue = content.get("catalogue", 0)
    consented = content.get("consented", 0)
    # One that was saved without an id is told from others by its time, which is never compared.
    yes = content.get("yes", str(consented))
    contract = content.get("contract", NO_CONTRACT)
    if telemetry not in {"on", "off"} if type(telemetry) is str else "telemetry" in content:
        from .spelling import telemetry_of

        telemetry = telemetry_of(telemetry, _not_a_choice(where))
    if telemetry == "on" and not catalogue:
        raise untrusted(_not_a_choice(where))
    if debug is not None and not is_boolean(debug):
        raise untrusted(f'{where} has a "debug" that is not true or false')
    if endpoint is not None and (problem := endpoint_problem(endpoint)):
        raise untrusted(f'{where} has an "endpoint" that cannot be used: {problem}')
    if any([type(number) is not int or number < 0 for number in (catalogue, consented)]):
        raise untrusted(f'{where} has a "catalogue" or "consented" that is not a number')
    if any([not isinstance(one, str) or not 0 < len(one) <= _MAX_YES for one in (yes, contract)]):
        raise untrusted(f'{where} has a "yes" or a "contract" that is not an id')
    if not _CHOICES.issuperset(content):
        from .spelling import check_others

        check_others(content, _CHOICES)
    return telemetry, debug, endpoint and with_path(endpoint), catalogue, consented, yes, contract


def _not_a_choice(where: str) -> str:
    return f'{where} has a "telemetry" that is not "off", nor "on" with its "catalogue"'


def parsed(data: bytes) -> "dict[str, object]":
    """Return the object that a file's bytes hold.

    Raises:
        UntrustedFileError: they are too many, or no strict JSON object.
    """
    if len(data) > MAX_BYTES:
        raise untrusted(f"it is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode()
        content = plain_object(text)
        if content is None:
            from ..formats.bare_json import parse

            content = parse(text)
    except (ValueError, RecursionError) as error:
        raise untrusted(f"it is not JSON that we can read: {error}") from None
    if not isinstance(content, dict):
        raise untrusted("it is not a JSON object")
    return content


def plain_object(text: str) -> object:
    """Return the object in a JSON text that is plain; None if `_bare.parse` is to look at it.

    Plain is what `saving` writes: objects, strings without escapes, whole numbers and literals.
    Loading a library to parse as much takes longer than to record does.
    """
    pieces = text.split('"')  # what is between strings, and every other one a string
    if "\\" in text or len(text) > _MAX_PLAIN or not len(pieces) % 2:
        return None
    words: list[str] = []
    for at, piece in enumerate(pieces):
        if at % 2:
            words.append('"' + piece)
        else:
            for mark in "\n{}:,":
                piece = piece.replace(mark, f" {mark} " if mark != "\n" else " ")  # noqa: PLW2901
            words += piece.split(" ")
        if not piece.isprintable():
            return None
    words = [word for word in words if word]
    words.reverse()
    try:
        value = _plain_value(words)
    except (ValueError, IndexError, RecursionError):
        return None
    return None if words else value


def _plain_value(words: "list[str]") -> object:
    """Take one value from the end of `words`, strings with a quotation mark before them."""
    word = words.pop()
    if word[0] == '"':
        return word[1:]
    if word == "{":
        members: dict[str, object] = {}
        if words[-1] == "}":
            words.pop()
            return members
        while word != "}":
            key = words.pop()
            if key[0] != '"' or key[1:] in members or words.pop() != ":":
                raise ValueError(key)
            members[key[1:]] = _plain_value(words)
            word = words.pop()
            if word not in {",", "}"}:
                raise ValueError(word)
        return members
    if word in {"true", "false"}:
        return word == "true"
    if word == "null":
        return None
    if word.strip(DIGITS) or (word[0] == "0" and word != "0"):
        raise ValueError(word)
    return int(word)
