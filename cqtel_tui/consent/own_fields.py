"""Which fields of its own a program may record: those of its contract, as far as it was agreed to.

What a contract comes to is worked out once, by `contract_seen`, and kept in the state folder under
what tells the file, and the yes, from all others. A program that records reads that table alone.
"""

import os

from ..catalogue import OWN_SHAPES
from ..opening import READ
from . import NO_CONTRACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Own = tuple[str, dict[str, Callable[[object], bool]]]
    """The SHA-256 of the contract that fields are recorded under, and the shape of each."""

FOLDER = "contracts"
"""Of the state folder: what is kept of the contracts that were seen here."""
TABLES = "tables"
LEFT_OUT = "left-out"
"""Where `left_out` keeps what was left out of each program's payloads."""
FORMAT = "cqtel 1"
_MOST = 64 * 1024
RECORDED_UNDER = 3
LAST_SEEN = 4
_HEAD = 5
"""Lines before the keys: the format, the program, what it is valid for, the SHA-256 of the contract
that fields are recorded under, and that of the one that was seen last."""


def own_fields(state: str, program: str, contract: str, agreed: str) -> "Own":
    """Return which fields of its own a program may record now.

    Args:
        state: the state folder; empty where nothing is to be kept.
        program: its name.
        contract: the file of its contract.
        agreed: the contract that was agreed to (`Decision.contract`).

    Raises:
        OSError: the contract cannot be read, or what it comes to cannot be kept.
        CqtelError: it is not a contract, or not this program's.
    """
    under = f"{agreed if agreed.isalnum() else NO_CONTRACT} {mark_of(contract)}"
    own = _kept(table_path(state, program), program, under) if state else None
    if own is None:
        from .contract_seen import see

        own = table_of(see(state, program, contract, agreed, under))
    return own


def table_path(state: str, program: str) -> str:
    """Return where the table of a program's contract is."""
    return f"{state}/{FOLDER}/{TABLES}/{program}"


def has_left_out(state: str, program: str) -> bool:
    """Tell whether it is written down that something was left out of a program's payload."""
    return os.access(f"{state}/{FOLDER}/{LEFT_OUT}/{program}", os.F_OK)


def mark_of(path: str) -> str:
    """Return what tells a file, as it is now, from all others, on one line."""
    status = os.stat(path)  # noqa: PTH116  # pathlib costs 13 ms
    where = os.path.abspath(path).encode("utf-8", "backslashreplace").hex()  # noqa: PTH100
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{where}"


def table_of(lines: "list[str]") -> "Own":
    """Return what the lines of a table say: its head, and then a key with its shape on each."""
    pairs = [line.partition(" ") for line in lines[_HEAD:]]
    return lines[RECORDED_UNDER], {key: OWN_SHAPES[shape] for key, _, shape in pairs}


def _kept(path: str, program: str, under: str) -> "Own | None":
    """Return what a table says; None if it is not there, or of another file or another yes."""
    try:
        opened = os.open(path, READ)
    except OSError:
        return None
    try:
        lines = os.read(opened, _MOST).decode("ascii", "replace").split("\n")
    finally:
        os.close(opened)
    # The last line is empty: a table that was written incompletely has none.
    if lines[:RECORDED_UNDER] != [FORMAT, program, under] or lines.pop():
        return None
    try:
        return table_of(lines)
    except (KeyError, IndexError):
        return None
