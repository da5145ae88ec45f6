"""Say which payloads would go, and where to, before their user is asked whether to send them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from ..deliver.permission import NO_ENDPOINT, grounds, permission
from ..errors import CqtelError
from ..outbox.shown import was_shown
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..deliver.permission import Asked, Permission
    from ..outbox.envelope import Envelope, Label
    from ..paths import Places

_MOST = 5


def routes(places: Places, labels: Sequence[Label], asked: Asked) -> tuple[list[Label], list[str]]:
    """Return which of these payloads may go, and in words where to, and why the others may not.

    Args:
        places: where the outbox and the choices are.
        labels: pending envelopes.
        asked: how the user has asked for them. What is undecided counts as allowed, for that is
            asked in the same question.
    """
    outbox = Outbox(places.state)
    going: list[Label] = []
    to: Counter[str] = Counter()
    staying: Counter[str] = Counter()
    for label in labels:
        try:
            may = _may(places, outbox.open(PENDING, label), asked)
        except CqtelError:
            going.append(label)  # the sender sets it aside, and says so
            continue
        if may.refusal or may.url is None:
            staying[may.refusal] += 1
        else:
            going.append(label)
            to[may.url] += 1
    return going, [*_destinations(to), *_refusals(staying, all_stay=not going)]


def _may(places: Places, envelope: Envelope, asked: Asked) -> Permission:
    was_read = asked.is_named and was_shown(places.state, envelope)
    asked = replace(asked, was_read=was_read, is_once=True)
    return permission(envelope, grounds(places, envelope.project), asked)


def _destinations(to: Counter[str]) -> list[str]:
    words = [
        f"to {one_line(url, 200)}" + (f" ({count:,})" if len(to) > 1 else "")
        for url, count in list(to.items())[:_MOST]
    ]
    if len(to) > _MOST:
        words.append(f"and {len(to) - _MOST:,} more places")
    return words


def _refusals(staying: Counter[str], *, all_stay: bool) -> list[str]:
    words = []
    for refusal, count in staying.most_common(_MOST):
        stays = "" if all_stay else f"{count:,} {'stays' if count == 1 else 'stay'} here: "
        hint = " 4 sets one." if refusal == NO_ENDPOINT else ""
        words.append(f"{stays}{one_line(refusal, 200)}.{hint}")
    return words
