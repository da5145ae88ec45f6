from __future__ import annotations

import grp
import os
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.channels import Blocked
from cqtel_tui.gate.profile_files import SHIPPED, ProfileError, read_profile, read_profiles
from cqtel_tui.gate.profiles import FOLDER, known_profiles
from cqtel_tui.gate.recognising import recognise
from cqtel_tui.gate.shipped import PROFILES

from ..groups import Group

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROFILE = """
name = "shop"
programs = ["shop", "shopd"]
operations = ["serve"]
silent = ["--help"]
valued = ["--port"]
[refuse]
OTEL_SDK_DISABLED = "true"
[intercept]
variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
upstream = "https://otlp.example"
forwarded = ["X-Api-Key"]
headers = ["SHOP_HEADERS", "SHOP_LOG_HEADERS"]
transports = ["SHOP_PROTOCOL"]
own = ["SHOP_LOGS"]
duration_unit = 1000
[intercept.also]
OTEL_EXPORTER_OTLP_PROTOCOL = "http/protobuf"
[intercept.levels.SHOP_LEVEL]
"" = "some"
all = "some"
[[close]]
name = "crash reports"
reason = "they cannot be held"
counted = "SHOP_CRASHES"
[fields]
"service.name" = "name"
plugins = ["plugin"]
[never]
email = "it says who you are"
"""
on_posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files tell no owner here")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    folder = tmp_path / FOLDER
    folder.mkdir(mode=0o700)

    def write(text: str = PROFILE, name: str = "shop.toml") -> Path:
        path = folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_all_that_a_profile_says_is_read(write: Callable[..., Path]) -> None:
    found = read_profile(write())
    assert found.name == "shop"
    assert found.programs == {"shop", "shopd"}
    assert [*found.operations, *found.silent, *found.valued] == ["serve", "--help", "--port"]
    assert found.refuse == {"OTEL_SDK_DISABLED": "true"}
    channels = found.channels
    assert (channels.variable, channels.upstream) == (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "https://otlp.example",
    )
    assert channels.fields == {"service.name": "name", "plugins": ("plugin",)}
    assert channels.never == {"email": "it says who you are"}
    assert channels.levels == {"SHOP_LEVEL": {"": "some", "all": "some"}}
    assert channels.blocked == (Blocked("crash reports", "they cannot be held", "SHOP_CRASHES"),)
    assert (channels.forwarded, channels.own) == (("x-api-key",), ("SHOP_LOGS",))
    assert channels.headers == ("SHOP_HEADERS", "SHOP_LOG_HEADERS")
    assert channels.transports == ("SHOP_PROTOCOL",)
    assert (channels.duration_unit, channels.also) == (
        1000,
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    )


def test_a_program_is_found_by_the_name_of_its_binary(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    assert known_profiles(str(tmp_path)) == known_profiles(None) == PROFILES
    write()
    write(PROFILE.replace("shop", "bank"), "bank.toml")
    write("not a profile", "notes.txt")
    known = known_profiles(str(tmp_path))
    found = recognise(["shopd"], known)
    assert found is not None
    assert found.profile.name == "shop"
    assert recognise(["other"], known) is None
    assert [one.name for one in read_profiles(str(tmp_path))] == ["bank", "shop"]


def test_without_the_folder_there_are_no_profiles(tmp_path: Path) -> None:
    assert read_profiles(str(tmp_path / "nowhere")) == []


def test_a_project_has_no_say(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.chdir(tmp_path)
    assert read_profiles(str(tmp_path / "config")) == []


def test_the_one_that_is_shipped_can_be_read() -> None:
    found = read_profile(SHIPPED)
    assert (found.name, found.programs) == ("opentelemetry", frozenset())
    assert found.channels.variable == "OTEL_EXPORTER_OTLP_ENDPOINT"
    assert not found.channels.fields.keys() & found.channels.never.keys()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "shop"', 'name = "a shop"', "not a plain name"),
        ('name = "shop"', "name = 5", '"name" is not a text'),
        ('["shop", "shopd"]', '["shop", 5]', '"programs" is not a list of texts'),
        ('["shop", "shopd"]', '["../shop"]', "not a plain name"),
        ('["serve"]', '["a b"]', "not a plain name"),
        ('variable = "OTEL', 'variable = "OTEL=', "not the name of a variable"),
        ('variable = "OTEL_EXPORTER_OTLP_ENDPOINT"', "", "not the name of a variable"),
        ("https://otlp.example", "http://otlp.example", "cannot be used"),
        ("duration_unit = 1000", "duration_unit = 0", "duration_unit"),
        ('"service.name" = "name"', '"service.name" = "anything"', "fields.service.name"),
        ('["plugin"]', '["plugin", "name"]', "fields.plugins"),
        ("[never]", "[nevr]", '"nevr" is no key of a profile'),
        ('counted = "SHOP', 'countd = "SHOP', '"close[0].countd" is no key of a profile'),
        ("[[close]]", "[close]", '"close" is not a list of tables'),
        ("[never]\n", "[never]\nx = 5\n", '"never.x" is not a text'),
        ("[fields]", "fields", "not a profile"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_way_out(
    write: Callable[..., Path], tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in PROFILE
    path = write(PROFILE.replace(old, new))
    with pytest.raises(ProfileError) as raised:
        known_profiles(str(tmp_path))
    for part in (str(path), problem, "move it away", str(SHIPPED)):
        assert part in str(raised.value)


@on_posix
def test_a_file_that_others_can_change_is_not_trusted(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grp, "getgrgid", lambda gid: Group("staff", gid, ["somebody"]))
    path = write()
    path.chmod(0o620)
    with pytest.raises(ProfileError, match="written by others"):
        read_profiles(str(tmp_path))
    path.chmod(0o600)
    path.parent.chmod(0o770)
    with pytest.raises(ProfileError, match="written by others"):
        read_profiles(str(tmp_path))
    path.parent.chmod(0o700)
    tmp_path.chmod(0o777)
    with pytest.raises(ProfileError, match="written by others"):
        read_profiles(str(tmp_path))


@on_posix
@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_file_is_not_trusted(
    write: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    path = write()
    path.unlink()
    if kind == "link":
        (tmp_path / "elsewhere").write_text(PROFILE)
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ProfileError, match="cannot be trusted"):
        read_profiles(str(tmp_path))


@on_posix
def test_a_file_of_another_user_is_not_trusted(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ProfileError, match="another user"):
        read_profile(path)


def test_a_file_that_is_too_large_or_not_utf8_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(ProfileError, match="larger"):
        read_profile(write(PROFILE + "#" * 70_000))
    path = write()
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ProfileError, match="not a profile"):
        read_profile(path)
