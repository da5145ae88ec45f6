"""Let nothing grow old faster than time passes, whatever a clock says.

A payload goes when it is older than 30 days by the *retention clock*, which is kept in `expiry`
beside the boxes. It begins so that nothing is too old yet. From then on it moves by the time that
has passed since this machine was started, or, after a restart or where a system does not tell, by
what its clock says, though never by more than a day at once. So a clock that is years ahead takes
nothing, and in any case no more goes in a day than was recorded in a day. What is kept longer for
it is bounded by number and size, and goes at once where the user asks for it.

Annotations are quoted, and only builtin modules imported: one recording in sixteen looks for room
(DESIGN §11).
"""

import time

from ..files import read, replace
from . import OUTBOX

TYPE_CHECKING = False
if TYPE_CHECKING:
    State = tuple[int, int, str, int]
    """The retention clock and the system's when it was last moved, in microseconds since 1970;
    which start of the machine that was, and how long it had run then, in microseconds."""
    Uptime = tuple[str, int]
    """Which start of the machine this is, empty where that is not known, and how long ago."""

EXPIRY = "expiry"
DAY = 24 * 3600 * 1_000_000
MAX_AGE_SECONDS = 30 * 24 * 3600
MAX_AGE = MAX_AGE_SECONDS * 1_000_000
_SANE = 1_735_689_600_000_000
"""The first day of 2025: a clock that says less was never set."""
_FIELDS = 4
_MAX_BYTES = 256


def moved(state: "State | None", now: int, uptime: "Uptime", oldest: "int | None") -> "State":
    """Return the retention clock as it is now. A pure function.

    Args:
        state: as it was; None where it is not known.
        now: what the system's clock says, in microseconds since 1970.
        uptime: which start of the machine this is, and how long ago.
        oldest: when the oldest payload was recorded; None if there is none.
    """
    start, running = uptime
    if state is None:
        return (now if oldest is None else min(now, oldest + MAX_AGE)), now, start, running
    clock, seen, last_start, was_running = state
    if start and start == last_start:
        clock += max(0, running - was_running)
    else:
        clock += min(max(0, now - seen), DAY)
    if _SANE <= now < clock:
        clock = now  # it was ahead
    return clock, now, start, running


def retention_clock(
    state: str,
    now: int,
    oldest: "int | None",
    uptime: "Uptime | None" = None,
) -> int:
    """Move the retention clock, and return what it says, in microseconds since 1970.

    Where it cannot be written, it stands still.
    """
    path = f"{state}/{OUTBOX}/{EXPIRY}"
    before = _read(path)
    after = moved(before, now, uptime or _uptime(), oldest)
    try:
        replace(path, "\n".join([str(field) for field in after]).encode("ascii"))
    except OSError:
        return min(before[0], now) if before else 0
    return min(after[0], now)


def horizon(clock: int) -> str:
    """Return a bound: the names of all envelopes that are too old sort before it."""
    return f"{max(0, clock - MAX_AGE):016d}"


def _uptime() -> "Uptime":
    try:
        start = read("/proc/sys/kernel/random/boot_id", _MAX_BYTES).decode("ascii").strip()
        return start, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    except (OSError, AttributeError, ValueError):
        return "", 0


def _read(path: str) -> "State | None":
    try:
        fields = read(path, _MAX_BYTES).decode("ascii").split("\n")
        clock, seen, start, running = fields[:_FIELDS]
        return int(clock), int(seen), start, int(running)
    except (OSError, ValueError):
        return None
