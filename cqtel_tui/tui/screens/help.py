"""All keys of a screen, made from its bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from .. import views
from ..looks import KEY
from ..widgets.lines import Lines
from .modal import Modal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult
    from textual.binding import ActiveBinding


class Help(Modal[None]):
    """Shows bindings; any of Esc, ? and q leaves.

    Args:
        bindings: those that are active where help was asked for.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,ctrl+c", "dismiss", "Back", id="help.back",
                tooltip="Back to the screen")
    ]  # fmt: skip

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self.bindings = list(bindings)

    def compose(self) -> ComposeResult:
        """Lay out the keys."""
        with Vertical(id="help"):
            yield Static(Content("Keys of this screen").stylize("bold"))
            yield Lines(id="keys")
            yield Static(views.muted("Esc goes back. Ctrl+P searches every action."))

    def on_mount(self) -> None:
        """Show each action once, with all its keys."""
        keys: dict[str, tuple[list[str], str]] = {}
        for active in self.bindings:
            binding = active.binding
            if binding.id is None:
                continue
            shown = keys.setdefault(binding.id, ([], binding.tooltip or binding.description))
            name = self.app.get_key_display(binding)
            if name not in shown[0]:
                shown[0].append(name)
        lines = [
            Content.assemble((f" {' '.join(names):<16}", KEY), meaning)
            for names, meaning in keys.values()
        ]
        text = self.query_one("#keys", Lines)
        text.show(lines)
        text.focus()
