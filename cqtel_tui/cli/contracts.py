"""The commands that check a program's contract, document it, and compare two of its versions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent.contract_changes import compare, field_words
from ..consent.contracts import read_contract
from ..errors import CqtelError
from ..review.contract_page import page
from .output import number, say, show, show_json

if TYPE_CHECKING:
    import argparse

    from ..consent.contract_changes import Change, Comparison
    from ..consent.contracts import Contract


def check(arguments: argparse.Namespace) -> int:
    """Say what a contract promises; what is wrong with it is an error."""
    contract = read_contract(arguments.file)
    if arguments.json:
        show_json(_as_json(contract))
        return 0
    show(f"{contract.program}, version {contract.version}")
    if contract.endpoint:
        show(f"payloads go to {contract.endpoint}")
    else:
        show("no endpoint: payloads stay here")
    show(f"what was sent is deleted after {number(contract.retention_days, 'day')}")
    show(f"documentation: {contract.documentation}")
    show(f"contact: {contract.contact}")
    show(f"{number(len(contract.fields), 'field')} of its own")
    for field in contract.fields:
        show(f"    {field_words(field)}")
    return 0


def docs(arguments: argparse.Namespace) -> int:
    """Print the page for a program's documentation, as Markdown."""
    sys.stdout.write(page(read_contract(arguments.file)))
    return 0


def registry(arguments: argparse.Namespace) -> int:
    """Write a contract as a registry that OpenTelemetry's weaver reads.

    Raises:
        CqtelError: something of that name is there, or it cannot be written.
    """
    from ..review.registry import registry as files_of

    folder = Path(arguments.folder)
    files = files_of(read_contract(arguments.file))
    try:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise CqtelError(
            f"{folder} cannot be made: {error.strerror}. Give a folder that is not there yet."
        ) from error
    say(f"written to {folder}: {', '.join(files)}")
    return 0


def diff(arguments: argparse.Namespace) -> int:
    """Say what users have to be asked; return 1 if the newer version has a problem."""
    old, new = read_contract(arguments.old), read_contract(arguments.new)
    comparison = compare(old, new)
    if arguments.json:
        show_json(
            {
                "program": new.program,
                "old": old.version,
                "new": new.version,
                "changes": [_change_as_json(change) for change in comparison.changes],
                "problems": list(comparison.problems),
            }
        )
    else:
        _show_changes(old, comparison)
        for problem in comparison.problems:
            say(f"{arguments.new}: {problem}")
    return 1 if comparison.problems else 0


def _show_changes(old: Contract, comparison: Comparison) -> None:
    silent = [change for change in comparison.changes if not change.asks]
    if comparison.asked:
        show(f"A yes to version {old.version} of {old.program} does not cover:")
        _show_each(comparison.asked)
    elif not comparison.problems:
        show(f"A yes to version {old.version} of {old.program} covers all of it.")
    if silent:
        show("Changes that need no new yes:")
        _show_each(silent)


def _show_each(changes: tuple[Change, ...] | list[Change]) -> None:
    for change in changes:
        show(f"    {change.kind}: {change.text}")


def _change_as_json(change: Change) -> dict[str, object]:
    return {"kind": change.kind, "key": change.key, "text": change.text, "asks": change.asks}


def _as_json(contract: Contract) -> dict[str, object]:
    return {
        "program": contract.program,
        "version": contract.version,
        "endpoint": contract.endpoint,
        "documentation": contract.documentation,
        "contact": contract.contact,
        "retention_days": contract.retention_days,
        "fields": [
            {
                "key": field.key,
                "type": field.shape.type,
                "shape": field.shape.name,
                "sentence": field.sentence,
                "why": field.why,
                "risk": field.risk,
                "since": field.since,
            }
            for field in contract.fields
        ],
    }
