"""The options of `cq-telemetry contract`, for those whose program ships one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .commands import add

if TYPE_CHECKING:
    from .commands import Commands


def add_contract(commands: Commands) -> None:
    """Add the command of contracts, with what it can be asked to do."""
    contract = commands.add_parser(
        "contract",
        help="check a program's telemetry.toml, document it, compare two versions",
        description="Check a program's telemetry.toml, document it, or compare two versions.",
    )
    actions = contract.add_subparsers(metavar="ACTION", required=True)
    check = add(actions, "check", "say what is wrong with a contract", "contracts", "check")
    check.add_argument("file", metavar="FILE")
    page = add(
        actions,
        "docs",
        "the page for the program's documentation, as Markdown",
        "contracts",
        "docs",
    )
    page.add_argument("file", metavar="FILE")
    semconv = add(
        actions,
        "registry",
        "a registry of OpenTelemetry's semantic conventions, for weaver, in a new folder",
        "contracts",
        "registry",
    )
    semconv.add_argument("file", metavar="FILE")
    semconv.add_argument("folder", metavar="FOLDER")
    diff = add(
        actions,
        "diff",
        "what users have to be asked because of a newer version",
        "contracts",
        "diff",
    )
    diff.add_argument("old", metavar="OLD")
    diff.add_argument("new", metavar="NEW")
