"""The contracts that were seen here: their texts, and what each comes to under a yes.

A text is kept under its SHA-256, so that what was agreed to can be read again, and compared with
what a newer version of the program asks. Whatever of that is missing or altered counts as not
agreed to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CqtelError
from ..files import make_folder, read
from ..files import replace as replace_file
from ..formats import sha256
from . import ANY_CONTRACT
from .contract_changes import compare
from .contracts import MAX_BYTES, ContractError, bytes_of, parse_contract
from .decision import HOLD, ON
from .endpoint import with_path
from .own_fields import FOLDER, FORMAT, LAST_SEEN, TABLES, table_path

if TYPE_CHECKING:
    from . import Program
    from .contract_changes import Change
    from .contracts import Contract
    from .decision import Decision

_TEXTS = "texts"
_MAX_TEXTS = 200
_MAX_TABLE_BYTES = 64 * 1024
_DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """A contract that was seen here.

    Attributes:
        digest: the SHA-256 of its text, 64 hex digits.
        contract: what it says.
        text: the text itself.
    """

    digest: str
    contract: Contract
    text: str = ""


def see(state: str, program: str, path: str, agreed: str, under: str) -> list[str]:
    """Read a program's contract, keep it, and return the table of what may be recorded under it.

    Args:
        state: the state folder; empty where nothing is to be kept.
        program: the program that recorded.
        path: the file of its contract.
        agreed: the contract that was agreed to (`Decision.contract`).
        under: what the table is valid for.

    Raises:
        OSError: it could not be kept.
        CqtelError: it is not a contract, or another program's.
    """
    try:
        data = bytes_of(path)
    except OSError as error:
        raise ContractError(path, [f"it cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ContractError(path, [str(error)]) from None
    contract = parse_contract(data, path)
    if contract.program != program:
        raise ContractError(path, [f'"name" is {contract.program}, but {program} recorded'])
    digest = sha256(data)
    lines = [FORMAT, program, under, digest if agreed == ANY_CONTRACT else agreed, digest]
    keys = _covered(state, agreed, contract)
    lines += [f"{field.key} {field.shape.name}" for field in contract.fields if field.key in keys]
    if state:
        _keep_text(state, digest, data)
        make_folder(f"{state}/{FOLDER}/{TABLES}")
        replace_file(Path(table_path(state, program)), "\n".join([*lines, ""]).encode("ascii"))
    return lines


def last_seen(state: str, program: Program) -> Seen | None:
    """Return the contract of a program that was seen last; None if none was."""
    if program is None:
        return None
    try:
        table = read(table_path(state, program), _MAX_TABLE_BYTES).decode("ascii", "replace")
    except OSError:
        return None
    lines = table.split("\n")
    if lines[:2] != [FORMAT, program] or len(lines) <= LAST_SEEN:
        return None
    return seen(state, lines[LAST_SEEN])


def seen(state: str, digest: str) -> Seen | None:
    """Return a contract by the SHA-256 of its text; None if it is not there, or was altered."""
    if len(digest) != _DIGEST_DIGITS or digest.strip("0123456789abcdef"):
        return None
    path = f"{state}/{FOLDER}/{_TEXTS}/{digest}"
    try:
        data = read(path, MAX_BYTES + 1)
        if sha256(data) != digest:
            return None
        return Seen(digest, parse_contract(data, path), data.decode())
    except (OSError, CqtelError):
        return None


def asked(state: str, decision: Decision) -> tuple[Change, ...]:
    """Return what a program's contract asks that is not agreed to: all of it before any yes."""
    latest = last_seen(state, decision.program)
    return () if latest is None else _not_covered(state, decision.contract, latest.contract)


def endpoint_after_yes(state: str, decision: Decision) -> str | None:
    """Return where a program's payloads go after a yes to its contract.

    An endpoint that the user has set stays. The contract's takes the place of none, and of that of
    the contract that was agreed to before.

    Args:
        state: the state folder.
        decision: what holds before the yes.
    """
    latest = last_seen(state, decision.program)
    if latest is None:
        return decision.endpoint
    agreed = seen(state, decision.contract)
    before = None if agreed is None else agreed.contract.endpoint
    if decision.endpoint != (before and with_path(before)):
        return decision.endpoint
    wanted = latest.contract.endpoint
    return wanted and with_path(wanted)


def after_yes(state: str, decision: Decision) -> Decision:
    """Let a program's payloads be bound for where a yes to its contract would have them go."""
    endpoint = endpoint_after_yes(state, decision)
    if endpoint != decision.endpoint:
        decision.endpoint, decision.is_proposed = endpoint, endpoint is not None
    return decision


def propose(state: str, decision: Decision) -> Decision:
    """Do the same where nothing is decided: what is pending is shown with where it would go."""
    return after_yes(state, decision) if decision.state == HOLD else decision


def covers(state: str, decision: Decision, digest: str) -> bool:
    """Tell whether a yes covers all fields of its own that were recorded under a contract.

    Args:
        state: the state folder.
        decision: what holds now.
        digest: the SHA-256 of the contract; empty if there is no field of the program's own.
    """
    if not digest or digest == decision.contract or decision.state != ON:
        return True
    recorded, agreed = seen(state, digest), seen(state, decision.contract)
    if recorded is None or agreed is None:
        return False
    return not any(change.key for change in compare(agreed.contract, recorded.contract).asked)


def _covered(state: str, agreed: str, contract: Contract) -> set[str]:
    """Return the keys of the fields that may be recorded."""
    keys = {field.key for field in contract.fields}
    if agreed == ANY_CONTRACT:
        return keys
    return keys - {change.key for change in _not_covered(state, agreed, contract)}


def _not_covered(state: str, agreed: str, contract: Contract) -> tuple[Change, ...]:
    old = seen(state, agreed)
    if old is None:
        # Whoever has agreed to nothing is asked for all of it.
        nothing = replace(contract, version=0, endpoint=None, fields=())
        return compare(nothing, contract).asked
    return compare(old.contract, contract).asked


def _keep_text(state: str, digest: str, data: bytes) -> None:
    if seen(state, digest) is not None:
        return
    folder = Path(state, FOLDER, _TEXTS)
    make_folder(str(folder))
    replace_file(folder / digest, data)
    texts = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in texts[:-_MAX_TEXTS]:
        path.unlink(missing_ok=True)
