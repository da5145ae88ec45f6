"""The detached sender: `python -m cqtel_tui.deliver`. It has no terminal, and says nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from ..consent.decision import OPTIONS
from ..gate.recovering import recover
from ..outbox.dispatch import PROBLEM, note_problem
from ..outbox.writing import OUTBOX
from ..paths import places

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
    os.environ.pop("SSLKEYLOGFILE", None)  # which some builds of OpenSSL heed by themselves
    state = places().state
    try:
        from .sender import Sender
    except ImportError as error:
        # It is not looked for anywhere that the calling program does not import from.
        note_problem(
            state,
            f"{error.name or error} could not be imported by {sys.executable}; install it beside "
            "cqtel_tui",
        )
        sys.exit(1)
    with contextlib.suppress(OSError):
        os.unlink(f"{state}/{OUTBOX}/{PROBLEM}")  # noqa: PTH108  # this sender works
    recover(state)
    sender = Sender(places(), [option for option in arguments if option in OPTIONS])
    os.chdir(os.path.abspath(os.sep))  # noqa: PTH100  # it keeps no folder in use
    sender.send_due()


if __name__ == "__main__":
    main(sys.argv[1:])
