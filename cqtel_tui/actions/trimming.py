"""Take fields out of one pending payload, and put them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..outbox.writing import PENDING
from ..sanitize import one_line
from .results import Confirmation, Message, Result, Undo, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..gate.trimming import PayloadField  # noqa: TC004  # a type, for the faces
    from ..outbox.envelope import Envelope, Label
    from ..outbox.store import Outbox

__all__ = ["PayloadField", "TrimPlan", "plan_trim", "read_fields", "trim"]

_MOST_LISTED = 5
_MAX_PATH = 100


@dataclass(frozen=True, slots=True)
class TrimPlan:
    """Fields that would be taken out of a payload.

    Attributes:
        label: the envelope's.
        paths: of the fields.
        before: the payload's bytes as they are.
        after: the payload's bytes without the fields.
        confirmation: what is asked before.
    """

    label: Label
    paths: tuple[str, ...]
    before: bytes
    after: bytes
    confirmation: Confirmation


def read_fields(outbox: Outbox, label: Label) -> tuple[Envelope, list[PayloadField]]:
    """Open a pending payload, and return it with all fields that can be taken out of it.

    Raises:
        CqtelError: it cannot be opened, or nothing can be taken out of it.
    """
    from ..gate.trimming import fields

    envelope = outbox.open(PENDING, label)
    return envelope, fields(envelope)


def plan_trim(label: Label, envelope: Envelope, paths: Sequence[str]) -> TrimPlan:
    """Return what taking fields out of a payload would mean.

    Raises:
        UntrimmableError: it cannot be read here, or nothing is at one of the paths.
    """
    from ..gate.trimming import without

    paths = tuple(dict.fromkeys(paths))
    listed = ", ".join(one_line(path, _MAX_PATH) for path in paths[:_MOST_LISTED])
    more = f" and {len(paths) - _MOST_LISTED:,} more" if len(paths) > _MOST_LISTED else ""
    asking = Confirmation(
        f"Remove {number(len(paths), 'field')} from this payload?",
        (
            f"{listed}{more}",
            "The receiver may reject a payload without a field it needs. u undoes it.",
        ),
        "yes, remove",
    )
    return TrimPlan(label, paths, envelope.payload, without(envelope, paths), asking)


def trim(outbox: Outbox, plan: TrimPlan) -> Result:
    """Put a payload without some fields in the place of the whole one.

    Raises:
        CqtelError: it is no longer pending or whole, a sender is at work, or it cannot be written.
    """
    count = len(plan.paths)
    label = outbox.replace(plan.label, plan.after, dropped=count)
    what = f"removing {number(count, 'field')}"
    undo = Undo(what, lambda: outbox.replace(label, plan.before, dropped=-count))
    message = Message(f"removed {number(count, 'field')}", key="u undoes it")
    return Result((message,), undo, (f"{label.id} has no {', '.join(plan.paths)} any more",))
