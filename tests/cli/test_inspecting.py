from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.review import promises

from .test_reviewing import HOSTILE, assert_harmless, hostile_payload

if TYPE_CHECKING:
    from .conftest import Here

FILE = "cq-telemetry.txt"

# As a release of 2021 wrote it: stdouttrace objects, one after the other.
OF_2021 = """{
\t"Name": "fetch",
\t"SpanContext": {
\t\t"TraceID": "0102030405060708090a0b0c0d0e0f10",
\t\t"SpanID": "0102030405060708",
\t\t"TraceFlags": "01",
\t\t"TraceState": "",
\t\t"Remote": false
\t},
\t"Parent": {
\t\t"TraceID": "00000000000000000000000000000000",
\t\t"SpanID": "0000000000000000",
\t\t"TraceFlags": "00",
\t\t"TraceState": "",
\t\t"Remote": false
\t},
\t"SpanKind": 1,
\t"StartTime": "2021-11-26T10:00:00.5Z",
\t"EndTime": "2021-11-26T10:00:02Z",
\t"Attributes": [
\t\t{"Key": "ci", "Value": {"Type": "BOOL", "Value": false}},
\t\t{"Key": "note", "Value": {"Type": "STRING", "Value": "ünï"}}
\t],
\t"Events": [
\t\t{"Name": "retry", "Attributes": [], "DroppedAttributeCount": 0, "Time": "2021-11-26T10:00:01Z"}
\t],
\t"Links": null,
\t"Status": {"Code": "Error", "Description": ""},
\t"DroppedAttributeCount": 0,
\t"DroppedEventCount": 0,
\t"DroppedLinkCount": 0,
\t"ChildSpanCount": 0,
\t"Resource": [
\t\t{"Key": "service.name", "Value": {"Type": "STRING", "Value": "cloudquery"}}
\t],
\t"InstrumentationLibrary": {"Name": "cloudquery.io", "Version": "v0.16.0", "SchemaURL": ""}
}
"""


def test_one_of_ours_is_read(cq: Here) -> None:
    telemetry = Telemetry("cloudquery", version="0.20.0", inspect_telemetry=True)
    with telemetry.operation("fetch") as operation:
        with operation.span("fetch.aws"):
            pass
        operation.exit(1)
    for arguments in ([], [FILE], [str(cq.project / FILE)]):
        ended = cq("inspect", *arguments)
        assert (ended.code, ended.err) == (0, b"")
        assert ended.lines[0] == "cqtel"
        assert "  service.version = 0.20.0" in ended.lines
        assert any(re.match("  fetch  .*, failed$", line) for line in ended.lines)
        assert any(line.startswith("  fetch.aws  ") for line in ended.lines)
    found = cq("inspect", "--json").json
    assert found["shape"] == "otlp"
    assert [span["name"] for span in found["traces"][0]["spans"]] == ["fetch", "fetch.aws"]
    assert cq.files() == {f"project/{FILE}"}


def test_one_of_a_2021_release_is_read(cq: Here) -> None:
    (cq.project / FILE).write_text(OF_2021 + OF_2021.replace("fetch", "policy"))
    ended = cq("inspect")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines[:2] == ["cloudquery.io v0.16.0", "  service.name = cloudquery"]
    told = ("  fetch  1.500 s, failed", "    ci = false", "    !! note = ünï", "  policy  1.500 s")
    assert all(any(line.startswith(words) for line in ended.lines) for words in told)
    assert any("event = retry, 2021-11-26T10:00:01.000000000Z" in line for line in ended.lines)
    assert any("Not in the documentation." in line for line in ended.lines)
    found = cq("inspect", "--json").json
    assert found["shape"] == "stdouttrace"
    [trace] = found["traces"]
    assert trace["scope_name"] == "cloudquery.io"
    assert trace["resource"] == [["service.name", "cloudquery"]]
    assert [span["name"] for span in trace["spans"]] == ["fetch", "policy"]
    assert trace["spans"][0]["events"] == [
        {"name": "retry", "time_unix_nano": 1637920801000000000, "attributes": []}
    ]


def test_of_a_broken_one_the_whole_parts_are_shown_and_the_rest_is_told(cq: Here) -> None:
    (cq.project / FILE).write_text(OF_2021 + OF_2021[:100])
    ended = cq("inspect")
    assert ended.code == 0
    assert "cloudquery.io v0.16.0" in ended.lines
    assert ended.said.startswith("cq-telemetry: line ")
    assert cq("inspect", "--json").json["problems"][0]["line"] > 40


@pytest.mark.parametrize(
    "content", [b"{", b"\x00\xff" * 100, b"[" * 100_000, HOSTILE.encode(), b'{"a": NaN}']
)
def test_one_of_which_nothing_can_be_read_is_a_failure(cq: Here, content: bytes) -> None:
    (cq.project / FILE).write_bytes(content)
    ended = cq("inspect")
    assert (ended.code, ended.out) == (1, b"")
    assert ended.said.startswith("cq-telemetry: line 1")
    assert_harmless(ended.err)
    ended = cq("inspect", "--json")
    assert ended.code == 1
    assert ended.json["traces"] == []


def test_an_empty_one_is_said_to_be_empty(cq: Here) -> None:
    (cq.project / FILE).write_text(" \n")
    ended = cq("inspect")
    assert (ended.code, ended.out) == (0, b"")
    assert ended.said == "cq-telemetry: there is nothing in it\n"


def test_a_hostile_one_is_shown_and_not_obeyed(cq: Here) -> None:
    stranger = json.dumps({HOSTILE: [HOSTILE, {"deep": HOSTILE}]}, ensure_ascii=False)
    of_2021 = OF_2021.replace("fetch", json.dumps(HOSTILE)[1:-1]).replace("ünï", "\u202egnp")
    hostile = hostile_payload() + b"\n" + stranger.encode() + b"\n" + of_2021.encode()
    (cq.project / FILE).write_bytes(hostile)
    ended = cq("inspect")
    assert ended.code == 0
    assert_harmless(ended.out + ended.err)
    assert "␛]52;c;AAAA␇" in ended.out.decode()
    found = cq("inspect", "--json")
    assert found.code == 0
    assert found.out.isascii()
    assert b"\x7f" not in found.out
    assert found.json["shape"] == "mixed"
    assert found.json["unknown"] == [{HOSTILE: [HOSTILE, {"deep": HOSTILE}]}]


def test_one_that_is_not_there_is_told_with_a_way_out(cq: Here) -> None:
    ended = cq("inspect")
    assert (ended.code, ended.out) == (1, b"")
    assert ended.said == (
        "cq-telemetry: cq-telemetry.txt cannot be read: No such file or directory. "
        "To have one written: --inspect-telemetry, or name another file.\n"
    )
    ended = cq("inspect", "no\x1bne")
    assert ended.code == 1
    assert ended.said == "cq-telemetry: no␛ne cannot be read: No such file or directory.\n"
    assert cq("inspect", str(cq.project)).code == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO")
def test_a_fifo_that_lies_in_wait_holds_nobody(cq: Here) -> None:
    os.mkfifo(cq.project / FILE)
    ended = cq("inspect")
    assert ended.code == 1
    assert "is not a regular file" in ended.said


# catalogue ---------------------------------------------------------------------------------------


def test_the_catalogue_has_every_field_and_every_promise(cq: Here) -> None:
    ended = cq("catalogue")
    assert (ended.code, ended.err) == (0, b"")
    text = ended.out.decode()
    for field in promises.FIELDS:
        assert f"{field.key} ({field.type}: {field.shape})\n    “{field.sentence}”\n" in text
    assert all(f"    {sentence}\n" in text for sentence in promises.NOT_STORED.values())
    assert cq.files() == set()


def test_the_catalogue_is_given_as_json(cq: Here) -> None:
    found = cq("catalogue", "--json").json
    assert found["catalogue"] == CATALOGUE_VERSION
    assert [field["key"] for field in found["fields"]] == [f.key for f in promises.FIELDS]


def test_the_catalogue_is_given_as_markdown(cq: Here) -> None:
    assert cq("catalogue", "--markdown").out.decode() == promises.as_markdown()
    assert cq("catalogue", "--markdown", "--json").code == 2
