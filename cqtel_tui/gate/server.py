"""Serve the gate: HTTP as h11 and h2 read it, one thread, every client bounded in time and memory.

What is complete, has the secret and is within the bounds is written down, and then answered with a
success, at once, as the real service would: a program that gets no success tries again, and waits.
What cannot be written down is not acknowledged.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from _operator import _compare_digest  # what `hmac` falls back on; it loads all of OpenSSL
from typing import TYPE_CHECKING

from ..formats import MAX_BODY_BYTES
from .connection import Connection
from .limits import MAX_CONNECTIONS, MAX_UNDER_WAY_BYTES
from .peers import is_ours
from .refusals import DISK_FULL, TOO_LARGE, TOO_MANY, TOO_SLOW
from .spool import BacklogError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .receiving import Counts
    from .requests import Request

_UNREAD_BYTES = 16 * 1024
"""How many bytes of answers may wait for a client to read them."""


class Server:
    """Serves two listening sockets, a look at a time.

    Args:
        listener: where programs send to.
        blocked_port: where each connection is counted and closed.
        profiles: the secret that a path begins with, and the profile whose it is.
        keep: takes a complete request; once it returns, the request is acknowledged.
        counts: what is told of it all.

    Attributes:
        calls: the paths of calls in gRPC that are taken at `blocked_port` without a secret, if they
            are our own user's, and the profile whose each is.
    """

    def __init__(
        self,
        listener: socket.socket,
        blocked_port: socket.socket,
        profiles: Mapping[str, str],
        keep: Callable[[Request], None],
        counts: Counts,
    ) -> None:
        self._listener = listener
        self._blocked_port = blocked_port
        self._selector = selectors.DefaultSelector()
        self._prefixes = {f"/{secret}/".encode(): name for secret, name in profiles.items()}
        self.keep = keep
        self.counts = counts
        self.calls: Mapping[bytes, str] = {}
        self.connections: dict[Connection, None] = {}
        self.under_way = 0
        """Bytes of bodies that are not complete yet."""
        self._is_full = False
        self.watch(listener, self._accept)
        self.watch(blocked_port, self._count)

    @property
    def is_quiet(self) -> bool:
        """Whether no client is in the middle of a request."""
        return all(one.is_quiet for one in self.connections)

    @property
    def sockets(self) -> list[socket.socket]:
        """Return all that is open: what listens, and each client's."""
        clients = [each.socket for each in self.connections]
        return [self._listener, self._blocked_port, *clients]

    def watch(self, what: socket.socket, then: Callable[[], None]) -> None:
        """Let something happen whenever a socket can be read."""
        self._selector.register(what, selectors.EVENT_READ, then)

    def unwatch(self, what: socket.socket) -> None:
        """Watch a socket no more."""
        self._selector.unregister(what)

    def look(self, seconds: float) -> bool:
        """Wait for something to happen, and let it; return whether anything did."""
        happened = self._selector.select(seconds)
        for key, _ in happened:
            key.data()
        now = time.monotonic()
        for connection in list(self.connections):
            if now > connection.until:
                self.counts.refused[TOO_SLOW] += not connection.is_quiet
                connection.close()
        return bool(happened)

    def close(self) -> None:
        """Close all connections, and refuse all that come from now on."""
        for connection in list(self.connections):
            connection.close()
        self._selector.close()
        self._listener.close()
        self._blocked_port.close()

    def recognise(self, target: bytes, shown: bytes = b"") -> tuple[str, bytes] | None:
        """Return the profile that a request is of, and its path without the secret.

        Args:
            target: the request's; what it begins with may be the secret.
            shown: what else may be the secret: a header.
        """
        known = None
        for prefix, profile in self._prefixes.items():  # all of them: time tells nothing
            if _compare_digest(target[: len(prefix)], prefix):
                known = profile, b"/" + target[len(prefix) :]
            elif _compare_digest(shown, prefix[1:-1]):
                known = profile, target
        return known

    def lack_of_room(self, size: int, more: int) -> str:
        """Say beyond which bound so many more bytes of a body would be; empty for none."""
        if size + more > MAX_BODY_BYTES:
            return TOO_LARGE
        return TOO_MANY if self.under_way + more > MAX_UNDER_WAY_BYTES else ""

    def take(self, request: Request) -> str:
        """Take a complete request; return why it cannot be acknowledged, empty if it can be."""
        try:
            self.keep(request)
        except OSError as error:
            return TOO_MANY if isinstance(error, BacklogError) else DISK_FULL
        return ""

    def forget(self, connection: Connection) -> None:
        """Watch a connection no more."""
        self._selector.unregister(connection.socket)
        del self.connections[connection]
        if self._is_full:
            self._is_full = False
            self.watch(self._listener, self._accept)

    def _accept(self) -> None:
        if len(self.connections) >= MAX_CONNECTIONS and not self._make_room():
            self._selector.unregister(self._listener)
            self._is_full = True
            return
        with contextlib.suppress(OSError):
            self._serve(self._listener.accept()[0])

    def _serve(self, accepted: socket.socket, *, is_call: bool = False) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        connection = Connection(accepted, self, is_call=is_call)
        self.connections[connection] = None
        self.watch(accepted, connection.read)

    def _make_room(self) -> bool:
        """Close the oldest connection that has not shown the secret."""
        for connection in self.connections:
            if not connection.is_known:
                self.counts.refused[TOO_MANY] += 1
                connection.close()
                return True
        return False

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            accepted, _ = self._blocked_port.accept()
            self.counts.blocked_attempts += 1  # until it turns out to be a call
            if self.calls and len(self.connections) < MAX_CONNECTIONS and is_ours(accepted):
                self._serve(accepted, is_call=True)
            else:
                accepted.close()
