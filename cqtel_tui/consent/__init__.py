"""Whether anything may be recorded or sent, and by whose choice: any opt-out wins."""

__all__ = [
    "ADMIN",
    "COMMAND_LINE",
    "DEBUG",
    "ENVIRONMENT",
    "FILE_NAME",
    "HOLD",
    "INSPECT",
    "NO_DEBUG",
    "OFF",
    "ON",
    "PROJECT",
    "PROJECT_FILE",
    "USER",
    "choices",
    "cookie",
    "cookie_file",
    "decision",
    "endpoint",
    "foreign",
    "layers",
    "saving",
    "tracking",
    "trusted",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    Statement = tuple[str, str, str, str]
    """A layer, what it says, the option, variable or file it says it by, and a note."""
    Chosen = tuple[str | None, bool | None, str | None, int, int, str]
    """What a user chose: telemetry, debug, endpoint, catalogue, consented, yes; see
    `choices.Choice`."""

# Who says what.
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
# Where it is said.
FILE_NAME = "choices.json"
PROJECT_FILE = "telemetry.json"
