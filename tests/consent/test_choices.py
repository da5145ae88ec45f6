from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.consent.choices import read_policy, read_user
from cqtel_tui.consent.endpoint import endpoint_problem, is_loopback
from cqtel_tui.consent.layers import reasons, why
from cqtel_tui.consent.saving import ChoicesUnreadableError, decide_telemetry, save
from cqtel_tui.errors import CqtelError
from cqtel_tui.paths import Places

from ..groups import Group

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Machine

    Put = Callable[[Path, object], None]

YES = {"telemetry": "on", "catalogue": 1, "consented": 5}
GOOD = json.dumps({"version": 1, "all": YES})
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def all_with(**changes: object) -> str:
    return json.dumps({"all": {**YES, **changes}})


CONTENTS = {
    "empty": b"",
    "not UTF-8": b'{"all": "\xff"}',
    "UTF-16": GOOD.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "cut short": GOOD.encode()[:-1],
    "something behind it": GOOD.encode() + b"{}",
    "NUL": b"\0" * 10,
    "a comment": b"// on\n" + GOOD.encode(),
    "a list": b"[]",
    "null": b"null",
    "a string": b'"on"',
    "too large": GOOD.encode() + b" " * 256 * 1024,
    "enormous": b"[" * 4 * 1024 * 1024,
    "deep lists": b'{"all":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"all":' * 20_000 + b"{}" + b"}" * 20_000,
    "NaN": b'{"all": {"consented": NaN}}',
    "NaN among what is unknown": GOOD[:-1].encode() + b', "unknown": NaN}',
    "Infinity": GOOD[:-1].encode() + b', "unknown": -Infinity}',
    "a number of 5,000 digits": GOOD[:-1].encode() + b', "unknown": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"all": {"telemetry": "off"}, "all": {}}',
    "a key twice, within": b'{"all": {"telemetry": "off", "telemetry": null}}',
    "all is a list": b'{"all": []}',
    "all is null": b'{"all": null}',
    "all is a word": b'{"all": "on"}',
    "projects is a list": b'{"projects": ["/"]}',
    "a project is a word": b'{"projects": {"/": "on"}}',
    "telemetry is true": all_with(telemetry=True).encode(),
    "telemetry is a list": all_with(telemetry=["on"]).encode(),
    "telemetry is an object": all_with(telemetry={}).encode(),
    "telemetry is another word": all_with(telemetry="ON").encode(),
    "on without a catalogue": b'{"all": {"telemetry": "on"}}',
    "on for catalogue 0": all_with(catalogue=0).encode(),
    "catalogue is negative": all_with(catalogue=-1).encode(),
    "catalogue is true": all_with(catalogue=True).encode(),
    "catalogue is a fraction": all_with(catalogue=1.5).encode(),
    "catalogue is a word": all_with(catalogue="1").encode(),
    "consented is null": all_with(consented=None).encode(),
    "consented is negative": all_with(consented=-1).encode(),
    "debug is a number": all_with(debug=1).encode(),
    "debug is zero": all_with(debug=0).encode(),
    "debug is a fraction": all_with(debug=1.0).encode(),
    "debug is a word": all_with(debug="false").encode(),
    "debug is a list": all_with(debug=[]).encode(),
    "endpoint is a number": all_with(endpoint=1).encode(),
    "endpoint is empty": all_with(endpoint="").encode(),
    "endpoint is not https": all_with(endpoint="http://collector.example/").encode(),
    "endpoint of a project is a file": (
        b'{"projects": {"/elsewhere": {"endpoint": "file:///etc/passwd"}}}'
    ),
}


def assert_untrusted(machine: Machine, reason: str = "") -> None:
    """It means off, the message says which file, why and the way out, and nothing is written."""
    decision = machine.ask(["--debug-telemetry"], {"CQ_DEBUG_TELEMETRY": "1"})
    assert (decision.state, decision.debug, decision.endpoint) == ("off", False, None)
    assert why(decision).startswith(f"{machine.choices} (")
    assert reason in why(decision)
    before = snapshot(machine.config)
    with pytest.raises(ChoicesUnreadableError) as refused:
        save(str(machine.config), decide_telemetry("on"))
    assert str(machine.choices) in str(refused.value)
    assert reason in str(refused.value)
    assert "--replace-unreadable" in str(refused.value)
    assert snapshot(machine.config) == before
    assert machine.ask().state == "off"


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """What lies in a folder, but for the lock, byte for byte."""
    found = {}
    for path in folder.iterdir():
        if path.name != ".choices.json.lock":
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[path.name] = (status.st_mode, status.st_ino, content)
    return found


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_that_does_not_say_clearly_what_was_chosen_means_off(
    machine: Machine, put: Put, content: bytes
) -> None:
    put(machine.choices, content)
    assert_untrusted(machine)


class TestAGroupThatIsNobodyElse:
    """What a user makes with a umask of 002, where each user has a group of their own."""

    @pytest.fixture(autouse=True)
    def own_group(self, monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
        name = pwd.getpwuid(os.geteuid()).pw_name
        own = Group(name, os.getegid(), [])
        monkeypatch.setattr(grp, "getgrgid", lambda _: own)
        machine.user_chose(YES)
        machine.choices.chmod(0o664)
        machine.config.chmod(0o775)
        if machine.choices.stat().st_uid != machine.choices.stat().st_gid:
            pytest.skip("here a user's group has another number than the user")

    def test_may_write(self, machine: Machine) -> None:
        assert machine.ask().state == "on"

    @pytest.mark.parametrize(
        "group",
        [("staff", 0, []), ("root", 0, ["somebody"]), ("root", 0, ["root", "somebody"])],
    )
    def test_is_none_that_others_are_in(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch, group: tuple[str, int, list[str]]
    ) -> None:
        name = pwd.getpwuid(os.geteuid()).pw_name
        found = Group(group[0].replace("root", name), os.getegid(), group[2])
        monkeypatch.setattr(grp, "getgrgid", lambda _: found)
        assert machine.ask().state == "off"

    def test_is_none_that_nobody_knows(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(gid: int) -> Group:
            raise KeyError(gid)

        monkeypatch.setattr(grp, "getgrgid", unknown)
        assert machine.ask().state == "off"

    @as_root
    def test_is_none_of_another_number(self, machine: Machine) -> None:
        os.chown(machine.choices, -1, NOBODY)
        assert machine.ask().state == "off"

    def test_does_not_hide_an_access_list(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def getxattr(_: object, name: str) -> bytes:
            assert name == "system.posix_acl_access"
            return b"an access list"

        monkeypatch.setattr(os, "getxattr", getxattr, raising=False)
        assert machine.ask().state == "off"

    def test_does_not_mean_everybody(self, machine: Machine) -> None:
        machine.choices.chmod(0o666)
        assert machine.ask().state == "off"


class TestAFileThatCannotBeTrustedMeansOff:
    def test_a_link_even_to_a_good_file(self, machine: Machine, put: Put) -> None:
        put(machine.root / "good.json", GOOD)
        machine.choices.symlink_to(machine.root / "good.json")
        assert_untrusted(machine, "it is a link")
        assert (machine.root / "good.json").read_text() == GOOD

    def test_a_link_to_nowhere(self, machine: Machine) -> None:
        machine.choices.symlink_to(machine.root / "nowhere")
        assert_untrusted(machine, "it is a link")

    def test_a_fifo_and_nobody_waits_for_it(self, machine: Machine) -> None:
        os.mkfifo(machine.choices)
        assert_untrusted(machine, "it is not a regular file")

    def test_a_folder(self, machine: Machine) -> None:
        machine.choices.mkdir()
        assert_untrusted(machine, "it is not a regular file")

    @pytest.mark.usefixtures("shared_group")
    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
    def test_one_that_others_may_write(self, machine: Machine, put: Put, mode: int) -> None:
        put(machine.choices, GOOD)
        machine.choices.chmod(mode)
        assert_untrusted(machine, "chmod go-w")

    @as_root
    def test_one_of_another_user(self, machine: Machine, put: Put) -> None:
        put(machine.choices, GOOD)
        os.chown(machine.choices, NOBODY, NOBODY)
        assert_untrusted(machine, f"it belongs to another user (uid {NOBODY})")

    def test_one_that_others_may_read_is_trusted(self, machine: Machine, put: Put) -> None:
        put(machine.choices, GOOD)
        machine.choices.chmod(0o644)
        assert machine.ask().state == "on"

    @pytest.mark.usefixtures("shared_group")
    @pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
    def test_one_in_a_folder_that_others_may_write(
        self, machine: Machine, put: Put, mode: int
    ) -> None:
        put(machine.choices, GOOD)
        machine.config.chmod(mode)
        decision = machine.ask()
        assert decision.state == "off"
        assert "its folder can be written by others; use chmod go-w" in why(decision)

    @as_root
    def test_one_in_a_folder_of_another_user(self, machine: Machine, put: Put) -> None:
        put(machine.choices, GOOD)
        os.chown(machine.config, NOBODY, NOBODY)
        decision = machine.ask()
        assert decision.state == "off"
        notes = [reason.note for reason in reasons(decision) if reason.says == "off"]
        assert f"its folder belongs to another user (uid {NOBODY})" in notes

    def test_one_whose_folder_is_a_file(self, machine: Machine) -> None:
        machine.config.rmdir()
        machine.config.write_text("a file")
        decision = machine.ask()
        assert decision.state == "off"
        assert "its folder is not a folder" in why(decision)

    def test_one_whose_folder_links_in_a_circle(self, machine: Machine) -> None:
        machine.config.rmdir()
        machine.config.symlink_to(machine.config)
        assert machine.ask().state == "off"


AS_AN_ORDINARY_USER = """
import json, os, sys, tempfile
from pathlib import Path
from cqtel_tui.consent.decision import ask; from cqtel_tui.consent import choices, layers
from cqtel_tui.paths import Places
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as home:
    file = Path(home, "choices.json")
    file.write_text('{"all": {"telemetry": "on", "catalogue": 1}}')
    file.chmod(0o600)
    decide = lambda: ask(Places(home, home, ()), (), {}, sys.argv[1], (), "cloudquery")
    print(decide().state)
    file.chmod(0)
    print(decide().state, layers.why(decide()))
    file.chmod(0o600)
    os.chmod(home, 0)
    print(decide().state, layers.why(decide()))
    os.chmod(home, 0o700)
"""


def test_a_file_that_may_not_be_read_means_off(run: Callable[..., str], open_to_all: Path) -> None:
    first, second, third = run(AS_AN_ORDINARY_USER, open_to_all).splitlines()
    assert first == "on"
    assert second.startswith("off /")
    assert second.endswith("(it cannot be read: Permission denied)")
    assert third.startswith("off /")
    assert third.endswith("(it cannot be read: Permission denied)")


def test_reading_leaves_no_file_open(machine: Machine, put: Put) -> None:
    put(machine.choices, CONTENTS["too large"])
    (machine.project / ".cq" / "telemetry.json").symlink_to("nowhere")
    put(machine.policy_file, "{")
    before = os.listdir("/dev/fd")  # noqa: PTH208
    for _ in range(3):
        assert machine.ask().state == "off"
    assert os.listdir("/dev/fd") == before  # noqa: PTH208


def test_an_absent_file_says_nothing(machine: Machine) -> None:
    read = read_user(str(machine.config))
    assert (read.problem, read.choice().telemetry, read.projects) == (None, None, [])
    assert read.path == str(machine.choices)


def test_the_keys_that_we_do_not_know_are_read_too(machine: Machine, put: Put) -> None:
    put(machine.choices, {"version": 1, "all": {**YES, "colour": "red"}, "theme": [1, None]})
    read = read_user(str(machine.config))
    assert read.problem is None
    assert read.content["theme"] == [1, None]
    assert machine.ask().state == "on"


class TestWhatCannotBeReached:
    """A link to nowhere may lead to a no, once the share behind it is there again."""

    @pytest.fixture(params=["policy", "config"])
    def folder(self, request: pytest.FixtureRequest, machine: Machine) -> Path:
        found: Path = getattr(machine, request.param)
        return found

    @pytest.mark.parametrize("above", [0, 1])
    def test_means_off_and_is_named(self, machine: Machine, folder: Path, above: int) -> None:
        link = [folder, *folder.parents][above]
        folder.rmdir()
        if above:
            link.rmdir()
        link.symlink_to(machine.root / "share" / "not there")
        decision = machine.ask()
        assert decision.state == "off"
        assert f"it cannot be reached: {link} is a dangling link" in why(decision)

    def test_is_no_folder_behind_a_link_that_leads_somewhere(
        self, machine: Machine, put: Put, folder: Path
    ) -> None:
        folder.rename(machine.root / "share")
        folder.symlink_to(machine.root / "share")
        assert machine.ask().state == "hold"
        put(machine.root / "share" / "choices.json", {"telemetry": "off"})
        assert machine.ask().state == "off"

    @pytest.mark.parametrize("above", [0, 1, 2])
    def test_is_no_folder_that_is_not_there(
        self, machine: Machine, folder: Path, above: int
    ) -> None:
        for gone in [folder, *folder.parents][: above + 1]:
            if not list(gone.iterdir()):
                gone.rmdir()
        assert machine.ask().state == "hold"

    def test_may_be_a_link_in_a_circle(self, machine: Machine, folder: Path) -> None:
        folder.rmdir()
        folder.symlink_to(folder)
        assert machine.ask().state == "off"

    def test_may_be_a_file_in_the_folder_s_place(self, machine: Machine, folder: Path) -> None:
        folder.rmdir()
        folder.write_text("")
        assert machine.ask().state == "off"

    def test_is_not_written_over(self, machine: Machine) -> None:
        machine.config.rmdir()
        machine.config.symlink_to(machine.root / "nowhere")
        with pytest.raises(CqtelError, match=r"choices\.json"):
            save(str(machine.config), decide_telemetry("on"))


CLOSED_TO_AN_ORDINARY_USER = """
import os, sys, tempfile
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.layers import why
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with tempfile.TemporaryDirectory(dir=sys.argv[1]) as root:
    for name in ("project/.cq", "policy", "config"):
        os.makedirs(f"{root}/{name}")
    places = (f"{root}/config", f"{root}/config", (f"{root}/policy",))
    for name in ("project/.cq", "policy", "config"):
        os.chmod(f"{root}/{name}", 0)
        decision = ask(places, (), {}, f"{root}/project")
        print(decision.state, why(decision).replace(root, ""))
        os.chmod(f"{root}/{name}", 0o700)
    print(ask(places, (), {}, f"{root}/project").state)
"""


def test_a_folder_that_may_not_be_looked_into_means_off(
    run: Callable[..., str], open_to_all: Path
) -> None:
    assert run(CLOSED_TO_AN_ORDINARY_USER, open_to_all).splitlines() == [
        "off /project/.cq/telemetry.json (.cq is a link or cannot be opened (Permission denied))",
        "off /policy/choices.json (it cannot be read: Permission denied)",
        "off /config/choices.json (it cannot be read: Permission denied)",
        "hold",
    ]


class TestAnAdministratorsPolicy:
    def test_can_refuse(self, machine: Machine, put: Put) -> None:
        machine.user_chose({**YES, "debug": True})
        put(machine.policy_file, {"debug": False})
        assert (machine.ask().state, machine.ask().debug) == ("on", False)
        put(machine.policy_file, {"telemetry": "off"})
        assert machine.ask().state == "off"
        assert why(machine.ask()) == str(machine.policy_file)

    def test_can_refuse_in_the_words_of_a_user_s_file(self, machine: Machine, put: Put) -> None:
        machine.user_chose({**YES, "debug": True})
        put(machine.policy_file, {"version": 1, "all": {"debug": False}})
        assert (machine.ask().state, machine.ask().debug) == ("on", False)
        put(machine.policy_file, {"version": 1, "all": {"telemetry": "off"}})
        assert machine.ask().state == "off"
        put(machine.policy_file, {"telemetry": "off", "all": {"debug": False}})
        read = read_policy(str(machine.policy))
        assert (read.choice().telemetry, read.choice().debug) == ("off", False)

    @pytest.mark.parametrize(
        "asked",
        [
            {"telemetry": "on"},
            {"telemetry": "on", "catalogue": 1},
            {"telemetry": True},
            {"telemetry": []},
            {"debug": True},
            {"debug": 0.0},
            {"endpoint": "https://collector.example/"},
            {"endpoint": None},
            {"all": YES},
            {"all": {"endpoint": "https://collector.example/"}},
            {"all": []},
            {"projects": {}},
        ],
        ids=str,
    )
    def test_that_asks_for_anything_else_is_not_trusted(
        self, machine: Machine, put: Put, asked: object
    ) -> None:
        machine.user_chose(YES)
        put(machine.policy_file, asked)
        decision = machine.ask()
        assert (decision.state, decision.endpoint) == ("off", None)
        assert why(decision).startswith(f"{machine.policy_file} (it")

    @as_root
    def test_of_another_user_is_not_trusted(self, machine: Machine, put: Put) -> None:
        put(machine.policy_file, {})
        os.chown(machine.policy_file, NOBODY, NOBODY)
        assert f"uid {NOBODY}" in why(machine.ask())

    def test_that_is_no_file_is_not_trusted(self, machine: Machine) -> None:
        os.mkfifo(machine.policy_file)
        assert machine.ask().state == "off"

    def test_counts_in_every_folder_it_may_lie_in(self, machine: Machine, put: Put) -> None:
        second = machine.root / "second"
        second.mkdir()
        put(second / "choices.json", {"telemetry": "off"})
        machine.places = Places(str(machine.config), "", (str(machine.policy), str(second)))
        assert machine.ask().state == "off"


class TestAHostileProject:
    @pytest.fixture(autouse=True)
    def consented(self, machine: Machine) -> None:
        machine.user_chose(YES)
        assert machine.ask().state == "on"

    @pytest.fixture
    def folder(self, machine: Machine) -> Path:
        folder = machine.project / ".cq"
        folder.rmdir()
        return folder

    def test_whose_folder_is_a_link_means_off(self, machine: Machine, folder: Path) -> None:
        (machine.root / "elsewhere").mkdir()
        folder.symlink_to(machine.root / "elsewhere")
        assert why(machine.ask()).startswith(f"{machine.project_file} (.cq is a link")

    def test_whose_folder_is_a_link_to_nowhere_means_off(
        self, machine: Machine, folder: Path
    ) -> None:
        folder.symlink_to("nowhere")
        assert machine.ask().state == "off"

    def test_whose_folder_is_a_fifo_means_off(self, machine: Machine, folder: Path) -> None:
        os.mkfifo(folder)
        assert machine.ask().state == "off"

    def test_whose_folder_is_a_file_means_off(self, machine: Machine, folder: Path) -> None:
        folder.write_text("{}")
        assert machine.ask().state == "off"

    def test_whose_file_is_a_link_means_off(self, machine: Machine, put: Put) -> None:
        put(machine.root / "elsewhere", {})
        machine.project_file.symlink_to(machine.root / "elsewhere")
        assert why(machine.ask()) == f"{machine.project_file} (it is a link)"

    def test_whose_file_is_a_fifo_means_off_at_once(self, machine: Machine) -> None:
        os.mkfifo(machine.project_file)
        assert why(machine.ask()) == f"{machine.project_file} (it is not a regular file)"

    def test_whose_file_is_a_folder_means_off(self, machine: Machine) -> None:
        machine.project_file.mkdir()
        assert machine.ask().state == "off"

    def test_whose_file_everybody_may_write_means_off(self, machine: Machine, put: Put) -> None:
        put(machine.project_file, {})
        machine.project_file.chmod(0o666)
        assert machine.ask().state == "off"

    @pytest.mark.parametrize(
        "asked", [{"telemetry": "on"}, {"debug": True}, {"endpoint": "https://evil.example/"}]
    )
    def test_that_asks_for_more_than_it_may_means_off(
        self, machine: Machine, put: Put, asked: object
    ) -> None:
        put(machine.project_file, asked)
        decision = machine.ask()
        assert (decision.state, decision.debug, decision.endpoint) == ("off", False, None)

    @pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
    def test_with_any_nonsense_turns_nothing_on(
        self, machine: Machine, put: Put, content: bytes
    ) -> None:
        put(machine.choices, None)
        put(machine.project_file, content)
        assert machine.ask().state in {"hold", "off"}

    def test_that_says_nothing_changes_nothing(self, machine: Machine, put: Put) -> None:
        put(machine.project_file, {})
        assert machine.ask().state == "on"


ENDPOINTS = [
    "https://collector.example",
    "https://collector.example/v1/traces",
    "https://collector.example:4318/v1/traces?tenant=1",
    "https://203.0.113.7/",
    "https://[2001:db8::1]:4318/v1/traces",
    "https://under_score.example/",
    "http://localhost:4318/v1/traces",
    "http://LOCALHOST/",
    "http://127.0.0.1:1/",
    "http://127.255.0.3:65535/",
    "http://[::1]:4318/",
]
NO_ENDPOINTS = [
    "",
    "collector.example",
    "https:collector.example",
    "https://",
    "https:///v1/traces",
    "https://?",
    "http://collector.example/",
    "HTTPS://collector.example/",
    "ftp://collector.example/",
    "file:///etc/passwd",
    "javascript://localhost/",
    "https://user@collector.example/",
    "https://user:secret@collector.example/",
    "https://collector.example\\@evil.example/",
    "http://localhost@evil.example/",
    "http://localhost:80@evil.example/",
    "http://localhost\\.evil.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://127.1/",
    "http://127.0.0.256/",
    "http://127.0.0.010/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "https://2130706433/",
    "https://1.2.3/",
    "http://[::ffff:127.0.0.1]/",
    "http://::1/",
    "https://::1/",
    "https://[::1/",
    "https://::1]/",
    "https://[]/",
    "https://[nonsense]/",
    "https://[fe80::1%25eth0]/",
    "https://a b/",
    "https://a/\tb",
    "https://a\n.example/",
    "https://a\0.example/",
    "https://ex%61mple/",
    "https://exämple.example/",
    "https://a.example/ü",
    "https://a.example:0/",
    "https://a.example:65536/",
    "https://a.example:/",
    "https://a.example:4a/",
    "https://a.example:-1/",
    "https://a.example:٣/",
    "https://" + "a" * 2048,
]
URL_PARTS = [
    *("localhost", "127.0.0.1", "[::1]", "a.example", "evil", "xn--a", "1", "0x7f", ":4318"),
    *".:@/\\?#[]%;&=-_ \t\N{LATIN SMALL LETTER LONG S}\N{IDEOGRAPHIC FULL STOP}",
]


class TestAnEndpoint:
    @pytest.mark.parametrize("url", ENDPOINTS)
    def test_is_https_or_this_machine(self, url: str) -> None:
        assert endpoint_problem(url) is None

    @pytest.mark.parametrize("url", NO_ENDPOINTS)
    def test_is_nothing_else(self, url: str) -> None:
        assert endpoint_problem(url)

    @pytest.mark.parametrize("url", [None, 1, True, [], {}, b"https://collector.example"])
    def test_is_text(self, url: object) -> None:
        assert endpoint_problem(url)

    @settings(deadline=None, max_examples=500)
    @given(
        st.tuples(
            st.sampled_from(["https://", "http://"]),
            st.lists(
                st.sampled_from(URL_PARTS),
                max_size=6,
            ).map("".join),
        ).map("".join)
    )
    def test_is_understood_by_the_sender_as_it_is_here(self, url: str) -> None:
        if endpoint_problem(url) is None:
            seen = httpx.URL(url)
            assert not seen.userinfo
            assert seen.scheme == "https" or is_loopback(seen.raw_host.decode())


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "127", "127.1", "127.0.0.1.", "128.0.0.1", "127.0.0.¹", "127.0.0.", "localhost."]
)
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)
