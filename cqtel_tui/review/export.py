"""Write a held payload as the request it would be: an HTTP archive, or a curl command."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope


def as_har(envelopes: Sequence[Envelope], endpoint: str) -> dict[str, Any]:
    """Return an HTTP archive (HAR 1.2) of requests that were not sent, so without answers."""
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "cqtel", "version": __version__},
            "entries": [_entry(envelope, envelope.target or endpoint) for envelope in envelopes],
        }
    }


def as_curl(envelope: Envelope, endpoint: str) -> str:
    """Return a shell command that would send exactly these bytes and headers."""
    headers = "".join(
        f" -H {shlex.quote(f'{key}: {value}')}" for key, value in envelope.headers.items()
    )
    url = shlex.quote(envelope.target or endpoint)
    # curl adds Accept of its own, unless told not to.
    return (
        f"cq-telemetry show {envelope.id} --raw | "
        f"curl --data-binary @- -H 'Accept:'{headers} -- {url}"
    )


def _entry(envelope: Envelope, url: str) -> dict[str, Any]:
    started = datetime.fromtimestamp(envelope.created / 1_000_000, UTC).isoformat()
    body = envelope.payload.decode("utf-8", "replace")
    return {
        "startedDateTime": started,
        "time": 0,
        "request": {
            "method": "POST",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": k, "value": v} for k, v in envelope.headers.items()],
            "queryString": [],
            "postData": {
                "mimeType": envelope.headers.get("Content-Type", "application/octet-stream"),
                "text": body,
            },
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
    }
