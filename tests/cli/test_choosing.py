from __future__ import annotations

import json
import os
import re
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.actions.status import WORDS
from cqtel_tui.consent.choices import read_user
from cqtel_tui.consent.decision import ask
from cqtel_tui.deliver.waiting import put_off
from cqtel_tui.outbox.included import included
from cqtel_tui.outbox.losses import count_loss
from cqtel_tui.outbox.store import REJECTED
from cqtel_tui.paths import places

from ..cookies import record_cookie

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Here

COOKIE = "0b2f7c2e-6b0e-4c38-9c3e-0f6a5a3f9a11"
URL = "https://collector.example/v1/traces"


def said(cq: Here, *arguments: str) -> str:
    """Run a command that must succeed and has nothing for stdout; return what it says."""
    ended = cq(*arguments)
    assert ended.code == 0, ended.said
    assert ended.out == b""
    return ended.said


def stored(cq: Here) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(cq.choices.read_text())
    return content


def of_program(cq: Here, program: str = "cloudquery") -> dict[str, Any]:
    """Return what is stored of one program."""
    chosen: dict[str, Any] = stored(cq)["programs"][program]
    return chosen


def refuse_by_policy(cq: Here, content: str = '{"telemetry": "off"}') -> None:
    cq.policy.parent.mkdir(parents=True)
    cq.policy.write_text(content)


# status ------------------------------------------------------------------------------------------


def test_at_first_everything_is_undecided_and_looking_creates_nothing(cq: Here) -> None:
    ended = cq("status")
    assert ended.code == 0
    assert ended.err == b""
    assert ended.lines == [
        f"telemetry  {WORDS['hold']} (you have not decided yet)",
        "program    cloudquery",
        "debug      off",
        "ID         absent",
        "payloads   0 pending, 0 sent, 0 rejected, 0 set aside, 0 lost",
        "endpoint   none: what is recorded stays on this machine",
        "",
        "why:",
        "  command line  nothing",
        "  environment   nothing",
        "  admin policy  nothing",
        "  project       nothing",
        "  user          nothing",
    ]
    assert cq("status", "--json").json["decision"] == "hold"
    assert cq.files() == set()


def test_status_tells_each_layers_say_and_which_one_won(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    cq("on")
    refuse_by_policy(cq)
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    found = cq("status", "--json").json
    assert found["decision"] == "off"
    assert found["reasons"] == [
        {"layer": "command line", "says": "nothing", "source": "", "note": "", "won": False},
        {
            "layer": "environment",
            "says": "off",
            "source": "DO_NOT_TRACK=1",
            "note": "",
            "won": True,
        },
        {
            "layer": "admin policy",
            "says": "off",
            "source": str(cq.policy),
            "note": "",
            "won": False,
        },
        {"layer": "project", "says": "nothing", "source": "", "note": "", "won": False},
        {
            "layer": "user",
            "says": "on",
            "source": str(cq.choices),
            "note": "you chose this for cloudquery",
            "won": False,
        },
    ]
    words = cq("status").lines
    assert words[0] == (
        "telemetry  off: nothing is recorded, nothing is sent, "
        "of what is run through cq-telemetry (DO_NOT_TRACK=1)"
    )
    assert "* environment   off       DO_NOT_TRACK=1" in words
    assert f"  user          on        {cq.choices}  you chose this for cloudquery" in words


def test_status_counts_what_there_is(cq: Here) -> None:
    for _ in range(3):
        cq.record()
    cq.answer(cq.record())
    cq.answer(cq.record(), REJECTED)
    count_loss(cq.outbox.state, "full")
    assert cq("status", "--json").json["outbox"] == {
        "pending": 3,
        "sent": 1,
        "rejected": 1,
        "set_aside": 0,
        "dropped": 1,
    }
    assert "payloads   3 pending, 1 sent, 1 rejected, 0 set aside, 1 lost" in cq("status").lines


def test_status_tells_when_delivery_is_tried_again_and_why(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    cq.record()
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0 - 60)
    put_off(cq.outbox, 1_800_000_000.0, "it responded 503 \x1b[31m")
    found = cq("status", "--json").json
    assert found["retry_at"] == "2027-01-15T08:00:00.000+00:00"
    assert found["retry_why"] == "it responded 503 \x1b[31m"
    line = "delivery   next attempt at 2027-01-15 08:00:00: it responded 503 ␛[31m"
    assert line in cq("status").lines
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    time.tzset()
    assert line.replace("08:00:00", "21:45:00") in cq("status").lines


def test_status_does_not_believe_that_delivery_waits_for_years(cq: Here) -> None:
    cq.record()
    put_off(cq.outbox, time.time() + 5 * 365 * 24 * 3600, "a clock that was ahead")
    assert cq("status", "--json").json["retry_at"] is None
    assert not any(line.startswith("delivery") for line in cq("status").lines)


@pytest.mark.parametrize("moment", [0.0, 1e11, 9e9, -1e9])
def test_times_that_no_calendar_has_are_no_times(cq: Here, moment: float) -> None:
    cq.record()
    cookie = make_cookie(cq)
    os.utime(cookie, (moment, moment))
    put_off(cq.outbox, moment, "why")
    assert cq("status").code == 0
    assert cq("status", "--json").code == 0
    assert cq("cookie", "--json").code == 0


def make_cookie(cq: Here) -> Path:
    cookie = cq.project / ".cq" / "telemetry-cookie"
    cookie.parent.mkdir()
    cookie.write_text(COOKIE + "\n")
    record_cookie(cq.outbox.folder.parent, COOKIE, cq.project)
    return cookie


def test_status_tells_of_the_cookie_and_of_those_that_earlier_releases_left(cq: Here) -> None:
    make_cookie(cq)
    old = cq.home / ".cq" / "telemetry-random-id"
    old.parent.mkdir()
    old.write_text(COOKIE + "\n")
    lines = cq("status").lines
    assert f"ID         present: {COOKIE}" in lines
    assert f"earlier    {old} is present: {COOKIE}" in lines
    found = cq("status", "--json").json
    assert found["cookie"]["value"] == COOKIE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", found["cookie"]["modified"])
    assert [each["state"] for each in found["legacy_cookies"]] == ["absent", "absent", "present"]


def test_status_tells_the_proxy_without_its_password(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.example:3128")
    assert cq("status", "--json").json["proxy"] is None
    cq("endpoint", URL)
    assert cq("status", "--json").json["proxy"] == "http://proxy.example:3128"
    assert "proxy      http://proxy.example:3128" in cq("status").lines


def test_status_in_a_folder_that_is_gone_says_so(cq: Here) -> None:
    cq.record()
    cq.project.rmdir()
    ended = cq("status")
    assert ended.code == 0
    assert "off: nothing is recorded" in ended.lines[0]
    assert "the current directory (it cannot be read)" in ended.lines[0]
    assert "payloads   1 pending, 0 sent, 0 rejected, 0 set aside, 0 lost" in ended.lines
    found = cq("status", "--json").json
    assert found["cookie"]["reason"] == "the current directory cannot be read"
    assert found["legacy_cookies"] == []


def test_an_outbox_that_cannot_be_read_hides_nothing_else(cq: Here) -> None:
    cq("on")
    cq.outbox.folder.parent.mkdir(parents=True, exist_ok=True)
    cq.outbox.folder.write_text("a file where the folder should be")
    ended = cq("status")
    assert ended.code == 1
    assert ended.lines[0].startswith("telemetry  on")
    assert f"payloads   {cq.outbox.folder}/pending cannot be read: Not a directory" in ended.lines
    ended = cq("status", "--json")
    assert ended.code == 1
    assert ended.json["decision"] == "on"
    assert set(ended.json["outbox"].values()) == {None}
    assert "Not a directory" in ended.json["problem"]


def test_hostile_text_of_a_variable_is_shown_and_not_obeyed(
    cq: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "\x1b]52;c;AAAA\x07\u202e\x9b31m\x7f")
    ended = cq("status")
    assert "DO_NOT_TRACK=␛]52;c;AAAA␇\\u{202e}\\u{9b}31m␡" in ended.out.decode()
    found = cq("status", "--json")
    assert found.out.isascii()
    assert b"\x7f" not in found.out
    assert found.json["reasons"][1]["source"].endswith("\u202e\x9b31m\x7f")


# on, off, undecide -------------------------------------------------------------------------------


def test_a_yes_is_saved_for_all_projects_and_says_what_is_missing(cq: Here) -> None:
    assert said(cq, "on") == (
        "cq-telemetry: telemetry of cloudquery is on: payloads are recorded and delivered\n"
        "cq-telemetry: no endpoint is set, so what is recorded stays here: "
        "cq-telemetry endpoint URL\n"
        "cq-telemetry: what cloudquery itself reports goes to "
        "https://analytics-events.cloudquery.io\n"
    )
    assert of_program(cq)["all"]["telemetry"] == "on"
    assert of_program(cq)["all"]["catalogue"] == 1
    assert "projects" not in of_program(cq)
    assert stat.S_IMODE(cq.choices.stat().st_mode) == 0o600
    assert stat.S_IMODE(cq.config.stat().st_mode) == 0o700
    assert cq("status", "--json").json["decision"] == "on"


def test_a_yes_does_not_cover_what_was_held_before_unless_it_says_so(cq: Here) -> None:
    identity = cq.record()
    assert said(cq, "on").endswith(
        "cq-telemetry: pending before it, and not included: 1 payload; to send them all the same: "
        "cq-telemetry send, or cq-telemetry on --include-held\n"
    )
    assert of_program(cq)["all"]["consented"] > time.time_ns() - 3600 * 10**9
    assert said(cq, "on", "--include-held").endswith(
        "cq-telemetry: pending before it, and included: 1 payload; to send: "
        "cq-telemetry send --all\n"
    )
    assert of_program(cq)["all"]["consented"] > time.time_ns() - 3600 * 10**9
    assert included(str(cq.outbox.state), ask(places(), program="cloudquery")) == {identity}


def test_a_no_is_saved_and_offers_to_delete_what_there_is(cq: Here) -> None:
    assert said(cq, "off") == (
        "cq-telemetry: telemetry of cloudquery is off: nothing is recorded, nothing is sent, "
        "of what is run through cq-telemetry\n"
        "cq-telemetry: what is started without cq-telemetry is not reached by this no; "
        "to reach it: cq-telemetry env\n"
    )
    assert of_program(cq)["all"] == {"telemetry": "off"}
    cq("undecide")
    cq.record()
    make_cookie(cq)
    assert said(cq, "off").endswith(
        "cq-telemetry: still here: 1 payload, the installation ID; to delete them: "
        "cq-telemetry off --discard\n"
    )
    assert cq.counts() == (1, 0, 0)


def test_a_no_can_delete_everything(cq: Here) -> None:
    cookie = make_cookie(cq)
    cq.record()
    cq.record()
    cq.answer(cq.record())
    cq.answer(cq.record(), REJECTED)
    torn = cq.record()
    box, label = cq.outbox.find(torn)
    cq.outbox.set_aside(box, label)
    assert said(cq, "off", "--discard") == (
        "cq-telemetry: telemetry of cloudquery is off: nothing is recorded, nothing is sent, "
        "of what is run through cq-telemetry\n"
        "cq-telemetry: what is started without cq-telemetry is not reached by this no; "
        "to reach it: cq-telemetry env\n"
        "cq-telemetry: deleted: 2 pending payloads, 1 sent payload, 1 rejected payload, "
        "1 set aside payload, the installation ID\n"
    )
    assert not cookie.exists()
    assert not any("envelope" in name or "receipt" in name for name in cq.files())
    assert said(cq, "off", "--discard").endswith(
        "cq-telemetry: deleted: nothing, there was nothing\n"
    )


def test_deleting_leaves_a_locked_cookie_locked(cq: Here) -> None:
    cq("cookie", "lock")
    said(cq, "off", "--discard")
    assert (cq.project / ".cq" / "telemetry-cookie").is_dir()


def test_a_no_in_a_folder_that_is_gone_is_saved_and_deletes_what_it_can(cq: Here) -> None:
    cq.record()
    cq.project.rmdir()
    assert "still here: 1 payload;" in said(cq, "off")
    assert "1 pending payload" in said(cq, "off", "--discard")
    assert of_program(cq)["all"] == {"telemetry": "off"}
    assert cq.counts() == (0, 0, 0)


def test_a_choice_can_be_taken_back(cq: Here) -> None:
    cq("on")
    assert said(cq, "undecide") == (
        "cq-telemetry: telemetry of cloudquery is undecided: payloads stay on this machine, "
        "nothing is sent\n"
    )
    assert of_program(cq)["all"] == {}
    assert read_user(str(cq.config)).choice("cloudquery").telemetry is None


def test_a_project_has_a_choice_of_its_own(cq: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    said(cq, "on")
    said(cq, "off", "--project")
    assert of_program(cq)["projects"] == {str(cq.project.resolve()): {"telemetry": "off"}}
    assert cq("status", "--json").json["decision"] == "off"
    monkeypatch.chdir(cq.home)
    assert cq("status", "--json").json["decision"] == "on"
    monkeypatch.chdir(cq.project)
    said(cq, "undecide", "--project")
    assert of_program(cq)["projects"] == {}
    assert cq("status", "--json").json["decision"] == "on"


def test_a_project_whose_folder_is_gone_cannot_be_chosen_for(cq: Here) -> None:
    cq.project.rmdir()
    ended = cq("on", "--project")
    assert ended.code == 1
    assert ended.said.startswith("cq-telemetry: The current directory cannot be read: No such")
    assert not cq.choices.exists()


@pytest.mark.parametrize("choice", ["on", "undecide"])
def test_where_another_layer_decides_the_choice_is_saved_and_that_is_said(
    cq: Here, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_NO_TELEMETRY", "whatever")
    assert said(cq, choice) == (
        "cq-telemetry: telemetry of cloudquery is off: nothing is recorded, nothing is sent, "
        "of what is run through cq-telemetry\n"
        "cq-telemetry: your choice is saved, but here CQ_NO_TELEMETRY=whatever decides\n"
    )
    assert of_program(cq)["all"].get("telemetry") == {"on": "on"}.get(choice)


def test_a_hostile_project_file_is_named_as_what_decides(cq: Here) -> None:
    file = cq.project / ".cq" / "telemetry.json"
    file.parent.mkdir()
    file.write_text('{"telemetry": "on", "endpoint": "http://evil.example"}')
    assert f"but here {file} (it may only say" in said(cq, "on")


def test_choices_that_cannot_be_read_are_never_written_over_unless_asked(cq: Here) -> None:
    cq.config.mkdir(parents=True, mode=0o700)
    cq.choices.write_text("{ broken")
    for arguments in (["on"], ["off"], ["undecide"], ["debug", "on"], ["endpoint", URL]):
        ended = cq(*arguments)
        assert ended.code == 1
        assert ended.said.startswith(f"cq-telemetry: {cq.choices}: it is not JSON")
        assert "--replace-unreadable" in ended.said
        assert ended.said.count("\n") == 1
        assert cq.choices.read_text() == "{ broken"
    assert cq("status", "--json").json["decision"] == "off"
    said(cq, "on", "--replace-unreadable")
    assert of_program(cq)["all"]["telemetry"] == "on"
    [kept] = cq.config.glob("choices.json.unreadable-*")
    assert kept.read_text() == "{ broken"


def test_a_configuration_that_cannot_be_written_is_told(cq: Here) -> None:
    cq.config.parent.mkdir()
    cq.config.write_text("a file where the folder should be")
    ended = cq("on")
    assert ended.code == 1
    assert str(cq.choices) in ended.said
    assert cq.config.read_text() == "a file where the folder should be"


# debug -------------------------------------------------------------------------------------------


def test_debug_mode_is_saved(cq: Here) -> None:
    assert said(cq, "debug", "on") == (
        "cq-telemetry: debug mode of cloudquery is on: error texts are recorded\n"
    )
    assert cq("status", "--json").json["debug"] is True
    assert "debug      on: error texts are recorded" in cq("status").lines
    assert said(cq, "debug", "off") == "cq-telemetry: debug mode of cloudquery is off\n"
    assert cq("status", "--json").json["debug"] is False


@pytest.mark.parametrize(
    ("choice", "variable", "why"),
    [
        ("on", "CQ_DEBUG_TELEMETRY=whatever", "CQ_DEBUG_TELEMETRY=whatever"),
        ("on", "DO_NOT_TRACK=1", "DO_NOT_TRACK=1"),
        ("off", "CQ_DEBUG_TELEMETRY=1", "CQ_DEBUG_TELEMETRY=1"),
    ],
)
def test_where_another_layer_decides_over_debug_mode_that_is_said(
    cq: Here, choice: str, variable: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    assert said(cq, "debug", choice).endswith(
        f"cq-telemetry: your choice is saved, but here {why} decides\n"
    )


def test_debug_mode_can_be_a_projects_own(cq: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    said(cq, "debug", "on", "--project")
    assert cq("status", "--json").json["debug"] is True
    monkeypatch.chdir(cq.home)
    assert cq("status", "--json").json["debug"] is False


# endpoint ----------------------------------------------------------------------------------------


def test_an_endpoint_is_saved_and_it_is_said_that_nothing_goes_there_yet(cq: Here) -> None:
    assert said(cq, "endpoint", URL) == (
        f"cq-telemetry: payloads of cloudquery go to {URL}\n"
        "cq-telemetry: not yet: telemetry of cloudquery is undecided: payloads stay on this "
        "machine, nothing is sent\n"
    )
    said(cq, "on")
    assert said(cq, "endpoint", URL) == f"cq-telemetry: payloads of cloudquery go to {URL}\n"
    assert f"endpoint   {URL}" in cq("status").lines
    assert (
        said(cq, "endpoint", "none")
        == "cq-telemetry: payloads of cloudquery stay on this machine\n"
    )
    assert cq("status", "--json").json["endpoint"] is None


def test_an_endpoint_can_be_a_projects_own(cq: Here) -> None:
    other = "http://127.0.0.1:4318/v1/traces"
    said(cq, "endpoint", URL)
    assert f"payloads of cloudquery go to {other}\n" in said(cq, "endpoint", other, "--project")
    assert "a more specific one of yours applies" in said(cq, "endpoint", URL)
    assert f"payloads of cloudquery go to {URL}\n" in said(cq, "endpoint", "none", "--project")


def test_the_proxy_on_the_way_is_said(cq: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:hunter2@proxy.example")
    words = said(cq, "endpoint", URL)
    assert "cq-telemetry: by the proxy socks5://proxy.example\n" in words
    assert "hunter2" not in words


@pytest.mark.parametrize(
    "url",
    [
        "collector.example",
        "http://collector.example/v1/traces",
        "ftp://collector.example",
        "file:///etc/passwd",
        "https://user:hunter2@collector.example",
        "https://",
        "https://[::1",
        "https://collector.example:99999",
        "https://collector.example/\x1b[31m",
        "https://коллектор.example",
        "https://a b",
        "NONE",
        "",
        "https://x/" + "y" * 5000,
    ],
)
def test_what_cannot_be_an_endpoint_is_wrong_usage_and_is_not_saved(cq: Here, url: str) -> None:
    ended = cq("endpoint", url)
    assert ended.code == 2
    assert "cannot be an endpoint" in ended.said
    assert "https://collector.example/v1/traces" in ended.said
    assert "\x1b" not in ended.said
    assert cq.files() == set()
