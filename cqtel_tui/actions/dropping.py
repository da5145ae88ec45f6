"""Delete payloads, and put them back as long as somebody remembers them; retry rejected ones."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..outbox.envelope import TornEnvelopeError
from ..outbox.receipts import write_receipt
from ..outbox.store import NoSuchEnvelopeError
from ..outbox.writing import PENDING
from .results import Confirmation, Message, Result, Undo, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Label
    from ..outbox.receipts import Receipt
    from ..outbox.store import Outbox


@dataclass(frozen=True, slots=True)
class DropPlan:
    """Payloads that would be deleted.

    Attributes:
        box: `pending`, `sent` or `rejected`.
        labels: of the envelopes in it.
        confirmation: what is asked before.
    """

    box: str
    labels: tuple[Label, ...]
    confirmation: Confirmation


def plan_drop(box: str, labels: Sequence[Label]) -> DropPlan:
    """Return what deleting payloads would mean."""
    where = "unsent" if box == PENDING else "and what is known of their delivery"
    question = f"Delete {number(len(labels), 'payload')}, {where}?"
    asking = Confirmation(question, ("u undoes it.",), "yes, delete")
    return DropPlan(box, tuple(labels), asking)


def drop(outbox: Outbox, plan: DropPlan) -> Result:
    """Delete payloads, with their receipts; what could not be read has no undo."""
    dropped: list[tuple[Label, bytes, Receipt | None]] = []
    lines: list[str] = []

    def put_back() -> None:
        for label, data, receipt in dropped:
            outbox.put_back(plan.box, label, data)
            if receipt is not None:
                write_receipt(outbox.path(plan.box, label), receipt)

    problem: Exception | None = None
    try:
        for label in plan.labels:
            # What is gone already needs no undo, what cannot even be read can have none.
            with contextlib.suppress(NoSuchEnvelopeError, TornEnvelopeError):
                data = outbox.read(plan.box, label)
                dropped.append((label, data, _receipt(outbox, plan.box, label)))
            outbox.drop(plan.box, label)
            lines.append(f"{label.id} dropped")
    except (CqtelError, OSError) as error:
        problem = error
    undo = Undo(f"deleting {len(dropped):,}", put_back) if dropped else None
    messages = _counted("deleted", len(lines), "u undoes it" if undo else "")
    return Result(messages, undo, tuple(lines), problem)


def _receipt(outbox: Outbox, box: str, label: Label) -> Receipt | None:
    try:
        return outbox.receipt(box, label)
    except CqtelError:  # it cannot be read, and so it cannot be put back
        return None


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Rejected payloads that would be pending again.

    Attributes:
        labels: of the rejected envelopes.
    """

    labels: tuple[Label, ...]


def plan_retry(labels: Sequence[Label]) -> RetryPlan:
    """Return what retrying rejected payloads would mean: nothing has to be asked."""
    return RetryPlan(tuple(labels))


def retry(outbox: Outbox, plan: RetryPlan) -> Result:
    """Put rejected payloads back among the pending ones; nothing is sent by that alone."""
    lines: list[str] = []
    problem: Exception | None = None
    try:
        for label in plan.labels:
            outbox.retry(label)
            lines.append(f"{label.id} is pending again")
    except (CqtelError, OSError) as error:
        problem = error
    count = len(lines)
    words = f"{number(count, 'payload')} {'is' if count == 1 else 'are'} pending again"
    return Result((Message(words),) if count else (), lines=tuple(lines), problem=problem)


def _counted(done: str, count: int, key: str) -> tuple[Message, ...]:
    return (Message(f"{done} {number(count, 'payload')}", key=key),) if count else ()
