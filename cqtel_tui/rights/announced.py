"""Read what a collector says of itself, and of whoever asks: bounded, checked, and in words.

All of it is untrusted. What is not as a cqtel collector says it is refused as a whole, so that
nothing half understood is taken for a promise.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalogue import CATALOGUE_VERSION
from ..errors import CqtelError
from ..formats.strict_json import UnreadableError, parse
from ..review.promises import BY_KEY
from ..sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..formats.strict_json import JsonObject, JsonValue

MAX_DATA_BYTES = 16 << 20
_MAX_DATA_TOKENS = 4_000_000
_MAX_WORDS = 500
_MAX_ROWS = 40
_MAX_NUMBER = 1 << 53
_MAX_LINES = 5_000

SHA1 = "sha1"
HMAC_DAILY = "hmac-daily"
ADDRESS_HASHES = ("cloudquery.ip_sha1", "address_hash")
"""The keys of what is made of the address: by SHA-1, as documented, or in another way."""

REVERSIBLE = (
    "An unsalted SHA-1 of an IPv4 address can be reversed by trying all of them: minutes on two "
    "cores. Whoever has the hash can have your address."
)
DAILY = (
    "HMAC-SHA-256 with a random key of the day, which the collector is to delete after 48 hours. "
    "Until then it could try all addresses, too; after that nobody can, and one day cannot be "
    "linked to the next."
)
ONLY_WORDS = "The collector says this about itself; nothing on this machine can check it."


class StrangeAnswerError(CqtelError):
    """The response is not one of a cqtel collector; the message says why."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """Something that a collector says it derives; both texts are its own.

    Attributes:
        field: the key under which it keeps that.
        how: what it makes it of.
    """

    field: str
    how: str

    @property
    def is_known(self) -> bool:
        """Whether our catalogue has such a field, or it is the address's hash by another name."""
        return self.field in BY_KEY or self.field in ADDRESS_HASHES


@dataclass(frozen=True, slots=True)
class AnnouncedPolicy:
    """What a collector says that it does; its texts are its own.

    Attributes:
        software: its name and version.
        catalogue: the version of the catalogue that it keeps to.
        ip_hash: `sha1`, `hmac-daily`, or what nobody here knows.
        location: `country`, `city`, or what nobody here knows.
        derived: what it derives.
        retention_days: how long it keeps operations; None if it keeps none.
        error_days: how long it keeps error texts; None if it keeps none.
        forwards: whether it hands on what it is given.
        keeps_data: whether data can be asked for, and erased, there.
    """

    software: str
    catalogue: int
    ip_hash: str
    location: str
    derived: tuple[Derivation, ...]
    retention_days: int | None
    error_days: int | None
    forwards: bool
    keeps_data: bool


@dataclass(frozen=True, slots=True)
class Me:
    """What a collector says that it would derive from whoever asks.

    Attributes:
        derived: each field and its value, its own texts; None for what it does not know.
        ip_hash: as in the policy.
        stored: whether it says that it kept something of this question.
    """

    derived: dict[str, str | None]
    ip_hash: str
    stored: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a collector announces, to be read before a yes.

    Attributes:
        endpoint: the one whose collector was asked.
        proxy: the proxy that it was asked by; empty for none.
        policy: what it says that it does.
        me: what it says that it would derive from this machine.
    """

    endpoint: str
    proxy: str
    policy: AnnouncedPolicy
    me: Me

    def as_json(self) -> dict[str, Any]:
        """Return it under the stable keys of `cq-telemetry policy --json`."""
        return {**asdict(self), "proxy": self.proxy or None}


@dataclass(frozen=True, slots=True)
class Line:
    """A line for a person, safe to print.

    Attributes:
        name: what it is about; empty where it goes on about the one before.
        text: what is announced.
        is_warning: whether it must not be missed.
    """

    name: str
    text: str
    is_warning: bool = False


def read_policy(body: bytes) -> AnnouncedPolicy:
    """Read the answer to `/v1/policy`.

    Raises:
        StrangeAnswerError: it is not such an answer.
    """
    announced = _object(body)
    derived = announced.get("derived")
    if not isinstance(derived, list) or len(derived) > _MAX_ROWS:
        raise _strange('"derived" is not a list of a few things')
    retention = announced.get("retention")
    if retention is None:
        retention = {"days": None, "error_days": None}
    if not isinstance(retention, dict):
        raise _strange('"retention" is not an object')
    return AnnouncedPolicy(
        _text(announced, "software"),
        _number(announced, "catalogue"),
        _text(announced, "ip_hash"),
        _text(announced, "location"),
        tuple(_derivation(each) for each in derived),
        _number_if_any(retention, "days"),
        _number_if_any(retention, "error_days"),
        _truth(announced, "forwards"),
        _truth(announced, "keeps_data"),
    )


def read_me(body: bytes) -> Me:
    """Read the answer to `/v1/me`.

    Raises:
        StrangeAnswerError: it is not such an answer.
    """
    announced = _object(body)
    rest = {key: value for key, value in announced.items() if key not in {"ip_hash", "stored"}}
    if len(rest) > _MAX_ROWS or not any(rest.get(key) for key in ADDRESS_HASHES):
        raise _strange("there is no hash of an address in it")
    derived = {key: None if rest[key] is None else _text(rest, key) for key in rest}
    if any(len(key) > _MAX_WORDS for key in derived):
        raise _strange("one of its keys is very long")
    return Me(derived, _text(announced, "ip_hash"), _truth(announced, "stored"))


def read_data(body: bytes) -> list[JsonObject]:
    """Read the answer to `/v1/data`: everything of one cookie, an object for each operation.

    Raises:
        StrangeAnswerError: it is not such an answer.
    """
    operations = _object(body).get("operations")
    if not isinstance(operations, list):
        raise _strange('"operations" is not a list')
    objects = [each for each in operations if isinstance(each, dict)]
    if len(objects) != len(operations):
        raise _strange("one of its operations is not an object")
    return objects


def read_erased(body: bytes) -> int:
    """Read the answer to the erasure of `/v1/data`: how many spans were erased.

    Raises:
        StrangeAnswerError: it is not such an answer.
    """
    return _number(_object(body), "erased")


def announced(announcement: Announcement) -> list[Line]:
    """Return in words what a collector announces, and what one must know of it."""
    policy, me = announcement.policy, announcement.me
    lines = [Line("asked", one_line(announcement.endpoint, _MAX_WORDS))]
    if announcement.proxy:
        lines.append(Line("by proxy", one_line(announcement.proxy, _MAX_WORDS)))
    lines.append(Line("software", one_line(policy.software, 100)))
    if policy.catalogue != CATALOGUE_VERSION:
        words = f"It follows version {policy.catalogue:,} of the catalogue; this is of version"
        lines.append(Line("", f"{words} {CATALOGUE_VERSION}.", is_warning=True))
    lines += [*_hashing(policy.ip_hash), *_of_you(policy, me)]
    return [*lines, *_derived(policy), *_keeping(policy), Line("", ONLY_WORDS)]


def _hashing(ip_hash: str) -> list[Line]:
    if ip_hash == SHA1:
        return [Line("hashed by", "SHA-1, as documented"), Line("", REVERSIBLE, is_warning=True)]
    if ip_hash == HMAC_DAILY:
        return [Line("hashed by", DAILY)]
    unknown = "This program does not know that method: treat it as your address itself."
    return [Line("hashed by", one_line(ip_hash, 100)), Line("", unknown, is_warning=True)]


def _derived(policy: AnnouncedPolicy) -> Iterator[Line]:
    for at, each in enumerate(policy.derived):
        field, how = one_line(each.field, 100), one_line(each.how, _MAX_WORDS)
        yield Line("" if at else "derives", f"{field}: {how}")
        if not each.is_known:
            yield Line("", f"{field} is NOT in the catalogue.", is_warning=True)
    yield Line("location", one_line(policy.location, 100))


def _keeping(policy: AnnouncedPolicy) -> Iterator[Line]:
    for name, days in (("kept", policy.retention_days), ("errors", policy.error_days)):
        if days is not None and policy.keeps_data:
            yield Line(name, f"{days:,} days")
    if policy.forwards:
        yield Line("handed on", "yes: to another server, which it does not name")
    if not policy.keeps_data:
        words = "It stores nothing itself: nothing can be requested or erased there."
        yield Line("", words, is_warning=True)


def _of_you(policy: AnnouncedPolicy, me: Me) -> Iterator[Line]:
    for at, (key, value) in enumerate(me.derived.items()):
        shown = "not known" if value is None else one_line(value, _MAX_WORDS)
        yield Line("" if at else "of you", f"{one_line(key, 100)} = {shown}")
    if me.stored:
        yield Line("", "It says that it stored something about this very request.", is_warning=True)
    if me.ip_hash != policy.ip_hash:
        hashed = one_line(me.ip_hash, 100)
        yield Line("", f"But of you it says: hashed by {hashed}.", is_warning=True)


def operation_lines(operations: Sequence[JsonObject]) -> list[Line]:
    """Return what a collector has of somebody: a line for each key, as far as anybody reads."""
    lines: list[Line] = []
    for number, operation in enumerate(operations, 1):
        if len(lines) > _MAX_LINES:
            left_out = len(operations) - number + 1
            words = f"… and {left_out:,} operations more: an exported file has them all."
            return [*lines, Line("", words, is_warning=True)]
        lines += _operation(f"{number:,}", operation)
    return lines


def _operation(number: str, operation: JsonObject) -> Iterator[Line]:
    for at, (key, value) in enumerate(operation.items()):
        if at == _MAX_ROWS:
            words = f"… and {len(operation) - at:,} keys more: an exported file has them all."
            yield Line("", words, is_warning=True)
            return
        several = value if isinstance(value, list) and value else [value]
        for later, each in enumerate(several[:_MAX_ROWS]):
            name = "" if at or later else number
            yield Line(name, f"{one_line(key, 100)} = {_as_text(each)}")
        if len(several) > _MAX_ROWS:
            yield Line("", f"… and {len(several) - _MAX_ROWS:,} more", is_warning=True)


def _as_text(value: JsonValue) -> str:
    if isinstance(value, dict):
        announced = [
            f"{key} {_as_text(inner)}" for key, inner in value.items() if inner is not None
        ]
        return one_line(", ".join(announced), _MAX_WORDS)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(text, _MAX_WORDS)


def _object(body: bytes) -> JsonObject:
    try:
        document = parse(body, max_bytes=MAX_DATA_BYTES, max_tokens=_MAX_DATA_TOKENS)
    except UnreadableError as error:
        raise _strange(str(error.problem)) from None
    if not isinstance(document, dict):
        raise _strange("it is not a JSON object")
    return document


def _derivation(announced: JsonValue) -> Derivation:
    if not isinstance(announced, dict):
        raise _strange('"derived" has something else than objects in it')
    return Derivation(_text(announced, "field"), _text(announced, "how"))


def _text(announced: JsonObject, key: str) -> str:
    value = announced.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_WORDS:
        raise _strange(f'"{one_line(key, 40)}" is not a short text')
    return value


def _number(announced: JsonObject, key: str) -> int:
    value = announced.get(key)
    if type(value) is not int or not 0 <= value < _MAX_NUMBER:
        raise _strange(f'"{key}" is not a number that counts anything')
    return value


def _number_if_any(announced: JsonObject, key: str) -> int | None:
    return None if announced.get(key) is None else _number(announced, key)


def _truth(announced: JsonObject, key: str) -> bool:
    value = announced.get(key)
    if not isinstance(value, bool):
        raise _strange(f'"{key}" is neither true nor false')
    return value


def _strange(why: str) -> StrangeAnswerError:
    return StrangeAnswerError(f"it does not respond like a cqtel collector: {why}")
