"""What a collector logs while it runs: one JSON object a line on stderr, never an address.

Only the details given to `tell` are written. Of another library's record, that is the text before
its values are filled in; of an error its class and where it arose, never its message: both could
quote a request.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

OURS = "cqtel.collector"
_FOREIGN = (
    *("uvicorn", "asyncio", "concurrent.futures", "starlette", "maxminddb"),
    *("clickhouse_connect", "urllib3"),
)
_FRAMES = 12
_log = logging.getLogger(OURS)


class OneLine(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: `time`, `level`, `event`, and the details."""
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}Z",
            "level": record.levelname.lower(),
            "event": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
        }
        if record.name == OURS:
            line |= getattr(record, "details", {})
        else:
            line["event"] = line["event"].partition("\n")[0]
            line["from"] = record.name
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return json.dumps(line)


def start() -> None:
    """Send everything that is logged in this process to stderr, as one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    for name in (OURS, *_FOREIGN):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO if name == OURS else logging.WARNING)
    # A handler that fails prints the record, values and all.
    logging.raiseExceptions = False


def tell(event: str, **details: str | float | bool | None) -> None:
    """Log an event. No detail may come from a request."""
    _log.info(event, extra={"details": details})


def tell_error(event: str, error: BaseException, **details: str | float) -> None:
    """Log an error: its class, and where it arose."""
    _log.error(event, exc_info=error, extra={"details": details})


def _places(trace: TracebackType | None) -> list[str]:
    """Return where an error came through, innermost last, as `file:line function`."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{one.filename}:{one.lineno} {one.name}" for one in frames]
