"""When to try again: exponential back-off with jitter, and what the collector asks for."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..outbox.writing import LONGEST_PAUSE_SECONDS, RETRY_AT

if TYPE_CHECKING:
    from ..outbox.store import Outbox

_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 6 * 3600.0
_MOST_DOUBLINGS = 16


def pause(attempts: int, jitter: float, retry_after: float | None) -> float:
    """Return how many seconds to wait: at least what the collector asks for, within reason.

    Args:
        attempts: how often delivery was tried in vain before.
        jitter: from 0 to 1; the pause is between a half and the whole of its length.
        retry_after: the seconds that the collector asks for; None if it does not ask.
    """
    longest = _FIRST_PAUSE_SECONDS * (1 << min(attempts, _MOST_DOUBLINGS))
    seconds = min(longest, _LONGEST_PAUSE_SECONDS) * (0.5 + jitter / 2)
    return max(seconds, min(retry_after or 0.0, LONGEST_PAUSE_SECONDS))


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3); None if it has none."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        # Every HTTP date is in UTC (RFC 9110 §5.6.7), though its oldest form does not say so.
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def next_attempt(outbox: Outbox, now: float) -> float:
    """Return when the next attempt is due, in seconds since 1970; 0 if one is due now.

    No attempt is put off for longer than `LONGEST_PAUSE_SECONDS`. A stamp that says so was written
    by a clock that was ahead: it is not believed, here as little as in `is_sender_due`.
    """
    try:
        until = (outbox.folder / RETRY_AT).stat().st_mtime
    except OSError:
        return 0.0
    return until if 0 < until - now <= LONGEST_PAUSE_SECONDS else 0.0


def mend(outbox: Outbox, now: float) -> None:
    """Remove a stamp that was written by a clock that was ahead, before its day comes near."""
    stamp = outbox.folder / RETRY_AT
    with contextlib.suppress(OSError):
        if stamp.stat().st_mtime - now > LONGEST_PAUSE_SECONDS:
            stamp.unlink()


def put_off(outbox: Outbox, until: float, why: str) -> None:
    """Let no sender be started until then, in seconds since 1970; `why` may be untrusted."""
    stamp = outbox.folder / RETRY_AT
    try:
        stamp.write_text(why + "\n", encoding="utf-8")
    finally:
        # A full disk has no room for the reason, but for the time.
        os.utime(stamp, (until, until))


def resume(outbox: Outbox) -> None:
    """Let a sender be started at once."""
    (outbox.folder / RETRY_AT).unlink(missing_ok=True)
