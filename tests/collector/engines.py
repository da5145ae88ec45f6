"""A real engine behind the edges, configured as it is shipped, and a way around it into Kafka."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import httpx

from cqtel_tui.collector.engine import configuration

from ..kafka_broker import Kafka, free_port
from ..otel_engine import BINARY
from .served import JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cqtel_tui.collector.clickhouse_asking import DatabasePlace

SECONDS = 420.0
# What Kafka has can be read by a test, and what is posted as a log to the second receiver is put
# into the topic as it is.
_OF_TESTS = """\
service:
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: 127.0.0.1
                port: {metrics}
  pipelines:
    logs/around:
      receivers: [otlp/around]
      exporters: [kafka/around]
receivers:
  otlp/around:
    protocols:
      http:
        endpoint: 127.0.0.1:{around}
exporters:
  kafka:
    producer:
      compression: none
  kafka/around:
    brokers: ["127.0.0.1:{kafka}"]
    logs:
      topic: cqtel_spans
      encoding: raw
"""


def until(happens: Callable[[], object]) -> None:
    """Wait for what other processes do."""
    ends = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.1)


class Engine:
    """The engine, which can be killed and started again.

    Attributes:
        url: where edges post traces.
        queue: the folder of its queue on disk.
    """

    def __init__(self, folder: Path, kafka: Kafka, place: DatabasePlace) -> None:
        port, self._metrics, self._around = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.queue = folder / "queue"
        self._folder = folder
        (folder / "engine.yaml").write_text(configuration(), encoding="utf-8")
        (folder / "tests.yaml").write_text(
            _OF_TESTS.format(metrics=self._metrics, around=self._around, kafka=kafka.port),
            encoding="utf-8",
        )
        self._environ = {
            **os.environ,
            "CQTEL_ENGINE_LISTEN": f"127.0.0.1:{port}",
            "CQTEL_QUEUE_DIR": str(self.queue),
            "CQTEL_KAFKA_BROKER": f"127.0.0.1:{kafka.port}",
            "CQTEL_CLICKHOUSE": f"http://127.0.0.1:{place.port}",
            "CQTEL_CLICKHOUSE_DATABASE": place.database,
            "CQTEL_CLICKHOUSE_COMPRESS": "none",
        }
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(str(BINARY), "--config", f"file:{self._folder / 'engine.yaml'}"),
                    *("--config", f"file:{self._folder / 'tests.yaml'}"),
                ],
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        return self.process

    def stop(self) -> None:
        """End it in good order: it tells Kafka how far it has read."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def put_into_kafka(self, records: Sequence[bytes]) -> None:
        """Put records into the topic, as whoever gets around the engine does."""
        written = [{"body": {"bytesValue": base64.b64encode(each).decode()}} for each in records]
        logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": written}]}]}
        url = f"http://127.0.0.1:{self._around}/v1/logs"
        until(lambda: is_answered(url, json.dumps(logs).encode(), JSON))

    def counted(self, name: str) -> float:
        """Return the sum of a counter that it tells of itself."""
        url = f"http://127.0.0.1:{self._metrics}/metrics"
        told = httpx.get(url, timeout=60, trust_env=False).text
        return sum(map(float, re.findall(rf"^{name}\{{.*\}} (\S+)$", told, re.MULTILINE)))


def is_answered(url: str, body: bytes, kind: dict[str, str]) -> bool:
    """Tell whether a request is accepted."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.post(url, content=body, headers=kind, timeout=60, trust_env=False).is_success
    return False
