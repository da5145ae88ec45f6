"""Ask about telemetry, debug mode and the endpoint, and have the answer saved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..actions import choosing as choices
from ..actions.destinations import Outlook, read_outlook
from ..actions.noting import Shown, asked_at
from ..actions.programs import name_of
from ..actions.sending import ALL
from ..actions.withdrawal import discard, read_withdrawal
from ..consent.choices import read_user
from ..consent.decision import HOLD, OFF, ON
from ..consent.history import TERMINAL_UI
from ..errors import CqtelError
from ..outbox.writing import PENDING
from .identity import agrees_to_lose
from .payloads import send_with_progress
from .screens.asking import Ask, asking

if TYPE_CHECKING:
    from ..consent import Program
    from .home import Home


async def ask_telemetry(app: Home) -> None:
    """Ask what may be sent of the chosen program, for all projects, and save the answer."""
    program = app.program
    answer = await app.push_screen_wait(
        Ask(
            f"Send telemetry of {name_of(program)}, from all projects?",
            ["Nothing is sent before. The Consent screen has the other programs."],
            [
                ("u", "undecided: keep it here", "default"),
                ("o", "on", "default"),
                ("f", "off", "default"),
            ],
        )
    )
    if answer in {"u", "o", "f"}:
        await set_telemetry(app, {"u": HOLD, "o": ON, "f": OFF}[answer], program, None)


async def set_telemetry(app: Home, choice: str, program: Program, project: str | None) -> None:
    """Save a choice, a yes after one question; then offer what goes with it."""
    try:
        outlook = (
            await asyncio.to_thread(read_outlook, app.places, program, app.directory)
            if choice == ON
            else Outlook()
        )
        plan = choices.plan_telemetry(choice, program, project, outlook)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    confirmation = plan.confirmation
    answer = "y" if confirmation is None else await app.push_screen_wait(asking(confirmation))
    if answer not in {"y", choices.INCLUDE}:
        return
    is_included = answer == choices.INCLUDE
    result = await app.perform(
        lambda: choices.set_telemetry(
            app.places,
            plan,
            directory=app.directory,
            include_pending=is_included,
            by=asked_at(TERMINAL_UI, confirmation),
        )
    )
    if result is None:
        return
    if choice == OFF:
        await _offer_to_delete(app, program)
    elif is_included:
        included = set(plan.pending)
        labels = [label for label in app.listed(PENDING) if label.id in included]
        await send_with_progress(app, labels, ALL)


async def _offer_to_delete(app: Home, program: Program) -> None:
    try:
        plan = await asyncio.to_thread(
            read_withdrawal, app.places, program, app.directory, app.endpoint_of(program)
        )
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    if await agrees_to_lose(app, plan.confirmation, plan.erasure):
        app.forget_undo()  # what was dropped before is gone for good, too
        await app.perform(lambda: discard(app.places, plan))


async def toggle_debug(app: Home) -> None:
    """Turn debug mode of the chosen program on for all projects, after a question, or off."""
    read = await asyncio.to_thread(read_user, app.places.config)
    program = app.program
    await set_debug(app, program, None, is_on=not read.choice(program).debug)


async def set_debug(app: Home, program: Program, project: str | None, *, is_on: bool) -> None:
    """Save whether error texts may be recorded, after a question."""
    plan = choices.plan_debug(program, project, is_on=is_on)
    confirmation = plan.confirmation
    if confirmation is None or await app.push_screen_wait(asking(confirmation)) == "y":
        by = asked_at(TERMINAL_UI, confirmation)
        await app.perform(
            lambda: choices.set_debug(app.places, plan, directory=app.directory, by=by)
        )


async def set_endpoint(app: Home, url: str | None, program: Program, project: str | None) -> None:
    """Save where payloads are delivered to."""
    try:
        plan = choices.plan_endpoint(url, program, project)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    by = Shown(TERMINAL_UI)
    await app.perform(
        lambda: choices.set_endpoint(app.places, plan, directory=app.directory, by=by)
    )
