from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqtel_tui import __version__
from cqtel_tui.errors import CqtelError
from cqtel_tui.formats import sha256
from cqtel_tui.outbox.envelope import Envelope
from cqtel_tui.record.ending import HEADERS
from cqtel_tui.review.export import as_curl, as_har, asked_for
from cqtel_tui.sanitize import is_printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENDPOINT = "https://collector.example/v1/traces"
PAYLOAD = b'{"resourceSpans":[]}\n\x00\xff\r\n'

quick = settings(deadline=None, database=None)


def envelope(
    payload: bytes = b'{"resourceSpans":[]}',
    headers: Mapping[str, str] = HEADERS,
    target: str | None = None,
) -> Envelope:
    return Envelope(
        id="0123456789abcdef",
        kind="otlp-traces",
        created=1_700_000_000_123_456,
        origin="record",
        app="cloudquery",
        version="6.21.1",
        operation="sync",
        outcome="ok",
        duration=1,
        target=target,
        headers=headers,
        project="f" * 16,
        consent="",
        has_error_text=False,
        dropped=0,
        sha256=sha256(payload),
        payload=payload,
    )


# HTTP archives


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_number(value: object) -> bool:
    return type(value) is int


def is_url(value: object) -> bool:
    return isinstance(value, str) and "#" not in value


def is_moment(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == timedelta(0)


def is_time_taken(value: object) -> bool:
    return type(value) is int and value >= 0


def each(fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [fields]


PAIR = {"name": is_text, "value": is_text, "comment?": is_text}
HAR: dict[str, Any] = {
    "log": {
        "version": lambda value: value == "1.2",
        "creator": {"name": is_text, "version": is_text, "comment?": is_text},
        "entries": each(
            {
                "startedDateTime": is_moment,
                "time": is_time_taken,
                "request": {
                    "method": lambda value: value == "POST",
                    "url": is_url,
                    "httpVersion": is_text,
                    "cookies": each({}),
                    "headers": each(PAIR),
                    "queryString": each(PAIR),
                    "postData": {
                        "mimeType": is_text,
                        "text": is_text,
                        "comment?": is_text,
                        "_base64?": is_text,
                    },
                    "headersSize": is_number,
                    "bodySize": is_number,
                    "comment?": is_text,
                },
                "response": {
                    "status": is_number,
                    "statusText": is_text,
                    "httpVersion": is_text,
                    "cookies": each({}),
                    "headers": each(PAIR),
                    "content": {"size": is_number, "mimeType": is_text, "comment?": is_text},
                    "redirectURL": is_text,
                    "headersSize": is_number,
                    "bodySize": is_number,
                    "comment?": is_text,
                },
                "cache": {},
                "timings": {
                    "send": is_time_taken,
                    "wait": is_time_taken,
                    "receive": is_time_taken,
                },
                "comment?": is_text,
            }
        ),
        "comment?": is_text,
    }
}
"""The fields of HAR 1.2 that a request without a browser and without an answer has.

Written after http://www.softwareishard.com/blog/har-12-spec/; a `?` marks what may be left out,
and names with an underscore are ours, as the specification allows.
"""


def check_form(value: Any, form: Any, path: str = "") -> None:
    """Compare with a form: an object of fields, an array of them, or what tells a right value."""
    if isinstance(form, dict):
        assert isinstance(value, dict), path
        required = {name for name in form if not name.endswith("?")}
        allowed = {name.removesuffix("?") for name in form}
        assert required <= value.keys() <= allowed, path
        for name, inner in form.items():
            if name.removesuffix("?") in value:
                check_form(value[name.removesuffix("?")], inner, f"{path}.{name}")
    elif isinstance(form, list):
        assert isinstance(value, list), path
        for item in value:
            check_form(item, form[0], f"{path}[]")
    else:
        assert form(value), path


def test_an_archive_has_the_fields_of_har_1_2() -> None:
    har = as_har([envelope(), envelope(b"\xff")], ENDPOINT)
    check_form(har, HAR)
    assert har["log"]["creator"] == {"name": "cqtel", "version": __version__}
    request = har["log"]["entries"][0]["request"]
    assert request["url"] == ENDPOINT
    sent = {"Host": "collector.example", "Content-Length": "20", **HEADERS}
    assert request["headers"] == [{"name": k, "value": v} for k, v in sent.items()]
    assert request["postData"] == {"mimeType": "application/json", "text": '{"resourceSpans":[]}'}
    assert request["bodySize"] == 20
    assert har["log"]["entries"][0]["startedDateTime"] == "2023-11-14T22:13:20.123456+00:00"


def test_an_archive_says_what_is_in_the_query() -> None:
    target = "http://127.0.0.1/v1?a=1&b=%20&a=#part"
    [entry] = as_har([envelope()], target)["log"]["entries"]
    assert entry["request"]["url"] == "http://127.0.0.1/v1?a=1&b=%20&a="
    assert entry["request"]["queryString"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": " "},
        {"name": "a", "value": ""},
    ]


def test_bytes_that_are_no_text_are_in_an_archive_all_the_same() -> None:
    [entry] = as_har([envelope(PAYLOAD)], ENDPOINT)["log"]["entries"]
    assert base64.b64decode(entry["request"]["postData"]["_base64"]) == PAYLOAD


def test_the_type_of_the_content_is_found_in_any_case() -> None:
    headers = {"content-TYPE": "application/x-protobuf"}
    [entry] = as_har([envelope(headers=headers)], ENDPOINT)["log"]["entries"]
    assert entry["request"]["postData"]["mimeType"] == "application/x-protobuf"


@quick
@given(
    st.binary(),
    st.dictionaries(st.text(), st.text()),
    st.none() | st.text(),
    st.integers(-(10**30), 10**30),
    st.text(),
)
def test_any_envelope_becomes_an_archive(
    payload: bytes, headers: dict[str, str], target: str | None, created: int, endpoint: str
) -> None:
    odd = replace(envelope(payload, headers, target), created=created)
    har = as_har([odd], endpoint)
    check_form(json.loads(json.dumps(har)), HAR)


def intercepted(target: str | None, headers: Mapping[str, str] = HEADERS) -> Envelope:
    return replace(envelope(headers=headers, target=target), origin="gate")


UPSTREAM = "https://analytics.example/v1/batch"
WRITE_KEY = {"Content-Type": "application/json", "Authorization": "Basic a2V5Og=="}


def test_an_archive_says_where_the_sender_would_send_it() -> None:
    listed = [envelope(target="https://elsewhere.example/"), intercepted(UPSTREAM)]
    entries = as_har(listed, ENDPOINT)["log"]["entries"]
    assert [entry["request"]["url"] for entry in entries] == [ENDPOINT, UPSTREAM]


@pytest.mark.parametrize("target", [None, "http://analytics.example/v1/batch", "nonsense"])
def test_what_goes_nowhere_is_no_request(target: str | None) -> None:
    for export in (lambda one: as_har([one], ENDPOINT), lambda one: as_curl(one, ENDPOINT)):
        with pytest.raises(CqtelError, match="cq-telemetry show 0123456789abcdef"):
            export(intercepted(target))


def test_an_archive_does_not_show_a_key() -> None:
    text = json.dumps(as_har([intercepted(UPSTREAM, WRITE_KEY)], ENDPOINT))
    assert "a2V5Og==" not in text
    assert "(8 characters)" in text


# curl


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[bytes, list[bytes]]]:
    """Give what runs a command in sh: with what curl read, and which arguments it had."""
    sh = shutil.which("sh")
    if sh is None or os.name != "posix":
        pytest.skip("there is no POSIX shell")
    folder = tmp_path_factory.mktemp("bin")
    work = tmp_path_factory.mktemp("work")
    (folder / "cq-telemetry").write_text('#!/bin/sh\nprintf "%s\\0" "$@" > shown\ncat payload\n')
    (folder / "curl").write_text('#!/bin/sh\nprintf "%s\\0" "$@" > arguments\ncat > sent\n')
    for stub in folder.iterdir():
        stub.chmod(0o755)
    (work / "payload").write_bytes(PAYLOAD)

    def run(command: str) -> tuple[bytes, list[bytes]]:
        done = subprocess.run(
            [sh, "-c", command],
            cwd=work,
            env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(work)},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        shown = (work / "shown").read_bytes().split(b"\0")
        assert shown == [b"show", b"0123456789abcdef", b"--raw", b""]
        assert sorted(p.name for p in work.iterdir()) == ["arguments", "payload", "sent", "shown"]
        return (work / "sent").read_bytes(), (work / "arguments").read_bytes().split(b"\0")[:-1]

    return run


def read_back(arguments: list[bytes]) -> tuple[list[str], str]:
    """Return the headers and the URL of a curl command, having checked the rest of it."""
    words = [argument.decode("ascii") for argument in arguments]
    assert words[:6] == ["-q", "-g", "--proto", "=http,https", "--data-binary", "@-"]
    assert words[-2] == "--"
    options = words[6:-2]
    assert options[::2] == ["-H"] * (len(options) // 2)
    return options[1::2], words[-1]


def test_a_command_sends_the_bytes_and_the_headers_and_no_others(
    shell: Callable[[str], tuple[bytes, list[bytes]]],
) -> None:
    sent, arguments = shell(as_curl(envelope(PAYLOAD), ENDPOINT))
    assert sent == PAYLOAD
    headers, url = read_back(arguments)
    assert headers == ["Accept:", "Expect:", *(f"{k}: {v}" for k, v in HEADERS.items())]
    assert url == ENDPOINT


def test_what_curl_adds_of_its_own_is_taken_away(
    shell: Callable[[str], tuple[bytes, list[bytes]]],
) -> None:
    bare = shell(as_curl(envelope(headers={}), ENDPOINT))[1]
    assert read_back(bare)[0] == ["Accept:", "Content-Type:", "Expect:", "User-Agent:"]
    own = {"accept": "*/*", "X-Empty": "", "X-Blank": " "}
    given_by_us = shell(as_curl(envelope(headers=own), ENDPOINT))[1]
    assert read_back(given_by_us)[0] == [
        "Content-Type:",
        "Expect:",
        "User-Agent:",
        "accept: */*",
        "X-Empty;",
        "X-Blank;",
    ]


def test_a_command_takes_a_key_from_a_variable_and_does_not_show_it(
    shell: Callable[[str], tuple[bytes, list[bytes]]],
) -> None:
    one = intercepted(UPSTREAM, WRITE_KEY)
    command = as_curl(one, ENDPOINT)
    assert "a2V5Og==" not in command
    assert asked_for(one) == {"Authorization": "HEADER_AUTHORIZATION"}
    _, arguments = shell(f"HEADER_AUTHORIZATION='a b'; {command}")
    headers, url = read_back(arguments)
    assert headers[-1] == "Authorization: a b"
    assert url == UPSTREAM


@pytest.mark.parametrize("name", ["X-Key`touch x`", "X-Key$HOME", "x-key'"])
def test_a_hostile_name_of_a_key_stays_one_argument(
    shell: Callable[[str], tuple[bytes, list[bytes]]], name: str
) -> None:
    one = intercepted(UPSTREAM, {name: "secret"})
    try:
        command = as_curl(one, ENDPOINT)
    except CqtelError:
        assert " " in name  # no header is called so
        return
    [variable] = asked_for(one).values()
    headers, _ = read_back(shell(f"{variable}=x; {command}")[1])
    assert headers[-1] == f"{name}: x"


HOSTILE = [
    *("'", '"', "`touch x`", "$(touch x)", "$HOME", "\\", "; touch x", "| touch x", "& touch x"),
    *("> x", "!!", "*", "~", "{a,b}", "[1-9]", "' -o x '", "%0a", "#", "@/etc/passwd", "-K x"),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_header_or_url_stays_one_argument(
    shell: Callable[[str], tuple[bytes, list[bytes]]], hostile: str
) -> None:
    target = f"http://127.0.0.1/{hostile}".replace(" ", "%20")
    command = as_curl(envelope(headers={"X-Odd": hostile}), target)
    assert is_printable(command)
    headers, url = read_back(shell(command)[1])
    assert headers[-1] == f"X-Odd: {hostile}"
    assert url == target


printable_ascii = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@settings(
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=printable_ascii, target=st.text(min_size=1))
def test_any_header_and_url_reach_curl_as_they_are(
    shell: Callable[[str], tuple[bytes, list[bytes]]], value: str, target: str
) -> None:
    command = as_curl(envelope(headers={"X-Any": value}), target)
    assert is_printable(command)
    assert command.isascii()
    headers, url = read_back(shell(command)[1])
    assert headers[-1] == (f"X-Any: {value}" if value.strip() else "X-Any;")
    assert url == "".join(letter if "!" <= letter <= "~" else percent(letter) for letter in target)


def percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode())


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "a\nX-Evil: b"},
        {"X-A": "a\r"},
        {"X-A": "\x1b[2J"},
        {"X-A": "\x00"},
        {"X-A": "é"},
        {"X-A\n": "b"},
        {"@/etc/passwd": "a"},
        {"X A": "a"},
        {"": "a"},
    ],
)
def test_a_header_that_curl_should_not_be_given_makes_no_command(headers: dict[str, str]) -> None:
    with pytest.raises(CqtelError, match=r"cq-telemetry show"):
        as_curl(envelope(headers=headers), ENDPOINT)


@pytest.mark.parametrize("identity", ["", "x; touch x", "--all", "0123456789ABCDEF", "0" * 15])
def test_an_id_that_was_never_given_makes_no_command(identity: str) -> None:
    with pytest.raises(CqtelError, match="id"):
        as_curl(replace(envelope(), id=identity), ENDPOINT)
