"""As OTLP has it: what clients of the field send is taken, and answered in their own encoding."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from .requests import as_json, as_protobuf, attributes, request, span
from .served import JSON, PROTOBUF, Notebook, Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cqtel_tui.collector.arrivals import ArrivedSpan

ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("collector"), Notebook()) as found:
        yield found


@pytest.fixture
def collector(running: Served) -> Served:
    running.sink.__init__()  # type: ignore[misc]  # as if it were new
    return running


@pytest.fixture
def notebook(collector: Served) -> Notebook:
    assert isinstance(collector.sink, Notebook)
    return collector.sink


def kept(notebook: Notebook) -> list[ArrivedSpan]:
    return [one for arrival in notebook.arrivals for one in arrival.spans]


# Statuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        *(2, "STATUS_CODE_ERROR", "ERROR", "Error", "2", 2.0, 3, 99, -1, True, "3", "1.0", 1.5),
        *("", " ", "ok", [], [1], {}, {"code": 1}, False, 1e300, "STATUS_CODE_OK ", "unheard-of"),
    ],
    ids=repr,
)
def test_a_status_that_is_not_that_of_a_success_is_a_failure(
    collector: Served, notebook: Notebook, code: object
) -> None:
    answer = collector.post(as_json(request(span(status={"code": code}))))
    assert [one.failed for one in kept(notebook)] == [True]
    is_known = (
        code in {2, "STATUS_CODE_ERROR", "2"} if isinstance(code, int | float | str) else False
    )
    assert ("status code" in answer.text) is not is_known


@pytest.mark.parametrize("code", [0, 1, None, "STATUS_CODE_OK", "STATUS_CODE_UNSET", "0", "1"])
def test_a_success_is_one_by_its_name_as_well(
    collector: Served, notebook: Notebook, code: object
) -> None:
    assert collector.post(as_json(request(span(status={"code": code})))).content == b"{}"
    assert [one.failed for one in kept(notebook)] == [False]


@pytest.mark.parametrize("code", [3, 99, -1, 2**31 - 1])
def test_a_number_out_of_range_is_a_failure_in_protobuf_too(
    collector: Served, notebook: Notebook, code: int
) -> None:
    body = as_protobuf(request(span(status={"code": code})))
    answer = collector.client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert [one.failed for one in kept(notebook)] == [True]
    assert b"status code" in answer.content


# What is no error ---------------------------------------------------------------------------------


def test_flags_say_nothing_of_anybody(collector: Served, notebook: Notebook) -> None:
    for flags in (0, 1, 257, 769):
        sent = request(span(flags=flags, droppedAttributesCount=0, droppedEventsCount=0))
        assert collector.post(as_json(sent)).content == b"{}"
        answer = collector.client.post("/v1/traces", content=as_protobuf(sent), headers=PROTOBUF)
        assert answer.content == b""
    assert len(notebook.names) == 8


def test_an_all_zero_parent_is_none(collector: Served, notebook: Notebook) -> None:
    sent = request(span(parentSpanId="0" * 16))
    assert collector.post(as_json(sent)).content == b"{}"
    answer = collector.client.post("/v1/traces", content=as_protobuf(sent), headers=PROTOBUF)
    assert answer.content == b""
    assert [one.parent_id for one in kept(notebook)] == [b"", b""]


@pytest.mark.parametrize("member", ["traceId", "spanId", "parentSpanId"])
@pytest.mark.parametrize(
    "value", [5, 5.5, True, ["ab"], {"a": 1}, "zz", "ab cd ef ab cd e", 2**70], ids=repr
)
def test_an_id_of_a_wrong_type_costs_one_span(
    collector: Served, notebook: Notebook, member: str, value: object
) -> None:
    answer = collector.post(as_json(request(span("good"), span("bad", **{member: value}))))
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert notebook.names == ["good"]


def _with(place: str, value: Any = None) -> dict[str, Any]:
    """Return a request in which something is null."""
    sent = request(span("sync"))
    resource = sent["resourceSpans"][0]
    scope = resource["scopeSpans"][0]
    holders: dict[str, Any] = {
        "scope": scope,
        "status": scope["spans"][0],
        "attributes": scope["spans"][0],
        "events": scope["spans"][0],
        "links": scope["spans"][0],
        "parentSpanId": scope["spans"][0],
        "traceState": scope["spans"][0],
        "flags": scope["spans"][0],
        "kind": scope["spans"][0],
        "schemaUrl": resource,
    }
    holders[place][place] = value
    return sent


@pytest.mark.parametrize(
    "place",
    [
        *("scope", "status", "attributes", "events", "links", "parentSpanId", "traceState"),
        *("flags", "kind", "schemaUrl"),
    ],
)
def test_null_is_what_is_not_there(collector: Served, notebook: Notebook, place: str) -> None:
    assert collector.post(as_json(_with(place))).content == b"{}"
    assert notebook.names == ["sync"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":null}',
        b'{"resourceSpans":[null]}',
        b'{"resourceSpans":[{"resource":null,"scopeSpans":null}]}',
        b'{"resourceSpans":[{"scopeSpans":[null]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"scope":null,"spans":null}]}]}',
        b'{"resourceSpans":[{"resource":{"attributes":[null]}}]}',
        b'{"resourceSpans":[{"resource":{"attributes":null}}]}',
    ],
)
def test_null_for_a_message_is_an_empty_one(collector: Served, body: bytes) -> None:
    answer = collector.post(body)
    assert (answer.status_code, answer.content) == (200, b"{}")


def test_an_attribute_that_is_null_is_none(collector: Served, notebook: Notebook) -> None:
    sent = request(span("sync", attributes=[None, *attributes({"process.exit.code": 3})]))
    assert collector.post(as_json(sent)).content == b"{}"
    assert [one.exit_code for one in kept(notebook)] == [3]


def test_members_that_nobody_knows_are_ignored(collector: Served, notebook: Notebook) -> None:
    sent = request(span("sync", unheardOf={"deep": [1, {"x": None}]}))
    sent["unheardOf"] = 5
    assert collector.post(as_json(sent)).content == b"{}"
    assert notebook.names == ["sync"]


# Paths and errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["//v1/traces", "/v1/traces/", "///v1//traces//"])
def test_a_slash_too_many_is_none(collector: Served, notebook: Notebook, path: str) -> None:
    with collector.connected() as connection:
        body = as_json(request())
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")
    assert notebook.names == ["sync"]
    assert collector.client.get("/healthz/").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/logs", 404, 5),
        ("GET", "/", 404, 5),
        ("GET", "/v1/traces", 405, 12),
        ("POST", "/v1/policy", 405, 12),
        ("PUT", "/v1/data", 405, 12),
    ],
)
def test_an_error_is_in_the_encoding_of_the_request(
    collector: Served, method: str, path: str, status: int, code: int
) -> None:
    answer = collector.client.request(method, path, headers=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        PROTOBUF["content-type"],
    )
    assert answer.content[:2] == bytes((0x08, code))
    answer = collector.client.request(method, path, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_zstd_is_taken(collector: Served, notebook: Notebook) -> None:
    body = zstandard.compress(as_json(request()))
    assert collector.post(body, content_encoding="zstd").content == b"{}"
    assert collector.post(body[:-3], content_encoding="zstd").status_code == 400
    assert collector.post(b"{}", content_encoding="zstd").status_code == 400
    bomb = zstandard.compress(bytes(200 << 20))
    assert collector.post(bomb, content_encoding="zstd").status_code == 413
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200 << 20))
    assert collector.post(unsized, content_encoding="zstd").status_code == 400
    assert len(notebook.names) == 1


@pytest.mark.parametrize("depth", [20, 100, 1_000, 9_000])
@pytest.mark.parametrize("place", ["value", "unheardOf", "traceId"])
def test_what_is_nested_too_deep_is_malformed_and_no_error_of_ours(
    collector: Served, notebook: Notebook, depth: int, place: str
) -> None:
    nested = b'{"arrayValue":{"values":[' * depth + b'{"intValue":"1"}' + b"]}}" * depth
    before, after = {
        "value": (b'{"resource":{"attributes":[{"key":"x","value":', b"}]}}"),
        "unheardOf": (b'{"unheardOf":', b"}"),
        "traceId": (b'{"scopeSpans":[{"spans":[{"traceId":', b"}]}]}"),
    }[place]
    answer = collector.post(b'{"resourceSpans":[' + before + nested + after + b"]}")
    assert answer.status_code in ({200} if depth == 20 else {400})
    if depth > 20:
        assert answer.json() == {"code": 3, "message": "too deep"}
    assert collector.is_well()


@pytest.mark.parametrize("text", ["[" * 5_000, "[{" * 5_000, '\\"[' * 3_000, "]}" * 5_000])
def test_signs_in_a_text_are_not_deep(collector: Served, notebook: Notebook, text: str) -> None:
    assert collector.post(as_json({**request(span("sync")), "unheardOf": text})).content == b"{}"
    assert notebook.names == ["sync"]


# Browsers -----------------------------------------------------------------------------------------


def test_a_page_of_a_named_origin_may_send_traces(tmp_path_factory: Any) -> None:
    notebook = Notebook()
    folder = tmp_path_factory.mktemp("cors")
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    with served(folder, notebook, cors=(ORIGIN,)) as collector:
        for origin, allowed in ((ORIGIN, [ORIGIN]), ("https://evil.example", [])):
            asked = {"origin": origin} | preflight
            answer = collector.client.options("/v1/traces", headers=asked)
            assert answer.status_code == (204 if allowed else 405)
            assert answer.headers.get_list("access-control-allow-origin") == allowed
            if allowed:
                assert answer.headers["access-control-allow-methods"] == "POST"
                assert "content-type" in answer.headers["access-control-allow-headers"]
                assert "access-control-allow-credentials" not in answer.headers
            answer = collector.post(as_json(request()), origin=origin)
            assert answer.headers.get_list("access-control-allow-origin") == allowed
            assert ("origin" in answer.headers.get("vary", "").lower()) is bool(allowed)
        # The rights are not for pages.
        answer = collector.client.options("/v1/data", headers={"origin": ORIGIN} | preflight)
        assert "access-control-allow-origin" not in answer.headers
    with served(folder, notebook, cors=("*",)) as collector:
        answer = collector.client.options("/v1/traces", headers={"origin": ORIGIN} | preflight)
        assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/metrics", "/v1/me", "/v1/data"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:4318", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("localhost", 0),
        ("LOCALHOST:4318", 0),
        ("127.0.0.1:4318", 0),
        ("[::1]:4318", 0),
        ("192.0.2.5", 0),
        ("telemetry.example.com", 0),
        ("Telemetry.Example.com:443", 0),
    ],
)
def test_a_name_that_leads_here_by_another_doing_is_refused(
    hosted: Served, path: str, host: str, status: int
) -> None:
    answer = hosted.client.get(path, headers={"host": host})
    assert (answer.status_code == 421) is (status == 421)
    traces = hosted.client.post(
        "/v1/traces", content=as_json(request()), headers={"host": host, **JSON}
    )
    assert traces.status_code == 200


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hosted"), hosts=("telemetry.example.com",)) as found:
        yield found


def test_two_hosts_are_none(collector: Served) -> None:
    with socket.create_connection(("127.0.0.1", collector.port)) as connection:
        connection.sendall(
            b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 4")
