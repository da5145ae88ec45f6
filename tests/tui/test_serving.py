"""The UI in a browser draws what it is, and answers its own user, and nobody else."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from .browser import CHROMIUM, DRIVER, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_REMOTE = ("http", "https", "ws", "wss")


@contextlib.contextmanager
def served(home: Path, *options: str) -> Iterator[str]:
    """Serve the UI as a user does; return the address that is printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CQ_")}
    environment["CQ_TELEMETRY_HOME"] = str(home)
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "cqtel_tui", *options, "--serve", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert server.stdout is not None
    assert server.stderr is not None
    found = re.search(r"http://\S+", server.stderr.readline())
    assert found
    for line in server.stdout:
        if "Press Ctrl+C" in line:
            break
    try:
        yield found[0]
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as printed:
        yield printed


def test_only_the_printed_address_opens_the_ui(address: str) -> None:
    url = httpx.URL(address)
    root = str(url.copy_with(path="/"))
    with httpx.Client(trust_env=False) as stranger:
        for path in ("", "wrong/", "ws", "static/js/textual.js", "?key=" + url.path.strip("/")):
            assert stranger.get(root + path).status_code == 403, path
        assert stranger.get(address).status_code == 200


def test_a_browser_tells_the_key_to_no_other_server(address: str) -> None:
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(address)
        assert not browser.cookies
    assert "set-cookie" not in answer.headers
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_loads_nothing_from_elsewhere(address: str) -> None:
    own = address[: address.index("/", len("http://"))]
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(address)
    named = re.findall(r"(?:https?|wss?):?//[^/\"'\s]+", answer.text)
    assert named
    assert {each.partition("//")[2] for each in named} == {own.partition("//")[2]}
    assert "default-src " + own in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str
)
@pytest.mark.parametrize("path", ["", "ws"])
def test_a_page_of_somebody_elses_cannot_drive_the_ui(
    address: str, headers: dict[str, str], path: str
) -> None:
    with httpx.Client(trust_env=False) as browser:
        origin = {"Origin": address[: address.index("/", len("http://"))]}
        given = {**origin, **_UPGRADE, **headers}
        assert browser.get(address + path, headers=given).status_code == 403


@pytest.mark.parametrize("origin", [None, "null", "http://localhost", "http://127.0.0.1:1"])
def test_a_socket_is_opened_by_our_own_page_alone(address: str, origin: str | None) -> None:
    headers = _UPGRADE | ({} if origin is None else {"Origin": origin})
    with httpx.Client(trust_env=False) as other:
        assert other.get(address + "ws", headers=headers).status_code == 403


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium, or no chromedriver")
def test_a_browser_shows_the_list_and_takes_keys(tmp_path: Path) -> None:
    """Shown is what a terminal would show: every cell with a letter has ink, no other has."""
    with (
        served(tmp_path / "home", "--demo", "--screen", "sent") as address,
        chromium(tmp_path / "profile") as browser,
    ):
        browser.open(address)
        browser.until(lambda text: "DEMO" in text and "1 Pending 8" in text, "the screen asked for")
        browser.press("1")
        browser.until(lambda text: "validate-config" in text and "sync" in text, "the list")
        browser.press("?")
        browser.until(lambda text: "Keys of this screen" in text, "the help")
        browser.press("\ue00c")  # Escape
        browser.until(lambda text: "Keys of this screen" not in text, "the list again")
        shown, drawn = browser.lines(), browser.ink()
        letters = [
            (line, column)
            for line, row in enumerate(shown)
            for column, letter in enumerate(row)
            if letter.isalnum()
        ]
        without_ink = [(at, shown[at[0]][at[1]]) for at in letters if drawn[at[0]][at[1]] == " "]
        blanks = [
            (line, column)
            for line, row in enumerate(shown[2:-1], 2)
            for column in range(1, len(row) - 2)
            if row[column - 1 : column + 2] == "   "
        ]
        with_ink = [at for at in blanks if drawn[at[0]][at[1]] != " "]
        assert len(letters) > 300
        assert len(without_ink) <= len(letters) // 50, without_ink
        assert len(with_ink) <= len(blanks) // 50, with_ink
        browser.look()
        own = address[: address.index("/", len("http://"))].partition("//")[2]
        requested = [url for url in map(httpx.URL, browser.requested) if url.scheme in _REMOTE]
        assert {url.netloc.decode() for url in requested} == {own}
