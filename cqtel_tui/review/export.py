"""Write a pending payload as the request it would be: an HTTP archive, or a curl command."""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urldefrag

from .. import __version__
from ..errors import CqtelError
from ..formats.grpc import is_call
from .destination import bound_for
from .headers import masked, request_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope

_ID = re.compile(r"[0-9a-f]{16}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, section 5.6.2)
_HEADER_VALUE = re.compile(r"[ -~]*")  # of what may be there, what every terminal shows as it is
_IN_URL = "".join(map(chr, range(0x21, 0x7F)))
_CURLS_OWN_HEADERS = ("Accept", "Content-Type", "Expect", "User-Agent")
_NOT_IN_VARIABLES = re.compile(r"[^A-Za-z0-9]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotExportableError(CqtelError):
    """A payload goes nowhere, or no curl command could send exactly these bytes and headers."""


def as_har(envelopes: Sequence[Envelope], endpoint: str, *, reveal: bool = False) -> dict[str, Any]:
    """Return an HTTP archive (HAR 1.2) of requests that were not sent, so without answers.

    Source: http://www.softwareishard.com/blog/har-12-spec/. A body that is no text in UTF-8 is
    given in a field of our own as well, `_base64`: HAR has no room for it. Credentials in headers
    are masked, unless they are to be revealed.

    Raises:
        NotExportableError: one of them would not be sent anywhere.
    """
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "cqtel", "version": __version__},
            "entries": [
                _entry(envelope, _url(envelope, endpoint), reveal=reveal) for envelope in envelopes
            ],
        }
    }


def as_curl(envelope: Envelope, endpoint: str, *, reveal: bool = False) -> str:
    """Return a shell command, in one printable line, that sends exactly these bytes and headers.

    A credential in a header is shown only if it is to be revealed; else the command takes it from a
    variable of the shell, which `asked_for` names.

    Raises:
        NotExportableError: it would not be sent anywhere, or the envelope was tampered with.
    """
    if not _ID.fullmatch(envelope.id):
        raise NotExportableError(
            "This payload's ID is not a valid one, so no command can fetch it. "
            "Look at it with cq-telemetry show, and drop it."
        )
    present = {name.lower() for name in envelope.headers}
    headers = [f"{name}:" for name in _CURLS_OWN_HEADERS if name.lower() not in present]
    variables = {} if reveal else asked_for(envelope)
    headers += [_header(k, v, variables.get(k, "")) for k, v in envelope.headers.items()]
    options = "".join(f" -H {header}" for header in headers)
    url = quote(_url(envelope, endpoint), safe=_IN_URL, errors="surrogatepass")
    # -q: no .curlrc. -g: no globs in the URL. --proto: no file is read, whatever the URL says.
    return (
        f"cq-telemetry show {envelope.id} --raw | "
        f"curl -q -g --proto '=http,https' --data-binary @-{options} -- {shlex.quote(url)}"
    )


def asked_for(envelope: Envelope) -> dict[str, str]:
    """Return the headers whose values a curl command does not have, each with its variable."""
    return {
        name: f"HEADER_{_NOT_IN_VARIABLES.sub('_', name).upper()}"
        for name, value in envelope.headers.items()
        if masked(name, value) != value
    }


def _url(envelope: Envelope, endpoint: str) -> str:
    url = bound_for(envelope, endpoint)
    if url is None:
        raise NotExportableError(
            f"{envelope.id} is bound for where it may not be sent to, so there is no request. "
            f"Look at it with cq-telemetry show {envelope.id}."
        )
    if is_call(envelope.headers):
        raise NotExportableError(
            f"{envelope.id} is a call in gRPC, which is neither for an archive nor for curl. "
            f"Look at it with cq-telemetry show {envelope.id}."
        )
    return url


def _header(name: str, value: str, variable: str) -> str:
    """Return a header as a word of a shell."""
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        raise NotExportableError(
            "A header of this payload has a character that is unsafe for curl. "
            "Look at it with cq-telemetry show, or export it with --format har."
        )
    if variable:
        return f"""{shlex.quote(f"{name}: ")}"${variable}\""""
    # To curl, `Name:` removes a header; `Name;` sends it without a value.
    return shlex.quote(f"{name}: {value}" if value.strip() else f"{name};")


def _entry(envelope: Envelope, url: str, *, reveal: bool) -> dict[str, Any]:
    url = urldefrag(url).url if "#" in url else url
    headers = request_headers(envelope.headers, len(envelope.payload), url)
    shown = [(name, value if reveal else masked(name, value)) for name, value in headers]
    return {
        "startedDateTime": _moment(envelope.created),
        "time": 0,
        "request": {
            "method": "POST",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": k, "value": v} for k, v in shown],
            "queryString": _query(url),
            "postData": _body(envelope),
            "headersSize": -1,
            "bodySize": len(envelope.payload),
        },
        "response": {
            "status": 0,
            "statusText": "not sent",
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "comment": f"payload {envelope.id}, SHA-256 {envelope.sha256}",
    }


def _moment(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return _EPOCH.isoformat()


def _query(url: str) -> list[dict[str, str]]:
    _, _, query = url.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True)
    except ValueError:  # more of them than Python reads
        pairs = []
    return [{"name": name, "value": value} for name, value in pairs]


def _body(envelope: Envelope) -> dict[str, str]:
    types = [v for k, v in envelope.headers.items() if k.lower() == "content-type"]
    body = {
        "mimeType": types[0] if types else "application/octet-stream",
        "text": envelope.payload.decode("utf-8", "replace"),
    }
    if body["text"].encode() != envelope.payload:
        body["comment"] = "This is not UTF-8 text: the exact bytes are in _base64."
        body["_base64"] = b64encode(envelope.payload).decode("ascii")
    return body
