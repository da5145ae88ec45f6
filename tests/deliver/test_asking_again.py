from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.deliver.permission import NAMED
from cqtel_tui.deliver.sender import Outcome, SendResult
from cqtel_tui.outbox.writing import PENDING

from .collectors import QUICK, running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from .collectors import Collector, Request
    from .conftest import Machine

ERROR = b'{"attributes":[{"key":"exception.message","value":{"stringValue":"secret"}}]}'


def say_no(machine: Machine) -> None:
    machine.forbid()


def undecide(machine: Machine) -> None:
    machine.choose(**decide_telemetry(None))


def take_the_endpoint_away(machine: Machine) -> None:
    machine.choose(endpoint=None)


def break_the_choices(machine: Machine) -> None:
    (machine.home / "choices.json").write_text("{")


def let_the_project_say_no(machine: Machine) -> None:
    (machine.project / ".cq").mkdir()
    (machine.project / ".cq" / "telemetry.json").write_text('{"telemetry": "off"}')


def let_the_administrator_say_no(machine: Machine) -> None:
    [policy] = machine.places.admin
    machine.project.joinpath(policy).mkdir()
    machine.project.joinpath(policy, "choices.json").write_text('{"telemetry": "off"}')


NOES = [
    say_no,
    undecide,
    take_the_endpoint_away,
    break_the_choices,
    let_the_project_say_no,
    let_the_administrator_say_no,
]


@pytest.mark.parametrize("no", NOES)
@pytest.mark.parametrize("how", ["asked for", "due"])
def test_a_no_between_two_requests_stops_the_rest(
    ready: Machine, collector: Collector, no: Callable[[Machine], None], how: str
) -> None:
    def answer(_: Request, __: socket.socket) -> bytes:
        no(ready)
        return QUICK

    collector.always = answer
    first, second, third = (ready.hold(b"%d" % number) for number in range(3))
    sender = ready.sender()
    results = sender.send_due() if how == "due" else list(sender.send(ready.labels(), NAMED))
    assert collector.bodies == [b"0"]
    assert [(result.id, result.outcome) for result in results[:2]] == [
        (first, Outcome.SENT),
        (second, Outcome.REFUSED),
    ]
    assert ready.pending == [second, third]
    assert not any(label.attempt for label in ready.labels())


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CQ_NO_TELEMETRY", "whatever"), ("DO_NOT_TRACK", "1"), ("CQ_INSPECT_TELEMETRY", "1")],
)
def test_the_environment_says_no(
    ready: Machine,
    collector: Collector,
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    ready.hold()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert variable in result.why
    [result] = ready.sender().send(ready.labels(), NAMED)
    assert result.outcome is Outcome.REFUSED
    assert collector.connections == 0


@pytest.mark.parametrize("option", ["--no-telemetry", "--inspect-telemetry"])
def test_an_option_says_no(ready: Machine, collector: Collector, option: str) -> None:
    ready.hold()
    [result] = ready.sender(option).send_due()
    assert result.outcome is Outcome.REFUSED
    assert option in result.why
    assert collector.connections == 0


def test_nothing_is_sent_before_the_user_has_decided(
    machine: Machine, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    machine.hold()
    [result] = machine.sender().send_due()
    assert result.why == (
        "telemetry of cloudquery is undecided: you have not decided yet. "
        "To allow it: cq-telemetry on --program cloudquery; "
        "to send it this once: cq-telemetry send --once"
    )
    [result] = machine.sender().send(machine.labels(), NAMED)
    assert result.outcome is Outcome.REFUSED
    assert collector.connections == 0


def test_without_an_endpoint_payloads_stay_here(machine: Machine) -> None:
    machine.choose(**decide_telemetry("on"))
    machine.hold()
    [result] = machine.sender().send(machine.labels(), NAMED)
    assert result.outcome is Outcome.REFUSED
    assert result.why.startswith("no endpoint is set.")


def test_a_yes_covers_what_was_held_before_it_only_if_the_user_says_so(
    machine: Machine, collector: Collector
) -> None:
    before = machine.hold(b"before")
    machine.choose(**decide_telemetry("on"), endpoint=collector.url)
    after = machine.hold(b"after", created=time.time_ns() // 1000 + 1)
    first, second = machine.sender().send_due()
    assert (first.id, first.outcome) == (before, Outcome.REFUSED)
    assert "before you allowed this destination" in first.why
    assert (second.id, second.outcome) == (after, Outcome.SENT)
    machine.allow(collector.url)
    machine.sender().send_due()
    assert collector.bodies == [b"after", b"before"]
    assert not machine.pending


def test_what_the_user_picks_is_sent_though_it_was_held_before_the_yes(
    machine: Machine, collector: Collector
) -> None:
    machine.hold(b"this one")
    machine.hold(b"not this one")
    machine.choose(**decide_telemetry("on"), endpoint=collector.url)
    [result] = machine.sender().send(machine.labels()[:1], NAMED)
    assert result.outcome is Outcome.SENT
    assert collector.bodies == [b"this one"]


def test_an_error_text_is_sent_by_itself_in_debug_mode_alone(
    ready: Machine, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.hold(ERROR, has_error_text=True)
    ready.hold(b"plain")
    first, second = ready.sender().send_due()
    assert first.why.startswith("it has an error text, and debug mode is off.")
    assert second.outcome is Outcome.SENT
    assert collector.bodies == [b"plain"]
    ready.choose(debug=True)
    monkeypatch.setenv("CQ_DEBUG_TELEMETRY", "0")
    assert ready.sender().send_due()[0].outcome is Outcome.REFUSED
    monkeypatch.delenv("CQ_DEBUG_TELEMETRY")
    assert ready.sender().send_due()[0].outcome is Outcome.SENT


def results_by_id(machine: Machine) -> dict[str, SendResult]:
    return {result.id: result for result in machine.sender().send_due()}


def test_a_no_for_one_project_holds_back_only_what_is_its_own(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    refusing = tmp_path / "refusing"
    refusing.mkdir()
    ready.choose(refusing, **decide_telemetry("off"))
    theirs = ready.hold(b"theirs", project=refusing)
    ours = ready.hold(b"ours")
    results = results_by_id(ready)
    assert results[theirs].outcome is Outcome.REFUSED
    assert results[ours].outcome is Outcome.SENT
    assert collector.bodies == [b"ours"]


def test_a_no_of_the_folder_one_stands_in_holds_back_only_what_is_its_own(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    let_the_project_say_no(ready)
    ours = ready.hold(b"ours")
    theirs = ready.hold(b"theirs", project=tmp_path)
    results = results_by_id(ready)
    assert results[ours].outcome is Outcome.REFUSED
    assert results[theirs].outcome is Outcome.SENT
    assert collector.bodies == [b"theirs"]


def test_a_yes_for_one_project_covers_only_what_is_its_own(
    machine: Machine, collector: Collector, tmp_path: Path
) -> None:
    machine.allow(collector.url, project=machine.project)
    machine.hold(b"ours")
    elsewhere = machine.hold(b"theirs", project=tmp_path)
    machine.sender().send_due()
    assert collector.bodies == [b"ours"]
    assert machine.pending == [elsewhere]


def test_a_yes_for_one_project_does_not_undo_a_no_for_all(
    machine: Machine, collector: Collector
) -> None:
    machine.allow(collector.url, project=machine.project)
    machine.forbid()
    machine.hold()
    [result] = machine.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert collector.connections == 0


def test_each_project_may_have_an_endpoint_of_its_own(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    with running() as other:
        ready.choose(tmp_path, endpoint=other.url)
        for number in range(4):
            ready.hold(b"%d" % number, project=tmp_path if number % 2 else None)
        ready.sender().send_due()
        assert collector.bodies == [b"0", b"2"]
        assert other.bodies == [b"1", b"3"]
        assert (collector.connections, other.connections) == (1, 1)


def test_a_project_whose_collector_is_away_does_not_stand_before_the_others(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    with running() as away:
        ready.choose(tmp_path, endpoint=away.url)
    ready.hold(b"lost", project=tmp_path)
    ready.hold(b"first")
    ready.sender().send_due()
    assert collector.bodies == []
    ready.retry_at.unlink()
    ready.sender().send_due()
    assert collector.bodies == [b"first"]


def test_what_was_recorded_in_a_folder_that_is_gone_goes_only_where_it_is_asked_for(
    ready: Machine, collector: Collector, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    ready.hold(project=gone)
    gone.rmdir()
    [result] = ready.sender().send_due()
    assert result.outcome is Outcome.REFUSED
    assert "its opt-out cannot be checked" in result.why
    assert collector.connections == 0
    [result] = ready.sender().send(ready.labels(), NAMED)
    assert result.outcome is Outcome.SENT


def test_a_sender_whose_own_folder_is_gone_asks_the_projects_all_the_same(
    ready: Machine, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "refusing"
    refusing.mkdir()
    theirs = ready.hold(b"theirs", project=refusing)
    ready.hold(b"ours")
    (refusing / ".cq").mkdir()
    (refusing / ".cq" / "telemetry.json").write_text('{"telemetry": "off"}')
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ready.sender().send_due()
    monkeypatch.chdir(tmp_path)
    assert collector.bodies == [b"ours"]
    assert ready.pending == [theirs]


def test_who_refused_leaves_no_trace_of_an_attempt(ready: Machine) -> None:
    ready.hold()
    ready.forbid()
    ready.sender().send_due()
    assert [label.attempt for label in ready.labels(PENDING)] == [0]
    assert not ready.retry_at.exists()
