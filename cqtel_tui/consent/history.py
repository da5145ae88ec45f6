"""What was chosen, when, by which face, and after which words: a line for each choice.

A person's own receipt, kept in the state folder. Nothing is decided by it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..files import NO_LINK, create, make_folder, read, replace
from ..formats import sha256

if TYPE_CHECKING:
    from . import Program

HISTORY = "consent.jsonl"
NOTICES = "notices"
"""The folder of the texts that were shown before a choice, each under its SHA-256."""
MAX_BYTES = 1 << 20
"""Of the history: the older half of a longer one makes room."""
COMMAND_LINE, TERMINAL_UI, PROMPT = "command line", "terminal UI", "first-run prompt"
"""The faces that a choice can be made by."""
TELEMETRY, DEBUG, ENDPOINT = "telemetry", "debug", "endpoint"
"""What can be chosen."""
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK
_MAX_NOTICE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """One choice as it was made.

    Attributes:
        time: nanoseconds since 1970, by this machine's clock.
        program: the program it is for; None for all.
        project: the project it is for, a real path; None for all.
        what: `telemetry`, `debug` or `endpoint`.
        value: what was chosen, in a word or as a URL; empty where a choice was taken away.
        face: what it was made by, such as `command line` or `terminal UI`.
        notice: the SHA-256 of the words that were shown before; empty if none were.
        catalogue: the version of the catalogue that a yes is for; 0 for anything else.
        is_undo: whether it took another choice back.
        contract: the SHA-256 of the program's contract that a yes is for; empty for none.
    """

    time: int
    program: Program
    project: str | None
    what: str
    value: str
    face: str
    notice: str = ""
    catalogue: int = 0
    is_undo: bool = False
    contract: str = ""


def note(state: str, chosen: Chosen, notice: str = "") -> None:
    """Add a choice to the history, and keep the words that were shown before it.

    Args:
        state: the state folder.
        chosen: the choice; its `notice` is filled in here.
        notice: the words; empty if none were shown.

    Raises:
        OSError: it could not be written.
    """
    make_folder(state)
    content = asdict(chosen)
    if notice:
        data = notice.encode("utf-8", "replace")[:_MAX_NOTICE]
        content["notice"] = sha256(data)
        _keep_notice(state, content["notice"], data)
    path = f"{state}/{HISTORY}"
    line = json.dumps(content).encode() + b"\n"
    opened = os.open(path, _APPEND, 0o600)
    try:
        size = os.fstat(opened).st_size
        os.write(opened, line)
        os.fsync(opened)
    finally:
        os.close(opened)
    if size > MAX_BYTES:
        whole = read(path, MAX_BYTES * 2)
        replace(path, whole[whole.find(b"\n", len(whole) // 2) + 1 :])


def _keep_notice(state: str, digest: str, data: bytes) -> None:
    folder = f"{state}/{NOTICES}"
    make_folder(folder)
    try:
        create(f"{folder}/{digest}", data)
    except FileExistsError:
        pass


def history(state: str) -> list[Chosen]:
    """Return the choices that were made here, the oldest first; a torn line is left out.

    Raises:
        OSError: it is there, and cannot be read.
    """
    try:
        data = read(f"{state}/{HISTORY}", MAX_BYTES * 2)
    except FileNotFoundError:
        return []
    return [one for line in data.splitlines() if (one := _read(line)) is not None]


def _read(line: bytes) -> Chosen | None:
    try:
        content: Any = json.loads(line)
        content.setdefault("contract", "")  # earlier lines have none
        known = {field.name: content[field.name] for field in fields(Chosen)}
        texts = [known[name] for name in ("what", "value", "face", "notice", "contract")]
        numbers = (known["time"], known["catalogue"])
        named = (known["program"], known["project"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    is_fit = (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int and number >= 0 for number in numbers)
        and all(isinstance(name, str | None) for name in named)
        and type(known["is_undo"]) is bool
    )
    return Chosen(**known) if is_fit else None


def notice_text(state: str, digest: str) -> str:
    """Return the words that were shown before a choice; empty if they are not there, or altered."""
    if len(digest) != 64 or digest.strip("0123456789abcdef"):  # noqa: PLR2004  # of a SHA-256
        return ""
    try:
        data = read(f"{state}/{NOTICES}/{digest}", _MAX_NOTICE)
    except OSError:
        return ""
    return data.decode("utf-8", "replace") if sha256(data) == digest else ""
