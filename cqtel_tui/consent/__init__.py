"""Who has said what about telemetry, and what it comes to: a no from anywhere wins.

`hot_path` asks, wherever a program records, and says no more than the decision: who said what, in
plain tuples. `layers` makes reasons of them, `choices` reads the files that are there, `saving`
writes them, `cookie` keeps the cookie.
"""

from ..hot_path import (
    ADMIN,
    COMMAND_LINE,
    DEBUG,
    ENVIRONMENT,
    FILE_NAME,
    HOLD,
    INSPECT,
    NO_DEBUG,
    NO_TELEMETRY,
    OFF,
    ON,
    OPTIONS,
    PROJECT,
    PROJECT_FILE,
    PROJECT_FOLDER,
    RUN_VARIABLE,
    USER,
    Decision,
    ask,
    boolean,
    environment_says,
)

__all__ = [
    "ADMIN",
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
    "PROJECT_FOLDER",
    "RUN_VARIABLE",
    "USER",
    "Decision",
    "ask",
    "boolean",
    "environment_says",
]
