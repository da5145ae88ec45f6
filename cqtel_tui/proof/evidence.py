"""How each promise of the documentation is enforced, and whether a payload bears it out.

A payload is held against canaries: texts made for one proof, which were put where a promise says
that nothing is taken from. `cqtel_tui.proof.rehearsal` records such a payload here and now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..review.explain import explain
from ..review.leaks import found_in, scan
from ..review.needles import ARGUMENT, DIRECTORY, HOME, HOST, SECRET, USER, Surroundings
from ..review.promises import COLLECTOR, FIELDS, NOT_STORED, STORED
from ..review.shapes import ADDRESS, ASSIGNMENT, EMAIL, MAC, PERSONAL_PATH, TOKEN, URL
from ..sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..review.explain import Explanation, FieldRow

FIELD = "field"
CANARIES = "canaries"
ABSENCE = "absence"

UNTOLD = "untold"
UNTOLD_SENTENCE = (
    "What the documentation does not name is not stored either: "
    "no user name, no host name, no path, no other field"
)

_MAX_WORDS = 300
_KINDS = {
    "address": {ADDRESS, MAC},
    "arguments": {ARGUMENT},
    "credentials": {SECRET, TOKEN, URL, ASSIGNMENT},
    UNTOLD: {EMAIL, HOME, DIRECTORY, PERSONAL_PATH, HOST, USER},
}
"""Which findings of the leak check break which promise."""


@dataclass(frozen=True, slots=True)
class Enforcement:
    """How one promise is kept.

    Attributes:
        promise: a key of `STORED` or `NOT_STORED`, or `untold`.
        how: what keeps it, in a sentence or two.
        proof: how it is proved: `field` (the field is there, with the right value), `canaries`
            (what must not be there is not) or `absence` (no such field is there).
    """

    promise: str
    how: str
    proof: str

    @property
    def sentence(self) -> str:
        """The sentence of the documentation."""
        return (STORED | NOT_STORED | {UNTOLD: UNTOLD_SENTENCE})[self.promise]

    @property
    def is_stored(self) -> bool:
        """Whether the promise is that something is stored, and not that something is not."""
        return self.promise in STORED


ENFORCEMENTS = (
    Enforcement(
        "operation",
        "The program's makers name the operation in the code. Only a plain name is recorded: "
        "letters, digits, dots and dashes, no blank and no slash.",
        FIELD,
    ),
    Enforcement(
        "duration",
        "The clock is read when a span begins and when it ends. Of a failure, the exit code and "
        "the class name of the error are recorded.",
        FIELD,
    ),
    Enforcement(
        "ci",
        "The recorder checks whether a documented variable (CI and its like) is set. The answer "
        "is yes or no; the values are not recorded.",
        FIELD,
    ),
    Enforcement(
        "providers",
        "The folders in .cq/plugins and .cq/providers are listed, without following a link. What "
        "is not kind/organisation/name@version is left out, and no file is opened.",
        FIELD,
    ),
    Enforcement(
        "version",
        "The program states it. What is not shaped like a version or a date is left out.",
        FIELD,
    ),
    Enforcement(
        "trace",
        "Each span has a start, an end and a random ID; at most 512 spans are recorded.",
        FIELD,
    ),
    Enforcement(
        "cookie",
        "It is random, and is created only after you opted in. Locked, it can be neither created "
        "nor read.",
        FIELD,
    ),
    Enforcement(
        "ip",
        "Only the collector can make it, of the address that it sees. Recording opens no socket, "
        "and the catalogue does not allow this field in a payload.",
        ABSENCE,
    ),
    Enforcement(
        "location",
        "Only the collector can make it, of the address that it sees. Nothing here knows where "
        "you are, and the catalogue does not allow these fields in a payload.",
        ABSENCE,
    ),
    Enforcement(
        "address",
        "No field can contain an address, and recording opens no socket and asks no interface. The "
        "collector sees the address that a request comes from, and stores only its SHA-1.",
        CANARIES,
    ),
    Enforcement(
        "arguments",
        "The recorder never reads the command line. What a program notes under a key that the "
        "catalogue does not have is left out, and counted.",
        CANARIES,
    ),
    Enforcement(
        "errors",
        "Of an error, the class name is recorded. Its text is not even formatted unless debug mode "
        "is on.",
        CANARIES,
    ),
    Enforcement(
        "credentials",
        "Of the environment only the documented switches, CI and the places of our own files are "
        "read; none of the values is recorded. Only the choices and the ID's file are opened.",
        CANARIES,
    ),
    Enforcement(
        "logs",
        "Nothing reads the program's log or its output, and no field can contain a line.",
        CANARIES,
    ),
    Enforcement(
        UNTOLD,
        "The catalogue is the only list of what may be stored: what it does not have is left out "
        "when it is recorded, and shown loudly if it should ever be there.",
        CANARIES,
    ),
)
"""One for each promise, in the documentation's order; what it does not name comes last."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A text that must not be in a payload.

    Attributes:
        promise: the promise that it proves.
        where: where it was put, in words.
        text: the text, found nowhere else.
    """

    promise: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Expected:
    """A field that must be in a payload.

    Attributes:
        promise: the promise that it proves.
        key: the field's key.
        value: its value as `explain` shows it; None for any.
    """

    promise: str
    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a payload says about one promise. All texts are printable and bounded.

    Attributes:
        enforcement: the promise, and how it is kept.
        kept: whether the payload bears it out.
        evidence: the fields that prove it, as `key = value`, where something is stored.
        looked_for: where the canaries were put, and what else was looked for.
        broken: what was found that must not be there, or not found that must be.
    """

    enforcement: Enforcement
    kept: bool
    evidence: tuple[str, ...]
    looked_for: tuple[str, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proved.

    Attributes:
        verdicts: one for each promise; none if nothing could be recorded.
        payload: the bytes that were recorded.
        dropped: how many values were left out of them.
        problem: why nothing could be proved; empty if it could.
    """

    verdicts: tuple[Verdict, ...]
    payload: bytes = b""
    dropped: int = 0
    problem: str = ""

    @property
    def kept(self) -> bool:
        """Whether every promise was proved."""
        return not self.problem and all(verdict.kept for verdict in self.verdicts)


def check(
    payload: bytes,
    canaries: Sequence[Canary],
    expected: Sequence[Expected],
    surroundings: Surroundings,
) -> tuple[Verdict, ...]:
    """Hold a payload against every promise; never raises, whatever the bytes are.

    Args:
        payload: what was recorded.
        canaries: what must not be in it.
        expected: what must be in it.
        surroundings: what else must not be in it: this machine's names and addresses.
    """
    explanation = explain(payload)
    leaked = found_in(payload, [canary.text for canary in canaries])
    report = scan(payload, surroundings)
    verdicts = []
    for enforcement in ENFORCEMENTS:
        promise = enforcement.promise
        own_canaries = [canary for canary in canaries if canary.promise == promise]
        own_expected = [field for field in expected if field.promise == promise]
        kinds = _KINDS.get(promise, set())
        broken = [f"{canary.where} is in it" for canary in own_canaries if canary.text in leaked]
        broken += [f"{f.what} is in it" for f in report.findings if f.kind in kinds]
        broken += _unfit(promise, explanation)
        broken += [_missing(field) for field in own_expected if not _rows(explanation, field)]
        evidence = [
            f"{row.key} = {row.value}" for f in own_expected for row in _rows(explanation, f)[:1]
        ]
        looked_for = [canary.where for canary in own_canaries]
        looked_for += _also_looked_for(promise, surroundings)
        # Where nothing was looked for, nothing is proved.
        is_proved = bool(evidence or own_canaries or enforcement.proof == ABSENCE)
        verdicts.append(
            Verdict(
                enforcement,
                is_proved and not broken,
                _bounded(evidence),
                _bounded(looked_for),
                _bounded(broken or ([] if is_proved else ["nothing was looked for"])),
            )
        )
    return tuple(verdicts)


def _rows(explanation: Explanation, expected: Expected) -> list[FieldRow]:
    return [
        row
        for row in explanation.rows
        if row.key == expected.key and row.field is not None and expected.value in {None, row.value}
    ]


def _missing(expected: Expected) -> str:
    value = "" if expected.value is None else f" = {expected.value}"
    return f"{expected.key}{value} is not in it"


def _unfit(promise: str, explanation: Explanation) -> list[str]:
    """Say which fields are in a payload that this promise forbids."""
    if promise == "errors":
        return [
            f"{row.key} ({row.group}) is in it"
            for row in explanation.rows
            if row.key == "exception.message" or row.key.endswith(".message")
        ]
    if promise == UNTOLD:
        unknown = [f"{row.key}: {row.problem}" for row in explanation.rows if row.problem]
        if explanation.left_out:
            unknown.append(f"{explanation.left_out:,} values more than can be explained")
        return unknown + ([explanation.unreadable] if explanation.unreadable else [])
    forbidden = _collectors_fields(promise)
    return [f"{row.key} is in it" for row in explanation.rows if row.key in forbidden]


def _also_looked_for(promise: str, surroundings: Surroundings) -> list[str]:
    if promise == "address":
        own = len(surroundings.addresses) + len(surroundings.macs)
        return ["any IP address", "any MAC address", f"the {own} that this machine has"]
    if promise == "credentials":
        return ["anything in the shape of a token or a key"]
    if promise == "errors":
        return ["the field exception.message"]
    if promise == UNTOLD:
        return ["any field that the catalogue does not have", "any e-mail address"]
    return [f"the field {key}" for key in _collectors_fields(promise)]


def _collectors_fields(promise: str) -> list[str]:
    return [field.key for field in FIELDS if (field.where, field.promise) == (COLLECTOR, promise)]


def _bounded(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(printable(text, limit=_MAX_WORDS) for text in dict.fromkeys(texts))[:100]
