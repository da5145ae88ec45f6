"""Collect every text that people may read, by room and module, from the source.

A text is a string constant that is no docstring, no key, no SQL and no identifier: it has two words
at least, or it is handed to something that shows it (`help=`, `tooltip=`, a `Binding`'s name). What
is formatted into it is shown as `{…}`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "cqtel_tui"
TWO_WORDS = re.compile(r"[A-Za-z'){}…]{2,}[,:;]? +[A-Za-z(\[{…]")
SQL = re.compile(
    r"(\s*--.*\n)*\s*"
    r"(SELECT|INSERT|DELETE|UPDATE|CREATE|DROP|ALTER|PRAGMA|ATTACH|WITH|BEGIN)\b"
)
SHOWN_ARGUMENTS = {"help", "description", "tooltip", "title", "label", "placeholder", "epilog"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that people may read: the module that holds it, its line, and what it says."""

    module: str
    line: int
    says: str

    @property
    def room(self) -> str:
        """The room of the module; empty for one that stands beside the rooms."""
        return self.module.partition("/")[0] if "/" in self.module else ""


def texts() -> list[Text]:
    """Return every text of the package, in the order of modules and lines."""
    return [
        text
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in texts_in(
            ast.parse(path.read_text("utf-8")), path.relative_to(PACKAGE).as_posix()
        )
    ]


def texts_in(tree: ast.Module, module: str) -> Iterator[Text]:
    """Yield the texts of one module, in the order of their lines."""
    unseen = set(_unseen(tree))
    shown = set(_shown(tree))
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in unseen
    ]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        says = _says(node)
        if (TWO_WORDS.search(says) or id(node) in shown) and not SQL.match(says):
            yield Text(module, node.lineno, says)


def _says(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _unseen(tree: ast.AST) -> Iterator[int]:
    """Yield what is no text: docstrings, annotations, and the parts of an f-string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        elif isinstance(node, ast.JoinedStr):
            for part in node.values:
                yield id(part)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield from (id(part) for part in ast.walk(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            yield from (id(part) for part in ast.walk(node.returns))


def _shown(tree: ast.AST) -> Iterator[int]:
    """Yield what is handed to something that shows it, however short it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in SHOWN_ARGUMENTS:
            yield id(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Binding":
            yield from (id(argument) for argument in node.args[2:3])
