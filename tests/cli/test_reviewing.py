from __future__ import annotations

import base64
import hashlib
import io
import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.receipts import RECEIPT_SUFFIX
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING

if TYPE_CHECKING:
    from .conftest import Here

CREATED = 1_800_000_000_000_000
HOSTILE = "\x1b]52;c;AAAA\x07\x1b[2J\u202egnp\x9b31m\x7f\r"
URL = "https://collector.example/v1/traces"


def hostile_payload() -> bytes:
    """Return a payload that tries to reach the terminal from wherever text can stand."""
    attributes = [{"key": HOSTILE, "value": {"stringValue": HOSTILE}}]
    span = {"name": HOSTILE, "traceId": HOSTILE, "attributes": attributes, HOSTILE: HOSTILE}
    scopes = [{"scope": {"name": HOSTILE}, "spans": [span]}]
    document = {"resourceSpans": [{"scopeSpans": scopes, HOSTILE: [HOSTILE]}]}
    return json.dumps(document, ensure_ascii=False).encode()


def assert_harmless(text: bytes) -> None:
    shown = text.decode()
    assert shown.replace("\n", "").isprintable(), shown
    assert "\u202e" not in shown


# pending, sent, rejected -------------------------------------------------------------------------


@pytest.mark.parametrize("box", ["pending", "sent", "rejected"])
def test_an_empty_box_is_said_to_be_empty_and_nothing_is_created(cq: Here, box: str) -> None:
    ended = cq(box)
    assert (ended.code, ended.out) == (0, b"")
    assert ended.said == f"cq-telemetry: nothing is {box}\n"
    ended = cq(box, "--json")
    assert (ended.code, ended.json, ended.err) == (0, [], b"")
    assert cq.files() == set()


def test_what_is_pending_is_listed_the_newest_first(cq: Here) -> None:
    first = cq.hold(created=CREATED, operation="init", outcome="failed", duration=12)
    second = cq.hold(created=CREATED + 61_500_000, version="")
    ended = cq("pending")
    assert ended.err == b""
    day = "2027-01-15"
    name, to = "cloudquery 6.21.1", "  → no destination: no endpoint is set"
    assert ended.lines == [
        f"{second}  {day} 08:01:01  sync             ok        1.234 s      20 B  cloudquery{to}",
        f"{first}  {day} 08:00:00  init             failed    12.0 ms      20 B  {name}{to}",
    ]
    newest, oldest = cq("pending", "--json").json
    assert oldest["id"] == first
    assert newest == {
        "created": "2027-01-15T08:01:01.500+00:00",
        "id": second,
        "attempt": 0,
        "size": 20,
        "origin": "record",
        "app": "cloudquery",
        "version": "",
        "operation": "sync",
        "outcome": "ok",
        "duration": 1234,
        "receipt": None,
        "problem": None,
        "destination": {"kind": "none", "url": None},
    }


def test_what_was_sent_or_rejected_is_listed_with_its_receipt(cq: Here) -> None:
    sent, rejected = cq.hold(), cq.hold()
    cq.answer(sent, SENT, proxy="http://proxy.example")
    cq.answer(rejected, REJECTED, answer=HOSTILE)
    [line] = cq("sent").lines
    assert line.startswith(sent)
    assert line.endswith(f"cloudquery 6.21.1  200 {URL} by http://proxy.example")
    [line] = cq("rejected").lines
    assert line.endswith(f"400 {URL}")
    [row] = cq("rejected", "--json").json
    assert row["receipt"] == {
        "id": rejected,
        "sha256": hashlib.sha256(b'{"resourceSpans":[]}').hexdigest(),
        "length": 20,
        "url": URL,
        "status": 400,
        "time": "2027-01-15T08:00:00.000+00:00",
        "answer": HOSTILE,
        "rejected_spans": 0,
        "proxy": "",
    }


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"id": 1}', b"\xff\x1b[31m"])
def test_a_receipt_that_cannot_be_read_hides_no_other_row(cq: Here, broken: bytes) -> None:
    first, second = cq.hold(), cq.hold()
    cq.answer(first)
    cq.answer(second)
    _, label = cq.outbox.find(first)
    path = cq.outbox.path(SENT, label)
    path.with_name(path.name + RECEIPT_SUFFIX).write_bytes(broken)
    ended = cq("sent")
    assert ended.code == 0
    assert len(ended.lines) == 2
    assert "is not a receipt" in ended.lines[1]
    assert_harmless(ended.out)
    rows = cq("sent", "--json").json
    assert [bool(row["receipt"]) for row in rows] == [True, False]
    assert [bool(row["problem"]) for row in rows] == [False, True]


def test_a_folder_in_a_receipts_place_hides_no_other_row(cq: Here) -> None:
    first, second = cq.hold(), cq.hold()
    cq.answer(first)
    cq.answer(second)
    _, label = cq.outbox.find(first)
    receipt = cq.outbox.path(SENT, label)
    receipt = receipt.with_name(receipt.name + RECEIPT_SUFFIX)
    receipt.unlink()
    receipt.mkdir()
    assert [row["problem"] is None for row in cq("sent", "--json").json] == [True, False]


def test_a_receipt_with_an_impossible_time_is_listed(cq: Here) -> None:
    identity = cq.hold()
    cq.answer(identity, time=10**30)
    assert cq("sent").code == 0
    assert cq("sent", "--json").json[0]["receipt"]["time"] is None


def test_names_that_are_no_envelopes_are_not_listed_and_hostile_ones_are_not_obeyed(
    cq: Here,
) -> None:
    identity = cq.hold()
    _, label = cq.outbox.find(identity)
    path = cq.outbox.path(PENDING, label)
    (path.parent / "stray.envelope").write_text("")
    (path.parent / "stray").write_text("")
    path.rename(path.with_name(path.name.replace("sync", "\x1b[31m\x7f")))
    ended = cq("pending")
    assert len(ended.lines) == 1
    assert "␛[31m␡" in ended.lines[0]
    found = cq("pending", "--json")
    assert b"\x7f" not in found.out
    assert found.json[0]["operation"] == "\x1b[31m\x7f"


def test_a_box_that_is_a_file_is_told(cq: Here) -> None:
    (cq.outbox.folder).mkdir(parents=True)
    (cq.outbox.folder / "sent").write_text("")
    for arguments in (["sent"], ["sent", "--json"], ["show", "1"], ["export", "1"]):
        ended = cq(*arguments)
        assert ended.code == 1
        assert ended.said == (
            f"cq-telemetry: {cq.outbox.folder}/sent cannot be read: Not a directory\n"
        )


# show --------------------------------------------------------------------------------------------


UNDECIDED = (
    "telemetry of cloudquery is undecided: you have not decided yet. To allow it: cq-telemetry on "
    "--program cloudquery; to send it this once: cq-telemetry send --once"
)


def test_a_payload_is_shown_field_by_field(cq: Here) -> None:
    identity = cq.record("sync", fails=True)
    ended = cq("show", identity)
    assert (ended.code, ended.err) == (0, b"")
    payload = cq("show", identity, "--raw").out
    assert ended.lines[0].startswith(f"payload    {identity}, {len(payload)} bytes, 20")
    assert ended.lines[1] == f"sha256     {hashlib.sha256(payload).hexdigest()}"
    assert ended.lines[2:7] == [
        "to         no destination",
        f"stays      by itself it is not sent: {UNDECIDED}",
        f"header     Content-Length: {len(payload)}",
        "header     Content-Type: application/json",
        "header     User-Agent: cqtel",
    ]
    assert "  service.name = cloudquery" in ended.lines
    assert "  process.exit.code = 1" in ended.lines
    assert "!!" not in ended.out.decode()
    assert cq("show", identity, "--explain").out == ended.out


def test_a_payload_is_shown_as_json(cq: Here) -> None:
    identity = cq.record("sync")
    found = cq("show", identity, "--json").json
    assert found["id"] == identity
    assert found["dropped"] == 0
    assert found["unreadable"] is None
    assert all(field["known"] and field["promise"] and field["why"] for field in found["fields"])
    assert {"group", "key", "value", "risk", "path"} <= set(found["fields"][0])
    assert [f["value"] for f in found["fields"] if f["key"] == "service.version"] == ["6.21.1"]


def test_raw_bytes_are_the_exact_bytes_that_were_sealed(cq: Here) -> None:
    payload = b"\x00\xff" + HOSTILE.encode() + b"no newline"
    identity = cq.hold(payload)
    ended = cq("show", identity, "--raw")
    assert (ended.code, ended.out, ended.err) == (0, payload, b"")


class Terminal(io.TextIOWrapper):
    """What looks like a terminal, and keeps what it is told."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_raw_bytes_are_made_visible(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile, plain = cq.hold(hostile_payload()), cq.record()
    for arguments in (["show", hostile, "--raw"], ["export", hostile]):
        terminal = Terminal(io.BytesIO(), "utf-8", write_through=True)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            ended = cq(*arguments)
        assert_harmless(terminal.buffer.getvalue())  # type: ignore[attr-defined]
        assert "a file or a pipe gets the exact bytes" in ended.said
    terminal = Terminal(io.BytesIO(), "utf-8", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        ended = cq("show", plain, "--raw")
    assert "control characters" not in ended.said
    assert "cq-telemetry: Content-Type: application/json" in ended.said
    assert terminal.buffer.getvalue() == cq("show", plain, "--raw").out + b"\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "payload", [hostile_payload(), HOSTILE.encode(), b"", b"\xff" * 5000, b"[" * 5000]
)
def test_hostile_content_is_shown_and_not_obeyed(cq: Here, payload: bytes) -> None:
    identity = cq.hold(payload, headers={"X-Odd": HOSTILE}, dropped=3)
    ended = cq("show", identity)
    assert ended.code == 0
    assert_harmless(ended.out + ended.err)
    assert "left out   3 values" in ended.out.decode()
    found = cq("show", identity, "--json")
    assert found.code == 0
    assert found.out.isascii()
    assert b"\x7f" not in found.out


def test_what_we_record_holds_nothing_that_should_not_be_there(cq: Here) -> None:
    ended = cq("show", cq.record(), "--leaks")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines[0] == "no leaks found"
    assert "checked for:" in ended.lines


def test_what_should_not_be_in_a_payload_is_found_and_is_a_failure(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery")
    payload = f"mail somebody@mail.example, password correct-horse-battery {HOSTILE}"
    identity = cq.hold(payload.encode())
    ended = cq("show", identity, "--leaks")
    assert ended.code == 1
    assert "DB_PASSWORD" in ended.out.decode()
    assert "correct-horse" not in ended.out.decode()
    assert_harmless(ended.out)
    found = cq("show", identity, "--leaks", "--json")
    assert found.code == 1
    assert len(found.json["findings"]) >= 2
    assert found.json["looked_for"]


def test_credentials_in_headers_are_shown_only_where_it_is_asked_for(cq: Here) -> None:
    identity = cq.hold(headers={"Authorization": "Bearer correct-horse-battery", "X": "y"})
    cq("endpoint", URL)
    whole = "Bearer correct-horse-battery"
    assert "header     Authorization: Bearer •••••••• (21 characters)" in cq("show", identity).lines
    assert f"header     Authorization: {whole}" in cq("show", identity, "--reveal").lines
    for arguments in (
        *(["show", identity, "--json"], ["export", identity]),
        *(["export", identity, "--format", "har"], ["export", identity, "--format", "curl"]),
    ):
        ended = cq(*arguments)
        assert "correct-horse" not in ended.out.decode() + ended.said, arguments
        assert "Host" in ended.out.decode() + ended.said or "curl" in ended.out.decode()
        ended = cq(*arguments, "--reveal")
        assert whole in ended.out.decode() + ended.said, arguments


def test_leaks_are_looked_for_in_headers_and_basic_credentials_are_decoded(cq: Here) -> None:
    basic = base64.b64encode(b"ghp_0123456789abcdefghij0123456789abcdef:x").decode()
    identity = cq.hold(headers={"Authorization": f"Basic {basic}", "X-Who": "me@mail.example"})
    ended = cq("show", identity, "--leaks")
    assert ended.code == 1
    assert "in header Authorization" in ended.out.decode()
    assert "in header X-Who" in ended.out.decode()
    assert "ghp_" not in ended.out.decode()
    fine = cq.hold(headers={"Authorization": "Basic a2V5Og=="})
    assert cq("show", fine, "--leaks").code == 0


def test_any_box_is_looked_through(cq: Here) -> None:
    sent, rejected = cq.hold(), cq.hold()
    cq.answer(sent)
    cq.answer(rejected, REJECTED)
    for identity in (sent, rejected):
        assert cq("show", identity, "--raw").code == 0


def test_an_id_may_be_shortened_as_long_as_it_is_one(cq: Here) -> None:
    cq.hold(identity="ab00000000000000")
    cq.hold(identity="ab11111111111111")
    assert cq("show", "ab1", "--raw").code == 0
    ended = cq("show", "ab", "--raw")
    assert (ended.code, ended.out) == (1, b"")
    assert ended.said == "cq-telemetry: 2 payloads begin with 'ab'. Give more characters.\n"
    for nobody in ("cd", "AB1", "", "\x1b[31m"):
        ended = cq("show", nobody)
        assert (ended.code, ended.out) == (1, b"")
        assert "No payload has the id" in ended.said
        assert "\x1b" not in ended.said


def test_a_torn_envelope_is_told_and_left_where_it_is(cq: Here) -> None:
    identity = cq.record()
    _, label = cq.outbox.find(identity)
    path = cq.outbox.path(PENDING, label)
    path.write_bytes(path.read_bytes()[:-1])
    before = cq.files()
    for arguments in (["show", identity], ["show", identity, "--raw"], ["export", identity]):
        ended = cq(*arguments)
        assert (ended.code, ended.out) == (1, b"")
        assert "it is incomplete" in ended.said
        assert str(path) in ended.said
        assert f"cq-telemetry drop {identity}" in ended.said
    assert cq.files() == before
    assert cq("drop", identity).code == 0
    assert cq.counts() == (0, 0, 0)


def test_an_envelope_that_says_it_is_another_one_is_not_believed(cq: Here) -> None:
    identity = cq.record()
    _, label = cq.outbox.find(identity)
    path = cq.outbox.path(PENDING, label)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(identity.encode(), b"x; rm -rf ~;::::", 1))
    ended = cq("export", identity, "--format", "curl")
    assert (ended.code, ended.out) == (1, b"")
    assert "it was altered" in ended.said
    other = cq.record()
    _, label = cq.outbox.find(other)
    cq.outbox.path(PENDING, label).write_bytes(whole)
    ended = cq("export", other, "--format", "curl")
    assert (ended.code, ended.out) == (1, b"")
    assert f"its name and its header (of {identity}) do not agree" in ended.said


def test_raw_and_json_at_once_are_wrong_usage(cq: Here) -> None:
    identity = cq.record()
    assert cq("show", identity, "--raw", "--json").code == 2
    assert cq("show", identity, "--raw", "--explain").code == 2
    assert cq("show").code == 2


# drop, retry -------------------------------------------------------------------------------------


def test_payloads_are_dropped_by_id_in_the_order_given_and_each_once(cq: Here) -> None:
    one, two, three = cq.hold(), cq.hold(), cq.hold()
    ended = cq("drop", three, one, three[:15] + three[15:])
    assert (ended.code, ended.out) == (0, b"")
    assert ended.said == f"cq-telemetry: {three} dropped\ncq-telemetry: {one} dropped\n"
    assert cq.outbox.find(two)
    assert cq.counts() == (1, 0, 0)


def test_all_that_is_pending_is_dropped_and_nothing_else(cq: Here) -> None:
    cq.hold()
    cq.hold()
    cq.answer(cq.hold())
    assert cq("drop", "--all").code == 0
    assert cq.counts() == (0, 1, 0)
    ended = cq("drop", "--all")
    assert (ended.code, ended.said) == (0, "cq-telemetry: nothing is pending\n")


def test_where_one_id_is_wrong_nothing_is_dropped(cq: Here) -> None:
    one = cq.hold()
    sent = cq.hold()
    cq.answer(sent)
    for wrong in ("ffff", sent):
        ended = cq("drop", one, wrong)
        assert ended.code == 1
        assert wrong in ended.said
        assert cq.counts() == (1, 1, 0)


@pytest.mark.parametrize("command", ["drop", "send", "retry"])
def test_no_ids_or_ids_and_all_at_once_are_wrong_usage(cq: Here, command: str) -> None:
    identity = cq.hold()
    for arguments in ([], ["--all", identity]):
        ended = cq(command, *arguments)
        assert ended.code == 2
        assert ended.said == (
            "cq-telemetry: Name payloads by their ids, or all of them by --all; not both.\n"
        )
    assert cq.counts() == (1, 0, 0)


def test_rejected_payloads_are_held_again(cq: Here) -> None:
    one, two = cq.hold(), cq.hold()
    cq.answer(one, REJECTED)
    cq.answer(two, REJECTED)
    ended = cq("retry", one)
    assert (ended.code, ended.said) == (0, f"cq-telemetry: {one} is pending again\n")
    assert cq.counts() == (1, 0, 1)
    assert cq("retry", "--all").code == 0
    assert cq.counts() == (2, 0, 0)
    assert cq("retry", "--all").said == "cq-telemetry: nothing is rejected\n"
    assert cq("retry", one).code == 1
    assert not any(name.endswith(RECEIPT_SUFFIX) for name in cq.files())


def test_what_cannot_be_removed_is_told(cq: Here) -> None:
    identity = cq.hold()
    _, label = cq.outbox.find(identity)
    path = cq.outbox.path(PENDING, label)
    path.unlink()
    path.mkdir()
    ended = cq("drop", identity)
    assert ended.code == 1
    assert ended.said.startswith(f"cq-telemetry: {path}: ")
    assert ended.said.endswith("Look at its owner and free space, and try again.\n")


# export ------------------------------------------------------------------------------------------


def test_bodies_are_exported_one_to_a_line(cq: Here) -> None:
    one, two = cq.record("sync"), cq.record("init")
    ended = cq("export", two, one)
    bodies = [json.loads(line) for line in ended.out.splitlines()]
    assert [b["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for b in bodies] == [
        "init",
        "sync",
    ]
    assert ended.said.count("cq-telemetry: Content-Type: application/json") == 2


def test_an_archive_has_each_request_as_it_would_be_sent(cq: Here) -> None:
    cq("endpoint", URL)
    identity = cq.record()
    ended = cq("export", identity, "--format", "har")
    [entry] = ended.json["log"]["entries"]
    request = entry["request"]
    assert (request["method"], request["url"]) == ("POST", URL)
    assert request["postData"]["text"].encode() == cq("show", identity, "--raw").out
    assert {"name": "Content-Type", "value": "application/json"} in request["headers"]


def test_a_curl_command_pipes_the_exact_bytes(cq: Here) -> None:
    cq("endpoint", URL)
    one, two = cq.record(), cq.record()
    ended = cq("export", one, two, "--format", "curl")
    assert len(ended.lines) == 2
    words = shlex.split(ended.lines[0])
    assert words[: words.index("|")] == ["cq-telemetry", "show", one, "--raw"]
    assert words[-1] == URL
    assert "Content-Type: application/json" in words


def test_without_an_endpoint_that_of_a_collector_here_stands_and_that_is_said(cq: Here) -> None:
    identity = cq.record()
    for form in ("har", "curl"):
        ended = cq("export", identity, "--format", form)
        assert b"http://127.0.0.1:4318/v1/traces" in ended.out
        assert ended.said.startswith("cq-telemetry: no endpoint is set")


@pytest.mark.parametrize(
    "headers", [{"X": HOSTILE}, {"@/etc/passwd": "x"}, {"X": "a\nb"}, {"\x1b[2J": "x"}]
)
def test_a_header_that_curl_would_obey_is_not_given_to_it(
    cq: Here, headers: dict[str, str]
) -> None:
    identity = cq.hold(headers=headers)
    ended = cq("export", identity, "--format", "curl")
    assert (ended.code, ended.out) == (1, b"")
    assert "--format har" in ended.said
    assert cq("export", identity, "--format", "har").code == 0


def test_what_could_not_be_redacted_is_explained_and_exported_nowhere(cq: Here) -> None:
    identity = cq.hold(b"", kind="unredacted")
    assert "could not be redacted, so it is never sent" in cq("show", identity).out.decode()
    for form in ("json", "har", "curl"):
        ended = cq("export", identity, "--format", form)
        assert (ended.code, ended.out) == (1, b"")
        assert f"{identity} could not be redacted" in ended.said
