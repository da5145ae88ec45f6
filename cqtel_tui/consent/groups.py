"""Tell whether the group that may write to a file is its owner's alone.

Many systems give each user a group of their own name, and a umask of 002: what the user makes can
be written by that group, which is nobody else. Imported where a group can write to a file.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ACCESS_LIST = "system.posix_acl_access"


def is_private(status: "os.stat_result", what: "int | str") -> bool:
    """Tell whether nobody but its owner is in the group of a file, as far as this machine knows.

    Args:
        status: the file's.
        what: the file itself, open or by its path.
    """
    if status.st_gid != status.st_uid:
        return False
    try:
        from grp import getgrgid
        from pwd import getpwuid

        owner, group = getpwuid(status.st_uid), getgrgid(status.st_gid)
    except (ImportError, KeyError):
        return False
    others = set(group.gr_mem) - {owner.pw_name}
    is_alone = group.gr_name == owner.pw_name and owner.pw_gid == group.gr_gid and not others
    return is_alone and not _has_access_list(what)


def _has_access_list(what: "int | str") -> bool:
    """Tell whether more than the mode says who may write: then the group's part is their bound."""
    read: Callable[[int | str, str], bytes] | None = getattr(os, "getxattr", None)
    if read is None:
        return False
    try:
        read(what, _ACCESS_LIST)
    except OSError:
        return False
    return True
