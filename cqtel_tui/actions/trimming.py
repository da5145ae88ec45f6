"""Take fields out of one pending payload, and put them back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..outbox.writing import PENDING
from ..sanitize import one_line
from .results import Confirmation, Message, Result, Undo, number
from .showing import explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..gate.trimming import PayloadField  # noqa: TC004  # a type, for the faces
    from ..outbox.envelope import Envelope, Label
    from ..outbox.store import Outbox
    from ..paths import Places
    from ..review.explain import FieldRow
    from ..review.exposure import Exposure

__all__ = [
    "PayloadField",
    "Preview",
    "TrimPlan",
    "Trimmable",
    "path_of_row",
    "plan_lowering",
    "plan_trim",
    "read_fields",
    "trim",
]

_MOST_LISTED = 5
_MAX_PATH = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """What a payload would be without some of its fields.

    Attributes:
        payload: its bytes.
        exposure: how much it would tell.
    """

    payload: bytes
    exposure: Exposure


class Trimmable:
    """A pending payload, and what can be taken out of it.

    Args:
        envelope: its envelope.
        fields: what can be taken out.
        places: where the programs' contracts and the user's profiles are.
    """

    def __init__(self, envelope: Envelope, fields: Sequence[PayloadField], places: Places) -> None:

        self.envelope = envelope
        self.fields = fields
        self._places = places
        rows = explained(envelope, places).rows
        self._rows = {path: row for row in rows if (path := path_of_row(row, fields))}

    def row_of(self, field: PayloadField) -> FieldRow | None:
        """Return how a field is explained; None where it is not."""
        return self._rows.get(field.path)

    def without(self, paths: Sequence[str]) -> Preview:
        """Return what the payload would be without some fields."""
        from ..gate.trimming import without
        from ..review.exposure import exposure

        payload = without(self.envelope, paths) if paths else self.envelope.payload
        shown = replace(self.envelope, payload=payload)
        return Preview(payload, exposure(explained(shown, self._places).rows))


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


def plan_lowering(outbox: Outbox, label: Label, places: Places) -> TrimPlan | None:
    """Return what taking out the most identifying field would mean; None if none identifies.

    Args:
        outbox: where the payload is pending.
        label: its envelope's.
        places: where the programs' contracts and the user's profiles are.

    Raises:
        CqtelError: it cannot be opened, or nothing can be taken out of it.
    """
    from ..review.exposure import exposure

    envelope, fields = read_fields(outbox, label)
    before = exposure(explained(envelope, places).rows)
    riskiest = before.riskiest
    if riskiest is None:
        return None
    paths = [path for row in riskiest.rows if (path := path_of_row(row, fields))]
    if not paths:
        return None
    plan = plan_trim(label, envelope, paths)
    after = before.without([riskiest.name])
    asking = Confirmation(
        f"Remove {riskiest.name} from this payload?",
        (
            f"Exposure before: {before.points}, risk {before.risk}",
            f"Exposure after: {after.points}, risk {after.risk}",
            "The receiver may reject a payload without a field it needs. u undoes it.",
        ),
        "yes, remove",
    )
    return replace(plan, confirmation=asking)


def path_of_row(row: FieldRow, fields: Sequence[PayloadField]) -> str | None:
    """Return the path under which what a row tells can be taken out; None if it cannot be."""
    paths = {field.path for field in fields}
    attribute = f'{row.path.rpartition("[")[0]}["{row.key}"]'
    return next((path for path in (row.path, attribute) if path in paths), None)


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
