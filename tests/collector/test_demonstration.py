"""What a demonstration sends stays on this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from cqtel_tui.actions.demo import throw_away_home
from cqtel_tui.actions.sending import ALL, send
from cqtel_tui.actions.status import look
from cqtel_tui.collector import demonstration, report
from cqtel_tui.collector.demonstration import receiving
from cqtel_tui.consent.decision import ask
from cqtel_tui.outbox.store import REJECTED, SENT, Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.paths import places
from cqtel_tui.review.destination import bound_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0


@pytest.fixture
def project(scrubbed: Path, tmp_path: Path) -> Iterator[Path]:
    del scrubbed
    with throw_away_home(within=str(tmp_path), receiving=receiving) as project:
        yield project


def test_it_has_no_destination_but_a_place_of_its_own_on_loopback(project: Path) -> None:
    del project
    outbox = Outbox(places().state)
    endpoint = ask(places(), program="cloudquery").endpoint
    urls = {bound_for(outbox.open(PENDING, each), endpoint) for each in outbox.labels(PENDING)}
    urls |= {
        receipt.url
        for box in (SENT, REJECTED)
        for label in outbox.labels(box)
        if (receipt := outbox.receipt(box, label)) is not None
    }
    assert len(urls) == 2
    assert {urlsplit(str(url)).hostname for url in urls} == {"127.0.0.1"}
    assert len({urlsplit(str(url)).port for url in urls}) == 1


def test_some_was_sent_and_some_rejected_before(project: Path) -> None:
    status = look(places(), str(project))
    assert status.problem == ""
    outbox = Outbox(places().state)
    assert (len(outbox.names(SENT)), len(outbox.names(REJECTED))) == (2, 1)


def test_what_is_sent_arrives_at_a_real_collector_there(project: Path) -> None:
    del project
    outbox = Outbox(places().state)
    labels = outbox.labels(PENDING)
    sent = list(send(places(), labels, replace(ALL, is_once=True)))
    assert len(sent) == len(labels) == 8
    assert outbox.names(PENDING) == []
    assert len(outbox.names(SENT)) == 2 + len(labels)
    assert list(places_of_the_collector())


def test_the_collector_has_what_was_sent_among_what_is_made_up(project: Path) -> None:
    endpoint = str(ask(places(), program="cloudquery").endpoint)
    address = endpoint.removesuffix("/v1/traces")
    cookie = (project / ".cq" / "telemetry-cookie").read_text("ascii").strip()
    key = {"Authorization": f"Bearer {cookie}"}

    def mine() -> list[object]:
        answer = httpx.get(f"{address}/v1/data", headers=key, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        found: list[object] = answer.json()["operations"]
        return found

    sent = Outbox(places().state).labels(SENT)
    assert len(mine()) == len(sent) == 2
    [store] = [path for path in places_of_the_collector() if path.suffix == ".sqlite3"]
    found = report.read(store, now=time.time())
    assert found.total is not None
    assert found.total.installations >= report.K
    assert [row.of for row in found.tables["operations"]] == [("cloudquery", "sync")]
    assert httpx.delete(f"{address}/v1/data", headers=key, timeout=PATIENCE).status_code == 200
    assert mine() == []
    assert len(list(report.read(store, now=time.time()).tables["days"])) > 1


def places_of_the_collector() -> Iterator[Path]:
    yield from Path(places().state).parent.glob("collector.sqlite3*")


def test_what_is_no_traces_is_refused_by_the_collector_and_not_by_the_place(project: Path) -> None:
    del project
    endpoint = str(ask(places(), program="cloudquery").endpoint)
    answer = httpx.post(
        endpoint, content=b"{", headers={"content-type": "application/json"}, timeout=PATIENCE
    )
    assert answer.status_code == 400
    batch = endpoint.replace("/v1/traces", "/v1/batch")
    assert httpx.post(batch, content=b"anything", timeout=PATIENCE).json() == {"success": True}


STARTS = """
import http.client, sys, time
from pathlib import Path
from cqtel_tui.collector import demonstration
from cqtel_tui.collector.demonstration import receiving
with receiving(Path(sys.argv[1])) as url:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/healthz")
    print(connection.getresponse().status, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux lists processes in /proc")
def test_a_collector_ends_with_a_demonstration_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, str(tmp_path)], stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"200\n"
        collectors = children(started.pid)
        assert collectors
        started.kill()
    until = time.monotonic() + PATIENCE
    while any(Path("/proc", each).exists() for each in collectors):
        assert time.monotonic() < until, "the collector is still there"
        time.sleep(0.02)


def children(process: int) -> set[str]:
    found: set[str] = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def test_without_the_extra_it_is_said_that_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demonstration, "find_spec", lambda _: None)
    with receiving(tmp_path) as url:
        answer = httpx.post(f"{url}/v1/traces", content=b"{}", timeout=PATIENCE)
    warning = answer.json()["partialSuccess"]["errorMessage"]
    assert answer.status_code == 200
    assert warning.startswith("nothing is kept: no collector is installed. pip install ")
    assert list(tmp_path.iterdir()) == []
