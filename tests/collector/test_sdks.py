"""What the official SDKs deliver arrives, in all that the catalogue allows, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from cqtel_tui.collector.store import Store

from ..deliver.collectors import PATIENCE, running
from ..java_sdk import delivering, why_no_java
from ..javascript_sdk import JAVASCRIPT, why_no_javascript
from .served import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

PRIVATE = "nobodys-business"


class Receiving(NamedTuple):
    url: str
    store: Path


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    store = tmp_path_factory.mktemp("collector") / "store.sqlite3"
    with command(store.parent, "--store", str(store), "--rate", "0") as running:
        yield Receiving(f"{running.url}/v1/traces", store)


def assert_one_operation_is_kept(collector: Receiving, cookie: str) -> None:
    """Look for the operation with one part that each of these SDKs is told to deliver."""
    with closing(Store(collector.store)) as store:
        assert_one_operation_is_in(store.mine(cookie))


def assert_one_operation_is_in(operations: list[dict[str, Any]]) -> None:
    assert PRIVATE not in json.dumps(operations)
    assert {
        (
            *(one["service.name"], one["service.version"], one["cloudquery.ci"]),
            *one["cloudquery.plugins"],
        )
        for one in operations
    } == {("cloudquery", "6.21.1", True, "source/cloudquery/aws@v27.1.0")}
    spans = {span["name"]: span for one in operations for span in one["spans"]}
    assert sum(len(one["spans"]) for one in operations) == len(spans) == 2
    operation, part = spans["sync"], spans["sync.aws"]
    assert part["trace_id"] == operation["trace_id"]
    assert part["parent_id"] == operation["span_id"]
    assert operation["parent_id"] is None
    assert operation["duration_ns"] >= part["duration_ns"] > 0
    assert [operation["success"], part["success"]] == [False, True]
    assert [operation["process.exit.code"], part["process.exit.code"]] == [3, None]


class Watched(SpanExporter):
    """The official exporter; what it made of our answers is written down."""

    def __init__(self, url: str, compression: Compression) -> None:
        self.results: list[SpanExportResult] = []
        self._exporter = OTLPSpanExporter(url, compression=compression)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.results.append(self._exporter.export(spans))
        return self.results[-1]

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_python_sdk_delivers_in_protobuf(
    collector: Receiving, scrubbed: Path, compression: Compression
) -> None:
    cookie = str(uuid4())
    exporter = Watched(collector.url, compression)
    provider = TracerProvider(
        resource=Resource(
            {
                "service.name": "cloudquery",
                "service.version": "6.21.1",
                "service.instance.id": cookie,
                "cloudquery.ci": True,
                "cloudquery.plugins": ["source/cloudquery/aws@v27.1.0"],
                "host.name": PRIVATE,
            }
        )
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("sync") as operation:
        with tracer.start_as_current_span("sync.aws") as part:
            part.set_status(Status(StatusCode.OK))
        operation.set_attributes({"process.exit.code": 3, "url.full": PRIVATE})
        operation.set_status(Status(StatusCode.ERROR, PRIVATE))
    provider.shutdown()
    assert exporter.results == [SpanExportResult.SUCCESS] * 2
    assert_one_operation_is_kept(collector, cookie)


@pytest.mark.skipif(bool(why_no_javascript()), reason=why_no_javascript())
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_the_javascript_sdk_delivers(collector: Receiving, encoding: str, compression: str) -> None:
    cookie = str(uuid4())
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "deliver.mjs", collector.url, encoding, compression, cookie],
        cwd=JAVASCRIPT,
        env={"PATH": os.defpath},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == [0, 0]  # ExportResultCode.SUCCESS
    assert_one_operation_is_kept(collector, cookie)


@pytest.mark.skipif(bool(why_no_java()), reason=why_no_java())
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("through", ["nothing", "an edge"])
def test_the_java_sdk_delivers_with_the_jdks_own_client(
    collector: Receiving, tmp_path: Path, through: str, compression: str
) -> None:
    # It offers HTTP/2 with each request in clear text.
    cookie = str(uuid4())
    with running() as engine, contextlib.ExitStack() as stack:
        url = collector.url
        if through == "an edge":
            edge = command(tmp_path, "--forward", engine.url, "--rate", "0")
            url = f"{stack.enter_context(edge).url}/v1/traces"
        done = subprocess.run(
            delivering(url, compression, cookie),
            env={"PATH": os.defpath},
            capture_output=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b"delivered"), done.stderr
        if through == "an edge":
            handed_on = b"".join(engine.bodies)
            assert handed_on.count(b"\x2a\x04sync\x30") == 1
            assert handed_on.count(b"\x2a\x08sync.aws") == 1
            assert PRIVATE.encode() not in handed_on
            assert cookie.encode() not in handed_on
        else:
            assert_one_operation_is_kept(collector, cookie)
