"""The whole way behind the edges, by real programs: recorded, kept once, told, erased, gone."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cqtel_tui import Telemetry
from cqtel_tui.cli import main
from cqtel_tui.collector.arrivals import digest_of
from cqtel_tui.collector.clickhouse import OLDEST_DAYS_HERE
from cqtel_tui.collector.clickhouse_asking import ClickHouse, DatabasePlace
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING

from ..kafka_broker import Kafka, free_port, why_no_kafka
from ..otel_engine import why_no_engine
from .clickhouses import make, running, why_no_clickhouse
from .engines import Engine, is_answered, until
from .requests import as_protobuf, request, span
from .served import JSON, PROTOBUF, Command, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

WHY_NOT = "; ".join(filter(None, (why_no_engine(), why_no_kafka(), why_no_clickhouse())))
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

ADDRESS = "198.51.100.77"
COOKIES = [str(uuid.uuid4()) for _ in range(6)]
SPANS = 3


class Whole:
    """All of it, each part of which can be killed and started again."""

    def __init__(self, folder: Path, parts: contextlib.ExitStack) -> None:
        self.folder = folder
        self._parts = parts
        self.kafka = Kafka(folder / "kafka")
        parts.callback(self.kafka.close)
        self._port = free_port()
        self._clickhouse: contextlib.ExitStack = contextlib.ExitStack()
        parts.callback(self._end_clickhouse)
        self.place = make(self._start_clickhouse(), oldest_days=OLDEST_DAYS_HERE)
        self.engine = Engine(folder, self.kafka, self.place)
        parts.callback(self.engine.kill)
        self._edges = 0
        self.edges = [self.edge(), self.edge()]

    def _start_clickhouse(self) -> DatabasePlace:
        self._clickhouse = contextlib.ExitStack()
        folder = self.folder / "clickhouse"
        folder.mkdir(exist_ok=True)
        place, _ = self._clickhouse.enter_context(running(folder, self._port))
        return place

    def _end_clickhouse(self) -> None:
        self._clickhouse.close()

    def edge(self) -> Command:
        """Start one more."""
        self._edges += 1
        options = (
            *("--forward", self.engine.url),
            *("--clickhouse", str(self.place), "--trusted-proxy", "127.0.0.1"),
        )
        home = self.folder / f"edge-{self._edges}"
        return self._parts.enter_context(command(home, *options))

    def kill_each(self) -> Iterator[Callable[[], object]]:
        """Kill one after the other; yield how to start it again."""
        self.engine.kill()
        yield self.engine.start
        self.kafka.kill()
        yield self.kafka.start
        self._clickhouse.close()
        yield self._start_clickhouse
        self.edges[0].process.kill()
        yield lambda: self.edges.__setitem__(0, self.edge())

    def post(self, body: bytes, kind: dict[str, str] = JSON) -> None:
        """Post as a client does: again until it is acknowledged."""

        def is_taken() -> bool:
            for edge in self.edges:
                with contextlib.suppress(httpx.HTTPError):
                    answer = edge.client.post(
                        "/v1/traces", content=body, headers={**kind, "x-forwarded-for": ADDRESS}
                    )
                    assert answer.status_code in {200, 502, 503}, answer.text
                    return answer.status_code == 200
            return False

        until(is_taken)

    def rows(self, query: str, **values: object) -> Sequence[Sequence[Any]]:
        with closing(ClickHouse(self.place)) as asked:
            return asked.rows(query, **values)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with contextlib.ExitStack() as parts:
        yield Whole(tmp_path, parts)


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record an operation for each installation, with room in it for more traces."""
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(folder / "home"))
    with Telemetry("cloudquery", version="6.21.1").operation("sync") as operation:
        for part in range(SPANS - 1):
            with operation.span(f"sync.table_{part}"):
                pass
    outbox = Outbox(str(folder / "home"))
    [label] = outbox.labels(PENDING)
    document = json.loads(outbox.open(PENDING, label).payload)
    about = document["resourceSpans"][0]["resource"]["attributes"]
    payloads = []
    for cookie in COOKIES:
        said = {"key": "service.instance.id", "value": {"stringValue": cookie}}
        document["resourceSpans"][0]["resource"]["attributes"] = [*about, said]
        payloads.append(json.dumps(document).encode())
    return payloads


def again(payload: bytes) -> bytes:
    """Return a payload as if it were of another run."""
    document = json.loads(payload)
    trace = os.urandom(16).hex()
    for one in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        one["traceId"] = trace
    return json.dumps(document).encode()


def test_recorded_kept_once_told_and_erased_whatever_is_killed(
    whole: Whole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    payloads = recorded(tmp_path, monkeypatch)
    sent = 0
    for payload in payloads:
        whole.post(again(payload))
        sent += 1
    for start_again in whole.kill_each():
        start_again()
        for payload in payloads:
            whole.post(again(payload))
            sent += 1
    # What no column can hold keeps nothing else back.
    broken = request(span("sync", traceId=""), program={"service.name": "cloudquery"})
    url = f"{whole.engine.url}/v1/traces"
    until(lambda: is_answered(url, as_protobuf(broken), PROTOBUF))
    whole.post(again(payloads[0]))
    sent += 1
    count = "SELECT count() FROM {database}.spans FINAL"
    until(lambda: whole.rows(count)[0][0] == sent * SPANS)
    letters = "SELECT trace_id, program, name FROM {database}.dead_letters"
    assert set(whole.rows(letters)) == {("", "cloudquery", "sync")}

    assert main(["collector", "report", "--clickhouse", str(whole.place), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["count"] == sent
    assert [row["span"] for row in told["spans"]] == ["sync.table_0", "sync.table_1"]

    mine = {"authorization": f"Bearer {COOKIES[0]}", "x-forwarded-for": ADDRESS}
    given = whole.edges[0].client.get("/v1/data", headers=mine).json()["operations"]
    assert len(given) == 6
    assert whole.edges[0].client.delete("/v1/data", headers=mine).json() == {"erased": 6 * SPANS}
    whole.post(again(payloads[0]))  # at whichever edge: it is dropped
    whole.post(again(payloads[1]))
    until(lambda: whole.rows(count)[0][0] == (sent - 6 + 1) * SPANS)
    assert whole.edges[1].client.get("/v1/data", headers=mine).json() == {"operations": []}
    for table in ("spans", "errors", "dead_letters"):
        query = f"SELECT count() FROM {{database}}.{table} WHERE installation = {{who:String}}"  # noqa: S608  # ours
        assert whole.rows(query, who=digest_of(COOKIES[0]).hex()) == [(0,)]
    _look_everywhere(whole)


def _look_everywhere(whole: Whole) -> None:
    """Look for addresses and cookies in all that anybody has written, and in what tables say."""
    private = [ADDRESS.encode(), *map(str.encode, COOKIES)]
    has_digest = False
    for path in whole.folder.rglob("*"):
        if path.is_file() and "home" not in path.parts:
            data = path.read_bytes()
            assert not [each for each in private if each in data], path
            has_digest = has_digest or digest_of(COOKIES[1]).hex().encode() in data
    assert has_digest  # what is there is found
    for table in ("spans", "errors", "dead_letters", "erased"):
        rows = whole.rows(f"SELECT * FROM {{database}}.{table}")  # noqa: S608  # ours
        said = str(rows).encode()
        assert not [each for each in private if each in said], table
