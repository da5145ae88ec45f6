"""The errors of this program, few and ours."""

from __future__ import annotations


class CqtelError(Exception):
    """What went wrong: its message says what happened, to which file, and what to do next."""


class WrongUsageError(CqtelError):
    """A command was given something that it cannot take; the message says what it can."""
