"""What people read is in the glossary's words.

`CQTEL_STRINGS=1 python -m pytest -s tests/test_sentences.py` prints every text by room, to be read.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from .sentences import Text, texts, texts_in

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = re.compile(
    r"cq-telemetry cookie|--include-held|telemetry-cookie|legacy_cookies|cookie \(|\(\"cookie\"\)"
    r"|The store \S+ is closed|connection closed|it closed the connection"
    r"|A unique user \"cookie\"|Keys of --json|which part of the operation"
)
"""Names that programs know, and the documentation's own sentences, which are quoted."""
BANNED = {
    r"\b(held|holds?|holding)\b": "pending",
    r"\b(caught|catch|catches)\b": "intercepted",
    r"\bclosed\b": "blocked",
    r"\bcookies?\b": "installation ID",
    r"\b(noes|nowhere|throw-away|nobody here)\b": "the reader's words",
    r"\bno from anywhere\b": "any opt-out",
    r"\btook back\b": "undone",
    r"\bMay it be\b": "Send it",
    r"\bdid not answer\b": "did not respond",
}
"""What no text says, and the word for it."""


def wrong(text: Text) -> list[str]:
    says = ALLOWED.sub("", text.says)
    return [
        f"{text.module}:{text.line}: say {word!r}: {text.says}"
        for pattern, word in BANNED.items()
        if re.search(pattern, says, re.IGNORECASE)
    ]


def printed() -> Iterator[str]:
    for room, in_room in groupby(texts(), key=lambda text: text.room):
        yield f"\n# {room or 'beside the rooms'}"
        for module, in_module in groupby(in_room, key=lambda text: text.module):
            yield f"\n## {module}"
            yield from (f"{text.line:>4}  {text.says}" for text in in_module)


def test_no_text_has_a_word_that_the_glossary_replaces() -> None:
    assert [line for text in texts() for line in wrong(text)] == []


def test_every_text_can_be_read_in_one_sitting() -> None:
    lines = [*printed()]
    if os.environ.get("CQTEL_STRINGS"):
        sys.stdout.writelines(f"{line}\n" for line in lines)
    for room, told in {
        "cli": "payloads that wait to be sent",
        "tui": "Any opt-out wins; only you can opt in.",
        "deliver": "no endpoint is set",
        "gate": "make the program use HTTP/1.1",
    }.items():
        start = lines.index(f"\n# {room}")
        assert any(told in line for line in lines[start:])


@pytest.mark.parametrize(
    "source",
    [
        'say("3 payloads are held")',
        'say(f"{number} caught")',
        'Binding("h", "hold", "Hold")',
        'parser.add_argument("--all", help="keep the cookie")',
        'raise CqtelError(f"{url} did not answer: {error}")',
    ],
)
def test_the_check_sees_a_wrong_word_wherever_it_is_shown(source: str) -> None:
    assert [line for text in texts_in(ast.parse(source), "x.py") for line in wrong(text)]


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """Payloads are held here."""',
        'x: Literal["pending payloads"] = y',
        'run("SELECT held FROM closed WHERE kept")',
        'header["held"]',
    ],
)
def test_what_nobody_reads_is_no_text(source: str) -> None:
    assert [*texts_in(ast.parse(source), "x.py")] == []
