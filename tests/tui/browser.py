"""A real browser: Debian's Chromium, driven by its chromedriver over W3C WebDriver."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx
import pyte
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60.0
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--window-size=1100,700",
    # Whatever it wants of elsewhere: it finds no other host.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_INK = 48
_PROBED = "const b = document.querySelector('.xterm-screen').getBoundingClientRect();"


class Browser:
    """One window, and what its page has received and asked for.

    Attributes:
        requested: the URLs that were asked for, in their order.
        frames: what came in through sockets.
    """

    def __init__(self, driver: httpx.Client, session: str) -> None:
        self._driver = driver
        self._session = f"/session/{session}"
        self.requested: list[str] = []
        self.frames: list[bytes] = []
        self.size = (80, 24)

    def _do(self, command: str, **given: Any) -> Any:
        answer = self._driver.post(f"{self._session}/{command}", json=given).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url: str) -> None:
        self._do("url", url=url)

    def run(self, script: str) -> Any:
        return self._do("execute/sync", script=script, args=[])

    def press(self, key: str) -> None:
        strokes = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._do("actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def screenshot(self) -> Image.Image:
        answer = self._driver.get(f"{self._session}/screenshot").json()["value"]
        return Image.open(io.BytesIO(base64.b64decode(answer))).convert("L")

    def look(self) -> None:
        """Take what the page has asked for and received meanwhile."""
        for entry in self._do("se/log", type="performance"):
            message = json.loads(entry["message"])["message"]
            given = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                self.requested.append(given["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                self.requested.append(given["url"])
                found = re.search(r"width=(\d+)&height=(\d+)", given["url"])
                self.size = (int(found[1]), int(found[2])) if found else self.size
            elif message["method"] == "Network.webSocketFrameReceived":
                data = given["response"]["payloadData"]
                is_text = given["response"]["opcode"] == 1
                self.frames.append(data.encode() if is_text else base64.b64decode(data))
            elif message["method"] == "Network.webSocketFrameSent":
                self._resized(given["response"]["payloadData"])

    def _resized(self, sent: str) -> None:
        message = json.loads(sent)
        if message[0] == "resize":
            self.size = (message[1]["width"], message[1]["height"])

    def lines(self) -> list[str]:
        """Return what a terminal of this size shows of all that was received."""
        screen = pyte.Screen(*self.size)
        stream = pyte.ByteStream(screen)
        for frame in self.frames:
            stream.feed(re.sub(rb"\x1b\[[<>=?]\d*u", b"", frame))
        return [str(line) for line in screen.display]

    def until(self, condition: Callable[[str], object], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            self.look()
            text = "\n".join(self.lines())
            if condition(text):
                return
            assert time.monotonic() < end, f"not in time: {what}\n{text}"
            time.sleep(0.1)

    def ink(self) -> list[str]:
        """Return the screenshot's cells: x where something is drawn, a blank where it is plain."""
        left, top, width, height = self.run(f"{_PROBED} return [b.x, b.y, b.width, b.height]")
        columns, lines = self.size
        picture = self.screenshot()
        rows = []
        for line in range(lines):
            row = ""
            for column in range(columns):
                box = (
                    round(left + column * width / columns) + 1,
                    round(top + line * height / lines) + 1,
                    round(left + (column + 1) * width / columns) - 1,
                    round(top + (line + 1) * height / lines) - 1,
                )
                darkest, lightest = picture.crop(box).getextrema()
                assert isinstance(darkest, (int, float))
                assert isinstance(lightest, (int, float))
                row += "x" if lightest - darkest > _INK else " "
            rows.append(row)
        return rows


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile; it ends afterwards."""
    assert DRIVER
    driver = subprocess.Popen(
        [DRIVER, "--port=0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdout is not None
    port = next(
        m[1] for line in driver.stdout if (m := re.search(r"successfully on port (\d+)", line))
    )
    options = {
        "binary": CHROMIUM,
        "args": [*_ARGUMENTS, f"--user-data-dir={folder}"],
    }
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL"}}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE
        ) as client:
            started = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            value = started.json()["value"]
            assert "sessionId" in value, value
            try:
                yield Browser(client, value["sessionId"])
            finally:
                client.delete(f"/session/{value['sessionId']}")
    finally:
        driver.terminate()
        driver.communicate(timeout=20)
