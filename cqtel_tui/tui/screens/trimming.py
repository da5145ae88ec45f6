"""Choose which fields of one payload not to send; nothing is chosen until somebody chooses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static

from ...review.exposure import risk_of
from ...sanitize import one_line
from .. import views
from ..home import is_too_small
from ..looks import KEY, LOUD, QUIET, RISKS
from ..widgets.lines import Lines
from .modal import Modal
from .room import too_small

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    from ...actions.trimming import PayloadField, Preview, Trimmable
    from ...review.explain import FieldRow

MAX_FIELDS = 1_000
_NAME_CELLS = 24
_MAX_PATH = 120
_MAX_VALUE = 200


class Trimming(Modal[list[str] | None]):
    """The fields of a payload; answers with the paths of those to drop, or with None.

    Args:
        trimmable: the payload, and what there is to choose from.
    """

    IS_QUESTION = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "choose", "Select", id="fields.choose",
                tooltip="Select this field, or leave it in"),
        Binding("v", "bytes", "Bytes", id="fields.bytes",
                tooltip="Show the bytes as they would be sent, or the fields"),
        Binding("x", "drop", "Remove", id="fields.drop",
                tooltip="Remove the selected fields, after a question"),
        Binding("down,j", "move(1)", "Down", show=False, id="fields.down",
                tooltip="One field down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="fields.up", tooltip="One field up"),
        Binding("escape,q,ctrl+c", "dismiss(None)", "Back", id="fields.back",
                tooltip="Leave the payload as it is"),
    ]  # fmt: skip

    def __init__(self, trimmable: Trimmable) -> None:
        super().__init__()
        self._trimmable = trimmable
        self._fields = trimmable.fields
        self._before = trimmable.without(())

    def compose(self) -> ComposeResult:
        """Lay the fields out."""
        with Vertical(id="trim"):
            yield Static(Content("Which fields should be removed?").stylize("bold"))
            yield Static(id="trim-meter")
            yield _Fields(self._trimmable)
            yield Lines(id="trim-bytes")
            left_out = len(self._fields) - MAX_FIELDS
            if left_out > 0:
                words = f"… and {left_out:,} more: cq-telemetry trim lists them"
                yield Static(views.warning(words))
            keys = "space chooses · v shows the bytes · x removes · esc goes back"
            yield Static(views.muted(keys), id="trim-keys")
        yield too_small("Esc goes back.")

    @property
    def fields(self) -> _Fields:
        """The list."""
        return self.query_one(_Fields)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one("#trim-bytes").display = False
        self.fields.focus()
        self._measure()

    @property
    def _paths(self) -> list[str]:
        """What is chosen, in the payload's order, whatever the order of choosing."""
        return [self._fields[at].path for at in sorted(self.fields.chosen)]

    def _measure(self) -> None:
        """Show how much would be told, and how many bytes sent, before and after."""
        after = self._trimmable.without(self._paths)
        self.query_one("#trim-meter", Static).update(_meter(self._before, after))
        self.query_one("#trim-bytes", Lines).show(views.in_chunks(after.payload))

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.fields.choose(event.option_index)
        self._measure()

    def action_bytes(self) -> None:
        """Show the bytes as they would be, or the fields again."""
        shown = self.query_one("#trim-bytes", Lines)
        shown.display = not shown.display
        self.fields.display = not shown.display
        (shown if shown.display else self.fields).focus()

    def action_choose(self) -> None:
        """Choose the field under the cursor, or leave it in."""
        if self.fields.highlighted is not None:
            self.fields.choose(self.fields.highlighted)
            self._measure()

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if by > 0:
            self.fields.action_cursor_down()
        else:
            self.fields.action_cursor_up()

    def action_drop(self) -> None:
        """Answer with what is chosen."""
        paths = self._paths
        if paths and not is_too_small(self.size):
            self.dismiss(paths)


class _Fields(OptionList, inherit_bindings=False):
    """One line for each field; the screen has the keys."""

    def __init__(self, trimmable: Trimmable) -> None:
        self.listed = trimmable.fields[:MAX_FIELDS]
        self.chosen: set[int] = set()
        self._rows = [trimmable.row_of(field) for field in self.listed]
        names = [row.key if row else field.path for row, field in self._pairs()]
        self._name_cells = min(_NAME_CELLS, max(map(len, names), default=0))
        super().__init__(
            *(self._line(at, is_chosen=False) for at in range(len(self.listed))), id="trim-fields"
        )

    def _pairs(self) -> Iterator[tuple[FieldRow | None, PayloadField]]:
        return zip(self._rows, self.listed, strict=True)

    def choose(self, at: int) -> None:
        """Choose a field, or leave it in."""
        self.chosen ^= {at}
        self.replace_option_prompt_at_index(at, self._line(at, is_chosen=at in self.chosen))

    def _line(self, at: int, *, is_chosen: bool) -> Content:
        """Return a field in the words in which it is explained; by its path where it is not."""
        field, row = self.listed[at], self._rows[at]
        box = ("[x] " if is_chosen else "[ ] ", KEY if is_chosen else QUIET)
        if row is None:
            value = field.value if isinstance(field.value, str) else json.dumps(field.value)
            return Content.assemble(
                box,
                ("!! unknown ", LOUD),
                (one_line(field.path, _MAX_PATH), "bold"),
                f" = {one_line(value, _MAX_VALUE)}",
            )
        risk = risk_of(row)
        return Content.assemble(
            box,
            (f"{risk:<7}", RISKS[risk]),
            (f"{row.key[: self._name_cells]:<{self._name_cells}}", "bold"),
            f"  {one_line(row.value, _MAX_VALUE)}",
            (f"  {row.group}" if row.group != "program" else "", QUIET),
        )


def _meter(before: Preview, after: Preview) -> Content:
    def points(preview: Preview) -> tuple[str, str]:
        exposure = preview.exposure
        return f"{exposure.points}, risk {exposure.risk}", RISKS[exposure.risk]

    if before.payload == after.payload:
        size = f" · {len(before.payload):,} B"
        return Content.assemble(("Exposure ", QUIET), points(before), size)
    size = f" · {len(before.payload):,} B → {len(after.payload):,} B"
    return Content.assemble(("Exposure ", QUIET), points(before), " → ", points(after), size)
