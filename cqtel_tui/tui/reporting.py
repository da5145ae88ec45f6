"""The application that shows a collector's report; it reads, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App

from ..terminal import drawing
from .last_line import OnlyPrintable
from .screens.report import ReportScreen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from textual.filter import LineFilter


class ReportApp(App[None]):
    """Shows the report of one store.

    Args:
        path: the store.
    """

    TITLE = "cqtel collector"
    CSS_PATH = ["app.tcss", "report.tcss"]  # noqa: RUF012  # Textual types it so
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (76, "-normal"), (120, "-wide")]  # noqa: RUF012  # Textual types it so
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._only_printable = OnlyPrintable()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let nothing but printable text reach the terminal."""
        return [*super().get_line_filters(), self._only_printable]

    def on_mount(self) -> None:
        """Show the report."""
        self.push_screen(ReportScreen(self.path))


def run(path: Path) -> int:
    """Show the report until it is left; return the exit code."""
    with drawing():
        app = ReportApp(path)
        app.run()
        return app.return_code or 0
