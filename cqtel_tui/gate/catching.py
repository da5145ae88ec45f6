"""Hold what the gate caught: an envelope with what would be sent, and behind it what was caught.

The original is there to be read, and never sent: a line of JSON, then the body as it was received.
It is sealed with its envelope, and goes where that goes.
"""

from __future__ import annotations

import binascii
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..catalogue import is_name, is_version
from ..consent.choices import endpoint_problem
from ..encodings import UndecodableError, decoded
from ..outbox import count_loss, hold
from ..outbox.envelope import TornEnvelopeError
from ..record.inspection import CAUGHT_KEY
from ..review.headers import masked, masked_headers
from ..review.leaks import arguments_in
from .listening import Caught
from .protocols import Description, Understood, as_document, understand
from .protocols.unknown import KIND as UNKNOWN
from .redaction import Redaction, Removal
from .rules import rules_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .channels import Channels

UNNAMED = "unnamed"
LOST = "gate"

_MAX_HEAD_BYTES = 2 * 1024 * 1024
_MAX_HEADER = 4096
_PATIENCE_SECONDS = 0.5
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program under the gate.

    Attributes:
        app: the program, a plain name.
        version: its version, or empty.
        project: where it was started.
        operation: the id of the envelope of the operation that was recorded of it, or empty.
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
        operation: the id of the envelope of the operation it came from, or empty.
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


def hold_caught(  # noqa: PLR0913  # the last two for tests to put in place
    state: str,
    requests: Sequence[Caught],
    channels: Channels,
    run: Run,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
    patience: float = _PATIENCE_SECONDS,
) -> list[str]:
    """Hold what was caught in one run; return the names of the envelopes.

    What cannot be written is counted as lost. Nothing is raised: the program's end is what counts.

    Args:
        state: the state folder.
        requests: in the order of their arrival.
        channels: what may leave of them.
        run: the run they come from.
        entropy: returns so many random bytes.
        patience: seconds after which the rest is held unread, as requests of no known protocol.
    """
    names = []
    for caught, understood in _understood(requests, channels, run, entropy, patience):
        try:
            names.append(_hold(state, caught, understood, channels, run, entropy(8).hex()))
        except (OSError, ValueError):
            count_loss(state, LOST)
    return names


def for_inspection(
    requests: Sequence[Caught], channels: Channels, run: Run, patience: float
) -> list[bytes]:
    """Return what would be sent of what was caught, as JSON to be read and never sent.

    Args:
        requests: in the order of their arrival.
        channels: what may leave of them.
        run: the run they come from.
        patience: seconds after which the rest stays unread.
    """
    return [
        _inspected(caught, understood, channels, run)
        for caught, understood in _understood(requests, channels, run, os.urandom, patience)
    ]


def _inspected(caught: Caught, understood: Understood, channels: Channels, run: Run) -> bytes:
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


def _understood(
    requests: Sequence[Caught],
    channels: Channels,
    run: Run,
    entropy: Callable[[int], bytes],
    patience: float,
) -> Iterator[tuple[Caught, Understood]]:
    """Give each request with what is understood of it; the rest unread once patience ends."""
    rules = rules_for(
        channels,
        entropy(_KEY_BYTES),
        debug=run.debug,
        project=run.project,
        arguments=run.arguments,
        allowed=run.allowed,
    )
    until = time.monotonic() + patience
    for caught in requests:
        if time.monotonic() > until:
            yield caught, _unread(caught)
            continue
        try:
            yield caught, understand(caught, rules)
        except Exception:  # noqa: BLE001  # a mistake of ours takes no other request with it
            yield caught, _unread(caught)


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
    if understood.kind == UNKNOWN:
        headers["content-encoding"] = caught.header("content-encoding")
    headers |= {name: caught.header(name) for name in channels.forwarded}
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
