"""Whether anything may be recorded or sent, and by whose choice: any opt-out wins."""

__all__ = [
    "ADMIN",
    "ANY_CONTRACT",
    "CLOUDQUERY",
    "COMMAND_LINE",
    "DEBUG",
    "ENVIRONMENT",
    "FILE_NAME",
    "HOLD",
    "INSPECT",
    "NO_CONTRACT",
    "NO_DEBUG",
    "OFF",
    "ON",
    "PROJECT",
    "PROJECT_FILE",
    "UNNAMED",
    "USER",
    "VERSION",
    "choices",
    "contract_changes",
    "contract_seen",
    "contracts",
    "cookie",
    "cookie_file",
    "decision",
    "endpoint",
    "foreign",
    "history",
    "layers",
    "own_fields",
    "saving",
    "tracking",
    "trusted",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    Statement = tuple[str, str, str, str]
    """A layer, what it says, the option, variable or file it says it by, and a note."""
    Chosen = tuple[str | None, bool | None, str | None, int, int, str, str]
    """What a user chose: telemetry, debug, endpoint, catalogue, consented, yes, contract; see
    `choices.Choice`."""

    Program = str | None
    """A program's name; None stands for all programs."""

# For whom it is said.
CLOUDQUERY = "cloudquery"
"""The program that all choices of version 1 were asked for."""
UNNAMED = "unnamed"
"""What a program is called whose name is none that may be recorded: nobody can choose for it."""
ANY_CONTRACT = "all"
"""Stands for the contract agreed to where nothing is sent: all fields of any may be shown."""
NO_CONTRACT = "none"
"""Stands for it where a yes was given without one: none of its fields is recorded."""
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
VERSION = 2
"""The version of that file which is written here; version 1 is read, too."""
PROJECT_FILE = "telemetry.json"
