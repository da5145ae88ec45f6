"""What becomes of an operation that has ended: inspected, held, or nothing at all."""

import os

from ..catalogue import is_version
from ..consent import UNNAMED
from ..consent.decision import OFF, ON, ask, concerning
from ..outbox.writing import hold, is_sender_due
from . import name_of, plain
from .payload import encoded, has_error_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..consent.decision import Decision
    from ..folders import Folders
    from .telemetry import Operation

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

        telemetry.inspected.append(encoded(operation, decision, environ)[0])
        inspect(telemetry.inspected, operation.project, telemetry.left_open)
    elif OFF not in (decision.state, began.state):
        _hold(operation, where[1], decision, environ)


def _hold(
    operation: "Operation", state: str, decision: "Decision", environ: "Mapping[str, str]"
) -> None:
    telemetry = operation.telemetry
    is_on = decision.state == ON
    payload, dropped = encoded(operation, decision, environ, create_cookie=is_on)
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
        has_error_text=decision.debug and has_error_text(operation.spans),
        dropped=dropped,
    )
    if is_on and decision.endpoint and is_sender_due(state, now / 1e9):
        from ..outbox.dispatch import start_if_due

        start_if_due(state, telemetry.options)
