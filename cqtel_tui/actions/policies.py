"""An administrator's policy: what is in force on this machine, and a file that refuses more.

A policy can only refuse. It is read always, whatever a user's environment says (DESIGN §4).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..consent import FILE_NAME, VERSION
from ..consent.choices import UntrustedFileError, owners, parsed, read_policy, read_trusted
from ..consent.decision import OFF
from ..consent.saving import check_program
from ..errors import CqtelError
from ..files import publish
from ..paths import Places, folders
from .programs import name_of
from .results import Message, Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..consent import Program

TELEMETRY = "telemetry"
DEBUG = "debug"


@dataclass(frozen=True, slots=True)
class Policy:
    """One file of an administrator's.

    Attributes:
        path: the file.
        problem: why it cannot be trusted, which means off; empty if it can.
        refused: what it refuses: a program, None for all of them, and `telemetry` or `debug`.
    """

    path: str
    problem: str
    refused: tuple[tuple[Program, str], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it under the stable keys of `cq-telemetry policy-file --json`."""
        refused = [{"program": program, "refused": what} for program, what in self.refused]
        return {"path": self.path, "problem": self.problem or None, "refused": refused}


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """A policy that was not written yet.

    Attributes:
        path: the file.
        content: all that will be in it.
        messages: what it will refuse.
    """

    path: str
    content: bytes
    messages: tuple[Message, ...]


def system_policy() -> str:
    """Return the file that binds everybody on this machine, whatever their environment says."""
    environ = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_DIRS"}
    return f"{folders(environ)[2][-1]}/{FILE_NAME}"


def policies(places: Places) -> list[Policy]:
    """Return the policies of this machine that are there, the first one first."""
    return [
        policy
        for folder in places.admin
        if (policy := _read(folder)).problem or policy.refused or os.path.lexists(policy.path)
    ]


def _read(folder: str) -> Policy:
    read = read_policy(folder)
    refused: list[tuple[Program, str]] = []
    for program in sorted(read.programs, key=lambda name: name or ""):
        choice = read.choice(program)
        if choice.telemetry == OFF:
            refused.append((program, TELEMETRY))
        if choice.debug is False:
            refused.append((program, DEBUG))
    return Policy(read.path, read.problem or "", tuple(refused))


def plan_policy(
    path: str | None, programs: Sequence[str], *, refuses_telemetry: bool, refuses_debug: bool
) -> PolicyPlan:
    """Return what a policy would be that refuses this, and all that it refuses already.

    Args:
        path: the file; None for one that is written nowhere.
        programs: for which programs; none stands for all of them.
        refuses_telemetry: whether telemetry is refused.
        refuses_debug: whether error texts are.

    Raises:
        CqtelError: a name is no program's, or the file that is there cannot be read.
    """
    for program in programs:
        check_program(program)
    content = {"version": VERSION, **(_before(path) if path else {})}
    refusal: dict[str, Any] = {}
    if refuses_telemetry:
        refusal[TELEMETRY] = OFF
    if refuses_debug:
        refusal[DEBUG] = False
    named: dict[str, Any] = dict(content.get("programs", {}))
    for program in programs:
        named[program] = {**named.get(program, {}), **refusal}
    if programs:
        content["programs"] = named
    else:
        content |= refusal
    messages = tuple(
        Message(f"{what} of {name_of(program)} is off for everybody on this machine")
        for program in (programs or (None,))
        for what in (*(["telemetry"] * refuses_telemetry), *(["debug mode"] * refuses_debug))
    )
    return PolicyPlan(path or "", json.dumps(content, indent=2).encode() + b"\n", messages)


def _before(path: str) -> dict[str, Any]:
    try:
        data = read_trusted(path, owners(0))
        content = {} if data is None else dict(parsed(data))
        if data is not None and (problem := read_policy(os.path.dirname(path)).problem):  # noqa: PTH120
            raise UntrustedFileError(problem)
    except UntrustedFileError as error:
        raise CqtelError(
            f"{path} was not changed, as it cannot be trusted: {error}. Mend it, or move it away."
        ) from None
    return content


def write_policy(plan: PolicyPlan) -> Result:
    """Write a policy that everybody can read, over the one that is there.

    Raises:
        CqtelError: it could not be written, or would not be heeded; the way out is named.
    """
    try:
        publish(plan.path, plan.content)
    except PermissionError:
        raise CqtelError(
            f"{plan.path} binds everybody on this machine, so that you may not write it. Run this "
            "as root, or write the file elsewhere with --output FILE."
        ) from None
    except OSError as error:
        raise CqtelError(f"{plan.path} could not be written: {error.strerror}.") from None
    if plan.path == system_policy() and (problem := _read(str(Path(plan.path).parent)).problem):
        raise CqtelError(f"{plan.path} was written, but is not trusted, which means off: {problem}")
    return Result((*plan.messages, Message(f"written to {plan.path}")))
