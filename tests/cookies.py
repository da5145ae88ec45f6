"""A cookie of which the state folder knows that it was made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cqtel_tui.consent.cookie_file import cookie_record

if TYPE_CHECKING:
    from pathlib import Path


def record_cookie(state: Path, value: str, project: Path) -> None:
    """Let a cookie with this value have been made for this project, in an earlier folder of it."""
    record = cookie_record(str(state), value)
    (state / "cookies").mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "cookies" / record.rpartition("/")[2]).write_text(f"0 0\n{project}")
