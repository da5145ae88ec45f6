"""Audit a program: run it four times, and see what each way of saying no does to what it sends.

Each trial is `cq-telemetry verify` in a process and a home of its own, so that nothing of it is
kept or sent, and no choice of the user's is touched. What can be intercepted is; what cannot be is
seen by `strace` alone, and reaches where it was going unless the trial has no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..consent.decision import HOLD, OFF
from ..errors import CqtelError
from ..folders import HOME_VARIABLE
from ..gate.profiles import FOLDER, known_profiles
from ..gate.recognising import recognise
from ..gate.reviewing import beside
from ..outbox.runs import has_leftovers, read_runs
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..review.destination import INTERCEPTED
from ..review.intercepted import ADDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..gate.profiles import Profile
    from ..paths import Places

NOTHING = "nothing said"
OWN = "its own opt-out"
DO_NOT_TRACK = "DO_NOT_TRACK=1"
OURS = "off in cqtel"
TRIALS = (NOTHING, OWN, DO_NOT_TRACK, OURS)
_SETTLE_SECONDS = 70.0
_POLL_SECONDS = 0.02
_WITHIN = 'exec "$@"'
_NO_NETWORK = """
import fcntl, os, socket, struct, sys
with socket.socket() as s:  # let loopback be up
    fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 1, b""))
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was intercepted, with nothing of its values.

    Attributes:
        program: who sent it.
        url: where it was bound for; None if that is not known.
        fields: the names of what is in it, as far as it can be read.
    """

    program: str
    url: str | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen of one run.

    Attributes:
        name: how telemetry was refused, one of `TRIALS`.
        variables: what the program was told by its environment.
        is_tried: whether it was run: a program without a known opt-out is not told one.
        exit_code: how it ended.
        seconds: how long it took, what looks on included.
        requests: what was intercepted.
        blocked: how often it tried each channel that cannot be intercepted; None if not known.
        outside: what else it tried to reach outside of this machine; empty if nobody could see.
    """

    name: str
    variables: Mapping[str, str]
    is_tried: bool = False
    exit_code: int = 0
    seconds: float = 0.0
    requests: tuple[Request, ...] = ()
    blocked: Mapping[str, int | None] | None = None
    outside: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        """How often it tried to report something, as far as that is seen."""
        return len(self.requests) + sum(filter(None, (self.blocked or {}).values()))


@dataclass(frozen=True, slots=True)
class Audit:
    """What four runs of a program have shown.

    Attributes:
        command: the command line.
        program: the known program in it; empty for one that is not known.
        has_network: whether it could reach anything outside of this machine.
        is_observed: whether every connection attempt was seen.
        trials: one for each of `TRIALS`, in that order.
    """

    command: tuple[str, ...]
    program: str
    has_network: bool
    is_observed: bool
    trials: tuple[Trial, ...]

    def new_outside(self, trial: Trial) -> tuple[str, ...]:
        """Return what a trial tried to reach that it does not try where all is refused."""
        return tuple(one for one in trial.outside if one not in self.trials[-1].outside)

    def is_heard(self, trial: Trial) -> bool | None:
        """Tell whether a no was heard; None where there was none, or nothing to refuse."""
        first = self.trials[0]
        if trial.name == NOTHING or not trial.is_tried:
            return None
        if not first.attempts and not self.new_outside(first):
            return None
        return not trial.attempts and not (trial.name != OURS and self.new_outside(trial))

    def as_json(self) -> dict[str, Any]:
        """Return it under the stable keys of `cq-telemetry audit --json`."""
        return {
            "command": list(self.command),
            "program": self.program or None,
            "has_network": self.has_network,
            "is_observed": self.is_observed,
            "trials": [
                {
                    "name": trial.name,
                    "variables": dict(trial.variables),
                    "is_tried": trial.is_tried,
                    "is_heard": self.is_heard(trial),
                    "exit_code": trial.exit_code,
                    "seconds": round(trial.seconds, 3),
                    "requests": [
                        {"program": one.program, "url": one.url, "fields": list(one.fields)}
                        for one in trial.requests
                    ],
                    "blocked": dict(trial.blocked or {}),
                    "outside": list(self.new_outside(trial)),
                }
                for trial in self.trials
            ],
        }


def network_problem() -> str:
    """Say why a program cannot be run without a network here; empty if it can."""
    unshare = shutil.which("unshare")
    if not sys.platform.startswith("linux") or unshare is None:
        return "only Linux has network namespaces, made by unshare"
    tried = subprocess.run(
        [unshare, "-rn", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "unshare -rn is refused here"


def audit(
    places: Places,
    command: Sequence[str],
    opt_out: Mapping[str, str],
    *,
    has_network: bool,
    before_each: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Run a program four times, and return what was seen.

    Args:
        places: where the user's own profiles are.
        command: the command line.
        opt_out: its own opt-out; empty for the one that a profile knows.
        has_network: whether it may reach anything outside of this machine.
        before_each: called with the name of each trial.

    Raises:
        CqtelError: it cannot be run without a network, or telemetry is off here whatever is said.
    """
    if not has_network and (problem := network_problem()):
        raise CqtelError(f"This cannot be run without a network: {problem}.")
    profiles = known_profiles(places.config)
    invocation = recognise(command, profiles)
    own = dict(opt_out) or (dict(invocation.profile.refuse) if invocation else {})
    variables = {NOTHING: {}, OWN: own, DO_NOT_TRACK: {"DO_NOT_TRACK": "1"}, OURS: {}}
    clean = _nothing_said(os.environ, profiles, own)
    trials = []
    is_observed = True
    for name in TRIALS:
        if name == OWN and not own:
            trials.append(Trial(name, own))
            continue
        before_each(name)
        with tempfile.TemporaryDirectory(prefix="cqtel-audit-") as home:
            _take_profiles(places.config, home)
            trial, report = _try(name, variables[name], command, home, clean, has_network)
        is_observed = is_observed and not report["why_not_seen"]
        trials.append(trial)
    program = invocation.profile.name if invocation else ""
    return Audit(tuple(command), program, has_network, is_observed, tuple(trials))


def _nothing_said(
    environ: Mapping[str, str], profiles: Sequence[Profile], own: Mapping[str, str]
) -> dict[str, str]:
    """Return an environment in which nobody has said anything about telemetry."""
    refusals = {"DO_NOT_TRACK", *own, *(name for one in profiles for name in one.refuse)}
    return {
        name: value
        for name, value in environ.items()
        if name not in refusals and not name.startswith("CQ_TELEMETRY")
    }


def _take_profiles(config: str, home: str) -> None:
    profiles = Path(config, FOLDER)
    if profiles.is_dir():
        shutil.copytree(profiles, Path(home, FOLDER))


def _try(  # noqa: PLR0913, PLR0917  # what a trial is
    name: str,
    variables: Mapping[str, str],
    command: Sequence[str],
    home: str,
    clean: Mapping[str, str],
    has_network: bool,  # noqa: FBT001  # as `audit` has it
) -> tuple[Trial, Mapping[str, Any]]:
    ours = _command(name, variables, command, has_network=has_network)
    began = time.monotonic()
    with tempfile.TemporaryFile() as words:
        ended = subprocess.run(
            ours,
            env={**clean, HOME_VARIABLE: home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            check=False,
        )
        seconds = time.monotonic() - began
        words.seek(0)
        try:
            report = json.loads(ended.stdout)
        except ValueError:
            last = words.read()[-500:].decode("utf-8", "replace").strip().splitlines()
            raise CqtelError(
                f"{command[0]} could not be run: {last[-1] if last else 'nothing was said'}"
            ) from None
    if report["decision"] != (OFF if name == OURS else HOLD):
        raise CqtelError(
            "Telemetry is off here whatever is said: cq-telemetry status says why. Audit it in "
            "another folder, or on a machine without a policy."
        )
    _settle(home)
    return Trial(
        name,
        variables,
        is_tried=True,
        exit_code=report["exit_code"],
        seconds=seconds,
        requests=tuple(_requests(home)),
        blocked=_blocked(home),
        outside=tuple(_outside(report)),
    ), report


def _command(
    name: str, variables: Mapping[str, str], command: Sequence[str], *, has_network: bool
) -> list[str]:
    """Return the command line of a trial."""
    # Where the program alone is to hear it: set within a shell, which our launcher does not ask.
    script = " ".join([*(f"{key}={quote(value)}" for key, value in variables.items()), _WITHIN])
    program = ["/bin/sh", "-c", script, "sh", *command] if variables else [*command]
    ours = [sys.executable, "-P", "-m", "cqtel_tui.cli", "verify", "--json"]
    ours += ["--no-telemetry"] * (name == OURS)
    if not has_network:
        bring_up = [sys.executable, "-I", "-c", _NO_NETWORK]
        ours = [str(shutil.which("unshare")), "-rn", *bring_up, *ours]
    return [*ours, "--", *program]


def _settle(state: str) -> None:
    """Wait until the gate has ended: it stays while descendants of the program live."""
    until = time.monotonic() + _SETTLE_SECONDS
    while has_leftovers(state) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _requests(state: str) -> Iterator[Request]:
    outbox = Outbox(state)
    for label in outbox.labels(PENDING):
        if label.origin == INTERCEPTED:
            envelope = outbox.open(PENDING, label)
            rows = beside(envelope).comparison.rows
            names = dict.fromkeys(row.name for row in rows if row.fate != ADDED)
            yield Request(label.app, envelope.target, tuple(names))


def _blocked(state: str) -> dict[str, int | None]:
    return {one.name: one.attempts for run in read_runs(state, 1) for one in run.blocked}


def _outside(report: Mapping[str, Any]) -> Iterator[str]:
    for one in report["destinations"]:
        if one["what"] == "outside":
            yield f"{one['address']}:{one['port']}"
        elif one["what"] == "a name server":
            yield f"a name server at {one['address']}"
