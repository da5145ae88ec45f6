"""Tell whether a file is tracked by git, without running git: a repository's settings run programs.

Only the index is read, as git's own documentation describes it
(https://git-scm.com/docs/index-format). What cannot be read is not known.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_INDEX = 256 * 1024 * 1024
_MAX_POINTER = 4096
_HEADER = 12
_STATUS = 40
"""What an entry has before the object's name: ten numbers of four bytes."""
_HASHES = (20, 32)
_EXTENDED = 0x4000
_LONGEST = 0xFFF
_COMPRESSED = 4
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def is_tracked(directory: str, name: str) -> bool | None:
    """Tell whether git tracks `name` in `directory`; None if that cannot be told.

    Args:
        directory: a folder, as a real path.
        name: a path within it, with slashes.
    """
    for at in (directory, *map(str, Path(directory).parents)):
        folder = _git_folder(at)
        if folder is not None:
            break
    else:
        return False
    path = os.path.join(os.path.relpath(directory, at), name)  # noqa: PTH118
    wanted = os.fsencode(os.path.normpath(path).replace(os.sep, "/"))
    try:
        return any(_lists(index, wanted) for index in _indices(folder))
    except (OSError, ValueError):
        return None


def _git_folder(folder: str) -> str | None:
    """Return where the repository whose top is `folder` keeps its index; None if it is none."""
    path = os.path.join(folder, ".git")  # noqa: PTH118
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
        if stat.S_ISDIR(mode):
            return path
        word, _, target = _read(path, _MAX_POINTER).partition(b": ")  # of a worktree, a submodule
    except OSError:
        return None
    if word != b"gitdir":
        return None
    return os.path.join(folder, os.fsdecode(target.rstrip(b"\r\n")))  # noqa: PTH118


def _indices(folder: str) -> Iterator[bytes]:
    """Give the index, and the one that it shares with others if it is split."""
    try:
        yield _read(os.path.join(folder, "index"), _MAX_INDEX)  # noqa: PTH118
    except FileNotFoundError:
        return  # nothing was ever added
    for name in os.listdir(folder):  # noqa: PTH208
        if name.startswith("sharedindex."):
            yield _read(os.path.join(folder, name), _MAX_INDEX)  # noqa: PTH118


def _read(path: str, most: int) -> bytes:
    opened = os.open(path, _READ)
    with os.fdopen(opened, "rb") as file:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError(f"{path} is no file, or too large")
        return file.read(most)


def _lists(index: bytes, wanted: bytes) -> bool:
    """Tell whether an index has this path.

    Raises:
        ValueError: it is no index that can be read here.
    """
    if index[:4] != b"DIRC":
        raise ValueError("no index")
    if int.from_bytes(index[4:8], "big") < _COMPRESSED:
        return _has_whole(index, wanted)
    for hash_length in _HASHES:
        try:
            return wanted in _names(index, hash_length)
        except (ValueError, IndexError):
            continue
    raise ValueError("no index that can be read here")


def _has_whole(index: bytes, wanted: bytes) -> bool:
    """Look for a path that is written as it is, behind two bytes with its length."""
    at = index.find(wanted + b"\0", _HEADER + _STATUS)
    while at >= 0:
        for flags in (index[at - 2 : at], index[at - 4 : at - 2]):  # more flags may follow
            if int.from_bytes(flags, "big") & _LONGEST == min(len(wanted), _LONGEST):
                return True
        at = index.find(wanted + b"\0", at + 1)
    return False


def _names(index: bytes, hash_length: int) -> set[bytes]:
    """Return the paths of an index in which each is written as what differs from the last.

    Raises:
        ValueError: it is not one with names of objects that are so long.
        IndexError: it is incomplete, or the same.
    """
    names = set()
    name = b""
    at = _HEADER
    for _ in range(int.from_bytes(index[8:_HEADER], "big")):
        at += _STATUS + hash_length
        flags = int.from_bytes(index[at : at + 2], "big")
        at += 4 if flags & _EXTENDED else 2
        byte = index[at]
        dropped = byte & 0x7F
        while byte & 0x80:
            at += 1
            byte = index[at]
            dropped = ((dropped + 1) << 7) | (byte & 0x7F)
        end = index.index(b"\0", at + 1)
        if dropped > len(name):
            raise ValueError("no index with such names")
        name = name[: len(name) - dropped] + index[at + 1 : end]
        if min(len(name), _LONGEST) != flags & _LONGEST:
            raise ValueError("no index with such names")
        names.add(name)
        at = end + 1
    return names
