"""`python -m cqtel_tui.cli`: what `cq-telemetry` is, where its script is not on the PATH."""

from __future__ import annotations

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
