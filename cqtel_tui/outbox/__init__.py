"""The payloads on this machine. This front door puts one more among the pending ones.

It is on the hot path (DESIGN §11): no lock, no fsync (a payload lost to a power cut is fine, a torn
one is seen), hardly ever a listing. `envelope` reads what is written here, `store` looks after it.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OUTBOX = "outbox"
PENDING = "pending"
LOSSES = "losses"
RETRY_AT = "retry-at"
"""Its modification time is when the next delivery is due; there is none after a success."""
SUFFIX = ".envelope"
FORMAT_VERSION = 1

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_PENDING = 1000
MAX_PENDING_BYTES = 16 * 1024 * 1024
MAX_AGE_SECONDS = 30 * 24 * 3600
_MAX_LOSSES_BYTES = 64 * 1024

_SMALL = 16 * 1024
_COMMAS = 9

_CREATE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def hold(  # noqa: PLR0913  # what stands on an envelope, each thing its own
    state: str,
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
    dropped: int = 0,
    kind: str = "otlp-traces",
    origin: str = "record",
    target: "str | None" = None,
    caught: bytes = b"",
) -> str:
    """Put a payload in an envelope among the pending ones, and return the envelope's name.

    What stands on the outside, its name, is all that a list shows, so that listing needs no `stat`
    and no parse: time, id, attempts, size, origin, program, version, operation, outcome, duration.
    Where a bound is near, the oldest make room.

    Args:
        state: the state folder.
        payload: the request body that would be sent.
        created: now, in microseconds since 1970.
        identity: 16 random hex digits.
        app: the program, a plain name.
        version: its version, or empty.
        operation: the operation, a plain name.
        outcome: `ok` or `failed`; empty if unknown.
        duration: in milliseconds.
        headers: the HTTP headers that go with it, all but Host and Content-Length.
        project: where it was recorded; only its mark is kept, for that project's own consent.
        dropped: how many values and spans were left out, by the catalogue or by a bound.
        kind: what the payload is, `otlp-traces` for our own.
        origin: `record` (recorded here) or `gate` (caught).
        target: where it was bound for, if the program said so; None for the user's endpoint.
        caught: what the payload was made of; kept behind it to be read, and never sent.

    Raises:
        OSError: it could not be written. Nothing is left behind.
        ValueError: a plain name is none, so that no file can be called so.
    """
    listed = ",".join([f"{quote(key)}:{quote(value)}" for key, value in headers.items()])
    behind = f',"caught":{{"sha256":"{sha256(caught)}","length":{len(caught)}}}' if caught else ""
    envelope = (
        (
            f'{{"v":{FORMAT_VERSION},"id":"{identity}","kind":"{kind}","created":{created},'
            f'"origin":"{origin}","app":{{"name":{quote(app)},"version":{quote(version)}}},'
            f'"target":{quote(target) if target else "null"},"headers":{{{listed}}},'
            f'"project":"{project_mark(project)}","dropped":{dropped},'
            f'"sha256":"{sha256(payload)}","length":{len(payload)}{behind}}}\n'
        ).encode("ascii")
        + payload
        + caught
    )
    size = len(payload) + len(caught)
    name = (
        f"{created:016d},{identity},0,{size},{origin},{app},{version},{operation},"
        f"{outcome},{duration}{SUFFIX}"
    )
    if "/" in name or "\0" in name or name.count(",") != _COMMAS:
        raise ValueError(f"no envelope can be called {name!r}")
    folder = f"{state}/{OUTBOX}/{PENDING}"
    try:
        _write(folder, name, envelope)
    except FileNotFoundError:
        make_folder(folder)
        _write(folder, name, envelope)
    # Listing a full outbox takes as long as all the rest, so that one in sixteen does it, by
    # chance, and makes room for more than those that will not. A large payload always does.
    if identity[0] == "0" or size > _SMALL:
        from .bounds import make_room

        make_room(state, created)
    return name


def is_sender_due(state: str, now: float) -> bool:
    """Tell whether the next delivery is due at `now`, in seconds since 1970: one `stat`."""
    try:
        return os.stat(f"{state}/{OUTBOX}/{RETRY_AT}").st_mtime <= now  # noqa: PTH116  # 13 ms
    except OSError:
        return True


def project_mark(project: str) -> str:
    """Return what stands on an envelope for a project: a hash, so that it holds no path."""
    return sha256(project.encode("utf-8", "surrogateescape"))[:16]


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hex digits."""
    # The name is asked for where it is: a failed import searches the whole path.
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as digest
        else:
            from _sha256 import sha256 as digest
    except ImportError:
        from hashlib import sha256 as digest
    return str(digest(data).hexdigest())


def quote(text: str) -> str:
    """Return `text` as a JSON string of plain ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from .._bare import quote as escape

    return escape(text)


def count_loss(state: str, why: str) -> None:
    """Write down that a payload was lost to a bound or an error: one line, one word."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        opened = os.open(f"{state}/{OUTBOX}/{LOSSES}", flags, 0o600)
        try:
            if os.fstat(opened).st_size < _MAX_LOSSES_BYTES:
                os.write(opened, f"{why}\n".encode())
        finally:
            os.close(opened)
    except OSError:
        pass  # a full disk, for one; there is nowhere else to write it


def _write(folder: str, name: str, envelope: bytes) -> None:
    temporary = f"{folder}/.{name}"
    opened = os.open(temporary, _CREATE, 0o600)
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


def make_folder(folder: str) -> None:
    """Make a folder and those above it, each for its owner alone."""
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102  # pathlib costs 13 ms
    except FileExistsError:
        pass
    except FileNotFoundError:
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            raise
        make_folder(above)
        try:
            os.mkdir(folder, 0o700)  # noqa: PTH102
        except FileExistsError:
            pass  # another process was first
