"""The command that shows an administrator's policies, or writes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions.policies import plan_policy, policies, system_policy, write_policy
from ..actions.programs import name_of
from ..errors import WrongUsageError
from ..paths import places
from .output import show, show_json, tell_message

if TYPE_CHECKING:
    import argparse

    from ..actions.policies import Policy

_STDOUT = "-"


def policy_file(arguments: argparse.Namespace) -> int:
    """Print the policies in force; or write one that refuses telemetry or debug mode."""
    if arguments.off or arguments.no_debug:
        path = arguments.output or system_policy()
        plan = plan_policy(
            None if path == _STDOUT else path,
            arguments.program,
            refuses_telemetry=arguments.off,
            refuses_debug=arguments.no_debug,
        )
        if path == _STDOUT:
            for line in plan.content.decode().splitlines():
                show(line)
            return 0
        for message in write_policy(plan).messages:
            tell_message(message)
        return 0
    if arguments.program or arguments.output:
        raise WrongUsageError("Say what the policy refuses: --off or --no-debug")
    listed = policies(places())
    if arguments.json:
        show_json({"files": [policy.as_json() for policy in listed]})
        return 0
    for policy in listed:
        for line in _lines(policy):
            show(f"{policy.path}: {line}")
    if not listed:
        show("no policy is in force. To write one, as root: cq-telemetry policy-file --off")
    return 0


def _lines(policy: Policy) -> list[str]:
    if policy.problem:
        return [f"telemetry of all programs is off, because {policy.problem}"]
    words = {"telemetry": "telemetry", "debug": "debug mode"}
    lines = [f"{words[what]} of {name_of(program)} is off" for program, what in policy.refused]
    return lines or ["nothing is refused"]
