"""Hold what the gate caught: an envelope with what would be sent, and behind it what was caught.

The original is there to be read, and never sent: a line of JSON, then the body as it was received.
It is sealed with its envelope, and goes where that goes.
"""

from __future__ import annotations

import binascii
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..catalogue import is_name, is_version
from ..consent.endpoint import endpoint_problem
from ..formats.encodings import UndecodableError, decoded
from ..outbox.envelope import TornEnvelopeError
from ..outbox.losses import count_loss
from ..outbox.writing import hold
from ..record.inspection import CAUGHT_KEY
from ..review.headers import OF_HTTP, masked, masked_headers
from ..review.leaks import arguments_in
from .protocols import Description, Understood, as_document, headers_of, understand
from .protocols.unknown import KIND as UNKNOWN
from .redaction import Redaction, Removal
from .refusals import LOST
from .requests import Caught
from .rules import rules_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .channels import Channels
    from .redaction import Rules

UNNAMED = "unnamed"

_MAX_HEAD_BYTES = 2 * 1024 * 1024
_MAX_HEADER = 4096
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program under the gate.

    Attributes:
        app: the program, a plain name.
        version: its version, or empty.
        project: where it was started.
        operation: the id of the run, which its record has with all its payloads, or empty.
        upstream: where what was caught was bound for, or empty.
        debug: whether error texts may be in what would be sent.
        consent: the mark of the yes under which it is caught (`Decision.mark`), or empty.
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
    """What was caught, as it is kept behind what would be sent.

    Attributes:
        caught: the request; credentials in its headers are masked.
        operation: the id of the run it came from, or empty.
        has_error_text: whether an error's text is in what would be sent.
        removals: what was taken out or replaced.
        more_removals: how many more there were.
        arguments: where arguments of the command were found in what would be sent, by their paths;
            None where they were not looked for.
    """

    caught: Caught
    operation: str
    has_error_text: bool
    removals: tuple[Removal, ...]
    more_removals: int
    arguments: tuple[str, ...] | None = None

    @property
    def body(self) -> bytes:
        """The body without its compression; as it was received where that cannot be undone."""
        try:
            return decoded(self.caught.body, self.caught.header("content-encoding"))
        except UndecodableError:
            return self.caught.body


def hold_caught(
    state: str,
    requests: Sequence[Caught],
    channels: Channels,
    run: Run,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> list[str]:
    """Hold what was caught in one run; return the names of the envelopes.

    What cannot be written is counted as lost.

    Args:
        state: the state folder.
        requests: in the order of their arrival.
        channels: what may leave of them.
        run: the run they come from.
        entropy: returns so many random bytes.
    """
    names = []
    rules = rules_of(channels, entropy(_KEY_BYTES), run)
    for caught in requests:
        try:
            names.append(hold_one(state, caught, channels, run, rules, entropy(8).hex()))
        except (OSError, ValueError):
            count_loss(state, LOST)
    return names


def rules_of(channels: Channels, key: bytes, run: Run) -> Rules:
    """Return what may leave in one run.

    Args:
        channels: the program's.
        key: random bytes, the same for the same run.
        run: the run.
    """
    return rules_for(
        channels,
        key,
        debug=run.debug,
        project=run.project,
        arguments=run.arguments,
        allowed=run.allowed,
    )


def hold_one(  # noqa: PLR0913, PLR0917  # what makes an envelope
    state: str,
    caught: Caught,
    channels: Channels,
    run: Run,
    rules: Rules | None,
    identity: str,
) -> str:
    """Hold one request; return the name of its envelope.

    Args:
        state: the state folder.
        caught: the request.
        channels: how its program reports.
        run: the run it comes from.
        rules: what may leave of it; None for one that is to be held unread.
        identity: 16 random hex digits; the same request with the same is the same envelope.

    Raises:
        OSError: it could not be written.
        ValueError: no envelope can be made of it.
    """
    understood = _unread(caught) if rules is None else _understood(caught, rules)
    return _hold(state, caught, understood, channels, run, identity)


def for_inspection(caught: Caught, channels: Channels, run: Run, rules: Rules) -> bytes:
    """Return what would be sent of what was caught, as JSON to be read and never sent.

    Args:
        caught: the request.
        channels: how its program reports.
        run: the run it comes from.
        rules: what may leave of it.
    """
    understood = _understood(caught, rules)
    sent = understood.redaction.sent
    document = as_document(understood.kind, sent)
    body = (
        {"base64": binascii.b2a_base64(sent, newline=False).decode()}
        if document is None
        else document
    )
    about = {
        "program": run.app if is_name(run.app) else UNNAMED,
        "kind": understood.kind,
        "url": _target(caught, understood, run),
        "headers": masked_headers(_headers(caught, understood, channels)),
        "body": body,
    }
    return json.dumps({CAUGHT_KEY: about}).encode()


def _understood(caught: Caught, rules: Rules) -> Understood:
    try:
        return understand(caught, rules)
    except Exception:  # noqa: BLE001  # a mistake of ours loses nothing, and sends nothing
        return _unread(caught)


def _unread(caught: Caught) -> Understood:
    return Understood(UNKNOWN, "", Description(), Redaction(caught.body))


def _hold(  # noqa: PLR0913, PLR0917  # what makes an envelope
    state: str,
    caught: Caught,
    understood: Understood,
    channels: Channels,
    run: Run,
    identity: str,
) -> str:
    said, redaction = understood.description, understood.redaction
    original = Original(
        caught,
        run.operation,
        redaction.has_error_text,
        redaction.removals,
        redaction.more,
        arguments_in(redaction.sent, run.arguments, run.allowed | channels.words, understood.kind)
        if run.arguments
        else None,
    )
    return hold(
        state,
        redaction.sent,
        caught.when,
        identity,
        app=run.app if is_name(run.app) else UNNAMED,
        version=run.version if is_version(run.version) else "",
        operation=said.operation or UNNAMED,
        outcome=said.outcome,
        duration=said.duration,
        headers=_headers(caught, understood, channels),
        project=run.project,
        consent=run.consent,
        has_error_text=redaction.has_error_text,
        dropped=len(redaction.removals) + redaction.more,
        kind=understood.kind,
        origin="gate",
        target=_target(caught, understood, run),
        caught=_sealed(original),
    )


def _headers(caught: Caught, understood: Understood, channels: Channels) -> dict[str, str]:
    """Return the headers that go along: what the body is, and what the upstream asks for."""
    headers = {"content-type": understood.content_type or caught.header("content-type")}
    wanted = sorted({*headers_of(understood.kind), *channels.forwarded} - OF_HTTP - headers.keys())
    headers |= {name: caught.header(name) for name in wanted}
    return {
        name.title(): value
        for name, value in headers.items()
        if value and len(value) <= _MAX_HEADER and value.isascii() and value.isprintable()
    }


def _target(caught: Caught, understood: Understood, run: Run) -> str | None:
    """Return where it was bound for; None if that is not known, or nothing may be sent there."""
    path, question, query = caught.path.partition("?")
    if understood.kind == UNKNOWN:
        path += question + query
    target = run.upstream.rstrip("/") + path
    is_fit = run.upstream and caught.method == "POST" and endpoint_problem(target) is None
    return target if is_fit else None


# The original ------------------------------------------------------------------------------------


def read_original(caught: bytes) -> Original:
    """Return what was caught, from what an envelope keeps behind its payload.

    Raises:
        TornEnvelopeError: it is not what we put there.
    """
    end = caught.find(b"\n", 0, _MAX_HEAD_BYTES)
    try:
        head: Mapping[str, Any] = json.loads(caught[:end]) if end >= 0 else {}
        return Original(
            Caught(
                str(head["method"]),
                str(head["path"]),
                tuple((str(name), str(value)) for name, value in head["headers"]),
                caught[end + 1 :],
                int(head["when"]),
            ),
            str(head["operation"]),
            bool(head["has_error_text"]),
            tuple(Removal(*map(str, removal)) for removal in head["removals"]),
            int(head["more_removals"]),
            None if head.get("arguments") is None else tuple(map(str, head["arguments"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TornEnvelopeError(f"what was caught cannot be read ({error})") from None


def _sealed(original: Original) -> bytes:
    caught = original.caught
    head = {
        "method": caught.method,
        "path": caught.path,
        "headers": [(name, masked(name, value)) for name, value in caught.headers],
        "when": caught.when,
        "operation": original.operation,
        "has_error_text": original.has_error_text,
        "removals": [(one.path, one.what, one.why) for one in original.removals],
        "more_removals": original.more_removals,
        "arguments": original.arguments,
    }
    return json.dumps(head, ensure_ascii=False).encode() + b"\n" + caught.body
