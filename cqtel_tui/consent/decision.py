"""Ask every layer what it says about telemetry, and decide."""

import os
import stat

from .. import preload
from ..catalogue import CATALOGUE_VERSION
from ..folders import HOME_VARIABLE
from ..formats import sha256
from ..opening import PROJECT_FOLDER, is_root, owner_of
from . import (
    ADMIN,
    ANY_CONTRACT,
    CLOUDQUERY,
    COMMAND_LINE,
    DEBUG,
    ENVIRONMENT,
    FILE_NAME,
    HOLD,
    INSPECT,
    NO_CONTRACT,
    NO_DEBUG,
    OFF,
    ON,
    PROJECT,
    PROJECT_FILE,
    USER,
)

__all__ = [
    "ADMIN",
    "CI_VARIABLES",
    "CLOUDQUERY",
    "COMMAND_LINE",
    "DEBUG",
    "ENVIRONMENT",
    "FILE_NAME",
    "HOLD",
    "INSPECT",
    "NO_DEBUG",
    "NO_TELEMETRY",
    "OFF",
    "ON",
    "OPTIONS",
    "PROJECT",
    "PROJECT_FILE",
    "RUN_VARIABLE",
    "USER",
    "Decision",
    "ask",
    "ask_each",
    "boolean",
    "concerning",
    "environment_statements",
    "yes_mark",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..folders import Folders
    from . import Chosen, Program, Statement


NO_TELEMETRY = "--no-telemetry"
OPTIONS = {NO_TELEMETRY: OFF, "--debug-telemetry": DEBUG, "--inspect-telemetry": INSPECT}
"""The three options of the documentation, and what each one says."""
CI_VARIABLES = (
    "CI",
    "BUILD_ID",
    "BUILDKITE",
    "CIRCLECI",
    "CIRCLE_CI",
    "CIRRUS_CI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "HEROKU_TEST_RUN_ID",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)
"""The documented variables that say a program runs in CI, read as booleans."""
RUN_VARIABLE = "CQ_TELEMETRY_RUN"
"""What `cq-telemetry run` leaves for all that is started beneath it (see `gate.nesting`)."""
CLOSED_BY_A_RUN = "T"
"""What a run that holds sets `CQ_NO_TELEMETRY` to, for releases that cannot be held."""
_VARIABLES = frozenset(
    (
        *CI_VARIABLES,
        HOME_VARIABLE,
        *("CQ_NO_TELEMETRY", "DO_NOT_TRACK", "CQ_TELEMETRY_LEVEL"),
        *("CQ_DEBUG_TELEMETRY", "CQ_INSPECT_TELEMETRY", RUN_VARIABLE),
        *("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS", "ANDROID_DATA"),
        *("LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "WIN_PD_OVERRIDE_LOCAL_APPDATA"),
    )
)
_UNTOLD = stat.S_IFMT(0xFFFF)
"""A mode that nothing has, neither a folder nor a file nor a link."""
_MUST_LOOK = os.access not in os.supports_follow_symlinks


def yes_mark(yes: str, destination: "str | None") -> str:
    """Return the mark of one yes to one destination, 16 hex digits."""
    return sha256(f"{yes} {destination or ''}".encode("utf-8", "surrogateescape"))[:16]


class Decision:
    """What all layers come to, for one program.

    Attributes:
        program: the program; None where it was asked what holds for all of them.
        state: `on` (recorded and delivered), `hold` (recorded and kept here) or `off` (nothing).
        debug: whether error texts are recorded.
        inspect: whether to write `cq-telemetry.txt` instead of anything else.
        endpoint: the URL to deliver to, or None.
        is_proposed: whether that is only what a yes to the program's contract would make it.
        catalogue: the catalogue version whose fields may be recorded.
        contract: the SHA-256 of the program's contract whose fields may be recorded, too:
            `NO_CONTRACT`, or `ANY_CONTRACT` for whichever it is, where nothing is sent.
        yeses: each yes of the user's that applies here, by its id, the narrowest first.
        statements: what each layer says, for `layers.reasons`.
    """

    __slots__ = (
        "catalogue",
        "contract",
        "debug",
        "endpoint",
        "inspect",
        "is_proposed",
        "program",
        "state",
        "statements",
        "yeses",
    )

    def __init__(
        self,
        statements: "Sequence[Statement]",
        chosen: "Iterable[Chosen]" = (),
        program: "Program" = None,
    ) -> None:
        """Decide: a pure function of what the layers say.

        Args:
            statements: what each layer says.
            chosen: the user's choices that apply here, the narrowest first.
            program: which one they speak of.
        """
        self.program = program
        says = {one[1] for one in statements}
        self.statements = statements
        self.state = OFF if OFF in says else ON if ON in says else HOLD
        self.debug = self.state != OFF and DEBUG in says and NO_DEBUG not in says
        self.inspect = INSPECT in says
        self.endpoint: str | None = None
        self.is_proposed = False
        self.catalogue = 0
        self.contract = NO_CONTRACT
        self.yeses: list[str] = []
        for telemetry, _, endpoint, catalogue, _, yes, contract in chosen:
            self.endpoint = self.endpoint or endpoint
            if telemetry == ON:
                if not self.yeses:
                    self.catalogue, self.contract = catalogue, contract
                self.yeses.append(yes)
        if self.state != ON:
            self.catalogue = CATALOGUE_VERSION
            self.contract = ANY_CONTRACT

    def mark(self, destination: "str | None") -> str:
        """Return what stands on an envelope that is recorded under the user's yes.

        It tells one yes to one destination from every other, without a clock: what was recorded
        before a yes, after it was taken back, or when payloads went elsewhere has another mark.
        Empty where there is no yes.

        Args:
            destination: the endpoint, for our own payloads; None for what has a target of its own.
        """
        if self.state != ON or not self.yeses:
            return ""
        return yes_mark(self.yeses[0], destination)


def ask(  # noqa: PLR0913, PLR0917  # where it is asked, and for whom
    places: "Folders",
    options: "Iterable[str]" = (),
    environ: "Mapping[str, str] | None" = None,
    directory: "str | None" = None,
    named: "Sequence[str]" = (),
    program: "Program" = None,
) -> "Decision":
    """Ask every layer about a program, and return what they come to.

    Args:
        places: where the files of the user and of an administrator are.
        options: those of `OPTIONS` that were given on the command line.
        environ: the environment; this process's by default.
        directory: the project, as a real path; the current directory by default.
        named: folders that the program was told to keep its files in, by `--cq-dir` and its kin: a
            no of theirs counts as well, and one of the projects that they lie in.
        program: the program that is asked about; None for what is chosen for all of them, which is
            what holds for one that nothing is said about.
    """
    return ask_each((program,), places, options, environ, directory, named)[program]


def ask_each(  # noqa: PLR0913, PLR0917  # as `ask` has it
    programs: "Sequence[Program]",
    places: "Folders",
    options: "Iterable[str]" = (),
    environ: "Mapping[str, str] | None" = None,
    directory: "str | None" = None,
    named: "Sequence[str]" = (),
) -> "dict[Program, Decision]":
    """Ask every layer about several programs at once; each has a decision of its own."""
    try:
        project = os.getcwd() if directory is None else directory  # noqa: PTH109  # 13 ms
    except OSError:
        gone = [(PROJECT, OFF, "the current directory", "it cannot be read")]
        return {program: Decision(gone, (), program) for program in programs}
    config, _, admin = places
    environ = concerning(os.environ) if environ is None else environ
    statements = [(COMMAND_LINE, OPTIONS[option], option, "") for option in options]
    statements += environment_statements(environ)
    of: dict[Program, list[Statement]] = {program: [] for program in programs}
    for folder in admin:
        if _may_say(folder, FILE_NAME):
            from .choices import policy_statements

            for program, refused in policy_statements(folder, programs).items():
                of[program] += refused
    home = environ.get("HOME", "").rstrip("/")
    if is_root() and any([owner_of(folder) for folder in (config, places[1], home) if folder]):
        from .foreign import foreign_statements

        statements += foreign_statements(places, home)
    starts, projects = _project_statements(project, home, named)
    statements += projects
    if not _may_say(config, FILE_NAME):
        return {one: Decision([*statements, *of[one]], (), one) for one in programs}
    preload("consent/trusted", "consent/endpoint", "consent/choice_file")
    from .choice_file import user_statements

    decisions: dict[Program, Decision] = {}
    for one, (answer, chosen) in user_statements(config, programs, *starts).items():
        if environ.get(HOME_VARIABLE) or environ.get("XDG_CONFIG_HOME"):
            from .choice_file import moved_statements

            of[one] += moved_statements(places, chosen, project, home)
        decisions[one] = Decision([*statements, *of[one], *answer], chosen, one)
    return decisions


def _project_statements(
    project: str, home: str, named: "Sequence[str]"
) -> "tuple[list[str], list[Statement]]":
    """Return where projects were looked for, and what they say."""
    starts: list[str] = [project]
    statements: list[Statement] = []
    if named:
        from .choices import named_statements

        starts, statements = named_statements(project, named)
    for start in starts:
        for folder in _projects(start, home):
            from .choices import project_statements

            statements += [
                one for one in project_statements(folder, start, home) if one not in statements
            ]
    return starts, statements


def _projects(start: str, home: str) -> "list[str]":
    """Return `start` and each folder above it, up to `home`, whose project may have a say.

    A link, or what cannot be looked at, is not taken for silence.
    """
    projects = []
    top = len(os.path.splitdrive(start)[0])  # pathlib costs 13 ms
    folder = start.rstrip(os.sep)
    is_start = True
    while True:
        path = f"{folder}/{PROJECT_FOLDER}"
        # What is not there costs an error, but for this question. It cannot tell what is closed to
        # us; but whoever came to the start came through all folders above it.
        if is_start or _MUST_LOOK or os.access(path, os.F_OK, follow_symlinks=False):
            mode = _mode(path)
            if mode and (not stat.S_ISDIR(mode) or _mode(f"{path}/{PROJECT_FILE}")):
                projects.append(folder or os.sep)
        if folder == home or len(folder) <= top:
            return projects
        folder = folder.rpartition(os.sep)[0]
        is_start = False


def _may_say(folder: str, name: str) -> bool:
    """Tell whether a file in this folder is there, or cannot be reached, so that it may be.

    What is behind a link to nowhere, such as a share that is not there now, may say no.
    """
    mode = _mode(folder)
    if stat.S_ISDIR(mode):
        return _mode(f"{folder}/{name}") != 0
    while not mode:
        folder, separator, _ = folder.rpartition(os.sep)
        if not separator:
            return False
        mode = _mode(folder or separator)
        if mode:  # of the folders above, this one is there: a real one says that nothing is below
            return not stat.S_ISDIR(mode) and not stat.S_ISDIR(_mode(f"{folder}/."))
    return _mode(f"{folder}/{name}") != 0 or not stat.S_ISDIR(_mode(f"{folder}/."))


def concerning(environ: "Mapping[str, str]") -> "dict[str, str]":
    """Return those variables that concern us: one look, where asking for each costs an error."""
    return {name: environ[name] for name in _VARIABLES.intersection(environ)}


def environment_statements(environ: "Mapping[str, str]") -> "list[Statement]":
    """Return what the environment says: off, debug or inspect, never on."""
    outer = environ.get(RUN_VARIABLE, "").partition(";")[0]
    statements = [
        (ENVIRONMENT, OFF, f"{name}={environ[name]}", "")
        for name in ("CQ_NO_TELEMETRY", "DO_NOT_TRACK")
        if name in environ
        and boolean(environ[name], otherwise=True)
        # Within a run this is the run's own doing, and blocks what it cannot show.
        and not (outer in {HOLD, ON} and environ[name] == CLOSED_BY_A_RUN)
    ]
    if outer == OFF:
        statements.append(
            (ENVIRONMENT, OFF, RUN_VARIABLE, "telemetry is off in the run this is part of")
        )
    # Errors alone means no statistics, and statistics alone means no error texts. A level that
    # CloudQuery does not know makes it stop; here it makes telemetry stop.
    level = environ.get("CQ_TELEMETRY_LEVEL")
    if level == "stats" and outer in {HOLD, ON}:
        level = ""  # the run's own doing, too
    if level and level != "all":
        says = NO_DEBUG if level == "stats" else OFF
        statements.append((ENVIRONMENT, says, f"CQ_TELEMETRY_LEVEL={level}", ""))
    debug = environ.get("CQ_DEBUG_TELEMETRY")
    if debug:
        says = DEBUG if boolean(debug, otherwise=False) else NO_DEBUG
        statements.append((ENVIRONMENT, says, f"CQ_DEBUG_TELEMETRY={debug}", ""))
    inspect = environ.get("CQ_INSPECT_TELEMETRY")
    if inspect and boolean(inspect, otherwise=True):
        statements.append((ENVIRONMENT, INSPECT, f"CQ_INSPECT_TELEMETRY={inspect}", ""))
    return statements


def boolean(value: str, *, otherwise: bool) -> bool:
    """Read a boolean variable; empty is unset, `otherwise` is the answer for what is neither."""
    lowered = value.lower()
    if lowered in {"", "0", "false", "no", "off"}:
        return False
    return otherwise or lowered in {"1", "true", "yes", "on"}


def _mode(path: str) -> int:
    """Return the type and mode of what is there; 0 for nothing, `_UNTOLD` if that can't be told."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
    except (OSError, ValueError):
        return _UNTOLD
