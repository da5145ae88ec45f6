"""What a yes covers of what was pending before it: a list of ids that is written with the yes.

One file for each yes and the destination that was shown with it, `included/<mark>`: a line with the
SHA-256 of the rest, then one id a line. A list that is lost or altered covers nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.decision import yes_mark
from ..consent.foreign import refuse_foreign
from ..errors import CqtelError
from ..files import make_folder, read, replace
from ..formats import sha256
from . import OUTBOX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..consent.decision import Decision

INCLUDED = "included"
MAX_LISTS = 64
_MAX_BYTES = 64 * 1024 * 1024


def include(state: str, yes: str, endpoint: str | None, ids: Iterable[str]) -> None:
    """Let a yes cover these payloads, too. Call it before the yes is saved.

    Args:
        state: the state folder.
        yes: the id of the yes.
        endpoint: the one that was shown with the question; None if there was none.
        ids: of the payloads that were pending.

    Raises:
        CqtelError: it could not be written, so that the yes covers none of them.
    """
    refuse_foreign(state)
    folder = _folder(state)
    rest = "\n".join(ids).encode("ascii", "replace")
    try:
        make_folder(str(folder))
        replace(folder / yes_mark(yes, endpoint), b"%b\n%b" % (sha256(rest).encode(), rest))
        lists = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime)
        for old in lists[:-MAX_LISTS]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise CqtelError(
            f"{folder} could not be written: {error.strerror}. Nothing was decided. "
            "Look at its owner and free space, and try again."
        ) from error


def include_more(state: str, decision: Decision, ids: Iterable[str]) -> None:
    """Let the yes that holds cover these payloads, too, besides those that it covers.

    Raises:
        CqtelError: it could not be written, or there is no yes.
    """
    if not decision.yeses:
        raise CqtelError("There is no yes that could include anything: choose on first.")
    yes = decision.yeses[0]
    before = _read(_folder(state) / yes_mark(yes, decision.endpoint)) - {""}
    include(state, yes, decision.endpoint, [*sorted(before), *(set(ids) - before)])


def included(state: str, decision: Decision) -> frozenset[str]:
    """Return the ids of what was pending before a yes that holds now, and is covered by it."""
    ids: set[str] = set()
    for yes in decision.yeses:
        ids |= _read(_folder(state) / yes_mark(yes, decision.endpoint))
    return frozenset(ids)


def clear_included(state: str) -> None:
    """Forget all lists: no yes covers what was recorded before it."""
    with contextlib.suppress(OSError):
        for path in _folder(state).iterdir():
            path.unlink()


def _read(path: Path) -> set[str]:
    try:
        digest, _, rest = read(path, _MAX_BYTES).partition(b"\n")
    except OSError:
        return set()
    if digest != sha256(rest).encode():
        return set()
    return set(rest.decode("ascii", "replace").split("\n"))


def _folder(state: str) -> Path:
    return Path(state) / OUTBOX / INCLUDED
