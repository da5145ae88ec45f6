"""Write the page about telemetry for a program's documentation, from its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .promises import COLLECTOR, FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..consent.contracts import Contract

NEVER = (
    "Command arguments and the values of options",
    "The contents of error messages, unless you turn debug mode on",
    "Credentials, logs, paths, host names and user names",
)
"""What is recorded of no program, in words for its own users."""


def page(contract: Contract) -> str:
    """Return the page, as Markdown."""
    parts = (
        [f"# Telemetry of {contract.program}", "", *_opening(contract)],
        ["## What is stored", "", *_own(contract), *_common()],
        ["## What is never recorded", "", *(f"- {what}." for what in NEVER), ""],
        ["## What the receiving end adds", "", *_added()],
        ["## Where it goes, and for how long", "", *_destination(contract)],
        ["## What you can do", "", *_commands(contract.program)],
    )
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def _opening(contract: Contract) -> list[str]:
    return [
        f"{contract.program} records what it does, and asks you before anything is sent. Until you",
        "answer, payloads wait on your machine, where you can read them byte for byte.",
        f"This page is about version {contract.version} of its contract.",
        "",
    ]


def _own(contract: Contract) -> list[str]:
    if not contract.fields:
        return []
    rows = [
        (
            f"`{field.key}`",
            f"{field.shape.type}: {field.shape.words}",
            field.sentence,
            field.why,
            field.risk,
            str(field.since),
        )
        for field in contract.fields
    ]
    titles = ("field", "value", "what it is", "why", "how identifying", "since version")
    return [f"Only {contract.program} records these:", "", *_table(titles, rows), ""]


def _common() -> list[str]:
    rows = [
        (f"`{field.key}`", field.shape, field.why, f"{field.risk}: {field.because}")
        for field in FIELDS
        if field.where != COLLECTOR
    ]
    titles = ("field", "value", "why", "how identifying")
    return ["Every program that uses cqtel may record these:", "", *_table(titles, rows), ""]


def _added() -> list[str]:
    rows = [
        (f"`{field.key}`", field.shape, field.why, f"{field.risk}: {field.because}")
        for field in FIELDS
        if field.where == COLLECTOR
    ]
    return [
        "Whoever receives a request sees the address it comes from. A collector of cqtel does not",
        "store the address; it may store this, which it derives from it:",
        "",
        *_table(("field", "value", "why", "how identifying"), rows),
        "",
    ]


def _destination(contract: Contract) -> list[str]:
    place = (
        f"- Payloads go to `{contract.endpoint}`, unless you choose another endpoint."
        if contract.endpoint
        else "- There is no endpoint: payloads stay on your machine, unless you choose one."
    )
    return [
        place,
        f"- What was sent is deleted after {contract.retention_days} days.",
        f"- Documentation: <{contract.documentation}>",
        f"- Questions: {_text(contract.contact)}",
        "",
    ]


def _commands(program: str) -> list[str]:
    return [
        "```bash",
        f"cq-telemetry status --program {program}    # what you have chosen, and why it applies",
        f"cq-telemetry pending --program {program}   # what waits to be sent",
        f"cq-telemetry on --program {program}        # allow it from now on",
        f"cq-telemetry off --program {program}       # refuse it",
        f"cq-telemetry erase --program {program}     # have the collector erase your data",
        "```",
        "",
        "`DO_NOT_TRACK=1` refuses it as well.",
    ]


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(titles)
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _text(text: str) -> str:
    """Return text that ends no cell and begins no HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
