"""Who has said what about telemetry, and what it comes to: a no from anywhere wins.

This front door is on the hot path (DESIGN §11), so that it says no more than the decision: who
said what, in plain tuples. `layers` makes reasons of them, `choices` reads the files that are
there, `saving` writes them, `cookie` keeps the cookie.
"""

import os
import stat

from ..catalogue import CATALOGUE_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..paths import Places
    from .choices import Choice

    Said = tuple[str, str, str, str]
    """A layer, what it says, the option, variable or file it says it by, and a note."""

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
ADMIN = "admin policy"
PROJECT = "project"
USER = "user"

ON = "on"
HOLD = "hold"
OFF = "off"
DEBUG = "debug"
NO_DEBUG = "no debug"
INSPECT = "inspect"

NO_TELEMETRY = "--no-telemetry"
OPTIONS = {NO_TELEMETRY: OFF, "--debug-telemetry": DEBUG, "--inspect-telemetry": INSPECT}
"""The three options of the documentation, and what each one says."""

PROJECT_FOLDER = ".cq"
PROJECT_FILE = "telemetry.json"
FILE_NAME = "choices.json"

HAS_DIR_FD = os.open in os.supports_dir_fd
OPEN_FOLDER = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
"""How an untrusted folder is opened: itself, never what a link points to."""


class Decision:
    """What all layers come to.

    Attributes:
        state: `on` (recorded and delivered), `hold` (recorded and kept here) or `off` (nothing).
        debug: whether error texts are recorded.
        inspect: whether to write `cq-telemetry.txt` instead of anything else.
        endpoint: the URL to deliver to, or None.
        catalogue: the catalogue version whose fields may be recorded.
        consented: when the user's yes begins to hold, in nanoseconds since 1970.
        said: who said what, for `layers.reasons`.
    """

    __slots__ = ("catalogue", "consented", "debug", "endpoint", "inspect", "said", "state")

    def __init__(self, said: "Sequence[Said]", chosen: "Iterable[Choice | None]" = ()) -> None:
        """Decide: a pure function of what the layers say.

        Args:
            said: what each layer says.
            chosen: the user's choices that apply here, the narrowest first.
        """
        says = {one[1] for one in said}
        self.said = said
        self.state = OFF if OFF in says else ON if ON in says else HOLD
        self.debug = self.state != OFF and DEBUG in says and NO_DEBUG not in says
        self.inspect = INSPECT in says
        self.endpoint: str | None = None
        self.catalogue = 0
        self.consented = 0
        for choice in chosen:
            if choice is not None:
                self.endpoint = self.endpoint or choice.endpoint
                if choice.telemetry == ON and not self.catalogue:
                    self.catalogue = choice.catalogue
                    self.consented = choice.consented
        if self.state != ON:
            self.catalogue = CATALOGUE_VERSION


def ask(
    places: "Places",
    options: "Iterable[str]" = (),
    environ: "Mapping[str, str] | None" = None,
    directory: "str | None" = None,
) -> "Decision":
    """Ask every layer, and return what they come to.

    Args:
        places: where the files of the user and of an administrator are.
        options: those of `OPTIONS` that were given on the command line.
        environ: the environment; this process's by default.
        directory: the project, as a real path; the current directory by default.
    """
    try:
        project = os.getcwd() if directory is None else directory  # noqa: PTH109  # 13 ms
    except OSError:
        return Decision([(PROJECT, OFF, "the current directory", "it cannot be read")])
    said = [(COMMAND_LINE, OPTIONS[option], option, "") for option in options]
    said += environment_says(os.environ if environ is None else environ)
    for folder in places.admin:
        if _may_be_there(f"{folder}/{FILE_NAME}"):
            from .choices import policy_says

            said += policy_says(folder)
    folder = f"{project}/{PROJECT_FOLDER}"
    if _may_be_there(folder) and (_is_link(folder) or _may_be_there(f"{folder}/{PROJECT_FILE}")):
        from .choices import project_says

        said += project_says(project)
    if not _may_be_there(f"{places.config}/{FILE_NAME}"):
        return Decision(said)
    from .choices import user_says

    answer, chosen = user_says(places.config, project)
    return Decision(said + answer, chosen)


def environment_says(environ: "Mapping[str, str]") -> "list[Said]":
    """Return what the environment says: off, debug or inspect, never on."""
    said = [
        (ENVIRONMENT, OFF, f"{name}={environ[name]}", "")
        for name in ("CQ_NO_TELEMETRY", "DO_NOT_TRACK")
        if name in environ and boolean(environ[name], otherwise=True)
    ]
    # A level that CloudQuery does not know makes it stop; here it makes telemetry stop.
    level = environ.get("CQ_TELEMETRY_LEVEL")
    if level and level not in {"errors", "stats", "all"}:
        said.append((ENVIRONMENT, OFF, f"CQ_TELEMETRY_LEVEL={level}", ""))
    debug = environ.get("CQ_DEBUG_TELEMETRY")
    if debug:
        says = DEBUG if boolean(debug, otherwise=False) else NO_DEBUG
        said.append((ENVIRONMENT, says, f"CQ_DEBUG_TELEMETRY={debug}", ""))
    inspect = environ.get("CQ_INSPECT_TELEMETRY")
    if inspect and boolean(inspect, otherwise=True):
        said.append((ENVIRONMENT, INSPECT, f"CQ_INSPECT_TELEMETRY={inspect}", ""))
    return said


def boolean(value: str, *, otherwise: bool) -> bool:
    """Read a boolean variable; empty is unset, `otherwise` is the answer for what is neither."""
    lowered = value.lower()
    if lowered in {"", "0", "false", "no", "off"}:
        return False
    return otherwise or lowered in {"1", "true", "yes", "on"}


def _may_be_there(path: str) -> bool:
    """Tell whether a file is there, or cannot be said not to be."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return True
