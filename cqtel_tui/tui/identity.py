"""Ask about the installation ID, and what a collector has of it; have it changed or erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions import erasing
from ..actions.identity import change_identity, named_folders, plan_identity
from ..errors import CqtelError
from .screens.asking import Ask, asking
from .screens.requesting import request

if TYPE_CHECKING:
    from ..actions.erasing import ErasurePlan
    from ..actions.results import Confirmation
    from .home import Home


async def change(app: Home, action: str) -> None:
    """Reset, lock or unlock the installation ID, after a question."""
    if app.snapshot is None:
        return
    plan = plan_identity(
        action, app.directory, app.snapshot.status.cookie, app.endpoint, named_folders()
    )
    if await agrees_to_lose(app, plan.confirmation, plan.erasure):
        await app.perform(lambda: change_identity(app.places, plan))


async def agrees_to_lose(
    app: Home, confirmation: Confirmation, erasure: ErasurePlan | None
) -> bool:
    """Ask before an installation ID is lost, the key to its data: offer to erase these first.

    Where they were to be erased and were not, you have not agreed to any field: the ID must stay.
    """
    answers = [("n", confirmation.no, "default"), ("y", confirmation.yes, "error")]
    details = confirmation.details
    if erasure is not None:
        details = (*details, " ".join([*erasure.offer.details, "e has that erased first."]))
        answers.append(("e", erasure.offer.yes, "error"))
    answer = await app.push_screen_wait(Ask(confirmation.question, details, answers))
    if answer == "e" and erasure is not None and not await _erase(app, erasure):
        app.tell_messages([erasing.KEPT])
        return False
    return answer in {"y", "e"}


def _key(app: Home) -> str:
    if app.snapshot is None:
        raise CqtelError("The installation ID was not read yet. Try again.")
    return erasing.key_of(app.snapshot.status.cookie)


async def erase(app: Home) -> None:
    """Have the collector erase all data under this installation ID, after a question."""
    try:
        plan = erasing.plan_erasure(_key(app), app.endpoint)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    if await app.push_screen_wait(asking(plan.confirmation)) == "y":
        await _erase(app, plan)


async def _erase(app: Home, plan: ErasurePlan) -> bool:
    """Have the collector erase, and tell what came of it; return whether it did."""
    result = await request(
        app, plan.endpoint, "Having it erased", lambda stop: erasing.erase(plan, stop)
    )
    if isinstance(result, CqtelError):
        app.tell(str(result), wrong=True)
        return False
    app.tell_messages(result.messages)
    return True


async def show_data(app: Home) -> None:
    """Show what the collector has of this cookie, after a question."""
    from .screens.mine import Mine

    try:
        plan = erasing.plan_data(_key(app), app.endpoint)
    except CqtelError as error:
        app.tell(str(error), wrong=True)
        return
    if await app.push_screen_wait(asking(plan.confirmation)) != "y":
        return
    operations = await request(
        app, plan.endpoint, "Asking for what it has", lambda stop: erasing.ask_data(plan, stop)
    )
    if isinstance(operations, CqtelError):
        app.tell(str(operations), wrong=True)
        return
    await app.push_screen_wait(Mine(app, operations))
