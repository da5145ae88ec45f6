"""The daily keys that an operator gives to several edges, so that their hashes agree."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from ..errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_DAY_SECONDS = 86_400
_KEY_DIGITS = 64
_MOST_BYTES = 1 << 16


class SharedKeys:
    """Reads the key of each day in UTC from a file: lines of a date and 64 hex digits.

    All edges that have the same file give the same address the same hash on a day. Who takes the
    line of a day out of all of these files has made its hashes impossible to recompute.

    Args:
        path: the file; for its owner and group alone.
        clock: seconds since 1970.

    Raises:
        CqtelError: it cannot be read, others may read it, or it has no key of this day.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._day = -1
        self._key = b""
        self.today()

    def today(self) -> bytes:
        """Return the key of this day.

        Raises:
            CqtelError: as for the class.
        """
        day = int(self._clock() // _DAY_SECONDS)
        if day != self._day:
            self._key = self._read(time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_SECONDS)))
            self._day = day
        return self._key

    def _read(self, date: str) -> bytes:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_MOST_BYTES).decode("ascii", "replace")
        except OSError as error:
            raise CqtelError(f"{self._path}: {error.strerror}. Give a --hmac-key-file.") from None
        if os.name == "posix" and stat.S_IMODE(mode) & 0o007:
            raise CqtelError(f"{self._path} may be read by everybody: chmod 0640 it, or 0600.")
        for line in text.splitlines():
            day, _, key = line.strip().partition(" ")
            if day == date:
                try:
                    secret = bytes.fromhex(key)
                except ValueError:
                    secret = b""
                if 2 * len(secret) == _KEY_DIGITS:
                    return secret
        raise CqtelError(
            f"{self._path} has no key of {date}: a line of that date, a space, and {_KEY_DIGITS} "
            "hex digits. Nothing is taken without one."
        )
