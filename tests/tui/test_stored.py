"""What may be stored: both lists of the documentation, and the proof of them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.review.promises import FIELDS, NOT_STORED, STORED

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys


async def test_both_lists_and_every_field_are_shown(empty: Machine) -> None:
    async with ui("stored", size=(120, 200)) as it:
        for sentence in (*STORED.values(), *NOT_STORED.values()):
            assert sentence.split("(")[0].strip()[:40] in it.words
        for field in FIELDS:
            assert field.key in it.text


@keys("stored.prove")
async def test_the_promises_are_proved_here_and_now_without_a_trace(
    empty: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was opened"))
    async with ui("stored", size=(120, 100)) as it:
        await it.press("p", "p")
        await it.shows("✓ Proved with the bytes", "Proved: not found", "service.version")
        assert "!!" not in it.text
    assert not empty.outbox.folder.exists(), "a proof is no operation of yours"
    assert not empty.cookie.exists()
