"""Make folders that are their owner's alone, and say what to do where a file cannot be written.

For every room. Nothing but builtin modules is imported: some of it runs where a program records.
"""

import errno
import os
import stat

from .hot_path import HOME_VARIABLE, is_root, owner_of

_PRIVATE = 0o700
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


def make_folder(folder: str) -> None:
    """Make a folder and those above it, each for its owner alone, whatever the umask is.

    Raises:
        OSError: it cannot be made; or this is root, and the folder would be in another user's.
    """
    try:
        _make(folder)
    except FileExistsError:
        pass  # another process was first; or it is no folder, as whoever writes into it will see
    except FileNotFoundError:
        above = os.path.dirname(folder)  # noqa: PTH120  # pathlib costs 13 ms where this runs
        if above == folder:
            raise
        make_folder(above)
        try:
            _make(folder)
        except FileExistsError:
            pass


def _make(folder: str) -> None:
    if is_root() and not os.path.lexists(folder) and (owner := owner_of(folder)):
        raise OSError(
            errno.EPERM,
            f"you are root, and the folder above is another user's (uid {owner})",
            folder,
        )
    os.mkdir(folder, _PRIVATE)  # noqa: PTH102
    if stat.S_IMODE(os.lstat(folder).st_mode) & _PRIVATE != _PRIVATE:
        os.chmod(folder, _PRIVATE)  # noqa: PTH101  # an odd umask keeps even its owner out


def what_to_do(error: OSError) -> str:
    """Return what somebody can do about a file that cannot be made or written."""
    return _ADVICE.get(error.errno or 0, "Look at the folder and at its file system, and try again")
