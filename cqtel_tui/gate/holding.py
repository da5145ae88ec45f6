"""Hold intercepted requests: an envelope with what would be sent, and behind it the original.

The original is there to be read, and never sent: a line of JSON, then the body as it was received.
It is sealed with its envelope, and goes where that goes.
"""

from __future__ import annotations

import binascii
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..catalogue import is_name, is_version
from ..consent.endpoint import endpoint_problem
from ..formats import UNREDACTED
from ..formats.bare_json import parse_object
from ..formats.documents import as_document
from ..formats.encodings import UndecodableError, decoded
from ..formats.headers import needed_headers
from ..formats.strict_json import MAX_BYTES
from ..outbox.envelope import TornEnvelopeError
from ..outbox.losses import count_loss
from ..outbox.writing import hold
from ..record.inspection import INTERCEPTED_KEY
from ..review.headers import OF_HTTP, masked, masked_headers
from ..review.leaks import arguments_in
from .protocols import Understood, understand
from .protocols.described import Description
from .protocols.unknown import KIND as UNKNOWN
from .redaction import Redaction, Removal
from .refusals import LOST
from .requests import Request
from .rules import rules_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .channels import Channels
    from .redaction import Rules

UNNAMED = "unnamed"

_MAX_HEAD_BYTES = 2 * 1024 * 1024
_MAX_HEADER = 4096
_KEY_BYTES = 32
_UNREDACTED = Understood(UNREDACTED, "", Description(), Redaction(b""))
"""What nothing is sent of: a redaction ended with a mistake of ours, or could not be done."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """The program that reports, in one run.

    Attributes:
        app: the program, a plain name.
        version: its version, or empty.
        project: where it was started.
        operation: the id of the run, which its record has with all its payloads, or empty.
        upstream: where its requests were bound for, or empty.
        debug: whether error texts may be in what would be sent.
        consent: the mark of the yes under which they are intercepted (`Decision.mark`), or empty.
        arguments: those of the command; compared with, and written nowhere.
        allowed: words of the command line that may leave, such as operations.
    """

    app: str
    version: str
    project: str
    operation: str
    upstream: str
    debug: bool
    consent: str = ""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Original:
    """A request as it came, as it is kept behind what would be sent.

    Attributes:
        request: the request; credentials in its headers are masked.
        operation: the id of the run it came from, or empty.
        has_error_text: whether an error's text is in what would be sent.
        removals: what was taken out or replaced.
        more_removals: how many more there were.
        arguments: where arguments of the command were found in what would be sent, by their paths;
            None where they were not looked for.
    """

    request: Request
    operation: str
    has_error_text: bool
    removals: tuple[Removal, ...]
    more_removals: int
    arguments: tuple[str, ...] | None = None

    @property
    def body(self) -> bytes:
        """The body without its compression; as it was received where that cannot be undone."""
        try:
            return decoded(self.request.body, self.request.encoding)
        except UndecodableError:
            return self.request.body


def hold_requests(
    state: str,
    requests: Sequence[Request],
    channels: Channels,
    reporter: Reporter,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> list[str]:
    """Hold what was intercepted in one run; return the names of the envelopes.

    What cannot be written is counted as lost.

    Args:
        state: the state folder.
        requests: in the order of their arrival.
        channels: what may leave of them.
        reporter: where they come from.
        entropy: returns so many random bytes.
    """
    names = []
    rules = rules_of(channels, entropy(_KEY_BYTES), reporter)
    for request in requests:
        try:
            names.append(hold_one(state, request, channels, reporter, rules, entropy(8).hex()))
        except (OSError, ValueError):
            count_loss(state, LOST)
    return names


def rules_of(channels: Channels, key: bytes, reporter: Reporter) -> Rules:
    """Return what may leave of what one program reports in one run.

    Args:
        channels: the program's.
        key: random bytes, the same for the same run.
        reporter: the program.
    """
    return rules_for(
        channels,
        key,
        debug=reporter.debug,
        project=reporter.project,
        arguments=reporter.arguments,
        allowed=reporter.allowed,
    )


def hold_one(  # noqa: PLR0913, PLR0917  # what makes an envelope
    state: str,
    request: Request,
    channels: Channels,
    reporter: Reporter,
    rules: Rules | None,
    identity: str,
) -> str:
    """Hold one request; return the name of its envelope.

    Args:
        state: the state folder.
        request: the request.
        channels: how its program reports.
        reporter: where it comes from.
        rules: what may leave of it; None for one that cannot be redacted.
        identity: 16 random hex digits; the same request with the same is the same envelope.

    Raises:
        OSError: it could not be written.
        ValueError: no envelope can be made of it.
    """
    understood = _UNREDACTED if rules is None else _understood(request, rules)
    return _hold(state, request, understood, channels, reporter, identity)


def for_inspection(request: Request, channels: Channels, reporter: Reporter, rules: Rules) -> bytes:
    """Return what would be sent of a request, as JSON to be read and never sent.

    Args:
        request: the request.
        channels: how its program reports.
        reporter: where it comes from.
        rules: what may leave of it.
    """
    understood = _understood(request, rules)
    sent = understood.redaction.sent
    document = as_document(understood.kind, sent)
    body = (
        {"base64": binascii.b2a_base64(sent, newline=False).decode()}
        if document is None
        else document
    )
    about = {
        "program": reporter.app if is_name(reporter.app) else UNNAMED,
        "kind": understood.kind,
        "url": _target(request, understood, reporter),
        "headers": masked_headers(_headers(request, understood, channels)),
        "body": body,
    }
    return json.dumps({INTERCEPTED_KEY: about}).encode()


def _understood(request: Request, rules: Rules) -> Understood:
    try:
        understood = understand(request, rules)
    except Exception:  # noqa: BLE001  # a mistake of ours loses nothing, and sends nothing
        return _UNREDACTED
    return understood if len(understood.redaction.sent) <= MAX_BYTES else _UNREDACTED


def _hold(  # noqa: PLR0913, PLR0917  # what makes an envelope
    state: str,
    request: Request,
    understood: Understood,
    channels: Channels,
    reporter: Reporter,
    identity: str,
) -> str:
    description, redaction = understood.description, understood.redaction
    sent, arguments = redaction.sent, reporter.arguments
    words = reporter.allowed | channels.words
    original = Original(
        request,
        reporter.operation,
        redaction.has_error_text,
        redaction.removals,
        redaction.more,
        arguments_in(sent, arguments, words, understood.kind) if arguments else None,
    )
    return hold(
        state,
        sent,
        request.when,
        identity,
        app=reporter.app if is_name(reporter.app) else UNNAMED,
        version=reporter.version if is_version(reporter.version) else "",
        operation=description.operation or UNNAMED,
        outcome=description.outcome,
        duration=description.duration,
        headers=_headers(request, understood, channels),
        project=reporter.project,
        consent=reporter.consent,
        has_error_text=redaction.has_error_text,
        dropped=len(redaction.removals) + redaction.more,
        kind=understood.kind,
        origin="gate",
        target=_target(request, understood, reporter),
        intercepted=_sealed(original),
    )


def _headers(request: Request, understood: Understood, channels: Channels) -> dict[str, str]:
    """Return the headers that go along: what the body is, and what the upstream asks for."""
    if understood.kind == UNREDACTED:
        return {}
    headers = {"content-type": understood.content_type or request.header("content-type")}
    needed = needed_headers(understood.kind)
    wanted = sorted({*needed, *channels.forwarded} - OF_HTTP - headers.keys())
    headers |= {name: request.header(name) for name in wanted}
    return {
        name.title(): value
        for name, value in headers.items()
        if value and len(value) <= _MAX_HEADER and value.isascii() and value.isprintable()
    }


def _target(request: Request, understood: Understood, reporter: Reporter) -> str | None:
    """Return where it was bound for; None if that is not known, or nothing may be sent there."""
    path, question, query = request.path.partition("?")
    upstream = reporter.upstream.rstrip("/")
    if request.is_grpc:  # a call's path is the whole of it
        if understood.kind == UNKNOWN:
            return None
        scheme, separator, rest = upstream.partition("://")
        upstream = scheme + separator + rest.partition("/")[0]
    elif understood.kind == UNKNOWN:
        path += question + query
    target = upstream + path
    is_fit = reporter.upstream and request.method == "POST" and endpoint_problem(target) is None
    return target if is_fit else None


# The original ------------------------------------------------------------------------------------


def read_original(original: bytes) -> Original:
    """Return the original from what an envelope keeps behind its payload.

    Raises:
        TornEnvelopeError: it is not what we put there.
    """
    end = original.find(b"\n", 0, _MAX_HEAD_BYTES)
    try:
        head = parse_object(original[:end]) if end >= 0 else {}
        return Original(
            Request(
                str(head["method"]),
                str(head["path"]),
                tuple((str(name), str(value)) for name, value in head["headers"]),
                original[end + 1 :],
                int(head["when"]),
            ),
            str(head["operation"]),
            bool(head["has_error_text"]),
            tuple(Removal(*map(str, removal)) for removal in head["removals"]),
            int(head["more_removals"]),
            None if head.get("arguments") is None else tuple(map(str, head["arguments"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TornEnvelopeError(f"the intercepted original cannot be read ({error})") from None


def _sealed(original: Original) -> bytes:
    request = original.request
    head = {
        "method": request.method,
        "path": request.path,
        "headers": [(name, masked(name, value)) for name, value in request.headers],
        "when": request.when,
        "operation": original.operation,
        "has_error_text": original.has_error_text,
        "removals": [(one.path, one.what, one.why) for one in original.removals],
        "more_removals": original.more_removals,
        "arguments": original.arguments,
    }
    return json.dumps(head, ensure_ascii=False).encode() + b"\n" + request.body
