"""What the detail shows first: a sentence, where it would go, and one line for each field."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from textual.content import Content

from ..actions.destinations import host_of
from ..actions.results import number
from ..actions.showing import explained
from ..review.destination import UNREAD, UNREDACTED, UNREDACTED_WORDS
from ..review.exposure import FULL, Exposure, exposure, risk_of
from ..review.sentences import sentences
from ..sanitize import one_line
from . import views
from .looks import HEADING, LOUD, QUIET, RISKS, WRONG
from .page import Page

if TYPE_CHECKING:
    from ..outbox.envelope import Envelope
    from ..paths import Places
    from ..review.explain import Explanation, FieldRow

_BARS = {"none": " ", "low": "▁", "medium": "▄", "high": "█"}
_RISK_CELLS = len("█ medium")
_LEAST_NAME, _MOST_NAME = 14, 34
_METER = 10
NOTHING = -1
"""No field is selected."""
NOWHERE = "no destination: it stays here"


def short_place(url: str | None) -> str:
    """Return a destination in a word or two: its host."""
    return "no destination" if url is None else host_of(url)


class Fields:
    """One payload, told field by field; what it takes is computed once.

    Args:
        envelope: its envelope.
        places: where the programs' contracts and the user's profiles are; None to ask neither.
        destination: where it would go; None for nowhere.
        may_change: whether to say what can be taken out.
    """

    def __init__(
        self,
        envelope: Envelope,
        places: Places | None,
        destination: str | None,
        *,
        may_change: bool,
    ) -> None:
        self.envelope = envelope
        self.destination = destination
        self._places = places
        self._may_change = may_change
        self._lines: tuple[int, list[tuple[Content, FieldRow | None]]] = (0, [])

    @cached_property
    def explanation(self) -> Explanation:
        """Every value, explained."""
        return explained(self.envelope, self._places)

    @cached_property
    def exposure(self) -> Exposure:
        """How much it would tell."""
        return exposure(self.explanation.rows)

    def page(self, width: int, selected: int) -> Page:
        """Return it as lines of a width, with more about the field that is selected."""
        paragraphs = self._head(width)
        if self.envelope.kind in {UNREAD, UNREDACTED}:
            return Page(paragraphs)
        if self._lines[0] != width:
            self._lines = width, self._table(width)
        stops: list[int] = []
        for content, row in self._lines[1]:
            if row is None:
                paragraphs.append(content)
                continue
            is_selected = len(stops) == selected
            stops.append(len(paragraphs))
            sign = ("▸" if is_selected else " ", HEADING)
            paragraphs.append(
                Content.assemble(sign, content.stylize("bold") if is_selected else content)
            )
            if is_selected:
                paragraphs += _more(row)
        paragraphs += self._tail()
        return Page(paragraphs, stops)

    def riskiest(self, width: int, most: int) -> list[Content]:
        """Return a line for each of the fields that identify most, up to so many."""
        rows = sorted(self.explanation.rows, key=_by_risk)
        name, value = self._widths(width)
        return [Content.assemble(" ", _line(row, name, value)) for row in rows[:most]]

    def _widths(self, width: int) -> tuple[int, int]:
        """Return how many cells the names have in so many, and the values."""
        longest = max((len(row.key) for row in self.explanation.rows), default=0)
        name = max(_LEAST_NAME, min(longest, _MOST_NAME, width * 2 // 5))
        return name, max(8, width - name - _RISK_CELLS - 5)

    def _head(self, width: int) -> list[Content]:
        explanation = self.explanation
        lines = [Content(sentences(self.envelope, explanation)).stylize("bold")]
        where = one_line(self.destination, 300) if self.destination else NOWHERE
        lines.append(Content.assemble(("→ ", HEADING), where))
        if self.envelope.kind == UNREAD:
            return [*lines, views.muted("It is sent only if you choose it by itself.")]
        if self.envelope.kind == UNREDACTED:
            return [*lines, views.warning(UNREDACTED_WORDS)]
        if explanation.unreadable:
            lines.append(views.warning(explanation.unreadable))
        if explanation.unknown:
            words = f"Not in the catalogue (!!): {number(explanation.unknown, 'value')}."
            lines.append(views.warning(words))
        if explanation.rows:
            lines.append(meter_line(self.exposure, width, may_change=self._may_change))
        return lines

    def _table(self, width: int) -> list[tuple[Content, FieldRow | None]]:
        """Return a line for each group and field; those of fields with their row."""
        rows = self.explanation.rows
        name, value = self._widths(width)
        groups: dict[str, list[FieldRow]] = {}
        for row in rows:
            groups.setdefault(row.group, []).append(row)
        lines: list[tuple[Content, FieldRow | None]] = []
        for at, (group, those) in enumerate(groups.items()):
            heads = ("VALUE", "RISK") if at == 0 else ("", "")
            title = "The program" if group == "program" else f"{group[:1].upper()}{group[1:]}"
            shown = f" {_cut(title, name):<{name}}  {heads[0]:<{value}}  {heads[1]}".rstrip()
            lines.append((Content(shown if at == 0 else f" {title}").stylize(HEADING), None))
            those.sort(key=_by_risk)
            lines += [(_line(row, name, value), row) for row in those]
        return lines

    def _tail(self) -> list[Content]:
        lines = []
        if self.explanation.left_out:
            more = number(self.explanation.left_out, "more value")
            lines.append(views.warning(f"… and {more}"))
        if self.envelope.dropped:
            gone = number(self.envelope.dropped, "value")
            lines.append(
                views.muted(
                    f" Captured, and removed or replaced here: {gone}. The next view shows them."
                    if self.envelope.intercepted
                    else f" Left out, as not allowed or not wanted: {gone}."
                )
            )
        return lines


def meter_line(exposure: Exposure, width: int, *, may_change: bool = False) -> Content:
    """Return the meter: how much would be told, and what would lower that."""
    full = min(_METER, -(-exposure.points * _METER // FULL))
    risk = exposure.risk
    meter = Content.assemble(
        ("Exposure ", QUIET),
        ("█" * full, RISKS[risk]),
        ("░" * (_METER - full), QUIET),
        f" {exposure.points}, ",
        (f"risk {risk}", RISKS[risk]),
    )
    riskiest = exposure.riskiest
    if riskiest is None or not may_change:
        return meter
    after = exposure.without([riskiest.name]).points
    advice = Content.assemble(
        (" · ", QUIET), ("-", HEADING), f" takes out {riskiest.name}: {exposure.points} → {after}"
    )
    return (
        meter + advice
        if meter.cell_length + advice.cell_length <= width
        else meter + Content.assemble((" · ", QUIET), ("-", HEADING), f" lowers it to {after}")
    )


def _by_risk(row: FieldRow) -> int:
    """Put what identifies most first."""
    return -list(RISKS).index(risk_of(row))


def _line(row: FieldRow, name: int, value: int) -> Content:
    risk = risk_of(row)
    cells = f"{_cut(row.key, name):<{name}}  {_cut(row.value, value):<{value}}  "
    if row.field is None:
        return Content.assemble((cells, LOUD), ("!! unknown", LOUD))
    return Content.assemble(cells, (f"{_BARS[risk]} {risk}", RISKS[risk]))


def _more(row: FieldRow) -> list[Content]:
    """Return what there is to say about one field."""
    lines = [Content(f"     {row.value}")] if len(row.value) > _LEAST_NAME else []
    if row.field is None:
        return [*lines, Content(f"     {row.problem}").stylize(WRONG)]
    return [
        *lines,
        views.muted(f"     {row.field.quoted}"),
        views.muted(f"     {row.field.why} Risk: {row.field.risk}, {row.field.because}."),
    ]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
