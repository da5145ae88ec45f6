"""The screen of the cookie: what it is now, and what each change would mean."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from ...consent import ON
from ...consent.cookie import ABSENT, LOCKED, PRESENT
from ...sanitize import one_line
from .. import views
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...consent.cookie import Cookie
    from ..snapshot import Snapshot


class CookieScreen(Room):
    """The installation's random id: reset it, lock it, unlock it."""

    NAME = "cookie"

    clock = staticmethod(time.time)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.cookie('reset')", "Reset", id="cookie.reset",
                tooltip="Forget the value; a new one is made when it is needed"),
        Binding("l", "app.cookie('lock')", "Lock", id="cookie.lock",
                tooltip="Put a directory in its place: no identifier at all"),
        Binding("n", "app.cookie('unlock')", "Unlock", id="cookie.unlock",
                tooltip="Remove that directory, if it is empty"),
    ]  # fmt: skip

    def body(self) -> Iterable[Widget]:
        """Lay out one text."""
        yield Lines(id="cookie-text", classes="page")

    def news(self, snapshot: Snapshot) -> None:
        """Show how the cookie stands."""
        found = snapshot.status.cookie
        decision = snapshot.status.decision
        lines = [
            views.title("The cookie of this directory"),
            Content(""),
            views.fact("state", _state(found)),
            *([views.fact("value", found.value)] if found.value else []),
            views.fact("file", one_line(found.path, 300)),
        ]
        if found.modified is not None:
            written = views.moment(int(found.modified * 1_000_000))
            days = int(self.clock() - found.modified) // (24 * 3600)
            if days > 0:
                written += f", {days:,} day{'s' if days > 1 else ''} ago"
            lines.append(views.fact("written", written))
        lines += [Content(""), *_meaning(found, is_on=decision.state == ON), Content("")]
        lines += [
            views.title("What you can do"),
            Content(""),
            _choice("r", "reset", "It is forgotten; a new one is made when telemetry is on."),
            _choice("l", "lock", "A directory takes its place: no id from then on."),
            _choice("n", "unlock", "The directory goes; the next payload may have a new id."),
            Content(""),
            views.title("What earlier releases left"),
            Content(""),
        ]
        left = [each for each in snapshot.status.legacy if each.state != ABSENT]
        lines += [views.fact(each.state, one_line(each.path, 300)) for each in left]
        if not left:
            lines.append(views.muted("Nothing, neither here nor in your home folder."))
        self.query_one("#cookie-text", Lines).show(lines, keep_position=True)

    def on_mount(self) -> None:
        """Begin in the text."""
        super().on_mount()
        self.query_one("#cookie-text").focus()


def _choice(key: str, name: str, meaning: str) -> Content:
    return Content.assemble((f"  {key}  ", "bold $text-accent"), (f"{name:<8}", "bold"), meaning)


def _state(found: Cookie) -> str:
    if found.state == PRESENT:
        return "present"
    if found.state == LOCKED:
        return "locked: a directory stands in its place"
    if found.state == ABSENT:
        return "absent"
    return f"unsafe: {found.reason}"


def _meaning(found: Cookie, *, is_on: bool) -> list[Content]:
    if found.state == PRESENT and is_on:
        return [
            Content("The next payload carries this id, so that your runs can be counted as one.")
        ]
    if found.state == PRESENT:
        return [Content("Telemetry is not on: the next payload does not carry this id.")]
    if found.state == ABSENT and is_on:
        return [Content("The next payload makes one, and carries it.")]
    return [Content("The next payload carries no id.")]
