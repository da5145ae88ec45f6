"""The errors of this program, few and ours."""


class CqtelError(Exception):
    """What went wrong: its message says what happened, to which file, and what to do next."""


class WrongUsageError(CqtelError):
    """A command was given something that it cannot take; the message says what it can."""


class UntrustedFileError(ValueError):
    """A file that cannot be read, parsed or trusted; the message says why. Means off."""
