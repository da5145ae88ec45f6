"""Collectors on loopback that write down each request byte for byte, and answer by a script."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Reply = bytes | Callable[["Request", socket.socket], bytes]

PATIENCE = 60.0  # seconds, for a machine under load; nothing here takes so long by design
PATIENCE_WITH_A_PROCESS = 120.0  # which has to be started first, and to load its modules
QUICK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        return self.head.decode("ascii").split("\r\n")[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("ascii").split("\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


class Collector:
    """A server on a port of its own.

    What `replies` holds is answered first, each once, then `QUICK` for ever. A reply is the bytes
    to send, or a function that may do what it likes with the socket; empty bytes end the
    connection.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.replies: deque[Reply] = deque()
        self.always: Reply = QUICK
        self.connections = 0
        self.arrived = threading.Semaphore(0)
        self.released = threading.Event()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v1/traces"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def wait_for_request(self) -> None:
        assert self.arrived.acquire(timeout=PATIENCE_WITH_A_PROCESS), "no request came"

    def hang(self, _: Request, __: socket.socket) -> bytes:
        """Reply nothing until the test is over, or says so by `released`."""
        self.released.wait()
        return b""

    def close(self) -> None:
        self.released.set()
        with contextlib.suppress(OSError):  # macOS: it is not connected
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(PATIENCE)
            if self._context is not None:
                connection = stack.enter_context(
                    self._context.wrap_socket(connection, server_side=True)
                )
                self._open.add(connection)
            while request := _read(connection, number):
                self.requests.append(request)
                self.arrived.release()
                reply = self.replies.popleft() if self.replies else self.always
                data = reply if isinstance(reply, bytes) else reply(request, connection)
                connection.sendall(data)
                if not data:
                    return


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Collector]:
    collector = Collector(context)
    try:
        yield collector
    finally:
        collector.close()


def reply(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of an answer; an underscore in a header's name stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _read(connection: socket.socket, number: int) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    fields = [line.partition(b":") for line in head.lower().split(b"\r\n")]
    length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
    while len(body) < length and (part := connection.recv(65536)):
        body += part
    return Request(head, body, number)
