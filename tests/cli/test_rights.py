"""policy, mine and erase; and the offer to have it erased before the cookie is lost."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli.json_keys import KEYS

from ..cookies import record_cookie
from ..deliver.announcing import COOKIE, HASH, OPERATIONS, Rights
from ..deliver.collectors import reply
from ..tui.terminal import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from ..deliver.collectors import Collector
    from .conftest import Here

ANNOUNCED = {
    "": ["endpoint", "proxy", "policy", "me"],
    "policy": [
        *("software", "catalogue", "ip_hash", "location", "derived", "retention_days"),
        *("error_days", "forwards", "keeps_data"),
    ],
    "me": ["derived", "ip_hash", "stored"],
}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="cookies are not read there")


@pytest.fixture
def cookie(cq: Here) -> Path:
    path = cq.project / ".cq" / "telemetry-cookie"
    path.parent.mkdir()
    path.write_text(f"{COOKIE}\n")
    record_cookie(cq.outbox.folder.parent, COOKIE, cq.project)
    return path


@pytest.fixture
def rights(cq: Here, collector: Collector) -> Rights:
    cq("endpoint", collector.url)
    return Rights(collector)


def asked(rights: Rights) -> list[str]:
    return [request.line.removesuffix(" HTTP/1.1") for request in rights.collector.requests]


def test_the_policy_is_shown_before_any_decision_and_makes_no_cookie(
    cq: Here, rights: Rights
) -> None:
    ended = cq("collector-policy")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines[0] == f"asked       {rights.collector.url}"
    assert "minutes on two cores" in ended.out.decode()
    assert f"of you      cloudquery.ip_sha1 = {HASH}" in ended.lines
    assert asked(rights) == ["GET /v1/policy", "GET /v1/me"]
    assert not (cq.project / ".cq").exists()


def test_the_keys_of_the_policy_are_what_was_promised(cq: Here, rights: Rights) -> None:
    found = cq("collector-policy", "--json").json
    assert list(found) == ANNOUNCED[""]
    assert list(found["policy"]) == ANNOUNCED["policy"]
    assert list(found["me"]) == ANNOUNCED["me"]
    assert list(found["policy"]["derived"][0]) == ["field", "how"]
    for keys in ANNOUNCED.values():
        assert all(key in KEYS["collector-policy"] for key in keys)


@pytest.mark.parametrize("command", ["collector-policy", "mine", "erase --yes", "off --erase"])
def test_without_an_endpoint_nobody_is_asked(cq: Here, cookie: Path, command: str) -> None:
    ended = cq(*command.split())
    assert ended.code == 1
    assert "No endpoint is set, so there is no collector to ask" in ended.said
    assert cookie.read_text() == f"{COOKIE}\n"


@pytest.mark.parametrize("command", ["mine", "erase --yes", "cookie reset --erase"])
def test_without_a_cookie_nobody_is_asked(cq: Here, rights: Rights, command: str) -> None:
    ended = cq(*command.split())
    assert ended.code == 1
    assert f"{cq.project}/.cq/telemetry-cookie is absent. Without the ID no collector" in ended.said
    assert asked(rights) == []


def test_no_other_command_asks_a_collector_anything(cq: Here, rights: Rights, cookie: Path) -> None:
    for line in ("status", "cookie", "catalogue", "on", "off", "undecide", "policy --help"):
        assert cq(*line.split()).code == 0
    assert rights.collector.connections == 0


def test_what_a_collector_has_is_shown(cq: Here, rights: Rights, cookie: Path) -> None:
    ended = cq("mine")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines[0] == "1   received = 2026-01-15T10:30:00Z"
    assert "    spans = name sync, duration_ns 2500000000, success true" in ended.lines
    found = cq("mine", "--json").json
    assert found == {"endpoint": rights.collector.url, "operations": OPERATIONS}
    assert list(found) == KEYS["mine"].split(", ")
    rights.operations = []
    assert cq("mine").said.endswith("has no data under this installation ID\n")


def test_what_a_collector_has_is_exported_once(cq: Here, rights: Rights, cookie: Path) -> None:
    ended = cq("mine", "--export", "mine.json")
    assert (ended.code, ended.out) == (0, b"")
    assert ended.said == "cq-telemetry: 1 operation written to mine.json\n"
    path = cq.project / "mine.json"
    assert json.loads(path.read_text()) == {"operations": OPERATIONS}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rights.operations = []
    again = cq("mine", "--export", "mine.json")
    assert again.code == 1
    assert "mine.json is there already, and was left as it is" in again.said
    assert json.loads(path.read_text()) == {"operations": OPERATIONS}


def test_erasing_asks_and_says_what_was_erased(cq: Here, rights: Rights, cookie: Path) -> None:
    ended = cq("erase", "--yes")
    assert ended.code == 0
    assert ended.said == (
        f"cq-telemetry: erased at {rights.collector.url}: 2 spans\n"
        "cq-telemetry: payloads with this installation ID are dropped there from now on. "
        "For a new one: cq-telemetry cookie reset\n"
    )
    assert rights.operations == []
    assert cookie.exists()
    refused = cq("erase")
    assert (refused.code, asked(rights)) == (2, ["DELETE /v1/data"])
    assert "No terminal to ask at; pass --yes" in refused.said


def test_hostile_words_of_a_collector_are_made_visible(
    cq: Here, rights: Rights, cookie: Path
) -> None:
    rights.instead["DELETE /v1/data"] = reply(400, b"\x1b]0;x\x07\xc2\x9b")
    ended = cq("erase", "--yes")
    assert ended.code == 1
    assert not set("\x1b\x07\x9b") & set(ended.said)
    assert "it responded 400: ␛]0;x␇" in ended.said


def test_a_no_tells_how_to_have_it_erased(cq: Here, rights: Rights, cookie: Path) -> None:
    assert ": the data under this ID; to erase it: cq-telemetry erase\n" in cq("off").said
    assert asked(rights) == []
    ended = cq("off", "--erase")
    assert ended.code == 0
    assert f"erased at {rights.collector.url}: 2 spans" in ended.said
    assert "to erase it: cq-telemetry erase\n" not in ended.said
    assert cookie.exists()


def test_a_no_that_takes_all_back_erases_before_the_cookie_goes(
    cq: Here, rights: Rights, cookie: Path
) -> None:
    cq.hold()
    ended = cq("off", "--erase", "--discard")
    assert ended.code == 0
    assert ended.said.index("erased at") < ended.said.index(
        "deleted: 1 pending payload, the installation ID"
    )
    assert not cookie.exists()
    assert rights.operations == []


def test_all_is_forgotten_here_once_it_is_erased_there(
    cq: Here, rights: Rights, cookie: Path
) -> None:
    cq.hold()
    rights.instead["DELETE /v1/data"] = reply(503)
    assert cq("forget", "--yes", "--erase").code == 1
    assert (cookie.exists(), cq.counts()) == (True, (1, 0, 0))
    rights.instead.clear()
    ended = cq("forget", "--yes", "--erase")
    assert ended.code == 0
    assert ended.said.index("erased at") < ended.said.index("removed: all payloads")
    assert (cookie.exists(), cq.counts()) == (False, (0, 0, 0))
    assert rights.operations == []


def test_what_is_forgotten_without_erasure_is_said_to_stay_there(
    cq: Here, rights: Rights, cookie: Path
) -> None:
    ended = cq("forget", "--yes")
    assert ended.code == 0
    assert "stays there: it cannot be erased without the ID. --erase does that first" in ended.said
    assert asked(rights) == []
    assert not cookie.exists()


@pytest.mark.parametrize("command", ["off --erase --discard", "cookie reset --erase",
                                     "cookie lock --erase"])  # fmt: skip
def test_where_nothing_was_erased_the_cookie_is_kept(
    cq: Here, rights: Rights, cookie: Path, command: str
) -> None:
    rights.instead["DELETE /v1/data"] = reply(503)
    cq("on")
    cq.hold()
    ended = cq(*command.split())
    assert ended.code == 1
    assert "it is busy; try again later. The installation ID was left as it is" in ended.said
    assert cookie.read_text() == f"{COOKIE}\n"
    assert cq.counts() == (1, 0, 0)
    assert cq("status", "--json").json["decision"] == ("off" if "off" in command else "on")


@pytest.mark.parametrize("action", ["reset", "lock"])
def test_erasure_comes_before_the_cookie_is_lost(
    cq: Here, rights: Rights, cookie: Path, action: str
) -> None:
    ended = cq("cookie", action, "--erase")
    assert ended.code == 0
    assert rights.operations == []
    assert not cookie.is_file()


@pytest.mark.parametrize("command", ["off --discard", "cookie reset", "cookie lock"])
def test_a_script_that_loses_the_cookie_is_told_what_it_means(
    cq: Here, rights: Rights, cookie: Path, command: str
) -> None:
    ended = cq(*command.split())
    assert ended.code == 0
    assert "it cannot be erased without the ID. --erase does that first" in ended.said
    assert asked(rights) == []
    assert not cookie.is_file()


def in_a_terminal(command: str, answer: bytes) -> str:
    """Run a command of `cq-telemetry` in a terminal, answer its question, and return the text."""
    code = f"import sys; from cqtel_tui.cli import main; sys.exit(main({command.split()!r}))"
    with terminal(sys.executable, "-P", "-c", code, size=(200, 30)) as it:
        it.shows("y or n:")
        it.type(answer)
        it.end()
        return it.text


@pytest.mark.parametrize("command", ["off --discard", "cookie reset", "erase"])
@pytest.mark.parametrize(
    ("answer", "does"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)]
)
def test_somebody_at_a_terminal_is_asked(  # noqa: PLR0913  # fixtures and cases
    cq: Here, rights: Rights, cookie: Path, command: str, answer: bytes, *, does: bool
) -> None:
    text = in_a_terminal(command, answer)
    assert ("erased at" in text) is does
    assert asked(rights) == ["DELETE /v1/data"] * does
    # Only what was asked for is done: erasing keeps the cookie, and a no loses it all the same.
    assert cookie.exists() is (command == "erase")


def test_the_line_by_line_session_has_them_and_asks_once(
    cq: Here, rights: Rights, cookie: Path
) -> None:
    with terminal("--plain", size=(120, 60), TERM="dumb") as it:
        for typed, shown in [
            ("policy", "are you sure?"),
            ("y", "minutes on"),
            ("mine", "are you sure?"),
            ("y", "2026-01-15T10:30:00Z"),
            ("erase", "This cannot be undone. y or n:"),
            ("y", "erased at"),
        ]:
            it.shows("y or n:" if typed == "y" else "cqtel>")
            it.screen.reset()
            it.type(f"{typed}\n".encode())
            it.shows(shown)
        it.type(b"quit\n")
        assert it.end() == 0
    assert asked(rights) == ["GET /v1/policy", "GET /v1/me", "GET /v1/data", "DELETE /v1/data"]


def test_a_read_only_session_asks_nobody(cq: Here, rights: Rights, cookie: Path) -> None:
    with terminal("--plain", "--readonly", size=(120, 60), TERM="dumb") as it:
        for typed in ("policy", "mine", "erase --yes"):
            it.shows("cqtel>")
            it.screen.reset()
            it.type(f"{typed}\n".encode())
            it.shows("This session is read-only.")
        it.type(b"quit\n")
        assert it.end() == 0
    assert rights.collector.connections == 0
    assert os.listdir(cq.project) == [".cq"]  # noqa: PTH208
