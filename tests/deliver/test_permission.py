"""One function says whether a payload may go, and where to: whoever asks, and however."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.actions.sending import plan_sending, read_routes
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.deliver.forecast import staying
from cqtel_tui.deliver.permission import ALL, DUE, NAMED, SendRequest, grounds, permission
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.files import locked
from cqtel_tui.formats import UNREDACTED
from cqtel_tui.outbox.included import INCLUDED, include, included
from cqtel_tui.outbox.projects import path_of
from cqtel_tui.outbox.shown import note_shown
from cqtel_tui.outbox.store import LOCK, REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING

from .collectors import reply
from .conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from cqtel_tui.deliver.permission import Permission
    from cqtel_tui.outbox.envelope import Envelope
    from cqtel_tui.outbox.receipts import Reservation

    from .collectors import Collector
    from .conftest import Machine

READ = replace(NAMED, was_read=True)
ONCE = replace(ALL, is_once=True)
ALL_READ = replace(ALL, was_read=True)
WAYS = {
    "due": DUE,
    "all": ALL,
    "all and read": ALL_READ,
    "once": ONCE,
    "named": NAMED,
    "named and read": READ,
}
ERROR = b'{"exception.message": "spelled in no way that anybody looks for"}'


def opened(machine: Machine, at: int = 0) -> Envelope:
    return machine.outbox.open(PENDING, machine.labels()[at])


def may(machine: Machine, asked: SendRequest, at: int = 0) -> Permission:
    envelope = opened(machine, at)
    return permission(envelope, grounds(machine.places, envelope), asked)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_yes_covers_goes_to_its_endpoint_however_it_is_asked_for(
    ready: Machine, collector: Collector, way: str
) -> None:
    ready.hold()
    found = may(ready, WAYS[way])
    assert (found.refusal, found.url) == ("", collector.url)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("debug", [True, False])
def test_an_error_text_goes_in_debug_mode_or_where_this_very_payload_was_named_and_read(
    ready: Machine, way: str, *, debug: bool
) -> None:
    ready.choose(debug=True)
    ready.hold(ERROR, has_error_text=True)
    ready.choose(debug=debug or None)
    found = may(ready, WAYS[way])
    assert (not found.refusal) is (debug or way == "named and read")
    if found.refusal:
        assert "it has an error text, and debug mode is off" in found.reason
        assert "cq-telemetry show" in found.remedy
        assert not found.is_for_all


@pytest.mark.parametrize("asked", [ALL, NAMED])
def test_no_sender_lets_an_error_text_go_that_was_not_read(
    ready: Machine, collector: Collector, asked: SendRequest
) -> None:
    ready.hold(ERROR, has_error_text=True)
    ready.hold(b"plain")
    results = list(ready.sender().send(ready.labels(), asked))
    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.SENT]
    assert collector.bodies == [b"plain"]


def test_a_payload_that_was_shown_and_named_goes_and_no_other_one(
    ready: Machine, collector: Collector
) -> None:
    ready.hold(ERROR, has_error_text=True)
    ready.hold(ERROR, has_error_text=True)
    note_shown(ready.places.state, opened(ready))
    assert [one.outcome for one in ready.sender().send(ready.labels(), ALL)] == (
        [Outcome.REFUSED] * 2
    )
    assert [one.outcome for one in ready.sender().send(ready.labels(), NAMED)] == [
        Outcome.SENT,
        Outcome.REFUSED,
    ]
    assert collector.bodies == [ERROR]


def test_a_payload_that_was_changed_since_it_was_shown_was_not_shown(ready: Machine) -> None:
    ready.hold(ERROR, has_error_text=True)
    note_shown(ready.places.state, opened(ready))
    [label] = ready.labels()
    ready.outbox.replace(label, b"{}")
    [result] = ready.sender().send(ready.labels(), NAMED)
    assert result.outcome is Outcome.REFUSED


@pytest.mark.parametrize("asked", [ALL, NAMED])
def test_a_users_send_stops_at_the_first_no_to_everything(
    ready: Machine, asked: SendRequest
) -> None:
    for number in range(3):
        ready.hold(b"%d" % number)
    ready.forbid()
    assert len(list(ready.sender().send(ready.labels(), asked))) == 1
    assert len(ready.pending) == 3


def test_a_projects_own_no_stops_no_other_projects_payload(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    refusing = tmp_path / "refusing"
    (refusing / ".cq").mkdir(parents=True, mode=0o755)
    ready.hold(b"theirs", project=refusing)
    ready.hold(b"ours")
    (refusing / ".cq" / "telemetry.json").write_text('{"telemetry": "off"}')
    (refusing / ".cq" / "telemetry.json").chmod(0o644)
    results = list(ready.sender().send(ready.labels(), ALL))
    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.SENT]
    assert collector.bodies == [b"ours"]


def test_once_goes_where_nothing_is_decided_and_never_against_a_no(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    machine.hold()
    assert may(machine, ALL).is_for_all
    assert may(machine, ONCE).refusal == ""
    machine.forbid()
    assert may(machine, ONCE).is_for_all


@pytest.mark.parametrize("way", WAYS)
def test_what_could_not_be_redacted_never_goes_whoever_names_it(
    ready: Machine, collector: Collector, way: str
) -> None:
    identity = ready.hold(b"raw", kind=UNREDACTED)
    found = may(ready, WAYS[way])
    assert found.refusal == "it could not be redacted"
    assert f"cq-telemetry show {identity} --intercepted" in found.remedy
    [result] = ready.sender().send(ready.labels(), WAYS[way])
    assert result.outcome is Outcome.REFUSED
    assert collector.connections == 0


# What was sent, or may have been ------------------------------------------------------------------


def begin(machine: Machine) -> Reservation:
    """Begin to send the first pending payload, as a sender does."""
    return machine.outbox.reserve(machine.labels()[0], "https://first.example/v1/traces", NOW)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_sent_goes_nowhere_again_however_it_is_asked_for(
    ready: Machine, collector: Collector, way: str
) -> None:
    ready.hold()
    [label] = ready.labels()
    data = ready.outbox.read(PENDING, label)
    ready.sender().send_due()
    ready.outbox.path(PENDING, label.tried_again()).write_bytes(data)
    assert may(ready, WAYS[way]).refusal == "it was sent before"
    envelope = ready.outbox.open(SENT, ready.labels(SENT)[0])
    assert permission(envelope, grounds(ready.places, envelope), WAYS[way]).refusal
    [route] = read_routes(ready.places, ready.labels(), WAYS[way])
    assert plan_sending([route], WAYS[way]).refusal is not None
    assert len(collector.requests) == 1


def test_two_files_of_one_payload_are_sent_once(ready: Machine, collector: Collector) -> None:
    ready.hold()
    [label] = ready.labels()
    data = ready.outbox.read(PENDING, label)
    ready.outbox.path(PENDING, label.tried_again()).write_bytes(data)
    results = ready.sender().send_due()
    assert [result.outcome for result in results] == [Outcome.SENT, Outcome.REFUSED]
    assert len(collector.requests) == 1


def test_what_was_rejected_goes_once_its_user_has_it_tried_again(
    ready: Machine, collector: Collector
) -> None:
    collector.replies.append(reply(400))
    identity = ready.hold()
    ready.sender().send_due()
    envelope = ready.outbox.open(REJECTED, ready.labels(REJECTED)[0])
    found = permission(envelope, grounds(ready.places, envelope), DUE)
    assert found.reason == f"it was rejected. To try again: cq-telemetry retry {identity}"
    ready.outbox.retry(ready.labels(REJECTED)[0])
    assert may(ready, DUE).refusal == ""


@pytest.mark.parametrize("way", WAYS)
def test_what_may_have_been_sent_goes_only_where_it_is_named_and_says_so(
    ready: Machine, collector: Collector, way: str
) -> None:
    identity = ready.hold()
    begin(ready)
    found = may(ready, WAYS[way])
    doubt = "it may have been sent to https://first.example/v1/traces"
    assert bool(found.refusal) is not WAYS[way].is_named
    assert doubt in (found.refusal or found.warning)
    assert found.url == collector.url
    plan = plan_sending(read_routes(ready.places, ready.labels(), WAYS[way]), WAYS[way])
    if WAYS[way].is_named:
        assert plan.confirmation is not None
        assert f"{doubt} (1)" in plan.confirmation.details
    else:
        assert f"cq-telemetry send {identity}" in found.remedy
        assert plan.refusal is not None
        assert doubt in plan.refusal.text


@pytest.mark.parametrize("asked", [DUE, NAMED])
def test_while_a_sender_is_at_work_its_answer_may_still_come(
    ready: Machine, asked: SendRequest
) -> None:
    ready.hold()
    begin(ready)
    with locked(ready.outbox.folder / LOCK):
        assert "a sender is at work" in may(ready, asked).refusal
        assert ready.in_doubt() == []
    assert ready.in_doubt() == ready.pending


def test_what_stays_here_is_counted_by_the_reasons_that_a_sender_gives(ready: Machine) -> None:
    ready.hold(b"in doubt")
    ready.hold(ERROR, has_error_text=True)
    begin(ready)
    reasons = staying(ready.places)
    results = ready.sender().send_due()
    assert len(results) == len(reasons) == 2
    for result, reason in zip(results, reasons, strict=True):
        assert result.why.startswith(reason)


# What a yes covers -------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-(10**9), -120, 120, 365 * 86400])
def test_what_was_held_before_a_yes_is_not_covered_whatever_any_clock_said(
    machine: Machine, collector: Collector, seconds: int
) -> None:
    now = 1_800_000_000_000_000
    machine.hold(b"before", created=now + seconds * 1_000_000)
    machine.choose(**decide_telemetry("on", now=now * 1000), endpoint=collector.url)
    machine.hold(b"after", created=now - seconds * 1_000_000)
    machine.sender().send_due()
    assert collector.bodies == [b"after"]


def test_a_yes_that_is_taken_back_and_given_back_covers_nothing_newer(
    machine: Machine, collector: Collector
) -> None:
    yes = decide_telemetry("on")
    machine.choose(**yes, endpoint=collector.url)
    machine.hold(b"under the yes")
    machine.choose(**decide_telemetry(None))
    machine.hold(b"in between")
    machine.choose(**yes)
    machine.sender().send_due()
    assert collector.bodies == [b"under the yes"]


def test_a_yes_covers_nothing_that_was_recorded_for_another_destination(
    machine: Machine, collector: Collector
) -> None:
    yes = decide_telemetry("on")
    machine.choose(**yes)
    machine.hold(b"for nowhere")
    machine.choose(endpoint="https://elsewhere.example/v1/traces")
    machine.hold(b"for elsewhere")
    machine.choose(endpoint=collector.url)
    machine.hold(b"for here")
    machine.sender().send_due()
    assert collector.bodies == [b"for here"]


def test_what_a_list_includes_is_covered_and_nothing_else(
    machine: Machine, collector: Collector
) -> None:
    one = machine.hold(b"one")
    machine.hold(b"other")
    yes = decide_telemetry("on")
    include(machine.places.state, yes["yes"], collector.url, [one])
    machine.choose(**yes, endpoint=collector.url)
    machine.sender().send_due()
    assert collector.bodies == [b"one"]


def lists(machine: Machine) -> list[Path]:
    return list((machine.outbox.folder / INCLUDED).iterdir())


@pytest.mark.parametrize("harm", ["lost", "cut", "flipped", "a link", "a folder", "empty"])
def test_a_list_that_is_lost_or_altered_covers_nothing(ready: Machine, harm: str) -> None:
    ready.choose(**decide_telemetry(None))
    ready.hold()
    ready.allow(ask(ready.places).endpoint or "")
    assert included(ready.places.state, ask(ready.places)) == set(ready.pending)
    path = max(lists(ready), key=lambda each: each.stat().st_mtime_ns)
    data = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(data[:-1])
    elif harm == "flipped":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "a link":
        path.with_name("target").write_bytes(data)
        path.symlink_to(path.with_name("target"))
    elif harm == "a folder":
        path.mkdir()
    elif harm == "empty":
        path.write_bytes(b"")
    assert included(ready.places.state, ask(ready.places)) == set()
    [result] = ready.sender().send_due()
    assert "before you allowed this destination" in result.why


def test_a_list_holds_for_the_endpoint_that_was_shown_with_it_alone(
    machine: Machine, collector: Collector
) -> None:
    machine.hold()
    machine.allow("https://elsewhere.example/v1/traces")
    machine.choose(endpoint=collector.url)
    [result] = machine.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert collector.connections == 0


def test_a_list_of_a_hundred_thousand_is_read(machine: Machine) -> None:
    ids = [f"{number:016x}" for number in range(100_000)]
    yes = decide_telemetry("on")
    machine.choose(**yes)
    include(machine.places.state, yes["yes"], None, ids)
    assert included(machine.places.state, ask(machine.places)) == set(ids)


# Projects ----------------------------------------------------------------------------------------


def test_a_path_is_believed_only_where_it_is_that_of_the_mark(ready: Machine) -> None:
    ready.hold()
    mark = opened(ready).project
    assert path_of(ready.places.state, mark) == str(ready.project)
    (ready.outbox.folder / "projects" / mark).write_bytes(b"/somewhere/without/a/no")
    assert path_of(ready.places.state, mark) is None
    [result] = ready.sender().send_due()
    assert "its opt-out cannot be checked" in result.why


@pytest.mark.parametrize("mark", ["", "../choices.json", "f" * 17, "F" * 16, "\0" * 16])
def test_a_mark_that_is_none_leads_nowhere(ready: Machine, mark: str) -> None:
    assert path_of(ready.places.state, mark) is None


def test_a_damaged_envelope_is_set_aside_and_stops_no_other(
    ready: Machine, collector: Collector
) -> None:
    for number in range(3):
        ready.hold(b"payload %d" % number)
    path = ready.outbox.path(PENDING, ready.labels()[0])
    data = path.read_bytes()
    at = data.index(b'"project":"') + len(b'"project":"')
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    results = ready.sender().send_due()
    assert [result.outcome for result in results] == [
        Outcome.SET_ASIDE,
        Outcome.SENT,
        Outcome.SENT,
    ]
    assert "it was altered" in results[0].why
    assert collector.bodies == [b"payload 1", b"payload 2"]


def test_a_retry_that_lies_years_ahead_is_mended(ready: Machine, collector: Collector) -> None:
    ready.hold()
    ready.retry_at.write_text("a clock that was ahead")
    os.utime(ready.retry_at, (4e9, 4e9))
    ready.sender().send_due()
    assert len(collector.bodies) == 1
    assert not ready.retry_at.exists()


def test_an_envelope_whose_name_was_altered_is_set_aside_and_counted(
    ready: Machine, collector: Collector
) -> None:
    ready.hold(b"misnamed")
    ready.hold(b"other")
    path = ready.outbox.path(PENDING, ready.labels()[0])
    path.rename(path.with_name(path.name.replace("0,", "O,", 1)))
    ready.sender().send_due()
    assert collector.bodies == [b"other"]
    counts = ready.outbox.counts()
    assert (counts.pending, counts.set_aside) == (0, 1)
