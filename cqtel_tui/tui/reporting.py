"""The application that shows a collector's report; it reads, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import OwnApp
from .ending import signals_deferred
from .screens.report import ReportScreen

if TYPE_CHECKING:
    from pathlib import Path

    from ..collector.clickhouse_asking import DatabasePlace


class ReportApp(OwnApp[None]):
    """Shows the report of one store.

    Args:
        path: the store, or where ClickHouse is.
    """

    TITLE = "cqtel collector"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (76, "-normal"), (120, "-wide")]  # noqa: RUF012  # Textual types it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012

    def __init__(self, path: Path | DatabasePlace) -> None:
        super().__init__()
        self.path = path

    def on_mount(self) -> None:
        """Show the report."""
        self.push_screen(ReportScreen(self.path))


def run(path: Path | DatabasePlace) -> int:
    """Show the report until it is left; return the exit code."""
    code = 1
    with signals_deferred() as deferred:
        app = ReportApp(path)
        app.run_to_the_end(deferred)
        code = app.exit_code
    return code  # noqa: RET504  # where a signal came first, it is not set
