"""What shows a payload raises errors of ours alone, and ends, whatever the payload is."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.errors import CqtelError
from cqtel_tui.formats.documents import as_document
from cqtel_tui.formats.inspection import read_inspection
from cqtel_tui.formats.otlp_traces import read_otlp
from cqtel_tui.formats.strict_json import UnreadableError, parse
from cqtel_tui.gate.reviewing import readable
from cqtel_tui.gate.trimming import fields, without
from cqtel_tui.outbox.envelope import Envelope
from cqtel_tui.review.changes import changes
from cqtel_tui.review.explain import explain
from cqtel_tui.review.export import as_curl, as_har
from cqtel_tui.review.headers import credentials, masked, request_headers
from cqtel_tui.review.intercepted import compare
from cqtel_tui.review.needles import Surroundings
from cqtel_tui.review.requests import scan_request
from cqtel_tui.review.waterfall import waterfall
from cqtel_tui.sanitize import is_printable, one_line, printable, printable_bytes

from .conftest import examples
from .documents import REQUESTS

KINDS = (
    *("otlp-traces", "rudderstack", "unknown"),
    *(f"otlp-{one}-{of}" for one in ("traces", "logs", "metrics") for of in ("json", "protobuf")),
)
PAYLOADS = (
    st.binary(max_size=300)
    | st.one_of(*REQUESTS.values()).map(lambda document: json.dumps(document).encode())
    | st.text(alphabet='[]{}",:\\ue019-.\x1b\u202e', max_size=200).map(
        lambda text: text.encode("utf-8", "replace")
    )
)
HERE = Surroundings(
    homes=("/home/canary7",), users=("canary7",), hosts=("db-canary7",), arguments=("canary7",)
)
SECONDS = 20.0
"""For the smallest of payloads, on a machine that has much else to do."""


def envelope(payload: bytes, kind: str, headers: dict[str, str]) -> Envelope:
    return Envelope(
        id="0" * 16,
        kind=kind,
        created=0,
        origin="record",
        app="shop",
        version="1.0",
        operation="track",
        outcome="",
        duration=0,
        target=None,
        headers=headers,
        project="",
        consent="",
        has_error_text=False,
        dropped=0,
        sha256="0" * 64,
        payload=payload,
    )


@examples(150)
@given(
    PAYLOADS,
    st.sampled_from(KINDS),
    st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=3),
)
def test_each_view_of_a_payload_ends_and_raises_errors_of_ours_alone(
    payload: bytes, kind: str, headers: dict[str, str]
) -> None:
    begun = time.process_time()
    one = envelope(payload, kind, headers)
    assert scan_request(payload, headers, HERE, kind).looked_for
    assert all(is_printable(row.value) for row in explain(payload, kind).rows)
    changes(payload, dropped=0, agreed=1)
    read_inspection(payload)
    readable(one)
    as_document(kind, payload)
    as_har([one], "https://collector.example/v1/traces")
    for ask in (
        lambda: as_curl(one, "https://collector.example/v1/traces"),
        lambda: without(one, [each.path for each in fields(one)][:3]),
        lambda: waterfall(read_otlp(parse(payload)), 40),
    ):
        with contextlib.suppress(CqtelError):
            ask()
    assert time.process_time() - begun < SECONDS


@examples(100)
@given(PAYLOADS, PAYLOADS)
def test_any_two_documents_are_compared(first: bytes, second: bytes) -> None:
    documents: list[Any] = []
    for payload in (first, second):
        try:
            documents.append(parse(payload))
        except UnreadableError:
            return
    rows = compare(*documents).rows
    assert all(is_printable(f"{row.path}{row.intercepted}{row.sent}{row.why}") for row in rows)


@examples(200)
@given(st.text(max_size=30), st.text(max_size=60), st.text(max_size=40))
def test_headers_are_masked_and_listed_whatever_they_are(name: str, value: str, url: str) -> None:
    assert masked(f"Authorization{name}", f"Basic {value}secret-value").count("secret-value") == 0
    credentials(value)
    listed = request_headers({name: value}, 5, f"https://{url}")
    assert listed[-1] == (name, value)


# The sanitizer ------------------------------------------------------------------------------------

_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@pytest.mark.parametrize("plane", range(17))
def test_no_character_of_unicode_reaches_a_terminal_that_it_could_act_on(plane: int) -> None:
    wrong = []
    for code in range(plane << 16, min((plane + 1) << 16, sys.maxunicode + 1)):
        shown = printable(chr(code))
        if (
            not shown
            or any(unicodedata.category(one) in _FORBIDDEN for one in shown)
            or (shown != chr(code) and printable(shown) != shown)
        ):
            wrong.append(code)
    assert wrong == []


@examples(400)
@given(st.text(alphabet=st.characters(), max_size=60), st.integers(0, 40))
def test_any_text_is_made_printable_once_and_for_all(text: str, limit: int) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert is_printable(shown)
    assert not any(unicodedata.category(one) in _FORBIDDEN for one in shown)
    assert len(printable(text, limit=limit)) <= limit
    assert "\n" not in one_line(text, 40)


@examples(300)
@given(st.binary(max_size=100))
def test_any_bytes_are_made_printable(data: bytes) -> None:
    assert is_printable(printable_bytes(data))
    lines = printable_bytes(data, newlines=True)
    assert all(is_printable(line) for line in lines.split("\n"))
