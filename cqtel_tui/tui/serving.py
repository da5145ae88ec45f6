"""Serve the terminal UI to a browser on this machine, and to nobody else.

Whoever drives the UI gives consent in its user's name. So only a request with the key of this run
is answered (another user of this machine does not have it), and only from our own address (a page
of somebody else's can open a socket to this machine, but not from it).
"""

from __future__ import annotations

import hmac
import secrets
import shlex
import sys
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"
_COOKIE = "cqtel-key"


class OwnServer(Server):
    """textual-serve's server behind a key.

    Args:
        port: the port on 127.0.0.1.
        key: what the first request has to know; random by default.
        readonly: let nothing be changed.
    """

    def __init__(self, port: int, key: str | None = None, *, readonly: bool = False) -> None:
        command = [sys.executable, "-P", "-m", "cqtel_tui"]
        command += ["--readonly"] if readonly else []
        super().__init__(shlex.join(command), host=HOST, port=port, title="cqtel")
        self.key = key or secrets.token_urlsafe(32)

    @property
    def address(self) -> str:
        """The URL to open, with the key."""
        return f"http://{HOST}:{self.port}/?key={self.key}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        own = f"{HOST}:{self.port}"
        if request.host != own or request.headers.get("Origin", f"http://{own}") != f"http://{own}":
            raise web.HTTPForbidden(text="This address is not ours.")
        given = request.query.get("key")
        if given is not None and self._is_key(given):
            answer = web.HTTPFound("/")
            answer.set_cookie(_COOKIE, self.key, httponly=True, samesite="Strict")
            raise answer
        if not self._is_key(request.cookies.get(_COOKIE, "")):
            raise web.HTTPForbidden(text="Open the address that cq-telemetry-ui --serve printed.")
        return await handler(request)

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.key.encode())


def serve(port: int, *, readonly: bool = False) -> int:
    """Serve until Ctrl+C; return the exit code."""
    server = OwnServer(port, readonly=readonly)
    sys.stderr.write(f"cq-telemetry-ui: open {server.address}\n")
    server.serve()
    return 0
