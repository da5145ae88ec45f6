from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver.permission import ALL, NAMED
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.outbox.dispatch import start_if_due
from cqtel_tui.outbox.expiry import EXPIRY, MAX_AGE_SECONDS
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING

from .collectors import PATIENCE, QUICK, reply
from .conftest import NOW, ended

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .collectors import Collector, Request
    from .conftest import Machine


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.01)


def test_a_torn_envelope_is_set_aside_and_the_others_go_on(
    ready: Machine, collector: Collector
) -> None:
    torn, altered, whole = (ready.hold(b"payload %d" % number) for number in range(3))
    paths = [ready.outbox.path(PENDING, label) for label in ready.labels()]
    paths[0].write_bytes(paths[0].read_bytes()[:-3])
    paths[1].write_bytes(paths[1].read_bytes()[:-1] + b"7")
    results = ready.sender().send_due()
    assert [(result.id, result.outcome) for result in results] == [
        (torn, Outcome.SET_ASIDE),
        (altered, Outcome.SET_ASIDE),
        (whole, Outcome.SENT),
    ]
    assert "incomplete" in results[0].why
    assert "SHA-256" in results[1].why
    assert collector.bodies == [b"payload 2"]
    assert ready.outbox.counts().set_aside == 2


def test_an_envelope_that_vanished_is_reported_and_the_others_go_on(
    ready: Machine, collector: Collector
) -> None:
    ready.hold(b"gone")
    ready.hold(b"here")
    labels = ready.labels()
    ready.outbox.drop(PENDING, labels[0])
    results = list(ready.sender().send(labels, NAMED))
    assert [result.outcome for result in results] == [Outcome.GONE, Outcome.SENT]
    assert collector.bodies == [b"here"]


def test_an_envelope_that_another_sender_tried_in_vain_is_found_under_its_new_name(
    ready: Machine, collector: Collector
) -> None:
    collector.replies.append(reply(503))
    identity = ready.hold()
    labels = ready.labels()
    ready.sender().send_due()
    [result] = ready.sender().send(labels, NAMED)
    assert (result.id, result.outcome) == (identity, Outcome.SENT)
    assert ready.sent == [identity]


def test_what_is_dropped_while_it_is_on_its_way_is_kept_among_the_sent(
    ready: Machine, collector: Collector
) -> None:
    def answer(_: Request, __: socket.socket) -> bytes:
        ready.outbox.drop(PENDING, ready.labels()[0])
        return QUICK

    collector.replies.append(answer)
    dropped = ready.hold(b"dropped")
    other = ready.hold(b"other")
    results = ready.sender().send_due()
    assert [result.outcome for result in results] == [Outcome.SENT, Outcome.SENT]
    assert ready.sent == [dropped, other]
    [label, _] = ready.labels(SENT)
    assert ready.outbox.open(SENT, label).payload == b"dropped"
    assert ready.outbox.receipt(SENT, label) == results[0].receipt


def test_what_is_dropped_while_a_collector_does_not_answer_stays_dropped(
    ready: Machine, collector: Collector
) -> None:
    def answer(_: Request, __: socket.socket) -> bytes:
        ready.outbox.drop(PENDING, ready.labels()[0])
        return reply(503)

    collector.always = answer
    ready.hold()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.POSTPONED
    assert not ready.pending
    assert not ready.sent


def test_senders_at_once_take_turns_and_deliver_each_payload_once(
    ready: Machine, collector: Collector
) -> None:
    under_way = threading.Semaphore(1)
    crowds = []

    def answer(_: Request, __: socket.socket) -> bytes:
        alone = under_way.acquire(blocking=False)
        crowds.append(not alone)
        time.sleep(0.01)
        under_way.release()
        return QUICK

    collector.always = answer
    bodies = [b"%d" % number for number in range(30)]
    for body in bodies:
        ready.hold(body)
    processes = [ready.start() for _ in range(3)]
    results = list(ready.sender().send(ready.labels(), NAMED))
    for process in processes:
        assert ended(process) == ""
    assert Counter(collector.bodies) == Counter(bodies)
    assert {result.outcome for result in results} <= {Outcome.SENT, Outcome.GONE}
    assert len(ready.sent) == 30
    assert not any(crowds)


def test_what_was_on_its_way_when_its_sender_was_killed_is_not_sent_again_by_itself(
    ready: Machine, collector: Collector
) -> None:
    collector.replies.append(collector.hang)
    ready.hold(b"first")
    ready.hold(b"second")
    process = ready.start()
    collector.wait_for_request()
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert len(ready.pending) == 2
    results = ready.sender().send_due()
    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.SENT]
    assert f"it may have been sent to {collector.url}" in results[0].why
    assert collector.bodies == [b"first", b"second"]
    [label] = ready.labels()
    [result] = ready.sender().send([label], ALL)
    assert result.outcome is Outcome.REFUSED
    assert collector.bodies == [b"first", b"second"]
    # Its user has named it.
    [result] = ready.sender().send([label], NAMED)
    assert result.outcome is Outcome.SENT
    assert collector.bodies == [b"first", b"second", b"first"]
    assert not ready.pending
    assert ready.in_doubt() == []


def test_senders_that_are_killed_again_and_again_lose_nothing(
    ready: Machine, collector: Collector
) -> None:
    bodies = [b"%d" % number for number in range(20)]
    for body in bodies:
        ready.hold(body)
    kills = 4
    for _ in range(kills):
        process = ready.start()
        for _ in range(3):
            collector.wait_for_request()
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert ended(ready.start()) == ""
    # What was under way when its sender died waits for its user; nothing came twice.
    assert sorted([*ready.sent, *ready.pending]) == [f"{n:016x}" for n in range(1, 21)]
    assert ready.in_doubt() == ready.pending
    assert len(ready.pending) <= kills
    assert Counter(collector.bodies) == Counter(set(collector.bodies))


@pytest.mark.parametrize(("box", "status"), [(SENT, 200), (REJECTED, 400)])
def test_what_was_answered_before_a_crash_is_not_sent_again(
    ready: Machine, collector: Collector, box: str, status: int
) -> None:
    collector.replies.append(reply(status))
    first = ready.hold(b"first")
    ready.sender().send_due()
    [label] = ready.labels(box)
    # The receipt was written, and the envelope not yet moved.
    ready.outbox.path(box, label).rename(ready.outbox.path(PENDING, label))
    second = ready.hold(b"second")
    [result] = ready.sender().send_due()
    assert result.id == second
    assert collector.bodies == [b"first", b"second"]
    assert ready.ids(box)[0] == first
    receipt = ready.outbox.receipt(box, label)
    assert receipt is not None
    assert receipt.status == status


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot interrupt one process alone")
def test_an_interrupted_user_gets_the_terminal_back_at_once(
    ready: Machine, collector: Collector
) -> None:
    collector.always = collector.hang
    ready.hold()
    program = (
        "from cqtel_tui.deliver.permission import NAMED\n"
        "from cqtel_tui.deliver.sender import Sender; from cqtel_tui.paths import places\n"
        "sender = Sender(places(), request_seconds=3600)\n"
        "try: list(sender.send(sender.outbox.labels('pending'), NAMED))\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = ready.python("-c", program)
    collector.wait_for_request()
    process.send_signal(signal.SIGINT)
    assert ended(process).strip() == "interrupted"
    assert not collector.released.is_set(), "it waited neither for an answer nor for an hour"
    assert len(ready.pending) == 1
    collector.released.set()
    collector.always = QUICK
    assert ready.sender().send_due()[0].outcome is Outcome.SENT


def test_whoever_stops_listening_lets_go_of_the_lock(ready: Machine, collector: Collector) -> None:
    for _ in range(3):
        ready.hold()
    for result in ready.sender().send(ready.labels(), NAMED):
        assert result.outcome is Outcome.SENT
        break
    assert len(ready.sender().send_due()) == 2
    assert len(collector.requests) == 3


def test_a_payload_that_is_recorded_while_a_sender_runs_calls_another_one(
    ready: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(ready.home))

    def answer(_: Request, __: socket.socket) -> bytes:
        collector.released.wait(PATIENCE)
        return QUICK

    collector.always = answer
    ready.hold(b"first")
    assert start_if_due(ready.places.state)
    assert not start_if_due(ready.places.state), "one is called already"
    collector.wait_for_request()
    ready.hold(b"second")
    assert start_if_due(ready.places.state), "the first has begun, and may not see it"
    collector.released.set()
    wait_until(lambda: len(ready.sent) == 2)
    assert collector.bodies == [b"first", b"second"]


def test_no_payload_is_left_behind_however_they_come(
    ready: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(ready.home))
    bodies = [b"%d" % number for number in range(40)]
    for body in bodies:
        ready.hold(body)
        start_if_due(ready.places.state)
        time.sleep(0.02)
    wait_until(lambda: len(ready.sent) == len(bodies))
    assert Counter(collector.bodies) == Counter(bodies)


def test_none_is_started_before_its_time(ready: Machine, collector: Collector) -> None:
    collector.always = reply(503)
    ready.hold()
    ready.sender().send_due()
    assert not start_if_due(ready.places.state)
    assert ready.sender().send_due() == []
    assert len(collector.requests) == 1


def test_a_sender_tidies_up(ready: Machine, collector: Collector) -> None:
    old = ready.hold(b"old", created=int((NOW - MAX_AGE_SECONDS - 1) * 1_000_000))
    new = ready.hold(b"new", created=int(NOW * 1_000_000))
    leftover = ready.outbox.folder / PENDING / ".leftover"
    leftover.touch()
    os.utime(leftover, (NOW - 7200, NOW - 7200))
    yesterday = int((NOW - 86400) * 1_000_000)
    (ready.outbox.folder / EXPIRY).write_text(f"{yesterday}\n{yesterday}\nanother start\n0")
    results = ready.sender(clock=lambda: NOW).send_due()
    assert [result.id for result in results] == [new]
    assert old not in ready.pending
    assert collector.bodies == [b"new"]
    assert not leftover.exists()


def test_without_an_outbox_nothing_is_made(machine: Machine) -> None:
    machine.choose(telemetry=None)
    assert machine.sender().send_due() == []
    assert not machine.outbox.folder.exists()


def test_a_run_goes_on_to_the_next_one_for_a_while_only(
    ready: Machine, collector: Collector
) -> None:
    for number in range(3):
        ready.hold(b"%d" % number)
    [result] = ready.sender(run_seconds=0.0).send_due()
    assert result.outcome is Outcome.SENT
    assert collector.bodies == [b"0"]
    assert len(ready.sender().send_due()) == 2
