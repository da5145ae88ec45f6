from __future__ import annotations

from typing import TYPE_CHECKING
import pytest
from cqtel_tui.tui.screens.room import ROOMS
from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine


async def test_go(machine: Machine) -> None:
    async with ui() as it:
        for at, room in enumerate(ROOMS, 1):
            await it.press(str(at))
            assert it.room == room
        print(it.text)


async def test_click(machine: Machine) -> None:
    async with ui() as it:
        await it.click("#rooms", 15)
        assert it.room == "sent"
