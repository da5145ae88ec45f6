"""A collector that has the user's rights: a fake for its misbehaviour, by path and method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .collectors import reply

if TYPE_CHECKING:
    import socket

    from .collectors import Collector, Request

COOKIE = "01234567-89ab-4cde-8f01-23456789abcd"
HASH = "4b84b15bff6ee5796152495a230e45e3d7e947d9"
POLICY: dict[str, Any] = {
    "software": "cqtel 0.1.0",
    "catalogue": 1,
    "ip_hash": "sha1",
    "location": "country",
    "derived": [
        {"field": "cloudquery.ip_sha1", "how": "SHA-1 of the text of your IP address."},
        {"field": "geo.country.iso_code", "how": "The country it was registered for."},
    ],
    "retention": {"days": 396, "error_days": 30},
    "forwards": False,
    "keeps_data": True,
}
ME: dict[str, Any] = {
    "cloudquery.ip_sha1": HASH,
    "geo.country.iso_code": "DE",
    "geo.region.name": None,
    "geo.locality.name": None,
    "ip_hash": "sha1",
    "stored": False,
}
OPERATIONS: list[dict[str, Any]] = [
    {
        "received": "2026-01-15T10:30:00Z",
        "service.name": "cloudquery",
        "service.version": "6.21.1",
        "cloudquery.plugins": [],
        "geo.country.iso_code": "DE",
        "spans": [
            {"name": "sync", "duration_ns": 2_500_000_000, "success": True, "error.type": None},
            {"name": "sync.aws", "duration_ns": 1_500_000_000, "success": True},
        ],
    }
]


class Rights:
    """Answers by method and path; what it is asked for beside these is not found.

    Attributes:
        collector: the server.
        policy: what `/v1/policy` answers.
        me: what `/v1/me` answers.
        operations: what it has of `COOKIE`.
        instead: what it answers instead, by method and path.
    """

    def __init__(self, collector: Collector) -> None:
        self.policy = dict(POLICY)
        self.me = dict(ME)
        self.operations = list(OPERATIONS)
        self.instead: dict[str, bytes] = {}
        self.collector = collector
        collector.always = self._answer

    def _answer(self, request: Request, _: socket.socket) -> bytes:
        line = request.line.removesuffix(" HTTP/1.1")
        if line in self.instead:
            return self.instead[line]
        has_key = ("Authorization", f"Bearer {COOKIE}") in request.headers
        found = self.operations if has_key else []
        if line == "DELETE /v1/data":
            erased = sum(len(each["spans"]) for each in found)
            self.operations = [] if has_key else self.operations
            return said({"erased": erased})
        answers = {
            "GET /v1/policy": self.policy,
            "GET /v1/me": self.me,
            "GET /v1/data": {"operations": found},
        }
        return said(answers[line]) if line in answers else reply(404)


def said(document: Any, **headers: str) -> bytes:
    """Return the bytes of a yes with a JSON document."""
    return reply(200, json.dumps(document).encode(), Content_Type="application/json", **headers)
