"""The screen of the cookie: what it is now, and what each change would mean."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content

from ...consent.cookie_file import ABSENT, LOCKED, PRESENT, UNSAFE
from ...consent.decision import ON
from ...sanitize import one_line
from .. import views
from ..looks import KEY
from ..widgets.lines import Lines
from .room import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from ...consent.cookie import Cookie
    from ..snapshot import Snapshot


_TRACKED = (
    "tracks this file: whoever has the repository can read and erase a collector's data about it. "
    "git rm --cached takes it out; r makes another one."
)
_RESETS = {
    PRESENT: "It is deleted; a new one is made when telemetry is on.",
    UNSAFE: "It is removed unused; one of your own is made when telemetry is on.",
}


class CookieScreen(Room):
    """The installation's random id: reset it, lock it, unlock it."""

    NAME = "cookie"

    clock = staticmethod(time.time)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.cookie('reset')", "Reset", id="cookie.reset",
                tooltip="Delete the value; a new one is made when it is needed"),
        Binding("l", "app.cookie('lock')", "Lock", id="cookie.lock",
                tooltip="Put a directory in its place: no ID at all"),
        Binding("n", "app.cookie('unlock')", "Unlock", id="cookie.unlock",
                tooltip="Remove that directory, if it is empty"),
        Binding("m", "mine", "Mine", id="cookie.mine",
                tooltip="Ask the collector for all data under this installation ID"),
        Binding("e", "erase", "Erase", id="cookie.erase",
                tooltip="Have the collector erase all data under this installation ID"),
    ]  # fmt: skip

    def body(self) -> Iterable[Widget]:
        """Lay out one text."""
        yield Lines(id="cookie-text", classes="page")

    def news(self, snapshot: Snapshot) -> None:
        """Show how the cookie stands."""
        cookie = snapshot.status.cookie
        decision = snapshot.status.decision
        lines = [
            views.title("The installation ID of this directory"),
            Content(""),
            views.fact("state", _state(cookie)),
            *([views.fact("value", cookie.value)] if cookie.value else []),
            views.fact("file", one_line(cookie.path, 300)),
        ]
        if snapshot.status.is_tracked:
            lines.append(views.fact("git", _TRACKED))
        if cookie.modified is not None:
            written = views.moment(int(cookie.modified * 1_000_000))
            days = int(self.clock() - cookie.modified) // (24 * 3600)
            if days > 0:
                written += f", {days:,} day{'s' if days > 1 else ''} ago"
            lines.append(views.fact("written", written))
        lines += [Content(""), *_meaning(cookie, is_on=decision.state == ON), Content("")]
        lines += [
            views.title("What you can do"),
            Content(""),
            _choice("r", "reset", _RESETS.get(cookie.state, _RESETS[PRESENT])),
            _choice("l", "lock", "A directory takes its place: no ID from then on."),
            _choice("n", "unlock", "The directory goes; the next payload may have a new ID."),
            _choice("m", "mine", "Shows the collector's data under this ID, to read or to save."),
            _choice(
                "e", "erase", "The collector erases all data under this ID. This cannot be undone."
            ),
            Content(""),
            *_asking(decision.endpoint, snapshot.status.proxy),
            Content(""),
            views.title("Left by earlier releases"),
            Content(""),
        ]
        left = [each for each in snapshot.status.legacy if each.state != ABSENT]
        lines += [views.fact(each.state, one_line(each.path, 300)) for each in left]
        if not left:
            lines.append(views.muted("Nothing, here or in your home folder."))
        self.query_one("#cookie-text", Lines).show(lines, keep_position=True)

    def on_mount(self) -> None:
        """Begin in the text."""
        super().on_mount()
        self.query_one("#cookie-text").focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show, but do not do, what shows a collector an address where nothing may be sent."""
        del parameters
        return self.home.may_do() if action in {"mine", "erase"} else True

    @work(group="change")
    async def action_mine(self) -> None:
        """Show what the collector has of this cookie."""
        from ..identity import show_data

        await show_data(self.home)

    @work(group="change")
    async def action_erase(self) -> None:
        """Have the collector erase all data under this installation ID, after a question."""
        from ..identity import erase

        await erase(self.home)


def _asking(endpoint: str | None, proxy: str) -> list[Content]:
    """Return what it means to ask the collector."""
    if endpoint is None:
        return [views.muted("No endpoint is set, so there is no collector to ask. 4 sets one.")]
    by = f", by the proxy {one_line(proxy, 300)}" if proxy else ""
    return [
        views.muted(
            f"m and e ask {one_line(endpoint, 300)}{by}. That shows it your network address, and "
            "the ID, the key to your data there. Nothing is asked until you say so."
        )
    ]


def _choice(key: str, name: str, meaning: str) -> Content:
    return Content.assemble((f"  {key}  ", KEY), (f"{name:<8}", "bold"), meaning)


def _state(cookie: Cookie) -> str:
    if cookie.state == PRESENT:
        return "present"
    if cookie.state == LOCKED:
        return "locked: a directory is in its place"
    if cookie.state == ABSENT:
        return "absent"
    return f"unsafe: {cookie.reason}"


def _meaning(cookie: Cookie, *, is_on: bool) -> list[Content]:
    if cookie.state == PRESENT and is_on:
        return [Content("The next payload has this ID, so your runs count as one installation.")]
    if cookie.state == PRESENT:
        return [Content("Telemetry is not on: the next payload does not have this ID.")]
    if cookie.state == ABSENT and is_on:
        return [Content("The next payload creates one, and has it.")]
    return [Content("The next payload has no ID.")]
