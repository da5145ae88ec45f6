"""Inspection files: ours, those of 2021, broken, hostile, and what is no file at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.record.inspection import FILE_NAME

from .driving import ui
from .hostile import ATTACKS, EVERYTHING, PAYLOADS
from .test_hostile import assert_only_text

if TYPE_CHECKING:
    from .driving import Machine, Session

SPAN_OF_2021 = {
    "SpanContext": {"TraceID": "0af7651916cd43dd8448eb211c80319c", "SpanID": "b7ad6b7169203331"},
    "Parent": {"TraceID": "0" * 32, "SpanID": "0" * 16},
    "Name": "fetch",
    "StartTime": "2021-11-26T10:00:00.000000001Z",
    "EndTime": "2021-11-26T10:00:02.500000001Z",
    "Attributes": [{"Key": "success", "Value": {"Type": "BOOL", "Value": True}}],
    "Status": {"Code": "Error", "Description": ""},
    "Resource": [{"Key": "service.name", "Value": {"Type": "STRING", "Value": "cloudquery"}}],
    "InstrumentationLibrary": {"Name": "cloudquery.io", "Version": ""},
}


async def open_file(it: Session, name: str) -> None:
    field = it.app.screen.query_one("#file-name")
    field.focus()
    field.value = name  # type: ignore[attr-defined]
    await it.press("enter")


async def test_our_own_file_is_opened_at_once(empty: Machine) -> None:
    telemetry = Telemetry("demo", version="1.2.3", inspect_telemetry=True)
    with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
        pass
    assert (empty.project / FILE_NAME).is_file()
    async with ui("files", size=(120, 80)) as it:
        await it.shows(
            "payloads, as --inspect-telemetry writes", "service.name = demo", "fetch.aws"
        )


async def test_a_file_of_2021_is_read(empty: Machine) -> None:
    spans = json.dumps(SPAN_OF_2021, indent="\t") + json.dumps({**SPAN_OF_2021, "Name": "drift"})
    Path("old.txt").write_text(spans)
    async with ui("files", size=(120, 80)) as it:
        await open_file(it, "old.txt")
        await it.shows("as a 2021 release wrote them", "fetch  2.500 s, failed", "drift  2.500 s")
        await it.shows("success = true", "cloudquery.io")


async def test_an_error_text_in_a_file_of_2021_stands_out(empty: Machine) -> None:
    """What a real release wrote, with the text of an error in two places."""
    name = "cloudquery-2021-fetch-failed-debug-cq-telemetry.txt"
    shutil.copy(Path(__file__).parents[1] / "review" / "inspections" / name, "old.txt")
    async with ui("files", size=(140, 120)) as it:
        await open_file(it, "old.txt")
        await it.shows("!! status description = plugin cloudquery/tiny", "!! exception.message = ")
        await it.shows("Breaks “We don't store the contents of the error messages", "!! host.name")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "It contains nothing."),
        (b'{"resourceSpans": [', "(byte 1"),
        (b"not json", "expecting value"),
        (b"\xff\xfe", "not"),
        (b'{"hello": "[/nope]"}', '"hello": "[/nope]"'),
        (b"[" * 900 + b"]" * 900, "nested"),
        (b"x" * (8 * 1024 * 1024 + 1), "is larger than 8 MiB"),
    ],
    ids=["empty", "cut off", "no json", "no utf-8", "unknown", "deep", "large"],
)
async def test_a_broken_file_is_told_of(empty: Machine, content: bytes, words: str) -> None:
    Path(FILE_NAME).write_bytes(content)
    async with ui("files", size=(120, 30)) as it:
        await it.shows(words)


async def test_a_file_may_hold_anything(empty: Machine) -> None:
    hostile = json.dumps(
        {
            **SPAN_OF_2021,
            "Name": EVERYTHING,
            EVERYTHING: [EVERYTHING],
            "Attributes": [{"Key": EVERYTHING, "Value": {"Value": EVERYTHING}}],
        }
    )
    Path("2021.txt").write_bytes(hostile.encode())
    for at, payload in enumerate(PAYLOADS.values()):
        Path(f"{at}.txt").write_bytes(payload)
    async with ui("files", size=(120, 40)) as it:
        for path in sorted(Path().glob("*.txt")):
            await open_file(it, str(path))
            await it.until(lambda: not it.app.screen.workers._workers)
            assert_only_text(it)
            await it.press("G")
            assert_only_text(it)


async def test_what_is_no_file_is_told_of_and_nothing_waits(empty: Machine) -> None:
    os.mkfifo("fifo")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    if os.geteuid() != 0:
        Path("closed").write_text("x")
        Path("closed").chmod(0)
    async with ui("files", size=(120, 30)) as it:
        await it.shows(f"There is no file {FILE_NAME}.", "--inspect-telemetry")
        for name, words in [
            ("fifo", "fifo is not a regular file"),
            ("folder", "folder is not a regular file"),
            ("/dev/zero", "/dev/zero is not a regular file"),
            ("loop", "loop cannot be read: Too many levels of symbolic links"),
            ("a\0b", "a␀b cannot be read"),
            ("~no-such-user/x", "~no-such-user/x cannot be read"),
            ("x" * 5_000, "cannot be read: File name too long"),
            ("[/nope]", "There is no file [/nope]."),
            (ATTACKS["csi"], "␛[2J"),
            ("no/such/folder", "There is no file no/such/folder."),
            *([("closed", "closed cannot be read: Permission denied")] if os.geteuid() else []),
            ("", "is not a regular file"),
        ]:  # fmt: skip
            await open_file(it, name)
            await it.shows(words)
            assert_only_text(it)
