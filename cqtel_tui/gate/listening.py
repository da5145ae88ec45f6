"""Listen on loopback before a program starts; the gate's own process takes it over meanwhile.

Each known program has a URL of its own. Its path begins with a secret, by which the gate knows the
program, and without which no other user of this machine can read or inject anything.

This is what the launcher imports before the program starts, so that it imports next to nothing:
`_socket` has the sockets without the 6 ms of `socket`.
"""

from __future__ import annotations

import _socket
import os
import sys
import time

from ..formats import quote
from .channels import SECRET_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOST = "127.0.0.1"
FAREWELL_SECONDS = 0.4
_BACKLOG = 128
_SECRET_BYTES = 16
_PART = 64 * 1024
_MAX_ANSWER_BYTES = 64 << 20
_CODE = """\
import sys
try:
    import cqtel_tui
except ImportError:
    sys.path.insert(0, sys.argv[1])
from cqtel_tui.gate.serving import main
main(*map(int, sys.argv[2:]))
"""


class Seen:
    """What one gate has seen until the program's end. What comes later is in the run's record.

    Attributes:
        requests: how many complete requests were taken in.
        lost: how many more were complete, and could not be held.
        refused: how many were not taken in, by the reason.
        blocked_attempts: how many connections were tried to the address of the blocked channels.
        failure: why the gate could not serve; empty if it could.
        documents: while inspecting, what would be sent of each, as JSON.
        is_protobuf_unread: whether protobuf came in, and nothing is installed that reads it.
    """

    __slots__ = (
        "blocked_attempts",
        "documents",
        "failure",
        "is_protobuf_unread",
        "lost",
        "refused",
        "requests",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.lost = 0
        self.refused: dict[str, int] = {}
        self.blocked_attempts = 0
        self.failure = ""
        self.documents: list[bytes] = []
        self.is_protobuf_unread = False

    def read(self, line: bytes) -> None:
        """Take in one line of what the gate's process answers: a word, a space, and what it is."""
        word, _, rest = line.partition(b" ")
        if word in {b"requests", b"lost", b"blocked_attempts"}:
            setattr(self, word.decode(), int(rest))
        elif word == b"refused":
            number, _, why = rest.partition(b" ")
            self.refused[why.decode()] = int(number)
        elif word == b"failure":
            self.failure = rest.decode("utf-8", "replace")
        elif word == b"protobuf_unread":
            self.is_protobuf_unread = True
        elif word == b"document":
            self.documents.append(rest)


class Gate:
    """A loopback door for one run: listening from the start, served by a process of its own.

        gate = Gate()
        url = gate.url_for("cloudquery")
        run(command, environment, on_start=lambda process: gate.serve(process=process, …))
        seen = gate.finish(operation)

    That process outlives us: it stays while what was started beneath the program lives, and what
    comes in is on disk before it is acknowledged.

    Attributes:
        port: where it listens on loopback.
        blocked_address: `host:port` that answers nothing: each connection is counted and closed.
        sockets: where it listens, and where each connection is only counted.
        run: the id of this run, 16 hex digits.

    Raises:
        OSError: no port can be had.
    """

    def __init__(self) -> None:
        self._profiles: dict[str, str] = {}
        listener, blocked_port = self.sockets = (_listen(), _listen())
        self._control: _socket.socket | None = None
        self._inspects = False
        self._answer = b""
        self._seen = Seen()
        self.port: int = listener.getsockname()[1]
        self.blocked_address = f"{HOST}:{blocked_port.getsockname()[1]}"
        self.run = os.urandom(8).hex()

    def url_for(self, profile_name: str) -> str:
        """Return where the program of this profile is to send to, without a slash at its end.

        To be asked before `serve`; the same name gets the same URL again.
        """
        return f"http://{HOST}:{self.port}/{self._secret_of(profile_name)}"

    def header_for(self, profile_name: str) -> str:
        """Return the header that says the same as the URL's path, as `NAME=value`."""
        return f"{SECRET_HEADER}={self._secret_of(profile_name)}"

    def _secret_of(self, profile_name: str) -> str:
        secret = next((one for one, name in self._profiles.items() if name == profile_name), "")
        if not secret:
            secret = os.urandom(_SECRET_BYTES).hex()
            self._profiles[secret] = profile_name
        return secret

    def serve(  # noqa: PLR0913  # what the gate is told of a run, each thing by its name
        self,
        *,
        state: str,
        config: str = "",
        project: str = "",
        named: Sequence[str] = (),
        app: str = "",
        version: str = "",
        upstreams: Mapping[str, str] | None = None,
        debug: Sequence[str] = (),
        consent: Mapping[str, str] | None = None,
        inspect: bool = False,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
        process: int = 0,
    ) -> None:
        """Start the gate's process; to be called once the program has started.

        Nothing is raised: a gate that cannot be served is closed, and `finish` says why.

        Args:
            state: the state folder.
            config: the configuration folder.
            project: where the program was started.
            named: the folders that it was told to keep its files in, which may say no as well.
            app: the name of the program's profile, if it has one.
            version: its version, as far as it is known already.
            upstreams: where what is intercepted was bound for, by the name of the profile.
            debug: the programs of which error texts may be in what would be sent.
            consent: the mark of the yes to each program under which it is held, or empty.
            inspect: whether nothing is to be kept, and all to be shown by `finish`.
            options: the telemetry options that were given to us.
            arguments: those of the program, which are not to leave in what it reports.
            process: the id of the program's process.
        """
        message: Mapping[str, object] = {
            "id": self.run,
            "created": time.time_ns() // 1000,
            "state": state,
            "config": config,
            "project": project,
            "named": named,
            "app": app,
            "version": version,
            "upstreams": upstreams or {},
            "profiles": self._profiles,
            "debug": debug,
            "consent": consent or {},
            "inspect": inspect,
            "options": options,
            "arguments": arguments,
            "process": process,
            "key": os.urandom(32).hex(),
        }
        self._start(_json(message).encode("utf-8", "surrogateescape") + b"\n")
        self._inspects = inspect

    def _start(self, message: bytes) -> None:
        """Start the gate's process, and tell it of the run."""
        control = None
        try:
            control, theirs = _socket.socketpair()
            try:
                control.sendall(message)
                _start(theirs, *self.sockets)
            finally:
                theirs.close()
            self._control = control
        except OSError as error:
            self._seen.failure = f"its process could not be started: {error.strerror}"
            if control is not None:
                control.close()
        # Whoever connects from now on is the process's to answer, or nobody's.
        for one in self.sockets:
            one.close()

    def close(self, why: str) -> None:
        """Serve nobody, and let `finish` say why."""
        self._seen.failure = why
        for one in self.sockets:
            one.close()

    def finish(
        self, operation: str = "", version: str = "", seconds: float = FAREWELL_SECONDS
    ) -> Seen:
        """Tell the gate that the program has ended, and return what was seen so far.

        Nobody is waited for but a gate that has something to take in, or to redact, right now.
        Once done, it returns the same again.

        Args:
            operation: the id of the envelope of the operation that was recorded, if one was.
            version: the program's version, if it is known by now.
            seconds: how long that may take at most, whatever the clients do.
        """
        for one in self.sockets:
            one.close()
        control, self._control = self._control, None
        if control is None:
            return self._seen
        until = time.monotonic() + seconds
        control.settimeout(seconds)
        try:
            control.sendall(f"ended {operation or '-'} {version or '-'}\n".encode())
        except OSError:
            pass  # it is gone, and may have said why
        try:
            # One that is still being loaded has answered nobody yet: what waits there comes late.
            if self._inspects or self._has_begun(control):
                while not self._is_answered() and (left := until - time.monotonic()) > 0:
                    control.settimeout(left)
                    self._hear(control)
        except OSError:
            pass  # it takes too long; or it is gone, and what it has taken in lies on disk
        finally:
            control.close()
        for line in self._answer.splitlines():
            self._seen.read(line)
        return self._seen

    def _has_begun(self, control: _socket.socket) -> bool:
        control.setblocking(False)
        try:
            self._hear(control)
        except BlockingIOError:
            return False
        return True

    def _hear(self, control: _socket.socket) -> None:
        part = control.recv(_PART)
        self._answer += part
        if not part or len(self._answer) > _MAX_ANSWER_BYTES:
            if not self._is_answered():
                self._seen.failure = "its process ended"
            raise OSError

    def _is_answered(self) -> bool:
        return self._answer.endswith(b"\n.\n")


def _listen() -> _socket.socket:
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        # Windows lets another program take a port over, unless it is told not to.
        if exclusive := getattr(_socket, "SO_EXCLUSIVEADDRUSE", None):
            listener.setsockopt(_socket.SOL_SOCKET, exclusive, 1)
        listener.bind((HOST, 0))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _start(*sockets: _socket.socket) -> None:
    """Start the gate's process: without our streams, our terminal and our signals."""
    root = __file__.rpartition(f"{os.sep}cqtel_tui{os.sep}")[0]
    handles = [each.fileno() for each in sockets]
    command = [sys.executable, *_flags(), "-c", _CODE, root, *map(str, handles)]
    if not hasattr(os, "posix_spawn"):
        from .serving import serve_in_thread

        serve_in_thread([_socket.dup(handle) for handle in handles])
        return
    for handle in handles:
        os.set_inheritable(handle, True)
    null = os.devnull
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
    ]
    spawn = os.posix_spawn
    # A variable without a name, as Wine leaves some, can be handed to nobody.
    environment = {name: value for name, value in os.environ.items() if name}
    try:
        spawn(command[0], command, environment, file_actions=streams, setsid=True, setsigmask=[])
    except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID; the process does it itself
        spawn(command[0], command, environment, file_actions=streams, setsigmask=[])


def _flags() -> list[str]:
    """Return how our own Python was started, and always without the current directory.

    That is untrusted, so that nothing is imported from it.
    """
    flags = {
        "-I": sys.flags.isolated,
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
        "-S": sys.flags.no_site,
    }
    return ["-P", *[flag for flag, is_given in flags.items() if is_given]]


def _json(value: object) -> str:
    """Return a value as JSON: `json` takes longer to import than all the rest."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return f"{{{','.join([f'{quote(key)}:{_json(each)}' for key, each in value.items()])}}}"
    assert isinstance(value, list | tuple)  # noqa: S101  # nothing else is told
    return f"[{','.join([_json(each) for each in value])}]"
