"""All keys of the terminal UI as a table, made from the bindings themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.keys import format_key

from .app import TelemetryApp
from .base import OwnApp
from .prompt import Prompt
from .screens.answered import Rejected, Sent
from .screens.asking import Ask
from .screens.boxes import Box
from .screens.choices import Choices
from .screens.cookie import CookieScreen
from .screens.help import Help
from .screens.mine import Mine
from .screens.pending import Pending
from .screens.report import ReportScreen
from .screens.requesting import Requesting
from .screens.sending import Sending
from .screens.stored import Stored
from .screens.trimming import Trimming
from .widgets.detail import Detail
from .widgets.envelopes import Envelopes
from .widgets.filter import Filter
from .widgets.lines import Lines
from .widgets.one_of import OneOf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.dom import DOMNode

PLACES: dict[str, type[DOMNode]] = {
    "everywhere": TelemetryApp,
    "everywhere, and at the prompt": OwnApp,
    "a list": Envelopes,
    "a filter": Filter,
    "a payload": Detail,
    "pending, sent, rejected": Box,
    "pending": Pending,
    "sent, rejected": Sent,
    "rejected": Rejected,
    "choices": Choices,
    "an answer": OneOf,
    "cookie": CookieScreen,
    "stored": Stored,
    "a text": Lines,
    "a question": Ask,
    "fields to drop": Trimming,
    "while sending": Sending,
    "while a collector is asked": Requesting,
    "what a collector has": Mine,
    "help": Help,
    "the first-run prompt": Prompt,
    "a collector's report": ReportScreen,
}
"""Where keys are bound, in words."""


def bindings() -> Iterator[tuple[str, Binding]]:
    """Return each binding of ours with the place it is bound in."""
    for place, owner in PLACES.items():
        for binding in owner.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)  # noqa: S101  # for the type checker
            yield place, binding


def as_markdown(*, in_words: bool = False) -> str:
    """Return the keys as a Markdown table, as it stands in the README.

    Args:
        in_words: name the arrows, where there are no letters for them.
    """
    lines = ["| where | keys | what | id |", "|---|---|---|---|"]
    for place, binding in bindings():
        keys = " ".join(f"`{_shown(key, in_words=in_words)}`" for key in binding.key.split(","))
        what = binding.tooltip or binding.description
        lines.append(f"| {place} | {keys} | {what} | `{binding.id}` |")
    return "\n".join(lines) + "\n"


def _shown(key: str, *, in_words: bool) -> str:
    shown = {"left_square_bracket": "[", "right_square_bracket": "]"}.get(key, format_key(key))
    return key if in_words and not shown.isascii() else shown
