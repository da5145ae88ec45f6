"""Listen on loopback before a program starts; what serves it is loaded while the program loads.

Each known program has a URL of its own. Its path begins with a secret, by which the gate knows the
program, and without which no other user of this machine can read or inject anything.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field

HOST = "127.0.0.1"
FAREWELL_SECONDS = 0.4
MAX_BODY_BYTES = 1 << 20
MAX_REQUESTS = 256
MAX_TOTAL_BYTES = 16 << 20
_BACKLOG = 128
_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class Caught:
    """One complete request.

    Attributes:
        method: as it came.
        path: without the secret, with its query.
        headers: names in lower case and values, in their order.
        body: as it was received, its chunks joined, its compression untouched.
        when: microseconds since 1970.
        profile: the name of the profile whose URL it came in on.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    when: int
    profile: str = ""

    def header(self, name: str) -> str:
        """Return the last value of a header, empty if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), "")


@dataclass(slots=True)
class Seen:
    """What one gate has seen. Whatever is told it after `seal` is not kept.

    Attributes:
        caught: the complete requests, in the order of their arrival.
        lost: how many more were complete, but beyond a bound.
        refused: how many were not answered as wanted, by the reason.
        closed_attempts: how many connections were tried to the address of the closed channels.
        failure: why the gate could not serve; empty if it could.
    """

    caught: list[Caught] = field(default_factory=list)
    lost: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed_attempts: int = 0
    failure: str = ""
    _size: int = 0
    _is_sealed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def has_room(self, size: int) -> bool:
        """Tell whether one more request, and so many bytes, are within the bounds."""
        return len(self.caught) < MAX_REQUESTS and self._size + size <= MAX_TOTAL_BYTES

    def add(self, caught: Caught) -> None:
        """Keep a request, or count it as lost where a bound is reached."""
        with self._lock:
            if self._is_sealed:
                return
            if self.has_room(len(caught.body)):
                self._size += len(caught.body)
                self.caught.append(caught)
            else:
                self.lost += 1

    def seal(self) -> None:
        """Keep no more."""
        with self._lock:
            self._is_sealed = True


class Gate:
    """A loopback door for one run: listening from the start, served in a thread.

        gate = Gate()
        url = gate.url_for("cloudquery")
        run(command, environment, on_start=lambda _: gate.serve())
        seen = gate.finish()

    Attributes:
        port: where it listens on loopback.
        closed_address: `host:port` that answers nothing: each connection is counted and closed.

    Raises:
        OSError: no port can be had.
    """

    def __init__(self) -> None:
        self._profiles: dict[str, str] = {}
        self._listener = _listen()
        self._closed_door = _listen()
        self._bell, self._ears = socket.socketpair()
        self._thread: threading.Thread | None = None
        self._seen = Seen()
        self._is_serving = False
        self.port: int = self._listener.getsockname()[1]
        self.closed_address = f"{HOST}:{self._closed_door.getsockname()[1]}"

    def url_for(self, profile_name: str) -> str:
        """Return where the program of this profile is to send to, without a slash at its end.

        To be asked before `serve`; the same name gets the same URL again.
        """
        secret = next((one for one, name in self._profiles.items() if name == profile_name), "")
        if not secret:
            secret = os.urandom(_SECRET_BYTES).hex()
            self._profiles[secret] = profile_name
        return f"http://{HOST}:{self.port}/{secret}"

    def serve(self) -> None:
        """Serve in a thread from now on; to be called once the program has started."""
        self._thread = threading.Thread(target=self._serve, name="gate", daemon=True)
        self._thread.start()

    def finish(self, seconds: float = FAREWELL_SECONDS) -> Seen:
        """Take what was sent before the program ended, close the door, and return what was seen.

        Once done, it returns the same again.

        Args:
            seconds: how long that may take at most, whatever the clients do.
        """
        if self._bell.fileno() < 0:
            return self._seen
        self._bell.close()
        if self._thread is None:
            self._close()
        # Where nobody knocked before the code was loaded, there is nothing to wait for.
        elif self._is_serving or self._somebody_waits():
            self._thread.join(seconds)
        self._seen.seal()
        return self._seen

    def _serve(self) -> None:
        try:
            from .server import Server

            server = Server(
                self._listener, self._closed_door, self._ears, self._profiles, self._seen
            )
            self._is_serving = True
            server.run()
        except Exception as error:  # noqa: BLE001  # told to whoever asks; the program goes on
            self._seen.failure = f"{type(error).__name__}: {error}"
        finally:
            # A program that is not served must be refused, or it would wait for an answer.
            self._close()

    def _somebody_waits(self) -> bool:
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._listener, selectors.EVENT_READ)
                selector.register(self._closed_door, selectors.EVENT_READ)
            except (OSError, ValueError):
                return False  # the thread has closed them
            return bool(selector.select(0))

    def _close(self) -> None:
        for one in (self._listener, self._closed_door, self._bell, self._ears):
            one.close()


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Windows lets another program take a port over, unless it is told not to.
        if exclusive := getattr(socket, "SO_EXCLUSIVEADDRUSE", None):
            listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        listener.bind((HOST, 0))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
