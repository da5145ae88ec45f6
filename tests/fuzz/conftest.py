"""How long the fuzzers go on: a few seconds each in the suite, longer where somebody asks for it.

    CQ_FUZZ=20 python -m pytest tests/fuzz

runs twenty times as many examples.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = max(1, int(os.environ.get("CQ_FUZZ", "1")))


def examples(number: int) -> settings:
    """Return settings for so many examples, times what the environment asks for."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=TIMES == 1,  # the suite is the same each time; a longer search is not
    )
