"""Tell how long something took."""

from __future__ import annotations

_NANOSECONDS = 1_000_000_000


def duration(nanoseconds: int) -> str:
    """Return a duration as a person reads it: `1.234 s`, `56.7 ms`, `8.9 µs`."""
    if nanoseconds <= 0:
        return "0 s" if nanoseconds == 0 else f"-{duration(-nanoseconds)}"
    # Rounded first, so that no unit is ever given a thousand times.
    tenths = (nanoseconds + 50) // 100
    if tenths < 10_000:  # noqa: PLR2004  # of a microsecond
        return f"{tenths // 10}.{tenths % 10} µs"
    tenths = (nanoseconds + 50_000) // 100_000
    if tenths < 10_000:  # noqa: PLR2004  # of a millisecond
        return f"{tenths // 10}.{tenths % 10} ms"
    milliseconds = (nanoseconds + 500_000) // 1_000_000
    if milliseconds < 60_000:  # noqa: PLR2004  # a minute
        return f"{milliseconds // 1000}.{milliseconds % 1000:03d} s"
    minutes, seconds = divmod((nanoseconds + _NANOSECONDS // 2) // _NANOSECONDS, 60)
    if minutes < 60:  # noqa: PLR2004  # an hour
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60:,} h {minutes % 60} min"
