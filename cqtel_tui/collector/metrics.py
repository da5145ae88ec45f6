"""What can be counted of a collector without counting anybody, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from . import SHARED_FOLDER

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class Metrics:
    """The counters of one process, in a registry of their own.

    Attributes:
        requests: by route (of ours, else `other`) and status.
        taken: those for traces that were taken.
        seconds: from the head of a request for traces to its answer.
        bytes: bodies of requests for traces, as they came.
        spans: by what became of them: new, duplicate, erased or refused.
        limited: requests of networks that came too often.
        turned_away: connections beyond the bound.
        connections: open now.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "cqtel_collector_requests", "Requests.", ("route", "status"), registry=registry
        )
        self.taken = self.requests.labels("traces", "200")
        self.seconds = Histogram(
            "cqtel_collector_request_seconds",
            "From the head of a request for traces to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.bytes = Counter(
            "cqtel_collector_received_bytes", "Bodies, as they came.", registry=registry
        )
        spans = Counter(
            "cqtel_collector_spans", "Spans, by what became of them.", ("what",), registry=registry
        )
        self.new = spans.labels("new")
        self.duplicates = spans.labels("duplicate")
        self.erased = spans.labels("erased")
        self.refused = spans.labels("refused")
        self.limited = Counter(
            "cqtel_collector_limited", "Requests of networks too often here.", registry=registry
        )
        self.turned_away = Counter(
            "cqtel_collector_turned_away", "Connections that were too many.", registry=registry
        )
        self.connections = Gauge(
            "cqtel_collector_connections",
            "Connections open now.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def page(self) -> bytes:
        """Return all of them, those of all workers together, as Prometheus reads it."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
