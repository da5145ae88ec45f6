"""What odd requests are answered, beside what an OpenTelemetry Collector answers to the same."""

from __future__ import annotations

import gzip
import socket
import subprocess
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import yaml
import zstandard

from ..deliver.collectors import PATIENCE
from ..otel_engine import BINARY, why_no_engine
from .requests import as_json, as_protobuf, request, span
from .served import JSON, PROTOBUF, Notebook, served, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Odd(NamedTuple):
    """One request, and what is answered to it.

    Attributes:
        name: what is odd about it.
        body: what is sent.
        ours: the status that this collector answers.
        theirs: the status that an OpenTelemetry Collector (0.165) answers.
        why: why that differs, where it does.
        headers: beside those of JSON.
        method: of HTTP.
        path: likewise.
    """

    name: str
    body: bytes
    ours: int
    theirs: int
    why: str = ""
    headers: dict[str, str] = JSON
    method: str = "POST"
    path: str = "/v1/traces"


def one(**members: Any) -> bytes:
    return as_json(request(span(**members)))


def within(**members: Any) -> bytes:
    whole = request()
    whole["resourceSpans"][0] |= members
    return as_json(whole)


def coded(coding: str) -> dict[str, str]:
    return JSON | {"content-encoding": coding}


ONE_SPAN = "a span that cannot be read is refused, and the others are kept"
UNNAMED = "a name that is none is left out, and the span is kept"
MEANT = "there is no doubt what was meant, and clients follow no redirection with a body"
GOOD = as_json(request())
BOM = b"\xef\xbb\xbf"
NOT_UTF_8 = b'{"resourceSpans":[{"schemaUrl":"\xff"}]}'
DEEP = b'{"a":' * 1_000 + b"1" + b"}" * 1_000
ODD = [
    Odd("nothing odd", GOOD, 200, 200),
    Odd("an empty object", b"{}", 200, 200),
    Odd("no body", b"", 400, 400),
    Odd("an array", b"[]", 400, 400),
    Odd("null", b"null", 200, 200),
    Odd("half a body", GOOD[:-20], 400, 400),
    Odd("something behind it", GOOD + b"x", 400, 200, "it is no JSON"),
    Odd("not UTF-8", NOT_UTF_8, 400, 200, "it is no JSON"),
    Odd("a byte order mark", BOM + GOOD, 400, 500, "the fault is its sender's"),
    Odd("NaN", b'{"resourceSpans":NaN}', 400, 400),
    Odd("null for the list", b'{"resourceSpans":null}', 200, 200),
    Odd("null for a message", b'{"resourceSpans":[null]}', 200, 200),
    Odd("null for a scope", b'{"resourceSpans":[{"scopeSpans":[{"scope":null}]}]}', 200, 200),
    Odd("null for a status", one(status=None), 200, 200),
    Odd("an object for the list", b'{"resourceSpans":{}}', 400, 400),
    Odd("a member that nobody knows", one(unheardOf=5), 200, 200),
    Odd("a name that is a number", one(name=5), 200, 400, UNNAMED),
    Odd("an id that is a number", one(traceId=5), 200, 400, ONE_SPAN),
    Odd("an id that is no hex", one(traceId="zz" * 16), 200, 400, ONE_SPAN),
    Odd("an id that is too short", one(traceId="ab"), 200, 400, ONE_SPAN),
    Odd("an empty id", one(traceId=""), 200, 200),
    Odd("an id of zeros", one(traceId="0" * 32), 200, 200),
    Odd("a parent of zeros", one(parentSpanId="0" * 16), 200, 200),
    Odd("an id in capitals", one(traceId="AB" * 16), 200, 200),
    Odd("a time that is a number", one(startTimeUnixNano=time.time_ns()), 200, 200),
    Odd("a time that is no number", one(startTimeUnixNano="yesterday"), 200, 400, ONE_SPAN),
    Odd("a kind by its name", one(kind="SPAN_KIND_INTERNAL"), 200, 200),
    Odd("a status by its name", one(status={"code": "STATUS_CODE_ERROR"}), 200, 200),
    Odd("a status that is a number too high", one(status={"code": 99}), 200, 200),
    Odd("flags", one(flags=257), 200, 200),
    Odd("attributes that are an object", one(attributes={}), 400, 400),
    Odd("a resource that is a number", within(resource=5), 400, 400),
    Odd("too deep", b'{"resourceSpans":[],"x":' + DEEP + b"}", 400, 200, "no client nests so deep"),
    Odd("gzip", gzip.compress(GOOD), 200, 200, headers=coded("gzip")),
    Odd("zlib", zlib.compress(GOOD), 200, 200, headers=coded("deflate")),
    Odd("zstd", zstandard.compress(GOOD), 200, 200, headers=coded("zstd")),
    Odd("half of gzip", gzip.compress(GOOD)[:-9], 400, 400, headers=coded("gzip")),
    Odd("no gzip", GOOD, 400, 400, headers=coded("gzip")),
    Odd(
        "a compression that nobody knows",
        GOOD,
        415,
        400,
        "it says which there are",
        coded("x-unheard-of"),
    ),
    Odd("no content type", GOOD, 415, 415, headers={"content-type": ""}),
    Odd("a text", GOOD, 415, 415, headers={"content-type": "text/plain"}),
    Odd("JSON by another case", GOOD, 200, 200, headers={"content-type": "Application/JSON"}),
    Odd("protobuf", as_protobuf(request()), 200, 200, headers=PROTOBUF),
    Odd("no protobuf", b"\xff", 400, 400, headers=PROTOBUF),
    Odd("an empty protobuf", b"", 200, 200, headers=PROTOBUF),
    Odd("GET", b"", 405, 405, method="GET"),
    Odd("PUT", GOOD, 405, 405, method="PUT"),
    Odd("another path", GOOD, 404, 404, path="/v1/unheard-of"),
    Odd("a slash behind it", GOOD, 200, 404, MEANT, path="/v1/traces/"),
    Odd("a slash before it", GOOD, 200, 307, MEANT, path="//v1/traces"),
]


def answered(url: str, odd: Odd) -> int:
    answer = httpx.request(
        odd.method,
        f"{url}{odd.path}",
        content=odd.body,
        headers=odd.headers,
        timeout=PATIENCE,
        trust_env=False,
    )
    return answer.status_code


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("ours"), Notebook()) as collector:
        yield collector.url


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real OpenTelemetry Collector that takes traces, and writes them to a file."""
    folder: Path = tmp_path_factory.mktemp("theirs")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = {"endpoint": f"127.0.0.1:{port}"}
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": endpoint}}},
        "exporters": {"file": {"path": str(folder / "out.json")}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
        },
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(configuration))
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        command = [str(BINARY), "--config", f"file:{folder / 'c.yaml'}"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: _is_there(port))
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _is_there(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_odd_request_is_answered(ours: str, odd: Odd) -> None:
    assert answered(ours, odd) == odd.ours


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_opentelemetry_collector_answers_as_the_table_says(theirs: str, odd: Odd) -> None:
    assert answered(theirs, odd) == odd.theirs


def test_each_difference_has_its_reason() -> None:
    assert [odd.name for odd in ODD if (odd.ours != odd.theirs) is not bool(odd.why)] == []
    assert len({odd.name for odd in ODD}) == len(ODD) > 40
