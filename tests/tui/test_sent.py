"""What was sent, with its receipt: shown, verified, and never believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.formats import sha256
from cqtel_tui.outbox.receipts import Receipt
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING

from .driving import ui
from .hostile import EVERYTHING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from .driving import Machine

keys = pytest.mark.keys
FIELDS: dict[str, Any] = {
    "url": "https://collector.example/v1/traces",
    "status": 200,
    "time": 1_700_000_000_000_000,
    "answer": "",
}


def send(machine: Machine, box: str = SENT, **other: Any) -> Path:
    """Close the newest envelope as if it was sent; return where its receipt lies."""
    label = machine.labels()[0]
    payload = machine.outbox.open(PENDING, label).payload
    given = {**FIELDS, "sha256": sha256(payload), "length": len(payload), **other}
    machine.outbox.close(label, box, Receipt(label.id, **given))
    path = machine.outbox.path(box, label)
    return path.with_name(path.name + ".receipt")


async def test_a_receipt_is_shown_and_so_are_the_kept_bytes(machine: Machine) -> None:
    payload = machine.payloads()[0]
    send(machine, answer="thanks", rejected_spans=3, proxy="http://proxy.example:3128")
    async with ui("sent", size=(100, 50)) as it:
        await it.shows(
            "answered   2023-11-14 22:13:20, HTTP 200", "sent to    https://collector.example",
            sha256(payload), f"{len(payload)} bytes", "thanks", "refused 3 spans",
            "http://proxy.example:3128",
        )  # fmt: skip
        await it.press("right_square_bracket")
        await it.shows("service.name", "Nothing identifies you but")


@keys("sent.verify")
async def test_verify_hashes_the_kept_bytes_anew(machine: Machine) -> None:
    receipt = send(machine)
    async with ui("sent", size=(100, 40)) as it:
        await it.press("right_square_bracket", "V")
        await it.shows("✓ Verified: the bytes stored here have the SHA-256 of what was sent.")
        assert it.box.detail.view == "receipt"
        await it.press("right_square_bracket", "left_square_bracket")
        it.box._look()
        it.app.snapshot = it.app.snapshot
        await it.pilot.pause()
        assert "✓ Verified" in it.text, "it stays, whatever is drawn anew"
        content = json.loads(receipt.read_text())
        receipt.write_text(json.dumps({**content, "sha256": "0" * 64}))
        it.box._look()
        await it.pilot.pause()
        assert "Verified" not in it.text, "that was another receipt"
        await it.press("V")
        await it.shows("!! The bytes stored here do NOT have the SHA-256 of what was sent.")
        envelope = receipt.with_name(receipt.name.removesuffix(".receipt"))
        envelope.write_bytes(envelope.read_bytes()[:-1] + b" ")
        await it.press("V")
        await it.told("do not have the SHA-256 it was sealed with")
        it.box._look()
        await it.pilot.pause()
        assert "Verified" not in it.text


@pytest.mark.parametrize("room", ["sent", "rejected"])
async def test_an_empty_box_says_what_will_be_there(empty: Machine, room: str) -> None:
    async with ui(room) as it:
        await it.shows(
            {"sent": "stay here for 30 days", "rejected": "the collector rejected"}[room]
        )
        await it.press("V", "x", "r", "y", "e")
        assert it.room == room


BAD_RECEIPTS = [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 2000,
        *(json.dumps({**FIELDS, "id": "x", "sha256": "x", "length": 1, "rejected_spans": 0,
                      "proxy": "", **change}).encode()
          for change in (
              {"time": 10**30}, {"time": -(10**30)}, {"time": 10**400}, {"status": 10**300},
              {"length": -1}, {"status": "200"}, {"time": None},
              {"answer": EVERYTHING, "url": EVERYTHING, "sha256": EVERYTHING, "proxy": EVERYTHING},
          )),
]  # fmt: skip


async def test_a_receipt_may_hold_anything(machine: Machine) -> None:
    receipt = send(machine, REJECTED)
    async with ui("rejected") as it:
        for content in BAD_RECEIPTS:
            receipt.write_bytes(content)
            it.box.detail.again()
            await it.press("V")
            assert it.room == "rejected"
            assert "\x1b" not in it.text + "".join(it.toasts)


async def test_a_receipt_that_is_gone_is_missed(machine: Machine) -> None:
    send(machine).unlink()
    async with ui("sent") as it:
        await it.shows("There is no receipt.")
        await it.press("V")
        await it.shows("There is no receipt.")


async def test_a_receipt_that_is_a_link_is_not_followed(machine: Machine) -> None:
    receipt = send(machine)
    receipt.rename(receipt.with_name("elsewhere"))
    receipt.symlink_to("elsewhere")
    async with ui("sent") as it:
        await it.shows("cannot be read")
