"""The errors of this program, few and ours, and what to do about those of a disk."""

import errno

from .folders import HOME_VARIABLE

_ADVICE = {
    errno.ENOSPC: "Free some space there, and try again",
    errno.EDQUOT: "Your quota is used up there: free some of it, and try again",
    errno.EROFS: f"It is on a read-only file system. {HOME_VARIABLE} can name another folder",
    errno.EACCES: "Look at who owns the folder and who may write to it, and try again",
    errno.EPERM: "Look at who owns the folder and who may write to it, and try again",
    errno.ENAMETOOLONG: f"{HOME_VARIABLE} can name a folder with a shorter path",
    errno.ENOTDIR: "Something that is no folder is in the way: move it away, and try again",
    errno.EEXIST: "Something else is in the way: move it away, and try again",
    errno.ELOOP: "A link is in the way, which is not followed: move it away, and try again",
    errno.EISDIR: "A folder is in the way: move it away, and try again",
    errno.ENOLCK: f"{HOME_VARIABLE} can name a folder on a file system that has locks",
    errno.EIO: "The disk has an error there",
    errno.ESTALE: "The share is not what it was: mount it again, and try again",
}


class CqtelError(Exception):
    """What went wrong: its message says what happened, to which file, and what to do next."""


class WrongUsageError(CqtelError):
    """A command was given something that it cannot take; the message says what it can."""


class UntrustedFileError(ValueError):
    """A file that cannot be read, parsed or trusted; the message says why. Means off."""


def what_to_do(error: OSError) -> str:
    """Return what somebody can do about a file that cannot be made or written."""
    return _ADVICE.get(error.errno or 0, "Look at the folder and at its file system, and try again")
