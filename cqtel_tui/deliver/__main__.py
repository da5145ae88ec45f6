"""The detached sender: `python -m cqtel_tui.deliver`. It has no terminal, and says nothing."""

from __future__ import annotations

import sys

from ..consent import OPTIONS
from ..paths import places
from .sender import Sender

if __name__ == "__main__":
    Sender(places(), [option for option in sys.argv[1:] if option in OPTIONS]).send_due()
