"""Intercepted requests on disk, as they came, from before they are acknowledged until redacted.

Each run has a folder of its own beside the boxes, `intercepted/<time>,<run>/`: what is known of the
run, and one file for each request. What lies here can be neither shown as pending nor sent. Whoever
works on a run's folder holds the lock on it; a lock that nobody holds tells that its gate is dead,
and that what is left is to be redacted by whoever comes next.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import time
from pathlib import Path

from ..files import NO_LINK, READ, make_folder, replace
from ..formats.bare_json import parse_object
from ..outbox.bounds import MAX_PENDING, MAX_PENDING_BYTES
from ..outbox.runs import INTERCEPTED_FOLDER
from ..outbox.writing import OUTBOX
from .requests import Request
from .session import Session

SUFFIX = ".request"
_LOCK = "lock"
_RUN = "run.json"
_MAX_FILE_BYTES = 8 << 20
_MAX_RUN_BYTES = 1 << 20
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_SURELY_OVER_SECONDS = 24 * 3600


class BacklogError(OSError):
    """More requests wait to be redacted than may lie here."""


class UnreadableRequestError(ValueError):
    """A file is not a request that was written here."""


class Spool:
    """The requests of one run that are not redacted yet.

    Args:
        session: the run.
        folder: where they lie.
    """

    def __init__(self, session: Session, folder: Path | None = None) -> None:
        self.session = session
        self.folder = folder or _folders(session.state) / f"{session.created:016d},{session.id}"
        self._lock = -1
        self._count = 0
        self._size = 0
        self.written = 0
        """How many requests were written by us."""

    @property
    def is_open(self) -> bool:
        """Whether the folder is there, and the lock on it is ours."""
        return self._lock >= 0

    def open(self) -> None:
        """Make the folder, take the lock on it, and write down what is known of the run.

        Raises:
            OSError: it cannot be made.
        """
        if self.is_open:
            return
        # Nobody takes it for one that is left over before the lock on it is ours.
        making = self.folder.with_name(f".{self.folder.name}")
        make_folder(str(making))
        lock = -1
        try:
            lock = _locked(making / _LOCK)
            replace(making / _RUN, self.session.as_json())
            making.rename(self.folder)
        except BaseException:
            if lock >= 0:
                os.close(lock)
            shutil.rmtree(making, ignore_errors=True)
            raise
        self._lock = lock

    def put(self, request: Request, identity: str) -> None:
        """Write a request down, whole or not at all.

        Args:
            request: the request.
            identity: 16 random hex digits.

        Raises:
            BacklogError: too many wait already.
            OSError: it could not be written. Nothing is left behind.
        """
        self.open()
        if self._count >= MAX_PENDING or self._size >= MAX_PENDING_BYTES:
            self._count_again()
        if self._count >= MAX_PENDING or self._size >= MAX_PENDING_BYTES:
            raise BacklogError("too many requests wait to be redacted")
        head = {
            "method": request.method,
            "path": request.path,
            "headers": request.headers,
            "when": request.when,
            "profile": request.profile,
            "length": len(request.body),
        }
        data = json.dumps(head).encode() + b"\n" + request.body
        name = f"{request.when:016d},{identity},0{SUFFIX}"
        try:
            replace(self.folder / name, data)
        except FileNotFoundError:  # all was taken back while the run lasts
            os.close(self._lock)
            self._lock = -1
            self.open()
            replace(self.folder / name, data)
        self._count += 1
        self.written += 1
        self._size += len(data)

    def _count_again(self) -> None:
        names = self.names()
        self._count, self._size = len(names), 0
        for name in names:
            with contextlib.suppress(OSError):
                self._size += (self.folder / name).stat().st_size

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        try:
            listed = os.listdir(self.folder)  # noqa: PTH208  # names alone are wanted
        except OSError:
            return []
        return sorted(name for name in listed if name.endswith(SUFFIX) and name[0] != ".")

    def begin(self, name: str) -> tuple[str, int]:
        """Count one more try on a request; return its name from now on, and the tries before.

        Raises:
            OSError: it is no longer there.
        """
        created, identity, tries = name.removesuffix(SUFFIX).split(",")
        renamed = f"{created},{identity},{int(tries) + 1}{SUFFIX}"
        (self.folder / name).rename(self.folder / renamed)
        return renamed, int(tries)

    def give_back(self, name: str, tries: int) -> None:
        """Let a request wait again, as if it had been tried only so often."""
        created, identity, _ = name.removesuffix(SUFFIX).split(",")
        (self.folder / name).rename(self.folder / f"{created},{identity},{tries}{SUFFIX}")

    def read(self, name: str) -> Request:
        """Return a request.

        Raises:
            UnreadableRequestError: it is none.
            OSError: it cannot be read.
        """
        with os.fdopen(os.open(self.folder / name, READ), "rb") as file:
            head, newline, body = file.read(_MAX_FILE_BYTES).partition(b"\n")
        try:
            fields = parse_object(head)
            if not newline or fields["length"] != len(body):
                raise UnreadableRequestError("it is incomplete")
            return Request(
                fields["method"],
                fields["path"],
                tuple((key, value) for key, value in fields["headers"]),
                body,
                fields["when"],
                fields["profile"],
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableRequestError(str(error)) from None

    def done(self, name: str) -> None:
        """Remove a request that is redacted, or that is not to be kept."""
        (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder if nothing waits in it, and let go of the lock."""
        if not self.is_open:
            return
        if not self.names():
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1


def left_over(state: str) -> list[Spool]:
    """Return what dead gates have left, each locked by us from now on, the oldest first."""
    spools = []
    folder = _folders(state)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # names alone are wanted
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            if name[0] != ".":
                spools.append(_taken(folder / name, state))
            elif time.time() - (folder / name).lstat().st_mtime > _SURELY_OVER_SECONDS:
                shutil.rmtree(folder / name, ignore_errors=True)
    return [one for one in spools if one is not None]


def _taken(folder: Path, state: str) -> Spool | None:
    if folder.is_symlink() or not folder.is_dir():
        return None
    lock = _locked(folder / _LOCK)
    try:
        with os.fdopen(os.open(folder / _RUN, READ), "rb") as file:
            session = Session.from_json(file.read(_MAX_RUN_BYTES))
        if session.state != state:
            raise ValueError("it belongs to another state folder")
    except (FileNotFoundError, ValueError):
        # Nothing was acknowledged before that file was there.
        if not Spool(Session("0", 0, state), folder).names():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    spool = Spool(session, folder)
    spool._lock = lock  # noqa: SLF001  # one of its own
    return spool


def _folders(state: str) -> Path:
    return Path(state) / OUTBOX / INTERCEPTED_FOLDER


def _locked(path: Path) -> int:
    """Return the open file that holds the lock on this path.

    Where the file system has no locks, one that nobody has touched for long is taken for free.

    Raises:
        BlockingIOError: somebody else holds it.
    """
    is_new = not path.exists()
    opened = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
    try:
        _lock(opened)
    except OSError as error:
        is_old = time.time() - os.fstat(opened).st_mtime > _SURELY_OVER_SECONDS
        if error.errno not in _NO_LOCKS or not (is_new or is_old):
            os.close(opened)
            raise
    return opened


def _lock(opened: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
