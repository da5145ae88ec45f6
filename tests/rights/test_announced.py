"""What a collector says of itself and of us: refused unless it is whole, told in words, safe."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.errors import CqtelError
from cqtel_tui.rights.announced import (
    DAILY,
    ONLY_WORDS,
    REVERSIBLE,
    Announcement,
    StrangeAnswerError,
    announced,
    operation_lines,
    read_data,
    read_erased,
    read_me,
    read_policy,
)
from cqtel_tui.rights.exporting import write_operations
from cqtel_tui.sanitize import is_printable

from ..deliver.announcing import HASH, ME, OPERATIONS, POLICY

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://collector.example/v1/traces"
HOSTILE = "\x1b]0;owned\x07[/nope]\u202e\n\x9b2J"


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def announcement(policy: dict[str, Any] = POLICY, me: dict[str, Any] = ME) -> Announcement:
    return Announcement(URL, "", read_policy(encoded(policy)), read_me(encoded(me)))


def told(policy: dict[str, Any] | None = None, me: dict[str, Any] | None = None) -> list[str]:
    lines = announced(announcement(POLICY | (policy or {}), ME | (me or {})))
    return [f"{line.name}: {'!! ' if line.is_warning else ''}{line.text}" for line in lines]


def test_what_is_documented_is_told_with_what_it_means() -> None:
    assert told() == [
        f"asked: {URL}",
        "software: cqtel 0.1.0",
        "hashed by: SHA-1, as documented",
        f": !! {REVERSIBLE}",
        f"of you: cloudquery.ip_sha1 = {HASH}",
        ": geo.country.iso_code = DE",
        ": geo.region.name = not known",
        ": geo.locality.name = not known",
        "derives: cloudquery.ip_sha1: SHA-1 of the text of your IP address.",
        ": geo.country.iso_code: The country it was registered for.",
        "location: country",
        "kept: 396 days",
        "errors: 30 days",
        f": {ONLY_WORDS}",
    ]
    for words in ("unsalted SHA-1", "trying all of them", "minutes on two cores"):
        assert words in REVERSIBLE


def test_a_key_of_the_day_is_told_as_what_it_is() -> None:
    derived = [{"field": "address_hash", "how": "HMAC-SHA-256"}]
    me = {"cloudquery.ip_sha1": None, "address_hash": "0" * 64, "ip_hash": "hmac-daily"}
    lines = told({"ip_hash": "hmac-daily", "derived": derived}, me)
    assert f"hashed by: {DAILY}" in lines
    assert not any("!!" in line for line in lines)
    for words in ("random key of the day", "48 hours", "could try all addresses, too"):
        assert words in DAILY


@pytest.mark.parametrize(
    ("policy", "me", "warning"),
    [
        ({"ip_hash": "rot13"}, {"ip_hash": "rot13"}, "treat it as your address itself"),
        ({}, {"ip_hash": "hmac-daily"}, "But of you it says: hashed by hmac-daily."),
        ({}, {"stored": True}, "it stored something about this very request"),
        ({"catalogue": 2}, {}, "It follows version 2 of the catalogue; this is of version 1."),
        ({"keeps_data": False, "forwards": True}, {}, "It stores nothing itself"),
        ({"derived": [{"field": "host.name", "how": "x"}]}, {}, "host.name is NOT in the catalog"),
    ],
)
def test_what_must_not_be_missed_is_a_warning(
    policy: dict[str, Any], me: dict[str, Any], warning: str
) -> None:
    found = [line for line in told(policy, me) if line.startswith(": !! ") and warning in line]
    assert len(found) == 1


def test_an_edge_tells_of_no_retention_of_its_own() -> None:
    lines = told({"keeps_data": False, "forwards": True})
    assert "handed on: yes: to another server, which it does not name" in lines
    assert not any(line.startswith(("kept", "errors")) for line in lines)


@pytest.mark.parametrize(
    "different",
    [
        *[{"software": value} for value in (None, 1, "x" * 501)],
        *[{"catalogue": value} for value in ("1", 1.0, True, -1, 1 << 60)],
        *[{"ip_hash": value} for value in (None, "")],
        {"derived": None},
        {"derived": ["x"]},
        {"derived": [{"field": "x"}]},
        {"derived": POLICY["derived"] * 21},
        {"retention": []},
        {"retention": {"days": "396"}},
        {"retention": {"days": -1}},
        *[{"forwards": value} for value in (None, 0, "no")],
        *[{"keeps_data": value} for value in (None, 1)],
        {"location": 3},
    ],
    ids=str,
)
def test_a_policy_that_is_not_whole_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(StrangeAnswerError, match="does not respond like a cqtel collector"):
        read_policy(encoded(POLICY | different))


@pytest.mark.parametrize(
    "different",
    [
        {"cloudquery.ip_sha1": None},
        {"cloudquery.ip_sha1": 1},
        {"geo.country.iso_code": ["DE"]},
        {"stored": "no"},
        {"ip_hash": None},
        {"x" * 501: "x"},
        {str(number): None for number in range(41)},
    ],
    ids=lambda d: str(d)[:40],
)
def test_what_is_no_answer_about_us_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(StrangeAnswerError):
        read_me(encoded(ME | different))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"operations":{}}', b'{"operations":[1]}', b"\xff"])
def test_what_is_no_data_is_refused(body: bytes) -> None:
    with pytest.raises(StrangeAnswerError):
        read_data(body)
    with pytest.raises(StrangeAnswerError):
        read_erased(body)


def test_everything_of_an_operation_is_told() -> None:
    assert [f"{line.name}: {line.text}" for line in operation_lines(OPERATIONS * 2)][7:] == [
        "2: received = 2026-01-15T10:30:00Z",
        ": service.name = cloudquery",
        ": service.version = 6.21.1",
        ": cloudquery.plugins = []",
        ": geo.country.iso_code = DE",
        ": spans = name sync, duration_ns 2500000000, success true",
        ": spans = name sync.aws, duration_ns 1500000000, success true",
    ]


def test_what_is_left_out_is_counted() -> None:
    lines = operation_lines([{"spans": list(range(100))}] * 200)
    assert "… and 60 more" in {line.text for line in lines}
    assert len(lines) < 6_000
    assert lines[-1].text == "… and 78 operations more: an exported file has them all."
    assert lines[-1].is_warning
    [*_, last] = operation_lines([{str(number): number for number in range(41)}])
    assert last.text == "… and 1 keys more: an exported file has them all."


def test_no_text_of_a_collector_reaches_anybody_as_it_is() -> None:
    hostile = {"software": HOSTILE, "ip_hash": HOSTILE, "location": HOSTILE}
    derived = [{"field": HOSTILE, "how": HOSTILE}]
    me = {HOSTILE: HOSTILE, "cloudquery.ip_sha1": HOSTILE, "ip_hash": HOSTILE + "2"}
    lines = announced(announcement(POLICY | hostile | {"derived": derived}, ME | me))
    lines += operation_lines([{HOSTILE: HOSTILE, "spans": [{HOSTILE: HOSTILE, "in": [HOSTILE]}]}])
    assert sum("owned" in line.text for line in lines) >= 9
    assert [line for line in lines if not is_printable(line.name + line.text)] == []


def test_an_export_is_new_private_and_plain_ascii(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    write_operations(str(path), [{"name": HOSTILE + "\x7f"}])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = path.read_bytes()
    assert json.loads(written) == {"operations": [{"name": HOSTILE + "\x7f"}]}
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in written)


@pytest.mark.parametrize("what", ["file", "link", "dangling link", "folder", "fifo"])
def test_an_export_replaces_nothing_and_follows_no_link(tmp_path: Path, what: str) -> None:
    path, target = tmp_path / "mine.json", tmp_path / "target"
    if what == "file":
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    else:
        if what == "link":
            target.write_text("mine")
        path.symlink_to(target)
    before = path.lstat()
    with pytest.raises(CqtelError, match="is there already, and was left as it is"):
        write_operations(str(path), OPERATIONS)
    assert path.lstat() == before
    assert not target.exists() or target.read_text() == "mine"


@pytest.mark.parametrize("name", ["no/such/folder/mine.json", "nul\0", ""])
def test_an_export_that_cannot_be_written_is_told(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CqtelError, match=r"cannot be written: .*Name another file"):
        write_operations(name, OPERATIONS)
    assert list(tmp_path.iterdir()) == []
