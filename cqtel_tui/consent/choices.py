"""Read what was chosen: `choices.json` of the user and of an administrator, and a project's file.

What each of them is trusted for is written down in `choice_file`, which reads the user's wherever a
program records. Writing is `saving`'s. A file that cannot be read, parsed or trusted is never
taken for silence: its `problem` means off. Annotations are quoted: whoever has a policy, or a
project with a say, pays for importing this.
"""

import os
import stat

from ..catalogue import is_name
from ..errors import UntrustedFileError
from ..opening import HAS_DIR_FD, OPEN_FOLDER, PROJECT_FOLDER
from . import ADMIN, FILE_NAME, NO_CONTRACT, NO_DEBUG, OFF, PROJECT, PROJECT_FILE, VERSION
from .choice_file import checked_choices, parsed
from .endpoint import MAX_ENDPOINT, TRACES_PATH, endpoint_problem, is_loopback, with_path
from .spelling import check_others, check_version, refusals, telemetry_of
from .trusted import MAX_BYTES, check_folder, owners, read_trusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from . import Program, Statement

__all__ = [
    "MAX_BYTES",
    "MAX_ENDPOINT",
    "TRACES_PATH",
    "Choice",
    "Choices",
    "UntrustedFileError",
    "check_folder",
    "check_others",
    "check_reached",
    "check_top",
    "endpoint_problem",
    "is_loopback",
    "is_private",
    "named_statements",
    "owners",
    "parsed",
    "policy_statements",
    "project_statements",
    "read_policy",
    "read_project",
    "read_trusted",
    "read_user",
    "telemetry_of",
    "understand",
    "why_closed",
    "with_path",
]


class Choice:
    """What one user chose, for all projects or for one.

    Attributes:
        telemetry: `on`, `off` or None (not decided).
        debug: True (error texts too), False (never) or None (not decided).
        endpoint: the URL to deliver to, or None.
        catalogue: the catalogue version that an `on` was given for; 0 without one.
        consented: when the `on` was said, in nanoseconds since 1970. It is shown, and nothing
            depends on it: a clock can be wrong.
        yes: the id of the `on`; payloads that were recorded under it have its mark.
        contract: the SHA-256 of the program's contract that an `on` was given for, or
            `NO_CONTRACT`.
    """

    __slots__ = ("catalogue", "consented", "contract", "debug", "endpoint", "telemetry", "yes")

    def __init__(  # noqa: PLR0913, PLR0917  # what a choice holds
        self,
        telemetry: "str | None" = None,
        debug: "bool | None" = None,
        endpoint: "str | None" = None,
        catalogue: int = 0,
        consented: int = 0,
        yes: str = "",
        contract: str = NO_CONTRACT,
    ) -> None:
        self.telemetry = telemetry
        self.debug = debug
        self.endpoint = endpoint
        self.catalogue = catalogue
        self.consented = consented
        self.yes = yes
        self.contract = contract


class Choices:
    """One file of choices, as read.

    Attributes:
        path: the file.
        problem: why it cannot be trusted, as a sentence's end; None if it can, or is absent.
        programs: for each program that has choices of its own, and for all programs under None, the
            choice for all projects and those for one project each, by real path.
        content: the parsed file, with the keys that we do not know.
    """

    __slots__ = ("content", "path", "problem", "programs")

    def __init__(
        self,
        path: str,
        problem: "str | None" = None,
        programs: "Mapping[Program, tuple[Choice, Mapping[str, Choice]]] | None" = None,
        content: "Mapping[str, object] | None" = None,
    ) -> None:
        self.path = path
        self.problem = problem
        self.programs = programs or {}
        self.content = content or {}

    def choice(self, program: "Program" = None, project: "str | None" = None) -> Choice:
        """Return what was chosen for one program, or for all, in one project, or in all.

        It is what was said for just that, and not what it comes to.
        """
        every, projects = self.programs.get(program, (Choice(), {}))
        return every if project is None else projects.get(project, Choice())

    @property
    def projects(self) -> "list[str]":
        """Every project that something was chosen for."""
        return list(dict.fromkeys([one for _, them in self.programs.values() for one in them]))


def policy_statements(
    folder: str, programs: "Iterable[Program]"
) -> "dict[Program, list[Statement]]":
    """Return what an administrator's policy in `folder` says of each program: it only refuses."""
    read = read_policy(folder)
    return {program: _refusals(ADMIN, read, program) for program in programs}


def project_statements(directory: str, start: str = "", home: str = "") -> "list[Statement]":
    """Return what the project in `directory` says: it can refuse, and nothing else.

    Args:
        directory: the project's folder.
        start: the folder it is asked for, if that is one beneath it. Of a project beyond the home
            folder, or beyond the border of a file system, nothing is heard.
        home: the home folder; the system is asked for it if it is not given.
    """
    if start and _is_beyond(directory, start, home or os.path.expanduser("~")):  # noqa: PTH111
        return []
    return _refusals(PROJECT, read_project(directory))


def named_statements(project: str, named: "Iterable[str]") -> "tuple[list[str], list[Statement]]":
    """Return where to look for projects, and what the named folders say themselves.

    Args:
        project: the current project, which relative names start from.
        named: folders that stand in for a project's `.cq`, as a program's options name them.
    """
    starts, statements = [project], []
    for name in named:
        folder = os.path.realpath(os.path.join(project, name))  # noqa: PTH118
        starts.append(folder)
        statements += _refusals(PROJECT, _read_refusal(folder))
    return list(dict.fromkeys(starts)), statements


def _is_beyond(directory: str, start: str, home: str) -> bool:
    """Tell whether the home folder or a file system's border is between `start` and `directory`."""
    device = None
    at_home = False
    folder = start
    while True:
        if at_home:
            return True
        try:
            status = os.stat(folder or os.sep)  # noqa: PTH116
            if device not in {None, status.st_dev}:
                return True
            device = status.st_dev
            at_home = os.path.samestat(status, os.stat(home))  # noqa: PTH116
        except (OSError, ValueError):
            pass  # what is not there, or cannot be looked at, is no border
        if (folder or os.sep) == directory or not folder or os.sep not in folder:
            return False
        folder = folder.rpartition(os.sep)[0]


def _refusals(layer: str, read: "Choices", program: "Program" = None) -> "list[Statement]":
    if read.problem is not None:
        return [(layer, OFF, read.path, read.problem)]
    statements: list[Statement] = []
    for name in dict.fromkeys((program, None)):
        choice, note = read.choice(name), f"for {name}" if name else ""
        if choice.telemetry == OFF:
            statements.append((layer, OFF, read.path, note))
        if choice.debug is False:
            statements.append((layer, NO_DEBUG, read.path, note))
    return statements


def check_reached(folder: str) -> None:
    """Make sure that a folder in which nothing was found is not just out of reach.

    Raises:
        UntrustedFileError: it, or one above it, is a link to nowhere or cannot be looked at.
    """
    at = folder
    while at:
        try:
            is_link = stat.S_ISLNK(os.lstat(at).st_mode)
            if is_link:
                os.stat(at)  # noqa: PTH116
        except FileNotFoundError:
            if os.path.islink(at):  # noqa: PTH114
                raise UntrustedFileError(f"it cannot be reached: {at} is a dangling link") from None
        except OSError as error:
            raise UntrustedFileError(f"it cannot be reached: {error.strerror}") from None
        else:
            return
        at = at.rpartition(os.sep)[0]


def check_top(content: "Mapping[str, object]") -> "tuple[str | None, bool | None]":
    """Return what a user's file refuses outside of "all" and "projects", where a person wrote it.

    Raises:
        UntrustedFileError: it is of another version, or asks there for more.
    """
    check_version(content)
    known = ["version", "all", "projects", "telemetry", "debug", "endpoint"]
    known += ["programs"] * (content.get("version", VERSION) == VERSION)
    check_others(content, known)
    return refusals(content)


def read_user(config: str) -> "Choices":
    """Return the user's own choices from the folder `config`."""
    path = f"{config}/{FILE_NAME}"
    try:
        data = read_trusted(path, owners())
        if data is None:
            check_reached(config)
            return Choices(path)
        check_folder(config)
        return understand(path, parsed(data))
    except UntrustedFileError as problem:
        return Choices(path, str(problem))


def understand(path: str, content: "Mapping[str, object]") -> "Choices":
    """Return the user's choices that the parsed `content` of the file `path` holds.

    Raises:
        UntrustedFileError: one of them is not what it may be.
    """
    programs = {
        program: (
            Choice(*every),
            {where: Choice(*chosen) for where, chosen in projects.items()},
        )
        for program, (every, projects) in checked_choices(content).items()
    }
    return Choices(path, None, programs, content)


def read_policy(folder: str) -> "Choices":
    """Return an administrator's policy from `folder`: `{"telemetry": "off", "debug": false}`.

    It may name programs, too: `{"programs": {"cloudquery": {"telemetry": "off"}}}`.
    """
    path = f"{folder}/{FILE_NAME}"
    try:
        data = read_trusted(path, owners(0))
        if data is None:
            check_reached(folder)
            return Choices(path)
        content = parsed(data)
        programs = content.get("programs", {})
        if not isinstance(programs, dict) or not all(map(is_name, programs)):
            raise UntrustedFileError('its "programs" are not objects by their programs\' names')
        scopes: dict[Program, object] = {**programs, None: content}
        return Choices(path, None, {name: (_refusal(scopes[name], name), {}) for name in scopes})
    except UntrustedFileError as problem:
        return Choices(path, str(problem))


def read_project(directory: str = ".") -> "Choices":
    """Return what the project in `directory` says: it can refuse, and nothing else.

    It came with a repository, so that its folder is opened without following a link, and a file
    that asks for more than it may is not trusted at all.
    """
    return _read_refusal(os.path.join(directory, PROJECT_FOLDER))  # noqa: PTH118


def _read_refusal(folder: str) -> "Choices":
    """Return what the project's file in an untrusted folder says."""
    path = os.path.join(folder, PROJECT_FILE)  # noqa: PTH118
    opened = None
    try:
        if HAS_DIR_FD:
            try:
                opened = os.open(folder, OPEN_FOLDER)
            except FileNotFoundError:
                return Choices(path)
            except OSError as error:
                raise UntrustedFileError(
                    f"{os.path.basename(folder)} is a link or cannot be opened "  # noqa: PTH119
                    f"({error.strerror})"
                ) from None
            data = read_trusted(PROJECT_FILE, owners(0), opened)
        elif os.path.islink(folder):  # noqa: PTH114
            raise UntrustedFileError(f"{os.path.basename(folder)} is a link")  # noqa: PTH119
        else:
            data = read_trusted(path, None)
        if data is None:
            return Choices(path)
        content = parsed(data)
        if "programs" in content:
            raise UntrustedFileError("it names programs, which are not its to name")
        return Choices(path, None, {None: (_refusal(content), {})})
    except UntrustedFileError as problem:
        return Choices(path, str(problem))
    finally:
        if opened is not None:
            os.close(opened)


def is_private(status: "os.stat_result", what: "int | str") -> bool:
    """Tell whether the group that may write to a file is nobody but its owner."""
    from . import groups

    return groups.is_private(status, what)


def why_closed(path: str, folder: "int | None", error: OSError) -> UntrustedFileError:
    """Return why a file that is there cannot be opened."""
    if isinstance(error, NotADirectoryError):
        return UntrustedFileError("its folder is not a folder")
    try:
        is_link = stat.S_ISLNK(os.lstat(path, dir_fd=folder).st_mode)
    except OSError:
        is_link = False
    return UntrustedFileError("it is a link" if is_link else f"it cannot be read: {error.strerror}")


def _refusal(content: object, program: "Program" = None) -> "Choice":
    """Return a choice that can only refuse; whatever asks for more is not trusted."""
    refusal = Choice()
    if not isinstance(content, dict):
        raise UntrustedFileError(f'its "programs" has a {program!r} that is not an object')
    check_version(content)
    if "projects" in content:
        raise UntrustedFileError("it names projects, which it may not")
    # A no counts as well where a user's own file has it.
    for scope in (content, content.get("all", {})):
        if not isinstance(scope, dict):
            raise UntrustedFileError('its "all" is not an object')
        telemetry, debug = refusals(scope)
        known = ("version", "all", "telemetry", "debug")
        check_others(scope, known if program else (*known, "programs"))
        refusal.telemetry = telemetry or refusal.telemetry
        refusal.debug = refusal.debug if debug is None else False
    return refusal
