"""Run a collector: its socket, its processes, its signals; it finishes what it began, and ends."""

from __future__ import annotations

import contextlib
import ipaddress
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from ..errors import CqtelError
from ..standard_streams import say
from . import SHARED_FOLDER, logs
from .addresses import Addresses
from .allowing import own_fields
from .connections import IDLE_SECONDS, bounded
from .limits import Limits, SharedTable
from .server import Application

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.process import BaseProcess

    from .settings import Settings
    from .sinks import Sink

GRACE_SECONDS = 35
_BACKLOG = 2048
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FAILED = 1
_HOPELESS = 78
"""A worker's exit code when another in its place would fail as well (EX_CONFIG of sysexits.h)."""
_SWITCH_SECONDS = 0.001
"""How long a large body that is read in a thread may delay the others."""
_REPLACED_A_MINUTE = 10
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What the workers of one port have in common.

    Attributes:
        table: the file of how often each network came.
        secret: the key of the hashes that stand for networks there.
    """

    table: Path
    secret: bytes


def run(settings: Settings) -> int:
    """Receive until SIGTERM or SIGINT, finish what was begun, and return the exit code.

    Raises:
        CqtelError: it cannot listen, or the store cannot be opened.
    """
    _prepare()
    if settings.workers > 1:
        return _supervise(settings)
    with listener(settings) as listening:
        return serve(settings, listening)


def _prepare() -> None:
    """Have files written for this user alone, and let a crash leave no core dump."""
    os.umask(0o077)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logs.start()


def listener(settings: Settings) -> socket.socket:
    """Return a socket that is bound, and does not listen yet.

    Raises:
        CqtelError: the address or the port cannot be bound.
    """
    version = ipaddress.ip_address(settings.host).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6  # noqa: PLR2004
    # asyncio sends at once (TCP_NODELAY) only where the protocol is named: else each answer, being
    # written in two parts, waits 40 ms for the client's delayed acknowledgement of the first.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.workers > 1:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        where = f"{settings.host} port {settings.port}"
        raise CqtelError(
            f"{where}: {error.strerror}. Choose another address with --listen."
        ) from None
    return bound


def serve(
    settings: Settings,
    listening: socket.socket,
    sink: Sink | None = None,
    *,
    tidies: bool = True,
    shared: Shared | None = None,
) -> int:
    """Serve in this process until told to stop; return the exit code.

    Args:
        settings: the operator's.
        listening: bound; it is closed at the end.
        sink: what takes the arrivals, closed at the end; by default what the settings ask for.
        tidies: whether it is this process that forgets what is older than the retention.
        shared: what it has in common with other processes on the same port.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    sink = sink or open_sink(settings)
    secret = None if shared is None else shared.secret
    table = None if shared is None else SharedTable(shared.table)
    try:
        with contextlib.closing(Addresses(settings, secret=secret)) as addresses:
            limits = Limits(settings.rate, table=table)
            application = Application(sink, settings, addresses, limits=limits, tidies=tidies)
            server_of(application).run(sockets=[listening])
    except SystemExit:
        return _FAILED
    finally:
        sink.close()
    logs.tell("stopped")
    return 0


def server_of(application: Application) -> CollectorServer:
    """Return the server of an application: nothing of uvicorn's that could tell an address."""
    return CollectorServer(
        uvicorn.Config(
            application,
            http=bounded(application),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


class CollectorServer(uvicorn.Server):
    """uvicorn's server, but a signal that it obeyed is not raised once more."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop gracefully on SIGTERM and SIGINT, at the second SIGINT at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        for one in sockets or []:
            address, port, *_ = one.getsockname()
            logs.tell("listening", address=address, port=port, process=os.getpid())


# Workers ------------------------------------------------------------------------------------------


def _supervise(settings: Settings) -> int:
    """Run several processes on one port; one that dies is replaced."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise CqtelError("Several processes cannot share a port on this system: use --workers 1")
    # Bound here, but never listening: it keeps the port while workers come and go.
    with listener(settings) as reserved, tempfile.TemporaryDirectory() as counts:
        os.environ[SHARED_FOLDER] = counts
        settings = replace(settings, port=reserved.getsockname()[1])
        shared = Shared(Path(counts, "networks"), secrets.token_bytes(32))
        try:
            return _Workers(settings, shared).run()
        finally:
            del os.environ[SHARED_FOLDER]  # the folder is gone from here on


class _Workers:
    """The processes, from the one that started them."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self._settings = settings
        self._shared = shared
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, BaseProcess] = {}
        self._replaced: list[float] = []
        self._is_stopping = False
        self._ears, self._bell = os.pipe()
        self._code = 0

    def run(self) -> int:
        before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            for number in range(self._settings.workers):
                self._start(number)
            while self._processes:
                self._wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._ears)
            os.close(self._bell)
        return self._code

    def _start(self, number: int) -> None:
        process = self._context.Process(target=_work, args=(self._settings, self._shared, number))
        process.start()
        self._processes[number] = process

    def _wait(self) -> None:
        sentinels = {process.sentinel: number for number, process in self._processes.items()}
        ended = wait([*sentinels, self._ears])
        if self._ears in ended:
            os.read(self._ears, 1)
            self._end_all()
        for sentinel in ended:
            if sentinel in sentinels:
                self._ended(sentinels[sentinel])

    def _ended(self, number: int) -> None:
        process = self._processes.pop(number)
        process.join()
        if self._is_stopping:
            self._code = self._code or int(process.exitcode != 0)
        elif process.exitcode == _HOPELESS or self._dies_too_often():
            self._code = _FAILED
            self._end_all()
        else:
            logs.tell("a worker ended, and is replaced", code=process.exitcode)
            self._start(number)

    def _dies_too_often(self) -> bool:
        now = time.monotonic()
        self._replaced = [*(then for then in self._replaced if now - then < _MINUTE), now]
        return len(self._replaced) > _REPLACED_A_MINUTE

    def _stop(self, *_: object) -> None:
        os.write(self._bell, b"\0")

    def _end_all(self) -> None:
        self._is_stopping = True
        for process in self._processes.values():
            process.terminate()


def _work(settings: Settings, shared: Shared, number: int) -> None:
    """Be one worker, and end with the process that started it."""
    _prepare()
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # there is one where this is called
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    try:
        with listener(settings) as listening:
            sys.exit(serve(settings, listening, tidies=number == 0, shared=shared))
    except CqtelError as error:
        say(str(error))
        sys.exit(_HOPELESS)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def open_sink(settings: Settings) -> Sink:
    """Open the sink that the settings ask for.

    Raises:
        CqtelError: it cannot be opened.
    """
    if settings.forward:
        from .edge import Edge, KeepingEdge

        if settings.clickhouse is not None:
            from .clickhouse_rights import Rights

            return KeepingEdge(
                settings.forward, Rights(settings.clickhouse, own_fields(settings.contracts))
            )
        return Edge(settings.forward)
    from .store import Store

    return Store(
        settings.store,
        retention_days=settings.retention_days,
        error_days=settings.error_days,
        believes_clock=settings.believes_clock,
    )
