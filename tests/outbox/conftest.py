"""An outbox of its own for each test, and envelopes to put in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.outbox.receipts import Receipt
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING, hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Label

NOW = 1_800_000_000_000_000  # microseconds since 1970
DAY = 24 * 3600 * 1_000_000
PAYLOAD = b'{"resourceSpans":[]}'


class Box:
    """An outbox, and a hand that puts payloads in it."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"
        self.outbox = Outbox(str(self.state))
        self.pending = self.outbox.folder / PENDING
        self.held = 0

    def hold(self, payload: bytes = PAYLOAD, **more: Any) -> Label:
        """Hold a payload, and return its label. Looks at the bounds only if `look` says so."""
        self.held += 1
        look = more.pop("look", False)
        options: dict[str, Any] = {
            "app": "cloudquery",
            "version": "0.20.0",
            "operation": "fetch",
            "outcome": "ok",
            "duration": 1234,
            "headers": {"Content-Type": "application/json"},
            "project": "/home/ada/project",
            "has_error_text": False,
            "created": NOW + self.held,
            **more,
        }
        created = options.pop("created")
        identity = f"{'0' if look else 'a'}{self.held:015x}"
        name = hold(str(self.state), payload, created, identity, **options)
        (label,) = [each for each in self.outbox.labels(PENDING) if each.file_name == name]
        return label

    def fill(self, number: int, size: int = 100, created: int = NOW - DAY) -> None:
        """Make files that are called as envelopes of that many bytes are."""
        self.pending.mkdir(parents=True, exist_ok=True, mode=0o700)
        for at in range(number):
            name = f"{created + at:016d},{at:016x},0,{size},record,a,,b,ok,1.envelope"
            (self.pending / name).write_bytes(b"")


def receipt(label: Label, status: int = 200) -> Receipt:
    return Receipt(label.id, "0" * 64, label.size, "https://collector.example/", status, NOW)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    before = os.umask(0)  # so that modes are what was asked for
    yield Box(tmp_path)
    os.umask(before)
