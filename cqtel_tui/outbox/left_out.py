"""What was left out of a program's last payload that was not whole, in the state folder.

Nothing is decided by it. Annotations are quoted: a program that records may have to import this.
"""

import os

from ..consent.own_fields import FOLDER, LEFT_OUT
from ..files import make_folder, read, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    LeftOut = tuple[str, str]
    """An attribute's key, or what is wrong with the contract; and why it was left out."""

UNKNOWN = "unknown"
UNFIT = "unfit"
BROKEN = "broken"
"""The contract cannot be read, so that no field of the program's own is recorded."""
_MOST = 64
_MAX_KEY = 300
_MAX_BYTES = 64 * 1024
_WHYS = frozenset({UNKNOWN, UNFIT, BROKEN})


def keep(state: str, program: str, named: "Sequence[LeftOut]") -> None:
    """Write down what was left out, in place of what was before.

    Raises:
        OSError: it could not be written.
    """
    lines = [f"{why} {_plain(key)}\n" for key, why in named[:_MOST]]
    folder = f"{state}/{FOLDER}/{LEFT_OUT}"
    path = f"{folder}/{program}"
    data = "".join(lines).encode("ascii", "replace")
    try:
        if read(path, _MAX_BYTES) == data:
            return
    except FileNotFoundError:
        make_folder(folder)
    replace(path, data)


def forget_left_out(state: str, program: str) -> None:
    """Remove what was written down, for a payload is whole.

    Raises:
        OSError: it could not be removed.
    """
    os.unlink(f"{state}/{FOLDER}/{LEFT_OUT}/{program}")  # noqa: PTH108  # pathlib costs 13 ms


def kept(state: str, program: str) -> "list[LeftOut]":
    """Return what was left out; nothing where that cannot be read."""
    try:
        text = read(f"{state}/{FOLDER}/{LEFT_OUT}/{program}", _MAX_BYTES).decode("ascii", "replace")
    except OSError:
        return []
    pairs = [line.partition(" ") for line in text.splitlines()]
    return [(key, why) for why, _, key in pairs if why in _WHYS]


def left_out_words(key: str, why: str) -> str:
    """Return what was left out, and why."""
    if why == BROKEN:
        return f"all fields of its own: its contract cannot be used. {key}"
    words = {
        UNKNOWN: "not in the catalogue, nor in a contract that was agreed to",
        UNFIT: "its value does not have the shape it should have",
    }
    return f"{key}: {words[why]}"


def _plain(text: str) -> str:
    """Return a text as it may stand on a line."""
    return "".join([each for each in text if each.isascii() and each.isprintable()])[:_MAX_KEY]
