"""Root changes nothing in the home of another user, whatever it is asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.actions import dropping, trimming
from cqtel_tui.errors import CqtelError
from cqtel_tui.gate.recovering import recover
from cqtel_tui.outbox.shown import note_shown, was_shown
from cqtel_tui.outbox.store import REJECTED
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.themes import keep_theme

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Here

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can change what others have"
)
NOBODY = 65534


def give_away(*folders: Path) -> None:
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def state_of(*folders: Path) -> dict[str, Any]:
    """Return all that is there, with its owner and its bytes."""
    return {
        str(path): (path.lstat().st_uid, path.lstat().st_mode, path.is_file() and path.read_bytes())
        for folder in folders
        for path in folder.rglob("*")
    }


@pytest.fixture
def theirs(cq: Here) -> Here:
    """A home and a project of another user: a cookie, a payload that is pending, one rejected."""
    cq("endpoint", "https://collector.example/v1/traces")
    cq("on")
    cq.record()
    cq.answer(cq.hold(), REJECTED)
    cq.hold(b'{"resourceSpans":[{"scopeSpans":[]}]}')
    give_away(cq.home, cq.project)
    return cq


@pytest.mark.parametrize(
    "command",
    [
        ["drop", "--all"],
        ["drop", "ID"],
        ["trim", "ID", "resourceSpans[0].scopeSpans"],
        ["retry", "--all"],
        ["send", "--all"],
        ["send", "ID"],
        ["on"],
        ["on", "--include-held"],
        ["off", "--discard"],
        ["undecide"],
        ["debug", "on"],
        ["endpoint", "none"],
        ["cookie", "reset"],
        ["cookie", "lock"],
    ],
    ids=" ".join,
)
def test_a_command_that_changes_something_is_refused_and_says_why(
    theirs: Here, command: list[str]
) -> None:
    identity = theirs.outbox.labels(PENDING)[-1].id
    before = state_of(theirs.home, theirs.project)
    ended = theirs(*(identity if word == "ID" else word for word in command))
    assert ended.code == 1, ended.out
    assert "you are root" in ended.said
    assert state_of(theirs.home, theirs.project) == before


@pytest.mark.parametrize(
    "command", [["pending"], ["rejected"], ["status"], ["show", "ID"], ["cookie"], ["sent"]]
)
def test_a_command_that_reads_reads_and_leaves_no_trace(theirs: Here, command: list[str]) -> None:
    identity = theirs.outbox.labels(PENDING)[-1].id
    before = state_of(theirs.home, theirs.project)
    assert theirs(*(identity if word == "ID" else word for word in command)).code == 0
    assert state_of(theirs.home, theirs.project) == before


def test_what_was_done_before_is_not_undone_there(cq: Here) -> None:
    identity = cq.hold(b'{"resourceSpans":[{"scopeSpans":[]}]}')
    other = cq.hold()
    _, label = cq.outbox.find(identity)
    plan = trimming.plan_trim(
        label, cq.outbox.open(PENDING, label), ["resourceSpans[0].scopeSpans"]
    )
    undos = [
        trimming.trim(cq.outbox, plan).undo,
        dropping.drop(cq.outbox, dropping.plan_drop(PENDING, [cq.outbox.find(other)[1]])).undo,
    ]
    give_away(cq.home)
    before = state_of(cq.home)
    for undo in undos:
        assert undo is not None
        with pytest.raises(CqtelError, match="you are root"):
            undo.take_back()
    assert state_of(cq.home) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda cq: keep_theme(str(cq.config), "nord"),
        lambda cq: cq.outbox.sweep(4e9),
        lambda cq: cq.outbox.settle(),
    ],
)
def test_nothing_beneath_changes_anything_either(
    theirs: Here, change: Callable[[Here], object]
) -> None:
    before = state_of(theirs.home)
    with pytest.raises(CqtelError, match="you are root"):
        change(theirs)
    assert state_of(theirs.home) == before


def test_what_is_only_noted_is_not_noted_there(theirs: Here) -> None:
    label = theirs.outbox.labels(PENDING)[0]
    envelope = theirs.outbox.open(PENDING, label)
    before = state_of(theirs.home)
    note_shown(theirs.outbox.state, envelope)
    assert recover(theirs.outbox.state) == 0
    assert not was_shown(theirs.outbox.state, envelope)
    assert state_of(theirs.home) == before
