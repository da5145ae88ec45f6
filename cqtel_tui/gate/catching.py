"""Hold what the gate caught: what would be sent in an envelope, and beside it what was caught.

The original lies in `outbox/caught/<id>.caught`, by the id of its envelope: a line of JSON, then
the body as it was received, sealed by length and SHA-256. It is there to be read, and never sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue import is_name, is_version
from ..consent.choices import endpoint_problem
from ..errors import CqtelError
from ..outbox import OUTBOX, count_loss, hold, make_folder, sha256
from .encodings import UndecodableError, decoded
from .listening import Caught
from .protocols import Description, Understood, understand
from .protocols.unknown import KIND as UNKNOWN
from .redaction import Pseudonyms, Redaction, Removal, Rules, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .channels import Channels

CAUGHT = "caught"
CAUGHT_SUFFIX = ".caught"
FORMAT_VERSION = 1
MAX_TOTAL_BYTES = 16 * 1024 * 1024
UNNAMED = "unnamed"
LOST = "gate"

_MAX_HEAD_BYTES = 2 * 1024 * 1024
_MAX_FILE_BYTES = 4 * 1024 * 1024
_PATIENCE_SECONDS = 0.8
_KEY_BYTES = 32


class TornOriginalError(CqtelError):
    """What was caught is not what was sealed: torn, altered, or of a later version."""


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
    """

    app: str
    version: str
    project: str
    operation: str
    upstream: str
    debug: bool


@dataclass(frozen=True, slots=True)
class Original:
    """What was caught, as it is kept beside its envelope.

    Attributes:
        id: its envelope's.
        caught: the request; credentials in its headers are masked.
        kind: what the envelope's payload is.
        operation: the id of the envelope of the operation it came from, or empty.
        debug: whether error texts were allowed when it was redacted.
        removals: what was taken out or replaced.
        more_removals: how many more there were.
    """

    id: str
    caught: Caught
    kind: str
    operation: str
    debug: bool
    removals: tuple[Removal, ...]
    more_removals: int

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
    rules = Rules(
        channels.fields,
        Pseudonyms(entropy(_KEY_BYTES)),
        debug=run.debug,
        never=channels.never,
        duration_unit=channels.duration_unit,
    )
    until = time.monotonic() + patience
    names = []
    for caught in requests:
        understood = understand(caught, rules) if time.monotonic() < until else _unread(caught)
        try:
            names.append(_hold(state, caught, understood, channels, run, entropy(8).hex()))
        except (OSError, ValueError):
            count_loss(state, LOST)
    if names:
        with contextlib.suppress(OSError):
            make_room(state)
    return names


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
        identity,
        caught,
        understood.kind,
        run.operation,
        run.debug,
        redaction.removals,
        redaction.more,
    )
    path = original_path(state, identity)
    _write(path, _sealed(original))
    try:
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
            dropped=len(redaction.removals) + redaction.more,
            kind=understood.kind,
            origin="gate",
            target=_target(caught, understood, run),
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _headers(caught: Caught, understood: Understood, channels: Channels) -> dict[str, str]:
    """Return the headers that go along: what the body is, and what the upstream asks for."""
    content_type = understood.content_type or caught.header("content-type")
    headers = {"Content-Type": content_type} if content_type else {}
    if understood.kind == UNKNOWN and (encoding := caught.header("content-encoding")):
        headers["Content-Encoding"] = encoding
    for name in channels.forwarded:
        if value := caught.header(name):
            headers[name.title()] = value
    return headers


def _target(caught: Caught, understood: Understood, run: Run) -> str | None:
    """Return where it was bound for; None if that is not known, or nothing may be sent there."""
    path, question, query = caught.path.partition("?")
    if understood.kind == UNKNOWN:
        path += question + query
    target = run.upstream.rstrip("/") + path
    is_fit = run.upstream and caught.method == "POST" and endpoint_problem(target) is None
    return target if is_fit else None


# The original ------------------------------------------------------------------------------------


def original_path(state: str, identity: str) -> Path:
    """Return where the original of an envelope lies, by the envelope's id."""
    return Path(state) / OUTBOX / CAUGHT / f"{identity}{CAUGHT_SUFFIX}"


def read_original(state: str, identity: str) -> Original | None:
    """Return what was caught, for an envelope; None if it has none.

    Raises:
        TornOriginalError: it is not what was sealed.
    """
    path = original_path(state, identity)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TornOriginalError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return _unsealed(data, identity)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TornOriginalError(f"{path} is not what was caught ({error}). Remove it.") from None


def forget(state: str, identity: str) -> None:
    """Remove the original of an envelope, if it has one."""
    original_path(state, identity).unlink(missing_ok=True)


def sweep(state: str, known: set[str], older_than: float) -> None:
    """Remove the originals of envelopes that are gone.

    Args:
        state: the state folder.
        known: the ids of all envelopes that there are.
        older_than: seconds since 1970; what is newer may have its envelope yet to come.
    """
    for file in _listed(state):
        identity = file.name.removeprefix(".").removesuffix(CAUGHT_SUFFIX)
        with contextlib.suppress(FileNotFoundError):
            if identity not in known and file.stat().st_mtime < older_than:
                Path(file.path).unlink()


def make_room(state: str, limit: int = MAX_TOTAL_BYTES) -> None:
    """Remove the oldest originals until there is room again; their envelopes stay."""
    sizes = sorted(
        (file.stat().st_mtime_ns, file.stat().st_size, file.path) for file in _listed(state)
    )
    total = sum(size for _, size, _ in sizes)
    for _, size, path in sizes[:-1]:
        if total <= limit:
            return
        Path(path).unlink(missing_ok=True)
        total -= size


def _listed(state: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(Path(state) / OUTBOX / CAUGHT) as listed:
            return [file for file in listed if file.name.endswith(CAUGHT_SUFFIX)]
    except FileNotFoundError:
        return []


def _write(path: Path, data: bytes) -> None:
    make_folder(str(path.parent))
    temporary = path.with_name(f".{path.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sealed(original: Original) -> bytes:
    caught = original.caught
    head = {
        "v": FORMAT_VERSION,
        "id": original.id,
        "kind": original.kind,
        "operation": original.operation,
        "debug": original.debug,
        "method": caught.method,
        "path": caught.path,
        "headers": [(name, masked(name, value)) for name, value in caught.headers],
        "when": caught.when,
        "removals": [asdict(removal) for removal in original.removals],
        "more_removals": original.more_removals,
        "length": len(caught.body),
        "body_sha256": sha256(caught.body),
    }
    return json.dumps(head, ensure_ascii=False).encode() + b"\n" + caught.body


def _unsealed(data: bytes, identity: str) -> Original:
    end = data.find(b"\n", 0, _MAX_HEAD_BYTES)
    if end < 0:
        raise ValueError("it has no header line")
    head: Mapping[str, Any] = json.loads(data[:end])
    body = data[end + 1 :]
    if head["v"] != FORMAT_VERSION or head["id"] != identity:
        raise ValueError("it is of another format, or of another envelope")
    if head["length"] != len(body) or head["body_sha256"] != sha256(body):
        raise ValueError("its bytes are not those that were sealed")
    headers = tuple((str(name), str(value)) for name, value in head["headers"])
    return Original(
        identity,
        Caught(str(head["method"]), str(head["path"]), headers, body, int(head["when"])),
        str(head["kind"]),
        str(head["operation"]),
        bool(head["debug"]),
        tuple(Removal(**{key: str(text) for key, text in one.items()}) for one in head["removals"]),
        int(head["more_removals"]),
    )
