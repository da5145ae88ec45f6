"""`show --intercepted`: what was intercepted, beside what would be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cqtel_tui.gate.channels import CLOUDQUERY
from cqtel_tui.gate.holding import Reporter, hold_requests
from cqtel_tui.gate.requests import Request
from cqtel_tui.outbox.envelope import identity_of

from .test_keys import INTERCEPTED, keys_of
from .test_reviewing import assert_harmless

if TYPE_CHECKING:
    from .conftest import Here

WRITE_KEY = "c2VjcmV0LXdyaXRlLWtleTo="
HOSTILE = "\x1b]52;c;AAAA\x07\u202e[/nope]"


def hold(cq: Here, body: bytes, path: str = "/v1/batch") -> str:
    headers = (
        ("content-type", "application/json"),
        ("authorization", f"Basic {WRITE_KEY}"),
        ("x-machine", "laptop"),
    )
    run = Reporter("cloudquery", "6.21.1", "/project", "", CLOUDQUERY.upstream, debug=False)
    request = Request("POST", path, headers, body, 1_800_000_000_000_000)
    (name,) = hold_requests(cq.outbox.state, [request], CLOUDQUERY, run)
    return identity_of(name)


def batch(**properties: Any) -> bytes:
    return json.dumps({"batch": [{"event": "sync", "properties": properties}]}).encode()


def test_each_value_has_its_fate_and_its_reason(cq: Here) -> None:
    identity = hold(cq, batch(status="ok", error="no such host", spec_path=HOSTILE))
    run = cq("show", identity, "--intercepted")
    assert run.code == 0
    text = run.out.decode()
    assert "2 removed, 1 replaced, 2 kept" in text
    assert "  kept      status = ok" in text
    assert "  removed   error = no such host" in text
    assert "sent: nothing, error texts leave in debug mode only" in text
    assert "header     authorization: Basic •••••••• (24 characters)\n" in text
    assert "header     x-machine: laptop  (not sent: not on the list of headers that may" in text
    assert WRITE_KEY not in text
    assert_harmless(run.out)


def test_the_same_is_there_as_json_with_stable_keys(cq: Here) -> None:
    identity = hold(cq, batch(status="ok", team="alice"))
    found = json.loads(cq("show", identity, "--intercepted", "--json").out)
    assert keys_of(found) == {where: set(keys) for where, keys in INTERCEPTED.items()}
    assert (found["method"], found["path"], found["removed"]) == ("POST", "/v1/batch", 1)
    assert found["headers"][1] == ["authorization", "Basic •••••••• (24 characters)"]
    assert [(one["name"], one["sent"]) for one in found["header_fates"]] == [
        ("content-type", "content-type"),
        ("authorization", "authorization"),
        ("x-machine", ""),
    ]
    values = {value["path"]: value for value in found["values"]}
    assert values["batch[0].properties.team"] == {
        "within": "batch[0].properties",
        "name": "team",
        "path": "batch[0].properties.team",
        "fate": "removed",
        "intercepted": "alice",
        "sent": "",
        "why": "it says who you are",
    }


def test_what_nobody_can_read_is_shown_as_it_came(cq: Here) -> None:
    identity = hold(cq, b"\x00\x1b[2J odd", "/v9/other")
    run = cq("show", identity, "--intercepted")
    assert run.code == 0
    assert b"This format is unknown" in run.out
    assert b"odd" in run.out
    assert_harmless(run.out)


def test_the_event_is_explained_and_its_leaks_are_looked_for(cq: Here) -> None:
    identity = hold(cq, batch(status="ok", error="in /home/alice/x"))
    explained = cq("show", identity).out.decode()
    assert "Tells whether the command succeeded." in explained
    assert "2 values that were removed or replaced" in explained
    assert "!!" not in explained
    leaks = cq("show", identity, "--leaks")
    assert leaks.code == 0
    assert b"which is what would be sent" in leaks.out


def test_our_own_payload_was_not_intercepted(cq: Here) -> None:
    identity = cq.hold()
    run = cq("show", identity, "--intercepted")
    assert run.code == 2
    assert b"recorded here, not intercepted" in run.err
