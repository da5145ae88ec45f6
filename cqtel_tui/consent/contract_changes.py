"""Say what is new in a program's contract, and so has to be agreed to again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contracts import RISKS
from .endpoint import with_path

if TYPE_CHECKING:
    from .contracts import Contract, OwnField

NEW_FIELD = "new field"
CHANGED_FIELD = "changed field"
REMOVED_FIELD = "removed field"
ENDPOINT = "endpoint"
RETENTION = "retention"
DOCUMENTATION = "documentation"
CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that another version of a contract says.

    Attributes:
        kind: what it is of, one of the constants of this module.
        key: the field's key; empty if it is not of a field.
        text: what is shown to the user.
        asks: whether a yes to the older version does not cover it.
    """

    kind: str
    key: str
    text: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a contract differs from an older one.

    Attributes:
        changes: all of them, those that ask first.
        problems: what is wrong with the newer one, beside the older one.
    """

    changes: tuple[Change, ...]
    problems: tuple[str, ...]

    @property
    def asked(self) -> tuple[Change, ...]:
        """What a yes to the older version does not cover."""
        return tuple(change for change in self.changes if change.asks)


def compare(old: Contract, new: Contract) -> Comparison:
    """Return what another version of a program's contract changes."""
    if old.program != new.program:
        return Comparison(
            (), (f"they are of two programs, {old.program} and {new.program}: a yes is for one",)
        )
    changes = [*_fields(old, new), *_others(old, new)]
    changes.sort(key=lambda change: not change.asks)
    return Comparison(tuple(changes), tuple(_problems(old, new, changes)))


def field_words(field: OwnField) -> str:
    """Return what a user reads of a program's own field, on one line."""
    return (
        f"{field.key} ({field.shape.type}: {field.shape.words}): {field.sentence.rstrip('.')}. "
        f"{field.why.rstrip('.')}. Identifying: {field.risk}"
    )


def _fields(old: Contract, new: Contract) -> list[Change]:
    before = {field.key: field for field in old.fields}
    after = {field.key: field for field in new.fields}
    changes = []
    for key, field in after.items():
        if key not in before:
            changes.append(Change(NEW_FIELD, key, field_words(field), asks=True))
        elif _covers_less(before[key], field):
            changes.append(Change(CHANGED_FIELD, key, field_words(field), asks=True))
        elif before[key].risk != field.risk:
            text = f"{key}: less identifying than before, {field.risk}"
            changes.append(Change(CHANGED_FIELD, key, text, asks=False))
    return changes + [
        Change(REMOVED_FIELD, key, f"{key}: no longer recorded", asks=False)
        for key in before
        if key not in after
    ]


def _covers_less(agreed: OwnField, field: OwnField) -> bool:
    """Tell whether who agreed to the one has not agreed to the other: words are what was agreed."""
    return (agreed.shape, agreed.sentence, agreed.why) != (
        field.shape,
        field.sentence,
        field.why,
    ) or RISKS.index(field.risk) > RISKS.index(agreed.risk)


def _others(old: Contract, new: Contract) -> list[Change]:
    changes = []
    if _place(old) != _place(new):
        changes.append(Change(ENDPOINT, "", _route(old, new), asks=new.endpoint is not None))
    if old.retention_days != new.retention_days:
        text = f"what was sent is deleted after {new.retention_days} days, not {old.retention_days}"
        is_longer = new.retention_days > old.retention_days
        changes.append(Change(RETENTION, "", text, asks=is_longer))
    if old.documentation != new.documentation:
        text = f"the documentation is at {new.documentation}"
        changes.append(Change(DOCUMENTATION, "", text, asks=False))
    if old.contact != new.contact:
        text = f"questions go to {new.contact}, no longer to {old.contact}"
        changes.append(Change(CONTACT, "", text, asks=False))
    return changes


def _route(old: Contract, new: Contract) -> str:
    if new.endpoint is None:
        return f"payloads no longer go to {old.endpoint}; they stay here"
    if old.endpoint is None:
        return f"payloads go to {new.endpoint}; until now they stayed here"
    return f"payloads go to {new.endpoint}, no longer to {old.endpoint}"


def _place(contract: Contract) -> str | None:
    return contract.endpoint and with_path(contract.endpoint)


def _problems(old: Contract, new: Contract, changes: list[Change]) -> list[str]:
    if new.version < old.version:
        return [f"the newer version, {new.version}, is lower than the older one, {old.version}"]
    asking = [change for change in changes if change.asks]
    problems = []
    if asking and new.version == old.version:
        problems.append(f'there is something new to agree to: raise "version" to {old.version + 1}')
    keys = {change.key for change in asking}
    before = {field.key: field.since for field in old.fields}
    for field in new.fields:
        if field.key in keys and field.since <= old.version:
            wanted = max(new.version, old.version + 1)
            problems.append(f'"since" of {field.key} has to be {wanted}, which users agree to anew')
        elif field.key not in keys and field.since != before[field.key]:
            problems.append(
                f'"since" of {field.key} has to stay {before[field.key]}: nothing in it is new'
            )
    return problems
