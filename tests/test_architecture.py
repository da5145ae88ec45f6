"""The house stands: rooms from left to right, small modules, no circles, private by default."""

from __future__ import annotations

import ast
import re
import statistics
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "cqtel_tui"
CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
FOR_EVERY_ROOM = {
    *("catalogue", "errors", "extras", "files", "folders", "locks", "odd_folders", "opening"),
    *("paths", "sanitize", "standard_streams"),
}
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
MOST_LINES = 400
MOST_FUNCTION_LINES = 50
MOST_P95_LINES = 24
LARGEST_CIRCLE = 3
P95 = "95 of 100 functions"


@cache
def graph() -> grimp.ImportGraph:
    """Return who imports whom, without the lazy imports that `pyproject.toml` explains."""
    imports = grimp.build_graph("cqtel_tui", cache_dir=None)
    for contract in CONTRACTS["contracts"]:
        for exception in contract.get("ignore_imports", ()):
            importer, _, imported = exception.partition(" -> ")
            imports.remove_import(importer=importer, imported=imported)
    return imports


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """Return the room a module stands in; empty for what stands beside them."""
    name = [*module.split("."), ""][1]
    return name if name in ROOMS else ""


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, without its docstring."""
    docstring = function.body[0]
    told = ast.get_docstring(function) is not None
    documented = (docstring.end_lineno or 0) - docstring.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


def functions() -> dict[str, int]:
    """Return how many lines each function has; of one name in one module, the longest."""
    named = sorted(
        (f"{path.relative_to(PACKAGE).as_posix()}: {node.name}", code_lines(node))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return dict(named)


def circles() -> list[set[str]]:
    """Return the sets of modules that import each other in a loop (Tarjan's algorithm)."""
    strongly_connected: list[set[str]] = []
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for other in graph().find_modules_directly_imported_by(module):
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in path:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            start = path.index(module)
            strongly_connected.append(set(path[start:]))
            del path[start:]

    for module in sorted(graph().modules):
        if module not in order:
            visit(module)
    return [circle for circle in strongly_connected if len(circle) > 1]


def over_their_limit() -> dict[str, int]:
    """Return each module, function and circle that is over its limit, and its size."""
    lengths = {
        m.relative_to(PACKAGE).as_posix(): len(m.read_text().splitlines()) for m in modules()
    }
    p95 = int(statistics.quantiles(functions().values(), n=20)[-1])
    return {
        **{name: lines for name, lines in lengths.items() if lines > MOST_LINES},
        **{name: lines for name, lines in functions().items() if lines > MOST_FUNCTION_LINES},
        **{f"circle of {min(c)}": len(c) for c in circles() if len(c) > LARGEST_CIRCLE},
        **({P95: p95} if p95 > MOST_P95_LINES else {}),
    }


def test_the_contract_names_each_room_and_what_every_room_may_use() -> None:
    layers = CONTRACTS["contracts"][0]
    assert layers["exhaustive"]
    assert len(layers["ignore_imports"]) <= 2
    named = {name.strip() for layer in layers["layers"] for name in layer.split(":")}
    assert named == ROOMS | FOR_EVERY_ROOM | {"__main__"}


def test_no_module_function_or_circle_is_larger_than_its_limit() -> None:
    assert over_their_limit() == {}


def test_no_circle_spans_two_rooms() -> None:
    assert [sorted(c) for c in circles() if len({room_of(module) for module in c}) > 1] == []


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_other_rooms_use_only_what_a_room_offers(room: str) -> None:
    inside = f"cqtel_tui.{room}."
    used = {
        module.removeprefix(inside).partition(".")[0]
        for module in graph().modules
        if module.startswith(inside)
        for importer in graph().find_modules_that_directly_import(module)
        if room_of(importer) != room
    }
    assert sorted(used - set(offers(room))) == []


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_says_what_it_is_for_and_what_it_offers(room: str) -> None:
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    defined |= {ast.unparse(n.targets[0]) for n in tree.body if isinstance(n, ast.Assign)}
    files = {path.stem for path in (PACKAGE / room).iterdir()}
    assert set(offers(room)) <= files | defined
    assert offers(room) == sorted(offers(room))


def offers(room: str) -> list[str]:
    """Return what a room's `__all__` names: modules that others may import, and its own names."""
    for node in ast.parse((PACKAGE / room / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    raise AssertionError(f"{room}/__init__.py does not say what other rooms may use")


@pytest.mark.parametrize("word", ["O_NOFOLLOW", "O_EXCL"])
def test_one_module_says_how_files_are_opened(word: str) -> None:
    spelled = [
        m.relative_to(PACKAGE).as_posix()
        for m in modules()
        if re.search(rf"\b{word}\b", m.read_text())
    ]
    assert spelled == ["opening.py"]


def test_the_architecture_page_names_paths_that_exist_and_each_room() -> None:
    page = (PACKAGE / "README.md").read_text()
    named = re.findall(r"`((?:[\w.]+/)*(?:\w+\.py|\w+/))`", page)
    folders = (PACKAGE, PROJECT)
    assert [p for p in named if not any((folder / p).exists() for folder in folders)] == []
    assert {f"{room}/" for room in ROOMS} <= set(named)


def test_each_walk_names_eight_modules_at_most() -> None:
    page = (PACKAGE / "README.md").read_text()
    walks = page.partition("## Three walks")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(walks) == 3
    for walk in walks:
        steps = re.findall(r"^\d+\. `([\w/]+\.py)`", walk, re.MULTILINE)
        assert 3 <= len(set(steps)) == len(steps) <= 8


CHANGES = re.compile(
    r"(.*\.)?[oO]utbox(\(.*\))?\.(clear|close|drop|postpone|put_back|replace|retry|set_aside|settle)"
    r"|(.*\.)?cookies?\.(lock|make|read_or_create|reset|unlock)"
    r"|save|include|note_shown|write_receipt"
)
"""What only an action calls: it changes the outbox, the choices or the installation ID."""


@pytest.mark.parametrize("room", ["cli", "tui"])
def test_whoever_asks_and_renders_changes_nothing_but_by_way_of_an_action(room: str) -> None:
    calls = [
        f"{path.relative_to(PACKAGE).as_posix()}: {ast.unparse(node.func)}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and CHANGES.fullmatch(ast.unparse(node.func))
    ]
    assert calls == []


@pytest.mark.parametrize(
    "call",
    [
        "outbox.drop", "self.home.outbox.replace", "Outbox(places().state).retry", "save",
        "cookies.reset", "cookie.unlock", "write_receipt", "note_shown",
    ],
)  # fmt: skip
def test_the_check_knows_what_changes_something(call: str) -> None:
    assert CHANGES.fullmatch(call)
