"""A group of users, as the system knows it."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """What `grp` returns."""

    gr_name: str
    gr_gid: int
    gr_mem: list[str]
