"""Every key can be found, is explained, and is pressed in some test."""

from __future__ import annotations

import ast
from pathlib import Path

from cqtel_tui.tui.keys import bindings


def pressed() -> set[str]:
    """Return the ids in all `pytest.mark.keys` of this folder."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "keys":
                found |= {str(ast.literal_eval(argument)) for argument in node.args}
    return found


def test_every_binding_has_a_test_that_presses_it() -> None:
    assert sorted({binding.id for _, binding in bindings()} - pressed(), key=str) == []


def test_no_test_presses_what_is_not_bound() -> None:
    assert sorted(pressed() - {str(binding.id) for _, binding in bindings()}) == []


def test_every_binding_is_named_and_explained() -> None:
    for place, binding in bindings():
        for words in (binding.description, binding.tooltip):
            assert words, (place, binding)
            assert words[0].isupper(), words
            assert not words.endswith("."), words
        assert binding.id, (place, binding)


def test_no_two_bindings_have_one_id() -> None:
    ids = [binding.id for _, binding in bindings()]
    assert len(ids) == len(set(ids))
