"""Serve the terminal UI to a browser on this machine, and to nobody else.

Whoever drives the UI gives consent in its user's name. So everything is below a path that holds the
key of this run: another user of this machine does not know it, and a browser tells it to no other
server, as it would a cookie, which is shared by all ports of a host. A page of somebody else's,
which can open a socket to this machine, is refused by its origin. Nothing is loaded from outside.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

from ..standard_streams import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

HOST = "127.0.0.1"
_PAGE = Path(__file__).parent / "browser"
_SOCKET = "/ws"


class OwnServer(Server):
    """textual-serve's server behind a key.

    Args:
        port: the port on 127.0.0.1.
        key: the first part of every path; random by default.
        options: the options of `cq-telemetry-ui` that each session is started with.
    """

    def __init__(self, port: int, key: str | None = None, *, options: Sequence[str] = ()) -> None:
        command = [sys.executable, "-P", "-m", "cqtel_tui", *options]
        super().__init__(
            shlex.join(command), host=HOST, port=port, title="cqtel", templates_path=_PAGE
        )
        self.key = key or secrets.token_urlsafe(32)

    @property
    def address(self) -> str:
        """The URL to open, with the key."""
        return f"{self._origin}/{self.key}/"

    @property
    def _origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def initialize_logging(self) -> None:
        """Log what is wrong, and no request: its path has the key."""
        logging.basicConfig(level=logging.WARNING, format="%(message)s")

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        inner = await super()._make_app()
        inner.router.add_static("/page", _PAGE)
        app.add_subapp(f"/{self.key}", inner)
        app.on_response_prepare.append(self._close_off)
        return app

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        # A browser always names the origin of a page that opens a socket.
        is_ours = origin == self._origin or (origin is None and not request.path.endswith(_SOCKET))
        if request.host != f"{HOST}:{self.port}" or not is_ours:
            raise web.HTTPForbidden(text="Only the page of cq-telemetry-ui --serve may do this.")
        key = request.path.split("/")[1]
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            raise web.HTTPForbidden(text="Open the address that cq-telemetry-ui --serve printed.")
        return await handler(request)

    async def _close_off(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Let the page load nothing from elsewhere, stand in no other page, and keep its key."""
        own = f"default-src {self._origin}"
        inline = f"style-src {self._origin} 'unsafe-inline'"
        socket = f"connect-src ws://{HOST}:{self.port}"
        images = f"img-src {self._origin} data:"
        response.headers["Content-Security-Policy"] = (
            f"{own}; {inline}; {socket}; {images}; frame-ancestors 'none'; base-uri 'none'; "
            "form-action 'none'"
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"


def serve(port: int, *, options: Sequence[str] = ()) -> int:
    """Serve until Ctrl+C; return the exit code.

    Args:
        port: the port on 127.0.0.1.
        options: the options of `cq-telemetry-ui` that each session is started with.
    """
    server = OwnServer(port, options=options)
    say(f"open {server.address}", program="cq-telemetry-ui")
    server.serve()
    return 0
