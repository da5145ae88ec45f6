"""Post envelopes to one collector and read its answers, bounded in time and in memory."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from ..formats.bare_json import parse_object
from ..review.headers import request_headers
from .exchanging import FAREWELL_SECONDS, Exchanges, NoAnswerError
from .proxies import proxy_for, without_password

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from ..outbox.envelope import Envelope

REQUEST_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_ANSWER_CHARACTERS = 500
MAX_REJECTED = 1 << 31
REDIRECTED = range(300, 400)


@dataclass(frozen=True, slots=True)
class CollectorResponse:
    """What a collector answered; all of it is untrusted.

    Attributes:
        status: the HTTP status.
        words: where it points to, or its error message, or the beginning of what it sent.
        rejected_spans: how many spans it says it refused (`partialSuccess`).
        retry_after: its `Retry-After` header; empty if there is none.
    """

    status: int
    words: str
    rejected_spans: int
    retry_after: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request; all of it is untrusted.

    Attributes:
        status: the HTTP status.
        headers: as they came.
        body: as it came, never decompressed; no more of it than was wanted.
        problem: why this is not the whole body; empty if it is.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    problem: str


class Connection(Exchanges):
    """A connection to one collector, kept alive between requests.

    Args:
        url: where to post to.
        seconds: how long one request may take in all, its answer included.
        is_cancelled: called again and again while a request is under way.

    Attributes:
        proxy: the proxy that is used, without its password; empty if none is.

    Raises:
        NoAnswerError: the proxy or the certificates cannot be used.
    """

    def __init__(self, url: str, seconds: float, is_cancelled: Callable[[], bool]) -> None:
        super().__init__(seconds, is_cancelled)
        proxy = proxy_for(url)
        self.proxy = without_password(proxy)
        self._url = url
        self._client = _client(url, proxy)
        self._stream: Any = None

    def close(self) -> None:
        """Close it."""
        # What a thread still uses, it closes itself.
        if self.is_over is None or self.is_over.is_set():
            self._client.close()

    def connected(self) -> socket.socket | None:
        """Return the socket that is in use; None if there is none yet."""
        found = None if self._stream is None else self._stream.get_extra_info("socket")
        return found if isinstance(found, socket.socket) else None

    def post(self, envelope: Envelope) -> CollectorResponse:
        """Post an envelope's bytes and headers, and nothing else; follow no redirect.

        Raises:
            NoAnswerError: there was no answer, or none in time.
        """
        return _response_of(self.ask("POST", self._url, envelope.headers, envelope.payload))

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        *,
        most: int = MAX_ANSWER_BYTES,
    ) -> Reply:
        """Make one request with these headers, and no others; follow no redirect.

        Args:
            method: of HTTP.
            url: at the collector that this connection is to.
            headers: `Host` and the length are added.
            content: the body; None for none.
            most: how many bytes of the answer's body are wanted.

        Raises:
            NoAnswerError: there was no answer, or none in time.
        """
        try:
            # A request made by hand has these headers, and no others.
            request = httpx.Request(
                method,
                url,
                headers=list(
                    request_headers(headers, None if content is None else len(content), url)
                ),
                content=content,
                extensions={
                    # For a thread that was left alone; `_wait` has no patience for as long.
                    "timeout": httpx.Timeout(self.seconds + FAREWELL_SECONDS).as_dict(),
                    "trace": self._watch,
                },
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise NoAnswerError(f"it is not a URL that can be asked ({error})") from None
        heard = _Heard(most)
        reason = self.run(lambda is_over: self._exchange(request, heard, is_over))
        problem = reason or _in_words(heard.error)
        # Once the status is known, nothing that goes wrong with the rest of the answer undoes it.
        if heard.response is None:
            raise NoAnswerError(problem)
        body = bytes(heard.body)
        if len(body) >= most:
            problem = f"it is longer than {most:,} bytes"
        return Reply(heard.response.status_code, heard.response.headers, body[:most], problem)

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """See each step of an exchange, as its thread takes it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]
        elif self.is_stopped and ".send_request" in event and event.endswith(".started"):
            raise NoAnswerError("it was stopped before it was sent")

    def _exchange(self, request: httpx.Request, heard: _Heard, is_over: threading.Event) -> None:
        try:
            with contextlib.closing(self._client.send(request, stream=True)) as response:
                heard.response = response
                for part in response.iter_raw():
                    heard.body += part
                    if len(heard.body) >= heard.most:
                        break
        except Exception as error:  # noqa: BLE001  # passed to whoever waits, whatever it is
            heard.error = error
        finally:
            is_over.set()


class _Heard:
    """What one exchange has received so far, no more than `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.response: httpx.Response | None = None
        self.body = bytearray()
        self.error: Exception | None = None


def _client(url: str, proxy: str) -> httpx.Client:
    try:
        is_secured = url.startswith("https:")
        context = trusted() if is_secured else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except OSError as error:
        raise NoAnswerError(
            f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error.strerror}"
        ) from None
    try:
        # trust_env would let .netrc put a password into the headers.
        return httpx.Client(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            proxy=_proxy(proxy, context) if proxy else None,
            limits=httpx.Limits(max_connections=1),
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        # The reason would have its password in it.
        raise NoAnswerError(f"the proxy {without_password(proxy)} cannot be used") from None


def trusted() -> ssl.SSLContext:
    """Return what proves who a collector is, as OpenSSL, curl and Go have it.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` each take the place of the system's own file and folder;
    without either, the certificates that httpx brings are trusted beside the system's. Made by
    hand, for `ssl.create_default_context` would write the keys of each connection to the file
    that `SSLKEYLOGFILE` names, where they open what was sent to whoever reads it.

    Raises:
        OSError: a file or folder that the environment names cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        context.load_verify_locations(cafile=file or None, capath=folder or None)
    else:
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    context.load_default_certs()
    return context


def _proxy(proxy: str, trusted: ssl.SSLContext) -> httpx.Proxy:
    url = httpx.URL(proxy)
    if not url.host:
        raise ValueError("it has no host")
    return httpx.Proxy(url, ssl_context=trusted if url.scheme == "https" else None)


def _in_words(error: Exception | None) -> str:
    if error is None:
        return ""
    if isinstance(error, (httpx.HTTPError, NoAnswerError)) and str(error):
        return str(error)
    return f"{type(error).__name__} {error}".rstrip()


def is_plain(reply: Reply) -> bool:
    """Tell whether the body is not compressed: a few compressed bytes could fill the memory."""
    return bool(reply.headers.get("Content-Encoding", "identity").lower() == "identity")


def _response_of(reply: Reply) -> CollectorResponse:
    words, rejected = _read_body(reply.body) if is_plain(reply) else ("", 0)
    if reply.status in REDIRECTED:
        words = f"Location: {reply.headers.get('Location', '')}"
    return CollectorResponse(
        reply.status,
        words[:MAX_ANSWER_CHARACTERS],
        rejected,
        reply.headers.get("Retry-After", ""),
    )


def _read_body(body: bytes) -> tuple[str, int]:
    """Return a collector's words and the number of spans it says it refused."""
    words = body.decode("utf-8", "replace")
    try:
        partial = parse_object(body)["partialSuccess"]
        message = partial.get("errorMessage")
        # A 64-bit integer is a string in OTLP/JSON, but some servers write a number.
        rejected = int(partial.get("rejectedSpans") or 0)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return words, 0
    if isinstance(message, str):
        words = message
    return words, max(0, min(rejected, MAX_REJECTED))
