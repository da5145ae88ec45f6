"""What becomes of an operation that has ended: inspected, held, or nothing at all."""

import os

from .. import preload
from ..catalogue import is_version
from ..consent import ANY_CONTRACT, UNNAMED
from ..consent.decision import OFF, ON, ask, concerning
from ..outbox.writing import hold, is_sender_due
from . import name_of, plain
from .payload import encoded, has_error_text, has_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..consent.decision import Decision
    from ..folders import Folders
    from .payload import Shapes
    from .telemetry import Operation, Telemetry

HEADERS = {"Content-Type": "application/json", "User-Agent": "cqtel"}
"""What goes with a payload, beside what HTTP itself needs (Host, Content-Length)."""


def finish(operation: "Operation", where: "Folders", began: "Decision") -> None:
    """Ask every layer once more, then inspect, hold or drop an operation as they decide.

    Args:
        operation: one that has ended.
        where: the folders of configuration and state, and those of an administrator.
        began: the decision when it began; a no at that time still counts.
    """
    telemetry = operation.telemetry
    environ = concerning(os.environ)
    named, program = telemetry.named, telemetry.program
    decision = ask(where, telemetry.options, environ, operation.project, named, program)
    if decision.inspect or began.inspect:
        from .inspection import inspect

        _, own, problem = _own_fields(telemetry, "", ANY_CONTRACT)
        payload, _, keys = encoded(operation, decision, environ, own)
        telemetry.inspected.append(payload)
        inspect(telemetry.inspected, operation.project, telemetry.left_open)
        _name(telemetry, "", keys, own, problem)
    elif OFF not in (decision.state, began.state):
        _hold(operation, where[1], decision, environ)


def _hold(
    operation: "Operation", state: str, decision: "Decision", environ: "Mapping[str, str]"
) -> None:
    telemetry = operation.telemetry
    is_on = decision.state == ON
    under, own, problem = _own_fields(telemetry, state, decision.contract)
    payload, dropped, keys = encoded(operation, decision, environ, own, create_cookie=is_on)
    version = plain(telemetry.version)
    is_plain = type(version) is str and is_version(version)
    now = telemetry.clock()
    operation.held = telemetry.held = hold(
        state,
        payload,
        now // 1000,
        telemetry.entropy(8).hex(),
        app=telemetry.program,
        version=str(version) if is_plain else "",
        operation=name_of(operation.name) or UNNAMED,
        outcome="failed" if operation.failed else "ok",
        duration=(operation.end - operation.start) // 1_000_000,
        headers=HEADERS,
        project=operation.project,
        consent=decision.mark(decision.endpoint),
        contract=under if has_own(operation, own) else "",
        has_error_text=decision.debug and has_error_text(operation.spans),
        dropped=dropped,
    )
    _name(telemetry, state, keys, own, problem)
    if is_on and decision.endpoint and is_sender_due(state, now / 1e9):
        from ..outbox.dispatch import start_if_due

        start_if_due(state, telemetry.options)


def _own_fields(
    telemetry: "Telemetry", state: str, agreed: str
) -> "tuple[str, Shapes, Exception | None]":
    """Return which fields of the program's own may be recorded: none if its contract is broken.

    Args:
        telemetry: of the program.
        state: the state folder; empty where nothing is to be kept.
        agreed: the contract that was agreed to (`Decision.contract`).

    Returns:
        the contract that they are recorded under, each with its shape, and what is wrong with it.
    """
    contract: Any = telemetry.contract
    if contract is None:
        return "", {}, None
    try:
        preload("consent/own_fields")
        from ..consent.own_fields import own_fields

        return *own_fields(state, telemetry.program, os.fsdecode(contract), agreed), None
    except Exception as problem:  # noqa: BLE001  # whatever it is, the rest is recorded
        return "", {}, problem


def _name(
    telemetry: "Telemetry",
    state: str,
    keys: "list[str]",
    own: "Shapes",
    problem: "Exception | None",
) -> None:
    """Name the attributes that were left out, or forget those that were before."""
    if keys or problem:
        from .leaving_out import note_left_out

        note_left_out(state, telemetry.program, keys, own, problem)
    elif state and telemetry.contract is not None:
        from ..consent.own_fields import has_left_out

        if has_left_out(state, telemetry.program):
            from ..outbox.left_out import forget_left_out

            forget_left_out(state, telemetry.program)
