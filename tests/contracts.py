"""A program's contract as its makers write it, and the same with something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """\
name = "shop"
version = 1
endpoint = "https://telemetry.shop.example"
documentation = "https://shop.example/telemetry"
contact = "privacy@shop.example"
retention_days = 90

[[fields]]
key = "shop.theme"
type = "string"
shape = "name"
sentence = "Which theme is in use"
why = "Shows which themes are worth keeping."
risk = "low"
since = 1
"""
NOWHERE = "http://127.0.0.1:9"
"""An endpoint on this machine, where nobody is."""
PAID = """
[[fields]]
key = "shop.is_paid"
type = "boolean"
shape = "boolean"
sentence = "Whether the order was paid"
why = "Shows whether paying works."
risk = "none"
since = 2
"""


def local(text: str = SHOP) -> str:
    """Return a contract whose payloads leave no machine, for tests in which there is a yes."""
    return changed(text, ("https://telemetry.shop.example", NOWHERE))


def written(folder: Path, text: str = SHOP, name: str = "telemetry.toml") -> str:
    """Write a contract, and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def changed(text: str, *replaced: tuple[str, str]) -> str:
    """Return a contract in which each of these is there once, and replaced."""
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
