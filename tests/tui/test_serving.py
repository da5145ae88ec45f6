"""The UI in a browser answers its own user, and nobody else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CQ_")}
    environment["CQ_TELEMETRY_HOME"] = str(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "cqtel_tui", "--serve", str(port)],
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


def test_only_the_printed_address_opens_the_ui(address: str) -> None:
    url = httpx.URL(address)
    plain = str(url.copy_with(query=None))
    with httpx.Client(trust_env=False) as stranger:
        assert stranger.get(plain).status_code == 403
        assert stranger.get(f"{plain}?key=wrong").status_code == 403
        assert stranger.get(f"{plain}ws").status_code == 403
    with httpx.Client(trust_env=False, follow_redirects=True) as owner:
        opened = owner.get(address)
        assert opened.status_code == 200
        assert "key=" not in str(opened.url)
        assert owner.get(plain).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}], ids=str
)
def test_a_page_of_somebody_elses_cannot_drive_the_ui(
    address: str, headers: dict[str, str]
) -> None:
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(address, headers=headers).status_code == 403
