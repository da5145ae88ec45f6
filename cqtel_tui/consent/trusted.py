"""Read a file only if nobody but its owner can have written it."""

import os
import stat

from ..opening import READ

MAX_BYTES = 256 * 1024
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def owners(*others: int) -> "set[int]":
    """Return who may own a file: this user, and `others`; nobody where files tell no owner."""
    return {os.geteuid(), *others} if hasattr(os, "geteuid") else set()


def read_trusted(
    path: str, owners: "set[int] | None", folder: "int | None" = None
) -> "bytes | None":
    """Return what is in a file that only its owners can change; None if there is no file.

    Raises:
        UntrustedFileError: it is something else, or cannot be read.
    """
    try:
        opened = os.open(path, READ) if folder is None else os.open(path, READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        from .choices import why_closed

        raise why_closed(path, folder, error) from None
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise untrusted("it is not a regular file")
        if owners and status.st_uid not in owners:
            raise untrusted(f"it belongs to another user (uid {status.st_uid})")
        if owners and _is_writable_by_others(status, opened):
            raise untrusted("it can be written by others; use chmod go-w")
        data = b""
        while part := os.read(opened, MAX_BYTES + 1 - len(data)):
            data += part
    except OSError as error:
        raise untrusted(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(opened)
    return data


def check_folder(folder: str) -> None:
    """Make sure that nobody else can put another file in a file's place.

    Raises:
        UntrustedFileError: somebody else can.
    """
    may_own = owners(0)
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError as error:
        raise untrusted(f"its folder cannot be read: {error.strerror}") from None
    if may_own and status.st_uid not in may_own:
        raise untrusted(f"its folder belongs to another user (uid {status.st_uid})")
    if may_own and _is_writable_by_others(status, folder):
        raise untrusted("its folder can be written by others; use chmod go-w")


def _is_writable_by_others(status: "os.stat_result", what: "int | str") -> bool:
    """Tell whether somebody besides its owner may write to what is open, or has this path."""
    if not status.st_mode & _WRITABLE_BY_OTHERS:
        return False
    if status.st_mode & stat.S_IWOTH:
        return True
    from .choices import is_private

    return not is_private(status, what)


def untrusted(reason: str) -> ValueError:
    """Return the error of a file that cannot be read, parsed or trusted; it means off."""
    from ..errors import UntrustedFileError

    return UntrustedFileError(reason)
