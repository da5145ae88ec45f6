"""The screen that opens inspection files: our own `cq-telemetry.txt`, or a 2021 release's."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from ...formats.inspection import read_inspection
from ...record.inspection import FILE_NAME
from ...review.inspected import explain_inspection
from ...sanitize import one_line
from .. import views
from ..looks import HEADING, LOUD, QUIET, WRONG
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...review.inspected import InspectedRow

_MAX_FILE_BYTES = 8 * 1024 * 1024
_SHAPES = {
    "otlp": "payloads, as --inspect-telemetry writes them today",
    "stdouttrace": "spans, as a 2021 release wrote them",
    "mixed": "documents of more than one kind",
    "unknown": "nothing that is known",
    "empty": "nothing",
}


class Files(Room):
    """Opens an inspection file, be it broken or hostile."""

    NAME = "files"

    def body(self) -> Iterable[Widget]:
        """Lay out the name and the text."""
        with Vertical(id="file"):
            yield Input(FILE_NAME, placeholder="a cq-telemetry.txt", id="file-name")
        yield Lines(id="file-text", classes="page")

    def on_mount(self) -> None:
        """Open the file of the current directory, if there is one."""
        super().on_mount()
        self.query_one("#file-text").focus()
        self._open(FILE_NAME)

    @on(Input.Submitted, "#file-name")
    def _named(self, event: Input.Submitted) -> None:
        self._open(event.value)
        self.query_one("#file-text").focus()

    @work(thread=True, exclusive=True)
    def _open(self, name: str) -> None:
        lines = _read(self.home.directory, name)
        self.app.call_from_thread(self.query_one("#file-text", Lines).show, lines)


def _read(directory: str, name: str) -> list[Content]:
    shown = one_line(name, 300)
    try:
        path = Path(directory, Path(name).expanduser())
        data = _bytes_of(path)
    except FileNotFoundError:
        return [
            views.muted(f"There is no file {shown}."),
            Content(""),
            views.muted("To have one written instead of anything sent:"),
            views.muted("  cq-telemetry run --inspect-telemetry -- cloudquery sync spec.yml"),
        ]
    except (OSError, ValueError, RuntimeError) as error:  # also: a NUL, an unknown ~user
        words = getattr(error, "strerror", None) or str(error)
        return [views.warning(f"{shown} cannot be read: {one_line(words, 300)}.")]
    if data is None:
        return [views.warning(f"{shown} is not a regular file.")]
    if len(data) > _MAX_FILE_BYTES:
        return [views.warning(f"{shown} is larger than {_MAX_FILE_BYTES // 1024**2} MiB.")]
    found = read_inspection(data)
    rows = map(_drawn, explain_inspection(found))
    return [Content(f"It contains {_SHAPES[found.shape]}."), Content(""), *rows]


def _bytes_of(path: Path) -> bytes | None:
    """Return a file's bytes, one more than we take at most; None if it is no regular file.

    Never waits: a FIFO is opened at once.
    """
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return None
        with os.fdopen(opened, "rb", closefd=False) as file:
            return file.read(_MAX_FILE_BYTES + 1)
    finally:
        os.close(opened)


def _drawn(row: InspectedRow) -> Content:
    indent = "  " * row.depth
    if row.kind in ("fact", "breach"):
        is_breach = row.kind == "breach"
        sign = ("!! ", LOUD) if is_breach else ("", "")
        value = (row.text, LOUD if is_breach else "")
        return Content.assemble(indent, sign, (row.name, "bold"), " = " if row.name else "", value)
    if row.kind == "span":
        failed = row.text.endswith("failed")
        words = (f"  {row.text}", WRONG if failed else QUIET)
        return Content.assemble(indent, (row.name, HEADING), words)
    if row.kind == "title":
        return views.title(row.text)
    if row.kind == "problem":
        return views.warning(row.text)
    text = indent + row.text
    return views.muted(text) if row.kind == "explanation" else Content(text)
