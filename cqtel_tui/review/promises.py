"""What the documentation promises, and under which of its sentences each field falls.

`catalogue` holds the shapes that a recorder checks by; here is what a person reads.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalogue import (
    CATALOGUE_VERSION,
    MAX_NAME,
    MAX_PLUGINS,
    MAX_STRING_BYTES,
    MAX_VERSION,
    RECORDED,
)

if TYPE_CHECKING:
    from ..formats.strict_json import JsonValue

STORED = {
    "operation": "Which operation (fetch, policy, drift, ...) was executed",
    "duration": "How long the operation took and whether it succeeded",
    "ci": "Whether you're running CloudQuery in a CI environment",
    "providers": "Installed CloudQuery providers on your system along with their versions",
    "version": "Version and build date of the `cloudquery` binary you're using",
    "trace": "Basic OpenTelemetry trace data about which part of the operation took how long",
    "cookie": 'A unique user "cookie", which is a randomly generated UUID',
    "ip": "A SHA1 hash of your IP address",
    "location": "Your geographical location based on the IP address",
}
"""What the documentation says is stored, sentence by sentence."""

DEBUG = "debug"
DEBUG_SENTENCE = (
    "--debug-telemetry: This will send the contents of the error messages (if there are any)"
)

UNPROMISED = "unpromised"
UNPROMISED_SENTENCE = "Not in the documentation: the program reports it, and the gate's list has it"

CONTRACT = "contract"
"""Stands for the sentences of a program's own contract."""

NOT_STORED = {
    "address": "We don't store your IP address",
    "arguments": (
        "We don't store any of the command arguments or options "
        "(as they might contain sensitive information)"
    ),
    "errors": (
        "We don't store the contents of the error messages "
        "(as they might also contain sensitive information)"
    ),
    "credentials": "We don't store any credentials",
    "logs": "We don't store any logs",
}
"""What the documentation says is not stored."""

RESOURCE = "resource"
SPAN = "span"
TRACE = "trace"
COLLECTOR = "collector"


@dataclass(frozen=True, slots=True)
class CatalogueField:
    """What a person reads about one field.

    Attributes:
        key: the field's key, OpenTelemetry's own where it has one.
        where: `resource` (the program), `span` (an attribute of the operation or of a part),
            `trace` (what every span is made of) or `collector` (added by the receiving end alone).
        type: the JSON type.
        shape: what a value may look like.
        promise: a key of `STORED`, or `debug`, `unpromised` for what only the gate lets through, or
            `contract` for a program's own.
        why: what it is collected for.
        risk: how well it could tell one installation from another: none, low, medium or high.
        because: the reason for that risk.
        since: the catalogue version that brought it.
    """

    key: str
    where: str
    type: str
    shape: str
    promise: str
    why: str
    risk: str
    because: str
    since: int = 1

    @property
    def sentence(self) -> str:
        """The sentence of the documentation that it falls under."""
        others = {DEBUG: DEBUG_SENTENCE, UNPROMISED: UNPROMISED_SENTENCE}
        return others.get(self.promise) or STORED[self.promise]

    @property
    def quoted(self) -> str:
        """That sentence as a quotation, if the documentation has it."""
        return f"{self.sentence}." if self.promise == UNPROMISED else f"“{self.sentence}”"

    def fits(self, value: JsonValue) -> bool:  # noqa: ARG002  # a contract's field asks it
        """Tell whether a value of an own field may be so: who lets one through has looked."""
        return True


_NAME = f"letters, digits, . _ -, up to {MAX_NAME}"

FIELDS = (
    CatalogueField(
        "service.name",
        RESOURCE,
        "string",
        _NAME,
        "version",
        "Tells which program the payload is about.",
        "none",
        "the same for everybody who uses the program",
    ),
    CatalogueField(
        "service.version",
        RESOURCE,
        "string",
        f"a version, up to {MAX_VERSION} characters",
        "version",
        "Shows which releases are in use, and so which need support.",
        "low",
        "shared by all who run that release",
    ),
    CatalogueField(
        "cloudquery.build_date",
        RESOURCE,
        "string",
        "YYYY-MM-DD, or with a time in UTC",
        "version",
        "Tells an official build from an old or a home-made one.",
        "low",
        "shared by all who run that build; a home-made build may be the only one",
    ),
    CatalogueField(
        "service.instance.id",
        RESOURCE,
        "string",
        "a random UUID, version 4",
        "cookie",
        "Counts installations instead of runs.",
        "high",
        "the same in every payload of this installation; reset or lock it at any time",
    ),
    CatalogueField(
        "cloudquery.ci",
        RESOURCE,
        "boolean",
        "true or false",
        "ci",
        "Tells people from machines, so that a busy pipeline does not count as many users.",
        "none",
        "one of two values",
    ),
    CatalogueField(
        "cloudquery.plugins",
        RESOURCE,
        "array of strings",
        f"kind/organisation/name@version, up to {MAX_PLUGINS}",
        "providers",
        "Shows which providers (plugins) are worth the makers' time.",
        "medium",
        "a rare set, or a plugin that only your organisation has, can single you out",
    ),
    CatalogueField(
        "cloudquery.debug",
        RESOURCE,
        "boolean",
        "true or false; in debug mode only",
        DEBUG,
        "Goes with an error text: without it, the collector stores none.",
        "none",
        "one of two values",
    ),
    CatalogueField(
        "process.exit.code",
        SPAN,
        "integer",
        "0 to 255",
        "duration",
        "Tells a success from a failure, and one kind of failure from another.",
        "none",
        "few values",
    ),
    CatalogueField(
        "error.type",
        SPAN,
        "string",
        f"the name of a class, up to {MAX_NAME * 2}",
        "duration",
        "Tells what kind of failure it was, without its message.",
        "low",
        "the name of a class in the program",
    ),
    CatalogueField(
        "exception.message",
        SPAN,
        "string",
        f"text, up to {MAX_STRING_BYTES} bytes; in debug mode only",
        DEBUG,
        "Helps to find the cause of a failure.",
        "high",
        "error texts can contain paths, names, addresses and credentials",
    ),
    CatalogueField(
        "name",
        TRACE,
        "string",
        _NAME,
        "operation",
        "Names the operation (first span) and its other spans.",
        "low",
        "chosen by the program's makers, never an argument",
    ),
    CatalogueField(
        "startTimeUnixNano",
        TRACE,
        "integer",
        "nanoseconds since 1970",
        "trace",
        "Tells when a span began, and with its end how long it took.",
        "medium",
        "an exact time can be matched with other logs",
    ),
    CatalogueField(
        "endTimeUnixNano",
        TRACE,
        "integer",
        "nanoseconds since 1970",
        "duration",
        "Tells when a span ended, and with its start how long it took.",
        "medium",
        "an exact time can be matched with other logs",
    ),
    CatalogueField(
        "status.code",
        TRACE,
        "integer",
        "1 (success) or 2 (failure)",
        "duration",
        "Tells whether the span succeeded.",
        "none",
        "one of two values",
    ),
    CatalogueField(
        "kind",
        TRACE,
        "integer",
        "always 1 (internal)",
        "trace",
        "OpenTelemetry asks for it.",
        "none",
        "always the same",
    ),
    CatalogueField(
        "traceId",
        TRACE,
        "string",
        "32 hex digits, random",
        "trace",
        "Ties the spans of one operation together.",
        "none",
        "random, and new for each operation",
    ),
    CatalogueField(
        "spanId",
        TRACE,
        "string",
        "16 hex digits, random",
        "trace",
        "Identifies one span within its operation.",
        "none",
        "random, and new for each span",
    ),
    CatalogueField(
        "parentSpanId",
        TRACE,
        "string",
        "16 hex digits, random",
        "trace",
        "Tells which span a span belongs to.",
        "none",
        "random, and new for each span",
    ),
    CatalogueField(
        "scope.name",
        TRACE,
        "string",
        "always cqtel",
        "trace",
        "OpenTelemetry asks who recorded it.",
        "none",
        "always the same",
    ),
    CatalogueField(
        "cloudquery.ip_sha1",
        COLLECTOR,
        "string",
        "40 hex digits",
        "ip",
        "Counts networks. Made by the collector from the address it sees, which it does not store.",
        "high",
        "whoever tries all four billion IPv4 addresses finds yours in minutes",
    ),
    CatalogueField(
        "geo.country.iso_code",
        COLLECTOR,
        "string",
        "two letters (ISO 3166)",
        "location",
        "Shows where the program is used. Made by the collector from the address it sees.",
        "low",
        "a country",
    ),
    CatalogueField(
        "geo.region.name",
        COLLECTOR,
        "string",
        "text",
        "location",
        "Shows where the program is used, if the collector's operator has a map for it.",
        "medium",
        "narrows a country down",
    ),
    CatalogueField(
        "geo.locality.name",
        COLLECTOR,
        "string",
        "text",
        "location",
        "Shows where the program is used, if the collector's operator has a map for it.",
        "medium",
        "few people live in a small town",
    ),
)
"""Every field that may ever be stored, in the order in which it is explained."""

BY_KEY = {field.key: field for field in FIELDS}


def as_json() -> str:
    """Return the catalogue and the promises as JSON."""
    document: dict[str, Any] = {
        "catalogue": CATALOGUE_VERSION,
        "stored": STORED,
        "not_stored": NOT_STORED,
        "fields": [
            {
                **asdict(field),
                "sentence": field.sentence,
                "only_in_debug": field.key in RECORDED and RECORDED[field.key][2],
            }
            for field in FIELDS
        ],
    }
    return json.dumps(document, indent=2)


def as_markdown() -> str:
    """Return the catalogue as a Markdown table, as it stands in the README."""
    lines = [
        "| field | value | falls under | why | how identifying |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{field.key}` | {field.shape} | {field.sentence} | {field.why} | "
        f"{field.risk}: {field.because} |"
        for field in FIELDS
    ]
    return "\n".join(lines) + "\n"
