"""A real gRPC server on loopback: grpcio's, with OpenTelemetry's three services."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from cqtel_tui.formats.grpc import SIGNALS

from .collectors import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


@dataclass
class Service:
    """What was called, and what is answered.

    Attributes:
        url: of the call that exports traces.
        calls: the path of each call, and its message.
        metadata: what each call had with it.
        answer: what is answered with, as bytes; it may end a call with a status instead.
    """

    url: str = ""
    calls: list[tuple[str, bytes]] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    answer: Callable[[Any], bytes] = lambda _: b""


@contextlib.contextmanager
def serving(paths: Collection[str] = SIGNALS, credentials: Any = None) -> Iterator[Service]:
    """Serve on loopback, in plaintext or with a certificate."""
    service = Service()
    server = grpc.server(ThreadPoolExecutor(4))
    for path in paths:
        _, name, method = path.split("/")
        handler = grpc.unary_unary_rpc_method_handler(_answering(service, path))
        handlers = grpc.method_handlers_generic_handler(name, {method: handler})
        server.add_generic_rpc_handlers((handlers,))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    scheme = "http" if credentials is None else "https"
    service.url = f"{scheme}://127.0.0.1:{port}{next(iter(paths))}"
    server.start()
    try:
        yield service
    finally:
        server.stop(0).wait(PATIENCE)


def _answering(service: Service, path: str) -> Callable[[bytes, Any], bytes]:
    def answer(message: bytes, context: Any) -> bytes:
        service.calls.append((path, message))
        service.metadata.append(dict(context.invocation_metadata()))
        return service.answer(context)

    return answer
