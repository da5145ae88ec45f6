"""Look through a payload for what must never be in it, and say what was looked for.

What is to be found is given (`needles`: this machine's names and secrets), or known by its shape
(`shapes`). Both are found as they are, and disguised (`disguises`): in JSON's escapes, in percent
signs, in base64. What was found is masked wherever it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..formats.json_paths import path_text, paths_at
from ..formats.otlp_fields import REQUESTS
from ..formats.rudderstack_fields import BATCH
from ..sanitize import printable
from .disguises import BASE64, MAX_BYTES, base64_forms, views
from .events import EVENT_FIELDS
from .explain import OTLP, PROGRAM, Explanation, explain
from .known_shapes import SHAPES
from .masking import OWN_MASK, Mask
from .needles import (
    ARGUMENT,
    DIRECTORY,
    HOME,
    HOST,
    MACHINE,
    SECRET,
    USER,
    Needle,
    Needles,
    Surroundings,
    as_bytes,
    looks_secret,
)
from .promises import DEBUG, FIELDS
from .shapes import (
    ADDRESS,
    ASSIGNMENT,
    EMAIL,
    MAC,
    PERSONAL_PATH,
    TOKEN,
    URL,
    Shape,
    is_word,
)
from .weighing import Hit, without_weaker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..formats.json_paths import Path
    from .disguises import View
    from .explain import FieldRow
    from .shapes import Range

__all__ = [
    "KINDS",
    "Finding",
    "LeakReport",
    "Surroundings",
    "arguments_in",
    "found_in",
    "looks_secret",
    "scan",
]

KINDS = (
    *(SECRET, TOKEN, URL, ASSIGNMENT, EMAIL, HOME, DIRECTORY, PERSONAL_PATH, ARGUMENT),
    *(MACHINE, MAC, ADDRESS, HOST, USER),
)
"""The sorts of things that are found, the gravest first."""

SHAPES_IN_WORDS = (
    "any IP addresses, MAC addresses and e-mail addresses",
    "any paths in a home folder (/home, /Users)",
    "tokens and keys in the shapes of AWS, Azure, Google, GitHub, GitLab, Slack, Stripe and others",
    "private keys, JSON web tokens, bearer tokens, URLs with a password",
    "what stands beside a word such as password or token",
    "all of these as they are, JSON-escaped, percent-encoded and base64-encoded",
)

MAX_FINDINGS = 100
MAX_LOCATED_BYTES = 512 * 1024
"""Larger payloads than this are looked through all the same, but no field is named in them."""

_MAX_CANDIDATES = 70_000
_MAX_HITS = 1_000
_LEAST_IN_BASE64 = 6
_MAX_WORDS = 300
_OPEN_FIELDS = frozenset(
    (
        "cloudquery.plugins",
        "service.name",
        "service.version",
        "cloudquery.build_date",
        "scope.name",
    )
)
"""Fields that come from the program's makers or from its folders, never from its arguments."""
_OPERATIONS = frozenset(
    field.key
    for table in (REQUESTS["traces"], BATCH)
    for field in table.everything()
    if field.is_operation
)
"""What names an operation, by the protocols' tables."""
_ERROR_TEXTS = frozenset(
    field.key
    for field in (*FIELDS, *EVENT_FIELDS.values())
    if field.promise == DEBUG and field.type == "string"
)
"""What is there in debug mode only, by the catalogue."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be in a payload, and is. All texts are printable and bounded.

    Attributes:
        kind: one of `KINDS`.
        what: what it is, in words, without saying it.
        disguise: what had to be undone to see it; empty for nothing.
        offset: where it first stands, in bytes from the payload's beginning.
        length: how many bytes of the payload it takes there.
        line: the line it first stands on, from 1.
        group: what the field it stands in belongs to, as in `explain.FieldRow`; empty if not known.
        key: that field's key, likewise.
        path: where that field is in the document, likewise.
        excerpt: what is around it, itself masked.
        advice: what to do.
        count: how often it is there.
    """

    kind: str
    what: str
    disguise: str
    offset: int
    length: int
    line: int
    group: str
    key: str
    path: str
    excerpt: str
    advice: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What was found in a payload, and what was looked for.

    Attributes:
        findings: in the order of the payload.
        looked_for: each sort of thing that was looked for, in words.
        not_looked_for: what was not, and why, in words.
        left_out: how many findings beyond the bound there are.
    """

    findings: tuple[Finding, ...]
    looked_for: tuple[str, ...]
    not_looked_for: tuple[str, ...]
    left_out: int = 0


def scan(payload: bytes, surroundings: Surroundings, kind: str = OTLP) -> LeakReport:
    """Look for leaks in a payload of this kind; never raises, whatever the bytes are."""
    search = _Search(payload, kind)
    needles = Needles(surroundings, search.own_values)
    for view in views(payload):
        search.look_at(view, needles.wanted, SHAPES)
    findings, left_out = search.findings()
    not_looked_for = [*needles.not_looked_for]
    if len(payload) > MAX_BYTES:
        not_looked_for.append(f"what is disguised beyond the first {MAX_BYTES:,} bytes")
    if search.is_cut_short:
        not_looked_for.append("the rest: of countless look-alikes, only the first were read")
    return LeakReport(
        findings,
        tuple(printable(words, limit=_MAX_WORDS) for words in needles.looked_for) + SHAPES_IN_WORDS,
        tuple(printable(words, limit=_MAX_WORDS) for words in not_looked_for),
        left_out,
    )


def found_in(payload: bytes, texts: Iterable[str]) -> frozenset[str]:
    """Return which of these texts are in a payload, as they are or disguised, in any case."""
    search = _Search(payload)
    needles = [Needle(SECRET, text, as_bytes(text), is_exact=False) for text in texts if text]
    for view in views(payload):
        search.look_at(view, needles, ())
    return frozenset(hit.what for hit in search.hits)


def arguments_in(
    payload: bytes, arguments: Sequence[str], allowed: Iterable[str], kind: str = OTLP
) -> tuple[str, ...]:
    """Return where arguments of the command are in a payload: the paths of fields, each once.

    Args:
        payload: the exact bytes that would be sent.
        arguments: those of the command, without the program.
        allowed: words that may be there all the same, in lower case.
        kind: the payload's.
    """
    search = _Search(payload, kind)
    words = frozenset(allowed)
    needles = Needles(
        Surroundings(arguments=tuple(arguments)), lambda: (*words, *search.own_values())
    )
    for view in views(payload):
        search.look_at(view, [one for one in needles.wanted if one.kind == ARGUMENT], ())
    findings, _ = search.findings()
    return tuple(dict.fromkeys(one.path or f"byte {one.offset:,}" for one in findings))


# Looking ------------------------------------------------------------------------------------------


class _Search:
    """Looks through a payload.

    Attributes:
        hits: what was found so far.
        is_cut_short: whether there was more to read than the bounds allow.
    """

    def __init__(self, payload: bytes, kind: str = OTLP) -> None:
        self.payload = payload
        self.kind = kind
        self.hits: list[Hit] = []
        self.is_cut_short = False
        self._explanation: Explanation | None = None

    @property
    def explanation(self) -> Explanation:
        """What the payload's fields are; found out when it is asked for."""
        if self._explanation is None:
            self._explanation = explain(self.payload, self.kind)
        return self._explanation

    def own_values(self) -> Iterator[str]:
        """Give what the program says of itself: its name, its version, the operation."""
        operation = next((row for row in self.explanation.rows if row.key in _OPERATIONS), None)
        for row in self.explanation.rows:
            if row is operation or row.key in {"service.name", "service.version"}:
                yield row.value

    def look_at(self, view: View, needles: Iterable[Needle], shapes: Iterable[Shape]) -> None:
        """Look for everything in one view of the payload."""
        self.is_cut_short = self.is_cut_short or not view.is_whole
        folded = view.data.lower()
        hits: list[Hit] = []
        for needle in needles:
            text = needle.text if needle.is_exact else needle.text.lower()
            ranges = self._all(view.data if needle.is_exact else folded, text, needle)
            disguise = view.disguise
            hits += [Hit(*r, needle.kind, needle.what, text, disguise) for r in ranges]
            if len(text) >= _LEAST_IN_BASE64 and BASE64 not in disguise:
                disguise = f"{BASE64}, {disguise}" if disguise else BASE64
                data = view.data[:MAX_BYTES]
                for form in base64_forms(needle.text):
                    ranges = self._all(data, form, None)
                    hits += [Hit(*r, needle.kind, needle.what, text, disguise) for r in ranges]
        for shape in shapes:
            data = folded if shape.folded else view.data
            for start, end in self._each(data, shape):
                value = data[start:end]
                hits.append(Hit(start, end, shape.kind, shape.what, value, view.disguise))
        origins = view.origins([(hit.start, hit.end) for hit in hits])
        self.hits += [
            hit._replace(start=start, end=end)
            for hit, (start, end) in zip(hits, origins, strict=True)
        ]

    def _all(self, data: bytes, text: bytes, needle: Needle | None) -> list[Range]:
        """Return where a text stands; of a needle, only where it stands as it must."""
        ranges: list[Range] = []
        at = data.find(text)
        for _ in range(_MAX_CANDIDATES):
            if at < 0 or len(ranges) == _MAX_HITS:
                break
            end = at + len(text)
            stands = needle is None or _fits_its_surroundings(data, at, end, needle)
            if stands:
                ranges.append((at, end))
            at = data.find(text, end if stands else at + 1)
        self.is_cut_short = self.is_cut_short or at >= 0
        return ranges

    def _each(self, data: bytes, shape: Shape) -> list[Range]:
        """Return where something of this shape stands."""
        ranges: list[Range] = []
        matches = shape.pattern.finditer(data)
        for match in islice(matches, _MAX_CANDIDATES):
            accepted = shape.accepts(data, match)
            if accepted is not None:
                ranges.append(accepted)
                if len(ranges) == _MAX_HITS:
                    break
        self.is_cut_short = self.is_cut_short or next(matches, None) is not None
        return ranges

    def findings(self) -> tuple[tuple[Finding, ...], int]:
        """Return what was found, in order and each thing once, and how much more there is."""
        hits = without_weaker(self.hits)
        rows = {row.path: row for row in self.explanation.rows} if hits else {}
        paths: dict[int, Path] = {}
        if rows and len(self.payload) <= MAX_LOCATED_BYTES:
            paths = paths_at(self.payload, [hit.start for hit in hits])
        mask = Mask(self.payload, self.hits)
        places: dict[tuple[str, str, bytes], list[tuple[Hit, FieldRow | None, Path]]] = {}
        for hit in hits:
            path = paths.get(hit.start)
            row = _row_at(path, rows)
            if not _is_expected(hit, row):
                places.setdefault((hit.kind, hit.what, hit.value), []).append((hit, row, path))
        # What was not looked through may hold a secret beside a finding.
        is_clear = not self.is_cut_short and len(self.payload) <= MAX_BYTES
        findings = [
            self._finding(*hits[0], len(hits), mask.around(hits[0][0]) if is_clear else OWN_MASK)
            for hits in islice(places.values(), MAX_FINDINGS)
        ]
        return tuple(findings), max(0, len(places) - MAX_FINDINGS)

    def _finding(
        self, hit: Hit, row: FieldRow | None, path: Path, count: int, excerpt: str
    ) -> Finding:
        return Finding(
            hit.kind,
            printable(hit.what, limit=_MAX_WORDS),
            hit.disguise,
            hit.start,
            hit.end - hit.start,
            self.payload.count(b"\n", 0, hit.start) + 1,
            row.group if row else "",
            row.key if row else "",
            row.path if row else path_text(path),
            excerpt,
            _advice(hit.kind, row),
            count,
        )


def _fits_its_surroundings(data: bytes, start: int, end: int, needle: Needle) -> bool:
    """Tell whether what stands around a text allows it to be what it looks like."""
    text = needle.text
    if needle.is_path:
        before = data[start - 1 : start]
        return not (is_word(data, start - 1) or before in {b".", b"_", b"-"} or is_word(data, end))
    if not needle.is_word:
        return True
    # Anything may stand beside a sign that the text itself begins or ends with.
    return not (
        (is_word(text, 0) and is_word(data, start - 1))
        or (is_word(text, len(text) - 1) and is_word(data, end))
    )


def _row_at(path: Path, rows: dict[str, FieldRow]) -> FieldRow | None:
    while path is not None:
        row = rows.get(path_text(path))
        if row is not None:
            return row
        path = path[0]
    return None


def _is_expected(hit: Hit, row: FieldRow | None) -> bool:
    """Tell whether a hit only looks like what must not be there."""
    if row is None:
        return False
    if hit.kind == ARGUMENT:
        return row.field is not None and row.key in _OPEN_FIELDS
    if hit.kind == SECRET:
        # The name of a database may stand in a variable, too, and is none.
        return row.field is not None and row.key in _OPEN_FIELDS and hit.value.isalpha()
    # A version may have the look of an address.
    is_version = row.group == PROGRAM and row.key.lower().endswith("version")
    return hit.kind == ADDRESS and not hit.is_own and is_version


def _advice(kind: str, row: FieldRow | None) -> str:
    key = row.key if row else ""
    if key in _ERROR_TEXTS:
        advice = "It is in an error text. Drop this payload, and turn debug mode off."
    elif key == "cloudquery.plugins":
        advice = "It is in a plugin's name. Drop this payload, or rename that plugin's folder."
    elif key == "name":
        advice = "It is in a span's name. Drop this payload, and tell the program's makers."
    else:
        advice = "Drop this payload, and tell the program's makers: it should never be in one."
    if kind in {SECRET, TOKEN, URL, ASSIGNMENT}:
        advice += " If it was ever sent, replace the secret."
    return advice
