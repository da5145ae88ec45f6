"""Ask about payloads, and have them sent, deleted, trimmed or tried again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..actions import choosing as choices
from ..actions import dropping, sending, trimming
from ..actions.destinations import Outlook
from ..actions.including import include_pending
from ..actions.noting import asked_at
from ..actions.terms import read_terms_of
from ..consent.decision import ON
from ..consent.history import TERMINAL_UI
from ..errors import CqtelError
from ..outbox.store import REJECTED
from ..outbox.writing import PENDING
from .screens.asking import asking
from .screens.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..actions.sending import SendRequest, SendResult
    from ..outbox.envelope import Label
    from .home import Home


def _chosen(app: Home, *, every: bool) -> tuple[str, list[Label]]:
    """Return the box that is shown, and the payloads in it that a key is meant for."""
    screen = app.screen
    if not isinstance(screen, Box):
        return "", []
    return screen.NAME, app.listed(screen.NAME) if every else screen.envelopes.chosen


async def send(app: Home, *, every: bool) -> None:
    """Send payloads, after a question that says where each goes."""
    _, labels = _chosen(app, every=every)
    if not labels or app.snapshot is None:
        return
    request = sending.ALL if every else sending.NAMED
    routes = await asyncio.to_thread(sending.read_routes, app.places, labels, request)
    apps = sorted({label.app for label in labels})
    terms = await asyncio.to_thread(read_terms_of, app.places, apps, app.directory)
    plan = sending.plan_sending(routes, request, terms)
    if plan.confirmation is None:
        if plan.refusal is not None:
            app.tell_messages([plan.refusal])
        return
    answer = await app.push_screen_wait(asking(plan.confirmation))
    if answer not in {"y", sending.ALWAYS}:
        return
    if plan.needs_yes and answer == "y":
        request = replace(request, is_once=True)
    for program in plan.needs_yes if answer == sending.ALWAYS else ():
        outlook = Outlook(app.endpoint_of(program), terms=plan.terms.get(program))
        yes = choices.plan_telemetry(ON, program, outlook=outlook)
        if not await app.perform(
            partial(
                choices.set_telemetry,
                app.places,
                yes,
                directory=app.directory,
                by=asked_at(TERMINAL_UI, plan.confirmation),
            )
        ):
            return
    await send_with_progress(app, plan.labels, request)


async def cover(app: Home) -> None:
    """Let the yes that holds cover payloads that were pending before it."""
    box, labels = _chosen(app, every=False)
    if labels and box == PENDING:
        await app.perform(lambda: include_pending(app.places, labels))


async def send_with_progress(app: Home, labels: Sequence[Label], request: SendRequest) -> None:
    """Send payloads, show how it goes, and tell what became of them."""
    from .screens.sending import Sending

    deliveries: list[SendResult] | None = await app.push_screen_wait(
        Sending(app.places, labels, request)
    )
    await app.read_anew()
    if deliveries:
        app.tell_messages(sending.sending_result(labels, deliveries).messages)


async def drop(app: Home, *, every: bool) -> None:
    """Delete payloads, after a question; undo brings them back until the end of the session."""
    box, labels = _chosen(app, every=every)
    if not labels:
        return
    plan = dropping.plan_drop(box, labels)
    if await app.push_screen_wait(asking(plan.confirmation)) == "y":
        await app.perform(lambda: dropping.drop(app.outbox, plan))


async def trim(app: Home) -> None:
    """Drop fields of one payload, after a question; undo puts them back while it is pending."""
    from .screens.trimming import Trimming

    screen = app.screen
    label = screen.envelopes.current if isinstance(screen, Box) else None
    if label is None or not isinstance(screen, Box) or screen.NAME != PENDING:
        return
    try:
        envelope, fields = await asyncio.to_thread(trimming.read_fields, app.outbox, label)
        trimmable = trimming.Trimmable(envelope, fields, app.places)
        paths = await app.push_screen_wait(Trimming(trimmable))
        if not paths:
            return
        plan = trimming.plan_trim(label, envelope, paths)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    if await app.push_screen_wait(asking(plan.confirmation)) == "y":
        await app.perform(lambda: trimming.trim(app.outbox, plan))


async def lower(app: Home) -> None:
    """Take what identifies most out of one payload, after a question that says what it changes."""
    screen = app.screen
    label = screen.envelopes.current if isinstance(screen, Box) else None
    if label is None or not isinstance(screen, Box) or screen.NAME != PENDING:
        return
    try:
        plan = await asyncio.to_thread(trimming.plan_lowering, app.outbox, label, app.places)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    if plan is None:
        app.tell("Nothing in this payload identifies you.")
    elif await app.push_screen_wait(asking(plan.confirmation)) == "y":
        await app.perform(lambda: trimming.trim(app.outbox, plan))


async def retry(app: Home) -> None:
    """Let rejected payloads be pending again."""
    box, labels = _chosen(app, every=False)
    if labels and box == REJECTED:
        plan = dropping.plan_retry(labels)
        await app.perform(lambda: dropping.retry(app.outbox, plan))
