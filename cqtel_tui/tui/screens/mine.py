"""Everything that a collector has of this cookie, to be read, and to be written to a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from ...actions.results import number
from ...errors import CqtelError
from ...rights.announced import operation_lines
from ...rights.exporting import FILE_NAME, write_operations
from ...sanitize import one_line
from .. import views
from ..widgets.lines import Lines
from .modal import Modal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...formats.strict_json import JsonObject
    from ..home import Home


class Mine(Modal[None]):
    """Shows operations as a collector gave them; Esc leaves.

    Args:
        home: the application.
        operations: what it has.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ctrl+c", "dismiss", "Back", id="mine.back",
                tooltip="Back to the installation ID"),
        Binding("w", "write", "Write", id="mine.write",
                tooltip=f"Write it to {FILE_NAME}, in the current directory"),
    ]  # fmt: skip

    def __init__(self, home: Home, operations: Sequence[JsonObject]) -> None:
        super().__init__()
        self.home = home
        self.operations = operations

    def compose(self) -> ComposeResult:
        """Lay out what there is."""
        what = number(len(self.operations), "operation")
        with Vertical(id="mine"):
            yield Static(Content(f"The collector's data about you: {what}").stylize("bold"))
            yield Static(views.muted(one_line(self.home.endpoint or "", 300)))
            yield Lines(id="mine-text")
            hint = f"w writes it to {FILE_NAME}. Esc goes back."
            yield Static(views.muted(hint if self.operations else "Esc goes back."))

    def on_mount(self) -> None:
        """Show it from the top."""
        lines = [views.line(each) for each in operation_lines(self.operations)]
        text = self.query_one("#mine-text", Lines)
        text.show(lines or [Content("Nothing. It was never sent there, or was erased.")])
        text.focus()

    @work(group="write")
    async def action_write(self) -> None:
        """Write all of it to a new file in the current directory."""
        path = str(Path(self.home.directory, FILE_NAME))
        if not self.home.may_change or not self.operations:
            return
        try:
            await asyncio.to_thread(write_operations, path, self.operations)
        except CqtelError as error:
            self.home.tell(str(error), wrong=True)
        else:
            self.home.tell(f"Written to {path}, readable only by you.")
