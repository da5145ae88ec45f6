"""Tell whose a connection over loopback is: what cannot show a secret has to be our own user's."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
_MAPPED = "0000000000000000FFFF0000"
"""What stands before an address of IPv4 where a socket of IPv6 has it, as gRPC's often do."""
_ADMINISTRATOR = 0
_LOCAL, _REMOTE, _STATE, _OWNER = 1, 2, 3, 7
_ESTABLISHED = "01"
"""The state in which an end has its owner: one that was closed is listed as the administrator's."""


def is_ours(accepted: socket.socket, tables: Sequence[str] = _TABLES) -> bool:
    """Tell whether the other end is a process of our user's; False where that cannot be seen.

    Args:
        accepted: a connection over IPv4, both ends of which are on this machine.
        tables: where Linux lists each end with its owner.
    """
    if sys.platform != "linux":
        return False
    try:
        theirs, ours = _listed(*accepted.getpeername()), _listed(*accepted.getsockname())
    except (OSError, ValueError):
        return False
    wanted = ([theirs, ours], [_MAPPED + theirs, _MAPPED + ours])
    found = [one for one in _ends(tables) if one[_LOCAL : _REMOTE + 1] in wanted]
    owners = {str(os.geteuid()), str(_ADMINISTRATOR)}
    return len(found) == 1 and found[0][_STATE] == _ESTABLISHED and found[0][_OWNER] in owners


def _ends(tables: Sequence[str]) -> Iterator[list[str]]:
    """Give each end that is listed; a table that is not there lists none."""
    for table in tables:
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:  # noqa: PTH123
            yield from map(str.split, file)


def _listed(host: str, port: int) -> str:
    """Return an address as it is listed."""
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
