from __future__ import annotations

from typing import TYPE_CHECKING

from cqtel_tui.formats import sha256
from cqtel_tui.outbox.writing import PENDING

if TYPE_CHECKING:
    from .conftest import Here

EVENT = b'{"batch":[{"event":"init","properties":{"source":"\\u001b[31m","errors":1}}]}'
PATHS = ["batch[0].event", "batch[0].properties.source", "batch[0].properties.errors"]


def test_without_paths_it_lists_what_can_be_taken_out_and_changes_nothing(cq: Here) -> None:
    identity = cq.hold(EVENT, kind="rudderstack")
    before = cq.outbox.path(PENDING, cq.outbox.find(identity)[1]).read_bytes()
    listed = cq("trim", identity)
    assert (listed.code, listed.err) == (0, b"")
    assert [line.split(" = ")[0] for line in listed.lines] == PATHS
    assert b"\x1b" not in listed.out
    assert [one["path"] for one in cq("trim", "--json", identity).json] == PATHS
    assert cq.outbox.path(PENDING, cq.outbox.find(identity)[1]).read_bytes() == before


def test_what_is_named_is_taken_out_and_what_is_left_is_shown(cq: Here) -> None:
    identity = cq.hold(EVENT, kind="rudderstack")
    done = cq("trim", identity[:8], PATHS[1], PATHS[2], PATHS[2])
    assert done.code == 0
    assert done.lines == ['batch[0].event = "init"']
    assert done.said == f"cq-telemetry: {identity} has no {PATHS[1]}, {PATHS[2]} any more\n"
    left = b'{"batch":[{"event":"init","properties":{}}]}'
    assert cq("show", "--raw", identity).out == left
    shown = cq("show", "--json", identity).json
    assert (shown["sha256"], shown["length"], shown["dropped"]) == (sha256(left), len(left), 2)


def test_what_cannot_be_taken_out_changes_nothing(cq: Here) -> None:
    identity = cq.hold(EVENT, kind="rudderstack")
    wrong = cq("trim", identity, PATHS[0], "batch[9]")
    assert (wrong.code, wrong.out) == (1, b"")
    assert f"{identity} has nothing at batch[9]" in wrong.said
    assert cq("show", "--raw", identity).out == EVENT
    assert cq("trim", "f" * 16).code == 1
    unread = cq.hold(EVENT, kind="unknown")
    assert "cannot be read here" in cq("trim", unread, PATHS[0]).said


def test_what_was_sent_stays_as_it_was_sent(cq: Here) -> None:
    identity = cq.hold(EVENT, kind="rudderstack")
    cq.answer(identity)
    assert cq("trim", identity, PATHS[0]).code == 1
    assert cq("show", "--raw", identity).out == EVENT
