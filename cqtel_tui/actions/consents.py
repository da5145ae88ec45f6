"""A person's own receipt of consent: what was chosen, when, after which words, and what it let out.

`as_record` has the structure of ISO/IEC TS 27560:2023, in the terms of the W3C's Data Privacy
Vocabulary (https://w3id.org/dpv).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalogue import CATALOGUE_VERSION
from ..consent.contract_seen import seen
from ..consent.decision import OFF, ON, ask
from ..consent.history import ENDPOINT, TELEMETRY, Chosen, history, notice_text
from ..errors import CqtelError
from ..outbox.store import SENT, Outbox
from .programs import name_of
from .status import time_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..consent.contracts import Contract
    from ..outbox.receipts import Receipt
    from ..paths import Places

_NANOSECONDS = 1_000_000_000
_MICROSECONDS = 1_000_000
_DPV = "https://w3id.org/dpv#"
_STATES = {ON: "ConsentGiven", OFF: "ConsentRefused", "": "ConsentWithdrawn"}


@dataclass(frozen=True, slots=True)
class Consent:
    """One choice, and what was sent under it.

    Attributes:
        chosen: the choice.
        notice: the words that were shown before; empty if none were, or they are gone.
        sent: the receipts of what was sent of its program until the next choice of telemetry;
            empty for anything but a yes.
        contract: the program's contract that it is for; None for none, or if its text is gone.
    """

    chosen: Chosen
    notice: str
    sent: tuple[Receipt, ...]
    contract: Contract | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it under the stable keys of `cq-telemetry consent --json`."""
        return {
            **asdict(self.chosen),
            "time": time_json(self.chosen.time / _NANOSECONDS),
            "notice": self.notice or None,
            "notice_sha256": self.chosen.notice or None,
            "contract": None if self.contract is None else self.contract.version,
            "contract_sha256": self.chosen.contract or None,
            "sent": [
                {
                    "id": receipt.id,
                    "sha256": receipt.sha256,
                    "url": receipt.url,
                    "time": time_json(receipt.time / _MICROSECONDS),
                }
                for receipt in self.sent
            ],
        }


def consents(places: Places) -> list[Consent]:
    """Return all choices that were made on this machine, the oldest first.

    Raises:
        CqtelError: the history or the outbox cannot be read.
    """
    try:
        choices = history(places.state)
    except OSError as error:
        raise CqtelError(f"What was chosen before cannot be read: {error}.") from None
    receipts = _receipts(places)
    return [
        Consent(
            chosen,
            notice_text(places.state, chosen.notice),
            _under(chosen, choices[at + 1 :], receipts),
            None if (known := seen(places.state, chosen.contract)) is None else known.contract,
        )
        for at, chosen in enumerate(choices)
    ]


def _receipts(places: Places) -> list[tuple[str, Receipt]]:
    """Return the program and the receipt of all that was sent; what cannot be read is left out."""
    outbox = Outbox(places.state)
    receipts = []
    for label in outbox.labels(SENT):
        try:
            receipt = outbox.receipt(SENT, label)
        except (CqtelError, OSError):
            continue
        if receipt is not None:
            receipts.append((label.app, receipt))
    return receipts


def _under(
    chosen: Chosen, later: Sequence[Chosen], receipts: Sequence[tuple[str, Receipt]]
) -> tuple[Receipt, ...]:
    if (chosen.what, chosen.value) != (TELEMETRY, ON):
        return ()
    same = (chosen.what, chosen.program, chosen.project)
    ends = [one.time for one in later if (one.what, one.program, one.project) == same]
    until = min(ends, default=None)
    return tuple(
        receipt
        for program, receipt in receipts
        if chosen.program in {None, program}
        and receipt.time * 1000 >= chosen.time
        and (until is None or receipt.time * 1000 < until)
    )


def as_record(places: Places, consent: Consent) -> dict[str, Any]:
    """Return a choice of telemetry as a consent record of ISO/IEC TS 27560:2023."""
    chosen = consent.chosen
    identity = hashlib.sha256(f"{chosen.time} {chosen.program} {chosen.project}".encode())
    endpoint = ask(places, program=chosen.program).endpoint
    urls = sorted({receipt.url for receipt in consent.sent} | ({endpoint} if endpoint else set()))
    when = time_json(chosen.time / _NANOSECONDS)
    collected = _collected(consent)
    return {
        "@context": {"dpv": _DPV},
        "@type": "dpv:ConsentRecord",
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": identity.hexdigest(),
        "pii_principal_id": "the installation on this machine; no name is known",
        "pii_processing": {
            "privacy_notice": {
                "@type": "dpv:ConsentNotice",
                "sha256": chosen.notice or None,
                "text": consent.notice or None,
            },
            "language": "en",
            "purposes": [
                {
                    "purpose": f"Usage data of {name_of(chosen.program)}",
                    "purpose_type": "dpv:ServiceOptimisation",
                    "lawful_basis": "dpv:Consent",
                    "processing": ["dpv:Collect", "dpv:Store", "dpv:Transmit"],
                    "pii_information": [
                        {"@type": "dpv:PersonalData", "pii_type": key, "why": why}
                        for key, why in collected
                    ],
                    "storage_locations": ["this machine", *urls],
                    "recipients": [{"@type": "dpv:Recipient", "party_url": url} for url in urls],
                    "withdrawal_method": f"cq-telemetry off{_whose(chosen)}",
                }
            ],
        },
        "event": {
            "event_time": when,
            "event_state": f"dpv:{_STATES.get(chosen.value, 'ConsentUnknown')}",
            "event_type": "dpv:ExplicitlyExpressedConsent" if chosen.value == ON else None,
            "entity_id": "dpv:DataSubject",
            "indication_method": chosen.face,
        },
        "sent": len(consent.sent),
    }


def _collected(consent: Consent) -> list[tuple[str, str]]:
    """Return what a yes lets be collected: each field, and why."""
    from ..review.promises import FIELDS

    catalogue = consent.chosen.catalogue or CATALOGUE_VERSION
    collected = [(field.key, field.why) for field in FIELDS if field.since <= catalogue]
    own = () if consent.contract is None else consent.contract.fields
    return collected + [(field.key, field.why) for field in own]


def _whose(chosen: Chosen) -> str:
    return " --all-programs" if chosen.program is None else f" --program {chosen.program}"


def words(consent: Consent) -> str:
    """Return a choice in a line, without its time."""
    chosen = consent.chosen
    if chosen.what == ENDPOINT:
        what = f"endpoint of {name_of(chosen.program)}: {chosen.value or 'none'}"
    else:
        label = "telemetry" if chosen.what == TELEMETRY else "debug mode"
        what = f"{label} of {name_of(chosen.program)}: {chosen.value or 'undecided'}"
    if chosen.project is not None:
        what += f", in {chosen.project}"
    if consent.contract is not None:
        what += f", under version {consent.contract.version} of its contract"
    what += f", by the {chosen.face}" if chosen.face != "unknown" else ""
    return f"{what} (undone)" if chosen.is_undo else what
