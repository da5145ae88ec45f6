"""Write one payload into the outbox: an envelope by temporary file and rename."""

import os

from ..formats import quote, sha256
from ..opening import CREATE
from . import FIELDS, OUTBOX, PENDING, PROJECTS, SUFFIX, file_name, project_mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "FORMAT_VERSION",
    "LONGEST_PAUSE_SECONDS",
    "MAX_PAYLOAD_BYTES",
    "OUTBOX",
    "PENDING",
    "PROJECTS",
    "RETRY_AT",
    "SUFFIX",
    "hold",
    "is_sender_due",
    "project_mark",
    "sealed",
]

MAX_PAYLOAD_BYTES = 256 * 1024
FORMAT_VERSION = 2
RETRY_AT = "retry-at"
"""Its modification time is when the next delivery is due; there is none after a success."""
LONGEST_PAUSE_SECONDS = 24 * 3600
"""No delivery is put off for longer: what says so was written by a clock that was ahead."""
_SMALL = 16 * 1024


def hold(
    state: str, payload: bytes, created: int, identity: str, *, project: str, **stated: "Any"
) -> str:
    """Put a payload in an envelope among the pending ones, and return the envelope's name.

    Where a bound is near, the oldest make room.

    Args:
        state: the state folder.
        payload: the request body that would be sent.
        created: now, in microseconds since 1970.
        identity: 16 random hex digits.
        project: where it was recorded; the envelope has its mark alone, for that project's own
            consent, and the state folder the path that the mark stands for.
        stated: what else the envelope states; see `sealed`.

    Raises:
        OSError: it could not be written. Nothing is left behind.
        ValueError: a plain name is none, so that no file can be called so.
    """
    mark = project_mark(project)
    name, envelope = sealed(payload, created, identity, project=mark, **stated)
    outbox = f"{state}/{OUTBOX}"
    folder = f"{outbox}/{PENDING}"
    try:
        os.stat(f"{outbox}/{PROJECTS}/{mark}")  # noqa: PTH116  # pathlib costs 13 ms
    except OSError:
        from .projects import remember

        remember(state, project)
    try:
        _write(folder, name, envelope)
    except FileNotFoundError:
        from ..files import make_folder

        make_folder(folder)
        _write(folder, name, envelope)
    # Listing a full outbox takes as long as all the rest, so only one call in sixteen does it, at
    # random, and makes room for those that do not. A large payload always does.
    if identity[0] == "0" or len(envelope) > _SMALL:
        from .bounds import make_room

        make_room(state, created)
    return name


def sealed(  # noqa: PLR0913  # what stands on an envelope, each thing its own
    payload: bytes,
    created: int,
    identity: str,
    *,
    app: str,
    version: str,
    operation: str,
    outcome: str,
    duration: int,
    headers: "Mapping[str, str]",
    project: str,
    has_error_text: bool,
    consent: str = "",
    contract: str = "",
    dropped: int = 0,
    kind: str = "otlp-traces",
    origin: str = "record",
    target: "str | None" = None,
    intercepted: bytes = b"",
) -> "tuple[str, bytes]":
    """Return an envelope's file name and its bytes, under one seal; `outbox.envelope` reads them.

    What stands on the outside, its name, is all that a list shows, so that listing needs no `stat`
    and no parse: time, id, attempts, size, origin, program, version, operation, outcome, duration.
    The header line says the same, and more. Its last key is the seal: the SHA-256 of the line's
    bytes before the seal, the payload and what was intercepted.

    Args:
        payload: the request body that would be sent.
        created: now, in microseconds since 1970.
        identity: 16 random hex digits.
        app: the program, a plain name.
        version: its version, or empty.
        operation: the operation, a plain name.
        outcome: `ok` or `failed`; empty if unknown.
        duration: in milliseconds.
        headers: the HTTP headers that go with it, all but Host and Content-Length.
        project: the mark of the project that it was recorded in.
        has_error_text: whether an error's text is in the payload.
        consent: the mark of the yes under which it was recorded (`Decision.mark`), or empty.
        contract: the SHA-256 of the program's contract that its own fields are of; empty without.
        dropped: how many values and spans were left out, by the catalogue or by a bound.
        kind: what the payload is, `otlp-traces` for our own.
        origin: `record` (recorded here) or `gate` (intercepted).
        target: where it was bound for, if the program said so; None for the user's endpoint.
        intercepted: what the payload was made of; kept behind it to be read, and never sent.

    Raises:
        ValueError: a plain name is none, so that no file can be called so.
    """
    size = len(payload) + len(intercepted)
    name = file_name(
        (created, identity, 0, size, origin, app, version, operation, outcome, duration)
    )
    if "/" in name or "\0" in name or name.count(",") != len(FIELDS) - 1:
        raise ValueError(f"no envelope can be called {name!r}")
    listed = ",".join([f"{quote(key)}:{quote(value)}" for key, value in headers.items()])
    behind = (
        f',"intercepted":{{"sha256":"{sha256(intercepted)}","length":{len(intercepted)}}}'
        if intercepted
        else ""
    )
    under = f'"contract":"{contract}",' if contract else ""
    header = (
        f'{{"v":{FORMAT_VERSION},"id":"{identity}","kind":"{kind}","created":{created},'
        f'"origin":"{origin}","app":{{"name":{quote(app)},"version":{quote(version)}}},'
        f'"operation":{quote(operation)},"outcome":{quote(outcome)},"duration":{duration},'
        f'"target":{quote(target) if target else "null"},"headers":{{{listed}}},'
        f'"project":"{project}","consent":"{consent}",{under}'
        f'"has_error_text":{"true" if has_error_text else "false"},"dropped":{dropped},'
        f'"sha256":"{sha256(payload)}","length":{len(payload)}{behind}'
    ).encode("ascii")
    content = payload + intercepted
    return name, b'%b,"seal":"%b"}\n%b' % (header, sha256(header + content).encode(), content)


def _write(folder: str, name: str, envelope: bytes) -> None:
    """Write an envelope by temporary file and rename; no fsync: one that is torn will be seen."""
    temporary = f"{folder}/.{name}"
    opened = os.open(temporary, CREATE, 0o600)
    try:
        try:
            while envelope:
                envelope = envelope[os.write(opened, envelope) :]
        finally:
            os.close(opened)
        os.rename(temporary, f"{folder}/{name}")  # noqa: PTH104  # pathlib costs 13 ms
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def is_sender_due(state: str, now: float) -> bool:
    """Tell whether the next delivery is due at `now`, in seconds since 1970: one `stat`."""
    try:
        pause = os.stat(f"{state}/{OUTBOX}/{RETRY_AT}").st_mtime - now  # noqa: PTH116  # 13 ms
    except OSError:
        return True
    return not 0 < pause <= LONGEST_PAUSE_SECONDS
