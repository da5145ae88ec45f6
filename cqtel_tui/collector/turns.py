"""Take turns at writing a store: whoever wants to write comes in the order of asking.

SQLite lets a writer that waits sleep, and look again later: of two busy processes, one may find the
store taken for a second. Here a writer that has written queues up behind the one that waits.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from ..files import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CANNOT = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""A file system without locks; SQLite has its own way there, or none."""


@contextlib.contextmanager
def turn(store: Path) -> Iterator[None]:
    """Wait for one's turn, and have it.

    Raises:
        OSError: there is no folder any more, or nothing can be written to it.
    """
    with contextlib.ExitStack() as mine:
        try:
            # Whoever is next holds the first lock until it has the second.
            with locked(store.with_name(f"{store.name}-next")):
                mine.enter_context(locked(store.with_name(f"{store.name}-turn")))
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        yield
