"""What the gate is told of one run, and what it knows of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from ..formats.bare_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Session:
    """What the gate is told of a run when it starts.

    Attributes:
        id: the run's, 16 hex digits.
        created: when it began, in microseconds since 1970.
        state: the state folder.
        config: the configuration folder, for the profiles of the user.
        project: where it was started; empty where that cannot be told.
        named: the folders that the program was told to keep its files in.
        app: the profile of the program that was started, or empty.
        version: its version, as far as that is known by then, or empty.
        upstreams: where what is intercepted was bound for, by profile.
        profiles: the names of all profiles that have a URL, by its secret.
        debug: the programs of which error texts may be in what would be sent.
        consent: for each program the mark of the yes under which the run was started
            (`Decision.mark`), or empty. What is intercepted is held under it, however late it is
            redacted.
        inspect: whether nothing is to be kept, and all to be shown to the launcher.
        options: the telemetry options that the launcher was given.
        arguments: those of the program; compared with, and gone with the last of its requests.
        process: the id of the program's process.
        key: what the random ids of this run are made with, in hex.
    """

    id: str
    created: int
    state: str
    config: str = ""
    project: str = ""
    named: tuple[str, ...] = ()
    app: str = ""
    version: str = ""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    debug: tuple[str, ...] = ()
    consent: Mapping[str, str] = field(default_factory=dict)
    inspect: bool = False
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = field(default=(), repr=False)
    process: int = 0
    key: str = ""

    @classmethod
    def from_json(cls, data: bytes) -> Session:
        """Return what these bytes say.

        Raises:
            ValueError: they are no session.
        """
        try:
            values = parse_object(data)
            known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
            for name in ("options", "arguments", "named", "debug"):
                listed = known.get(name)
                known[name] = tuple(listed) if isinstance(listed, list) else ()
            # An earlier release had one for all programs, which says nothing of each.
            if isinstance(known.get("consent"), str):
                del known["consent"]
            session = cls(**known)
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it says nothing of a run ({error})") from None
        if not session.id.isalnum() or type(session.created) is not int:
            raise ValueError("it names no run")
        return session

    def as_json(self) -> bytes:
        """Return it as `from_json` reads it, without the secrets of its URLs."""
        return json.dumps(asdict(self) | {"profiles": {}}).encode()


@dataclass(frozen=True, slots=True)
class Known:
    """What the gate knows of a run beside its requests.

    Attributes:
        operation: the id of the envelope of the operation that was recorded, or empty.
        version: the program's version, or empty.
        is_over: whether the program has ended.
        lost: how many requests could not be held.
        late: how many came after the program's end.
        refused: how many were refused, by the reason.
        blocked_attempts: how many connections were tried to the blocked channels.
    """

    operation: str = ""
    version: str = ""
    is_over: bool = False
    lost: int = 0
    late: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    blocked_attempts: int = 0
