"""Choose which fields of one payload not to send; nothing is chosen until somebody chooses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static

from ...sanitize import one_line
from .. import views
from ..home import is_too_small
from .modal import Modal
from .room import too_small

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from ...actions.trimming import PayloadField

MAX_FIELDS = 1_000
_MAX_PATH = 120
_MAX_VALUE = 200


class Trimming(Modal[list[str] | None]):
    """The fields of a payload; answers with the paths of those to drop, or with None.

    Args:
        fields: what there is to choose from.
    """

    IS_QUESTION = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "choose", "Select", key_display="space", id="fields.choose",
                tooltip="Select this field, or leave it in"),
        Binding("x", "drop", "Remove", id="fields.drop",
                tooltip="Remove the selected fields, after a question"),
        Binding("down,j", "move(1)", "Down", show=False, id="fields.down",
                tooltip="One field down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="fields.up", tooltip="One field up"),
        Binding("escape", "dismiss(None)", "Back", id="fields.back",
                tooltip="Leave the payload as it is"),
    ]  # fmt: skip

    def __init__(self, fields: Sequence[PayloadField]) -> None:
        super().__init__()
        self._fields = fields

    def compose(self) -> ComposeResult:
        """Lay the fields out."""
        with Vertical(id="trim"):
            yield Static(Content("Which fields should be removed?").stylize("bold"))
            keys = "space selects · x removes them · Esc goes back"
            yield Static(views.muted(keys), id="trim-keys")
            yield _Fields(self._fields)
            left_out = len(self._fields) - MAX_FIELDS
            if left_out > 0:
                words = f"… and {left_out:,} more: cq-telemetry trim lists them"
                yield Static(views.warning(words))
        yield too_small("Esc goes back.")

    @property
    def fields(self) -> _Fields:
        """The list."""
        return self.query_one(_Fields)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.fields.focus()

    def action_choose(self) -> None:
        """Choose the field under the cursor, or leave it in."""
        if self.fields.highlighted is not None:
            self.fields.choose(self.fields.highlighted)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if by > 0:
            self.fields.action_cursor_down()
        else:
            self.fields.action_cursor_up()

    def action_drop(self) -> None:
        """Answer with what is chosen."""
        chosen = self.fields.chosen
        if chosen and not is_too_small(self.size):
            # In the payload's order, whatever the order in which they were chosen.
            self.dismiss([self._fields[at].path for at in sorted(chosen)])


class _Fields(OptionList, inherit_bindings=False):
    """One line for each field; the screen has the keys."""

    def __init__(self, fields: Sequence[PayloadField]) -> None:
        self.listed = fields[:MAX_FIELDS]
        self.chosen: set[int] = set()
        super().__init__(
            *(_line(field, is_chosen=False) for field in self.listed), id="trim-fields"
        )

    def choose(self, at: int) -> None:
        """Choose a field, or leave it in."""
        self.chosen ^= {at}
        line = _line(self.listed[at], is_chosen=at in self.chosen)
        self.replace_option_prompt_at_index(at, line)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose what was clicked."""
        event.stop()
        self.choose(event.option_index)


def _line(field: PayloadField, *, is_chosen: bool) -> Content:
    value = field.value if isinstance(field.value, str) else json.dumps(field.value)
    return Content.assemble(
        ("[x] " if is_chosen else "[ ] ", "bold $text-error" if is_chosen else views.MUTED),
        (one_line(field.path, _MAX_PATH), "bold"),
        f" = {one_line(value, _MAX_VALUE)}",
    )
