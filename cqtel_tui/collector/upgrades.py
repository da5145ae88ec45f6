"""Decline each offer to change the protocol (RFC 9110, 7.8), and serve the request as it is.

Java's HTTP client offers `h2c` with every request in clear text. httptools takes what follows the
head of such a request for the new protocol's: uvicorn then serves the request without its body, or
reads that body as the next request. Here the head is given to a new parser without the offer, so
that what frames the body is still the parser's to say.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = frozenset({b"upgrade", b"http2-settings"})
_MOST_IN_A_PIECE = 64
"""The most offers in one piece of data; a client sends one."""


class DecliningConnection(HttpToolsProtocol):
    """uvicorn's protocol, for which an offer changes nothing."""

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._unset_keepalive_if_required()
        try:
            for _ in range(_MOST_IN_A_PIECE):
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as offer:
                    data = self._without_offer() + data[offer.args[0] :]
                    self._begin_anew()
                else:
                    return
        except httptools.HttpParserError:
            pass
        if not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """Begin to serve a request; one with an offer is read once more."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request's body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _without_offer(self) -> bytes:
        """Write the head that was read, without what was offered in it.

        Raises:
            httptools.HttpParserError: it is CONNECT, which has no body and no answer here.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserError("CONNECT")
        version = self.parser.get_http_version().encode("ascii")
        head = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = (token.strip() for token in value.split(b","))
                kept = b", ".join(token for token in tokens if token.lower() not in _OFFER)
                head += [b"connection: " + kept] * bool(kept)
            elif name not in _OFFER:
                head.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*head, b"", b""])

    def _begin_anew(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
