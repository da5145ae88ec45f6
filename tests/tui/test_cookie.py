"""The cookie: what it is, and what reset, lock and unlock make of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.catalogue import is_cookie

from .driving import ui

if TYPE_CHECKING:
    from .driving import Machine

keys = pytest.mark.keys
VALUE = "01234567-89ab-4cde-8f01-23456789abcd"


async def test_the_value_its_age_and_what_it_means_are_shown(empty: Machine) -> None:
    empty.make_cookie(VALUE)
    then = time.time() - 3 * 24 * 3600 - 60
    os.utime(empty.cookie, (then, then))
    async with ui("cookie", size=(120, 40), look_every=0.05) as it:
        await it.shows(f"value      {VALUE}", "3 days ago", "does not have this ID")
        empty.allow()
        await it.shows("The next payload has this ID")


@keys("cookie.reset")
async def test_reset_shows_the_old_and_the_new_value(empty: Machine) -> None:
    empty.make_cookie(VALUE)
    empty.allow()
    async with ui("cookie") as it:
        await it.press("r")
        assert "Reset the installation ID?" in it.question
        await it.press("y")
        await it.told(f"{VALUE} → ")
        new = empty.cookie.read_text().strip()
        assert new != VALUE
        assert is_cookie(new)
        await it.shows(f"value      {new}")


async def test_reset_makes_no_new_one_before_a_yes(empty: Machine) -> None:
    empty.make_cookie(VALUE)
    async with ui("cookie") as it:
        await it.press("r")
        await it.answer("enter")
        await it.until(lambda: it.room == "cookie")
        assert empty.cookie.read_text().strip() == VALUE, "Enter by reflex does no harm"
        await it.press("r")
        await it.answer("y")
        await it.told(f"{VALUE} → none")
        assert not empty.cookie.exists()
        await it.shows("absent")


@keys("cookie.lock", "cookie.unlock")
async def test_lock_and_unlock(empty: Machine) -> None:
    empty.make_cookie(VALUE)
    home = Path.home() / ".cq"
    home.mkdir()
    (home / "telemetry-random-id").write_text(VALUE)
    async with ui("cookie", size=(80, 40)) as it:
        await it.shows(f"present    {home / 'telemetry-random-id'}"[:60])
        await it.press("l")
        await it.answer("y")
        await it.told("Locked: ")
        assert empty.cookie.is_dir()
        assert (home / "telemetry-random-id").is_dir()
        await it.shows("ID locked", "a directory is in its place", "has no ID")
        await it.press("r")
        await it.answer("y")
        await it.told("is locked. Unlock it first")
        await it.press("n", "y")
        await it.told("Unlocked: ")
        assert not empty.cookie.exists()
        await it.shows("no ID")


async def test_a_directory_that_holds_something_is_not_unlocked(empty: Machine) -> None:
    (empty.cookie / "mine").mkdir(parents=True)
    async with ui("cookie") as it:
        await it.press("n", "y")
        await it.told("could not be changed")
        assert (empty.cookie / "mine").is_dir()


async def test_an_unsafe_cookie_is_told_of_with_the_reason(empty: Machine) -> None:
    target = empty.project.parent / "elsewhere"
    target.write_text(VALUE)
    empty.cookie.parent.mkdir()
    empty.cookie.symlink_to(target)
    async with ui("cookie", size=(100, 24)) as it:
        await it.shows("unsafe: it is a link", "ID unsafe, not sent")
        await it.press("r")
        await it.answer("y")
        await it.told("No installation ID → none")
        await it.shows("absent")
    assert target.read_text() == VALUE, "what a link points to is not touched"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("not a uuid", "does not contain a random UUID"),
        ("fifo", "not a regular file"),
        ("folder is a link", ".cq is a link"),
    ],
)
async def test_what_is_no_cookie_is_unsafe(empty: Machine, name: str, words: str) -> None:
    if name == "folder is a link":
        (empty.project.parent / "other").mkdir()
        empty.cookie.parent.symlink_to(empty.project.parent / "other")
    else:
        empty.cookie.parent.mkdir()
        if name == "fifo":
            os.mkfifo(empty.cookie)
        else:
            empty.cookie.write_text("\x1b]0;owned\x07[/nope]")
    async with ui("cookie") as it:
        await it.shows(words)


@pytest.mark.parametrize("year", [9_999, 40_000, -2_000])
async def test_a_time_that_no_calendar_has_breaks_nothing(empty: Machine, year: int) -> None:
    empty.make_cookie(VALUE)
    then = (year - 1970) * 365 * 24 * 3600
    os.utime(empty.cookie, (then, then))
    async with ui("cookie") as it:
        await it.shows(f"value      {VALUE}", "written")
