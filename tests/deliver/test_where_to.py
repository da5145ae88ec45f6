from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.consent.decision import ask
from cqtel_tui.deliver.permission import ALL, NAMED
from cqtel_tui.deliver.sender import Outcome, Sender
from cqtel_tui.errors import CqtelError
from cqtel_tui.outbox.envelope import identity_of
from cqtel_tui.outbox.writing import PENDING, hold

from .collectors import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .collectors import Collector
    from .conftest import Machine

EVENT = b'{"batch":[]}'


@pytest.fixture
def upstream() -> Iterator[Collector]:
    with running() as found:
        yield found


def catch(machine: Machine, target: str | None, **different: Any) -> str:
    """Hold what a gate would, and return its id."""
    machine.held += 1
    given: dict[str, Any] = {
        "app": "cloudquery",
        "version": "6.21.1",
        "operation": "init_started",
        "outcome": "",
        "duration": 0,
        "headers": {"Content-Type": "application/json", "Authorization": "Basic a2V5"},
        "project": str(machine.project),
        "has_error_text": False,
        "consent": ask(machine.places, directory=str(machine.project)).mark(None),
        "kind": "rudderstack",
        "origin": "gate",
        "target": target,
        "intercepted": b'{"has_error_text": false}\nall of it',
    } | different
    name = hold(
        machine.places.state, EVENT, time.time_ns() // 1000, f"{machine.held:016x}", **given
    )
    return identity_of(name)


def test_what_was_intercepted_goes_where_it_was_bound_for_and_ours_to_our_endpoint(
    ready: Machine, collector: Collector, upstream: Collector
) -> None:
    ours, intercepted = ready.hold(), catch(ready, upstream.url)
    assert [result.outcome for result in ready.sender().send_due()] == [Outcome.SENT] * 2
    assert ready.sent == [ours, intercepted]
    assert (len(collector.requests), upstream.bodies) == (1, [EVENT])
    assert ("Authorization", "Basic a2V5") in upstream.requests[0].headers
    assert not any(name == "Authorization" for name, _ in collector.requests[0].headers)


def test_a_target_on_an_envelope_of_ours_is_not_heeded(
    ready: Machine, collector: Collector, upstream: Collector
) -> None:
    decision = ask(ready.places, directory=str(ready.project))
    consent = decision.mark(decision.endpoint)
    catch(ready, upstream.url, origin="record", intercepted=b"", consent=consent)
    assert [result.outcome for result in ready.sender().send_due()] == [Outcome.SENT]
    assert (len(collector.requests), upstream.requests) == (1, [])


def test_without_an_endpoint_what_was_intercepted_can_be_sent_all_the_same(
    ready: Machine, upstream: Collector
) -> None:
    ready.choose(endpoint=None)
    ours, intercepted = ready.hold(), catch(ready, upstream.url)
    results = {result.id: result.outcome for result in ready.sender().send_due()}
    assert results == {ours: Outcome.REFUSED, intercepted: Outcome.SENT}


@pytest.mark.parametrize(
    "target",
    [
        None,
        "http://upstream.example/v1/batch",
        "https://user:word@upstream.example/",
        "file:///etc/passwd",
        "nonsense",
    ],
)
@pytest.mark.parametrize("asked_for", [True, False])
def test_what_was_intercepted_never_goes_to_our_endpoint_instead(
    ready: Machine, collector: Collector, target: str | None, *, asked_for: bool
) -> None:
    catch(ready, target)
    sender = ready.sender()
    labels = ready.labels(PENDING)
    [result] = sender.send(labels, NAMED) if asked_for else sender.send_due()
    assert result.outcome is Outcome.REFUSED
    assert result.why == "it is bound for where it may not be sent to"
    assert collector.requests == []


def test_what_nobody_could_read_goes_only_when_it_is_asked_for(
    ready: Machine, upstream: Collector
) -> None:
    catch(ready, upstream.url, kind="unknown")
    catch(ready, upstream.url)
    for results in (
        ready.sender().send_due(),
        list(ready.sender().send(ready.labels(PENDING), ALL)),
    ):
        assert results[0].outcome is Outcome.REFUSED
        assert "Name it by its id" in results[0].why
        # It stands in no other's way.
        assert all(result.outcome is Outcome.SENT for result in results[1:])
    assert len(upstream.bodies) == 1
    [result] = ready.sender().send(ready.labels(PENDING), NAMED)
    assert result.outcome is Outcome.SENT
    assert upstream.bodies == [EVENT] * 2


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_text_that_was_intercepted_goes_by_itself_in_debug_mode_only(
    ready: Machine, upstream: Collector, *, debug: bool
) -> None:
    ready.choose(debug=debug)
    catch(ready, upstream.url, has_error_text=True)
    [result] = ready.sender().send_due()
    assert result.outcome is (Outcome.SENT if debug else Outcome.REFUSED)
    assert len(upstream.requests) == debug


def test_what_was_intercepted_is_refused_and_postponed_as_ours_is(
    ready: Machine, upstream: Collector
) -> None:
    upstream.replies.append(b"HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n")
    upstream.replies.append(b"HTTP/1.1 400 no\r\nContent-Length: 0\r\n\r\n")
    intercepted = catch(ready, upstream.url)
    [result] = ready.sender().send(ready.labels(PENDING), NAMED)
    assert result.outcome is Outcome.POSTPONED
    [result] = ready.sender().send(ready.labels(PENDING), NAMED)
    assert result.outcome is Outcome.REJECTED
    assert ready.rejected == [intercepted]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_touches_nothing_in_the_home_of_a_user(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(machine.places.state)
    home.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("HOME", str(home.parent))
    os.chown(home, 65534, 65534)
    before = sorted(home.rglob("*"))
    with pytest.raises(CqtelError, match="was not changed: you are root"):
        list(Sender(machine.places).send([], NAMED))
    assert sorted(home.rglob("*")) == before
