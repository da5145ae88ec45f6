"""The detached sender: `python -m cqtel_tui.deliver`. It has no terminal, and says nothing."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from ..consent import OPTIONS
from ..gate.recovering import recover
from ..paths import places
from .sender import Sender

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_SECONDS = 75.0


def main(arguments: Sequence[str], longest: float = LONGEST_SECONDS) -> None:
    """Send what is due, and end after `longest` seconds in any case.

    A run ends by itself before that. What no timeout reaches, such as a lock or a disk that hangs,
    is left to the next sender: ending at any moment loses nothing.
    """
    end = threading.Timer(longest, os._exit, (1,))
    end.daemon = True
    end.start()
    recover(places().state)
    Sender(places(), [option for option in arguments if option in OPTIONS]).send_due()


if __name__ == "__main__":
    main(sys.argv[1:])
