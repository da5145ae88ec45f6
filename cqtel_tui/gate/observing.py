"""See where a program tries to send anything, so that "off" can be checked, not only believed.

On Linux by strace, which sees each `connect` and each datagram of the program and of all that it
starts. What goes through io_uring, or through a process that was there before, it does not see;
and while it looks on, a signal that somebody sends to us alone is not passed on.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .process import Outcome, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

STRACE = "strace"
_CALLS = "connect,sendto,sendmsg,sendmmsg"
_DNS_PORT = 53
_TRIAL_SECONDS = 10.0
_MAX_LINES = 1_000_000

_CALL = re.compile(
    r"(?:\d+ +)?(?:connect|sendto|sendmsg|sendmmsg)\((?:\d+)(?:<(?P<protocol>[A-Za-z0-9-]+)[:>])?"
)
_ADDRESS = re.compile(
    r"sa_family=AF_INET, sin_port=htons\((?P<port4>\d+)\), "
    r'sin_addr=inet_addr\("(?P<ipv4>[0-9.]+)"\)'
    r"|sa_family=AF_INET6, sin6_port=htons\((?P<port6>\d+)\)[^}]*?"
    r'inet_pton\(AF_INET6, "(?P<ipv6>[0-9a-fA-F:.]+)"'
    r'|sa_family=AF_UNIX, sun_path=(?P<unix>@?"(?:[^"\\]|\\.)*")'
)


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """Somewhere that a program tried to reach.

    Attributes:
        family: `ipv4`, `ipv6` or `unix`.
        protocol: `tcp`, `udp` …; empty if that is not known.
        address: an IP address, or a path as strace writes it; untrusted.
        port: 0 for a path.
    """

    family: str
    protocol: str
    address: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.family == "unix" or ipaddress.ip_address(self.address).is_loopback

    @property
    def is_lookup(self) -> bool:
        """Whether it is a name server, asked for the address of a name."""
        return self.port == _DNS_PORT and self.family != "unix"

    def __str__(self) -> str:
        if self.family == "unix":
            return f"unix {self.address}"
        host = f"[{self.address}]" if self.family == "ipv6" else self.address
        lookup = " (a name lookup)" if self.is_lookup else ""
        return f"{self.protocol or 'ip'} {host}:{self.port}{lookup}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one run.

    Attributes:
        outcome: how the program ended.
        means: by what it was seen: `strace`, or `gate` for the gate's own view alone.
        why: why it was not seen by strace; empty if it was.
        destinations: each place that it tried to reach, and how often.
    """

    outcome: Outcome
    means: str
    why: str
    destinations: Mapping[Destination, int]

    @property
    def outside(self) -> dict[Destination, int]:
        """Those that are not on this machine."""
        return {one: times for one, times in self.destinations.items() if not one.is_local}


def observe(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    executable: str | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Observation:
    """Run a program as `process.run` does, and see where it tries to send anything.

    Where strace cannot be had the program runs all the same, and `means` says so.

    Raises:
        CommandNotFound: the program could not be started.
    """
    problem = strace_problem(environment)
    program = shutil.which(executable or command[0], path=environment.get("PATH", os.defpath))
    if problem or program is None:
        # A program that is not there is told of as without us.
        outcome = run(command, environment, executable=executable, on_start=on_start)
        return Observation(outcome, "gate", problem, {})
    with tempfile.TemporaryDirectory(prefix="cqtel-") as folder:
        notes = Path(folder) / "calls"
        outcome = run(
            [*_strace(environment), "-o", str(notes), "--", program, *command[1:]],
            environment,
            on_start=on_start,
        )
        with notes.open(encoding="utf-8", errors="replace") as lines:
            seen = destinations(lines)
    return Observation(outcome, STRACE, "", seen)


def strace_problem(environment: Mapping[str, str] = os.environ) -> str:
    """Say why strace cannot be used here; empty if it can be."""
    if sys.platform != "linux":
        return "strace is for Linux only"
    if shutil.which(STRACE, path=environment.get("PATH", os.defpath)) is None:
        return "strace is not installed"
    try:
        tried = subprocess.run(
            [*_strace(environment), "-o", os.devnull, "--", sys.executable, "-S", "-c", ""],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"strace cannot be used: {error}"
    if tried.returncode:
        return f"strace is not permitted: {tried.stderr.decode('utf-8', 'replace').strip()[:200]}"
    return ""


def destinations(lines: Iterable[str]) -> dict[Destination, int]:
    """Return each destination that strace's lines tell of, and how often, in order."""
    counts: Counter[Destination] = Counter()
    for _, line in zip(range(_MAX_LINES), lines, strict=False):
        call = _CALL.match(line)
        if call is None:
            continue
        protocol = _protocol(call["protocol"] or "")
        counts.update(_destination(one, protocol) for one in _ADDRESS.finditer(line))
    return dict(sorted(counts.items()))


def _strace(environment: Mapping[str, str]) -> list[str]:
    strace = shutil.which(STRACE, path=environment.get("PATH", os.defpath)) or STRACE
    # -s 0: nothing of what is sent is written down.
    return [strace, "-f", "-qq", "-yy", "-s", "0", "-e", f"trace={_CALLS}", "-e", "signal=none"]


def _protocol(named: str) -> str:
    """Return `tcp` for TCP and TCPv6, `udp` likewise; nothing for what is neither."""
    short = named.lower().removesuffix("v6")
    return short if short in {"tcp", "udp", "udplite", "icmp", "ping", "raw"} else ""


def _destination(match: re.Match[str], protocol: str) -> Destination:
    if match["ipv4"]:
        return Destination("ipv4", protocol, match["ipv4"], int(match["port4"]))
    if match["ipv6"]:
        return Destination("ipv6", protocol, match["ipv6"], int(match["port6"]))
    return Destination("unix", "", match["unix"].replace('"', ""), 0)
