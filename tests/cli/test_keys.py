"""The keys of `--json` are a promise: whoever changes one of these lists breaks somebody's script.

A key may be added at the end of its list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.cli.json_keys import KEYS
from cqtel_tui.deliver.waiting import put_off
from cqtel_tui.outbox.runs import BlockedChannel, Run, write_run
from cqtel_tui.outbox.store import REJECTED

from ..contracts import written as written_contract
from .test_inspecting import FILE, OF_2021

if TYPE_CHECKING:
    from .conftest import Here

LEGACY_COOKIE = ["state", "path", "value", "reason", "modified"]
COOKIE = [*LEGACY_COOKIE, "tracked"]
RECEIPT = ["id", "sha256", "length", "url", "status", "time", "answer", "rejected_spans", "proxy"]
ROW = [
    *("id", "created", "attempt", "size", "origin", "app", "version", "operation", "outcome"),
    *("duration", "receipt", "problem", "destination"),
]

STATUS = {
    "": [
        *("program", "decision", "debug", "inspect", "reasons", "programs", "cookie"),
        *("legacy_cookies", "outbox", "destinations"),
        *("endpoint", "proxy", "retry_at", "retry_why", "problem", "problems", "runs"),
    ],
    "reasons": ["layer", "says", "source", "note", "won"],
    "programs": [
        *("program", "decision", "debug", "endpoint", "proposed", "why", "contract", "left_out"),
    ],
    "programs.contract": ["version", "sha256", "asks", "endpoint"],
    "programs.left_out": ["key", "why"],
    "cookie": COOKIE,
    "legacy_cookies": LEGACY_COOKIE,
    "outbox": ["pending", "sent", "rejected", "set_aside", "dropped"],
    "destinations": ["kind", "url", "pending"],
    "problems": ["kind", "text", "time"],
    "runs": [
        *("operation", "created", "app", "version", "intercepted", "lost", "blocked"),
        *("id", "refused", "late", "is_over"),
    ],
    "runs.refused": ["reason", "requests"],
    "runs.blocked": ["name", "reason", "attempts"],
}
SHOW = {
    "": [
        *("id", "sha256", "length", "headers", "dropped", "unreadable", "left_out", "fields"),
        *("url", "stays_because", "run"),
    ],
    "fields": ["group", "key", "value", "known", "problem", "promise", "why", "risk", "path"],
    "run": ["operation", "intercepted"],
}
LEAKS = {
    "": ["findings", "looked_for", "not_looked_for", "left_out"],
    "findings": [
        *("kind", "what", "disguise", "offset", "length", "line", "group", "key", "path"),
        *("excerpt", "advice", "count"),
    ],
}
INTERCEPTED = {
    "": [
        *("method", "path", "headers", "when", "length", "operation", "problem", "kept", "removed"),
        *("replaced", "added", "left_out", "values", "header_fates"),
    ],
    "header_fates": ["name", "value", "sent", "why"],
    "values": ["within", "name", "path", "fate", "intercepted", "sent", "why"],
}
INSPECT = {
    "": ["shape", "traces", "unknown", "problems"],
    "traces": ["resource", "scope_name", "scope_version", "spans", "problems"],
    "traces.spans": [
        *("name", "trace_id", "span_id", "parent_span_id", "start_unix_nano", "end_unix_nano"),
        *("kind", "status_code", "status_message", "attributes", "events", "problems", "other"),
    ],
    "traces.spans.events": ["name", "time_unix_nano", "attributes"],
    "problems": ["offset", "line", "reason"],
}
TRIM = {"": ["path", "value"]}
VERIFY = {
    "": [
        *("means", "why_not_seen", "decision", "exit_code", "outside", "destinations"),
        *("intercepted", "blocked_attempts"),
    ],
    "destinations": ["family", "protocol", "address", "port", "times", "what"],
}
LISTED = {"": ROW, "receipt": RECEIPT}
TOLD = {**LISTED, "destination": ["kind", "url"]}
CATALOGUE = {
    "": ["catalogue", "stored", "not_stored", "fields"],
    "fields": [
        *("key", "where", "type", "shape", "promise", "why", "risk", "because", "since"),
        *("sentence", "only_in_debug"),
    ],
}
FREE = {"headers", "unknown", "stored", "not_stored"}
"""What has keys of its own."""


@pytest.fixture
def full(cq: Here) -> Here:
    """A home in which every key has a value of its own kind."""
    with Telemetry("cloudquery", inspect_telemetry=True).operation("fetch"):
        pass
    with Telemetry("shop", contract=written_contract(cq.project)).operation("buy") as operation:
        operation.set("shop.nothing", 1)
    (cq.project / FILE).write_text(OF_2021 + "{}{")
    cq.hold(b'{"to": "somebody@mail.example"}')
    cq.answer(cq.hold())
    cq.answer(cq.hold(), REJECTED)
    put_off(cq.outbox, 1_800_000_000.0, "why")
    blocked = (BlockedChannel("reports", "nobody can hold them", None),)
    refused = {"too large": 1}
    one = Run(f"{1:016x}", 1, "cloudquery", "6.21.1", (), 0, blocked, refused=refused)
    write_run(cq.outbox.state, one)
    return cq


def keys_of(value: Any, where: str = "") -> dict[str, set[str]]:
    """Return the keys of each kind of object in a JSON value."""
    found: dict[str, set[str]] = {}
    if isinstance(value, dict):
        found[where] = set(value)
        for key, inner in value.items():
            if key not in FREE:
                merge(found, keys_of(inner, f"{where}.{key}".removeprefix(".")))
    elif isinstance(value, list):
        for item in value:
            merge(found, keys_of(item, where))
    return found


def merge(found: dict[str, set[str]], more: dict[str, set[str]]) -> None:
    for where, keys in more.items():
        found[where] = found.get(where, set()) | keys


@pytest.mark.parametrize(
    ("line", "frozen"),
    [
        ("status", STATUS),
        ("cookie", {"": COOKIE}),
        ("pending", {"": ROW, "destination": ["kind", "url"]}),
        ("sent", LISTED),
        ("rejected", LISTED),
        ("show 0000000000000001", SHOW),
        ("show 0000000000000001 --leaks", LEAKS),
        ("trim 0000000000000001", TRIM),
        ("send 0000000000000001", {"": ["id", "outcome", "why"]}),
        ("inspect", INSPECT),
        ("catalogue", CATALOGUE),
    ],
)
def test_the_keys_are_what_was_promised(
    full: Here, line: str, frozen: dict[str, list[str]]
) -> None:
    found = keys_of(full(*line.split(), "--json").json)
    assert found == {where: set(keys) for where, keys in frozen.items()}


def written(frozen: dict[str, list[str]], where: str = "") -> str:
    """Return keys as the help has them."""
    words = []
    for key in frozen[where]:
        inner = f"{where}.{key}".removeprefix(".")
        words.append(f"{key} ({written(frozen, inner)})" if inner in frozen else key)
    return ", ".join(words)


@pytest.mark.parametrize(
    ("command", "frozen"),
    [
        ("status", STATUS),
        ("cookie", {"": COOKIE}),
        ("pending", TOLD),
        ("sent", TOLD),
        ("rejected", TOLD),
        ("show", SHOW),
        ("trim", TRIM),
        ("verify", VERIFY),
        ("send", {"": ["id", "outcome", "why"]}),
        ("inspect", INSPECT),
    ],
)
def test_the_help_tells_the_keys(
    cq: Here, command: str, frozen: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    told = (
        f"{written(SHOW)}; with --leaks: {written(LEAKS)}; "
        f"with --intercepted: {written(INTERCEPTED)}"
    )
    assert KEYS[command] == (told if command == "show" else written(frozen))
    assert f"Keys of --json: {KEYS[command]}." in cq(command, "--help").lines


def test_every_command_that_gives_json_has_its_keys_told() -> None:
    assert set(KEYS) == {
        *("status", "cookie", "pending", "sent", "rejected", "show", "send", "inspect"),
        *("trim", "verify", "audit", "runs", "consent"),
        *("policy", "policy-file", "collector-policy", "mine", "report", "check", "diff"),
    }
