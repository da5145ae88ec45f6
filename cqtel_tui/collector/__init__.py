"""The receiving end of the promise: what a collector derives, keeps, forgets and gives back."""

from __future__ import annotations

from pathlib import Path

__all__ = [
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


def store_path(state: str) -> Path:
    """Return where the store is unless an operator says otherwise; `state` is `Places.state`."""
    return Path(state, STORE_NAME)
