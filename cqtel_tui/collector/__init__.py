"""The receiving end of the promise: what a collector derives, keeps, forgets and gives back."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "SHARED_FOLDER",
    "STORE_NAME",
    "checking",
    "clickhouse",
    "clickhouse_asking",
    "demonstration",
    "durations",
    "engine",
    "report",
    "serving",
    "settings",
    "store_path",
]

STORE_NAME = "collector/store.sqlite3"

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which several workers count together, if set before `metrics` is imported."""


def store_path(state: str) -> Path:
    """Return where the store is unless an operator says otherwise; `state` is `Places.state`."""
    return Path(state, STORE_NAME)
