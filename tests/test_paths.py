from __future__ import annotations

import ntpath
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import platformdirs
import platformdirs.macos
import platformdirs.unix
import platformdirs.windows
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.errors import CqtelError
from cqtel_tui.paths import Places, agreed, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from platformdirs.api import PlatformDirsABC

posix_only = pytest.mark.skipif(os.name != "posix", reason="paths of another system")


class Environment:
    """The whole environment of a made-up machine, as platformdirs and we see it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def is_now(self, environ: Mapping[str, str]) -> None:
        for name in list(os.environ):
            if not name.startswith("PYTEST_"):
                self.monkeypatch.delenv(name)
        for name, value in environ.items():
            self.monkeypatch.setenv(name, value)

    def of(
        self, system: Callable[..., PlatformDirsABC], environ: Mapping[str, str]
    ) -> PlatformDirsABC:
        """Make this the environment, and `system` the one that platformdirs finds."""
        self.is_now(environ)
        self.monkeypatch.setattr(platformdirs, "PlatformDirs", system)
        return system("cqtel", appauthor=False, multipath=True)


@pytest.fixture
def environment() -> Iterator[Environment]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Environment(monkeypatch)


HOME = {"HOME": "/home/jo"}
ENVIRONMENTS: list[dict[str, str]] = [
    HOME,
    {"HOME": "/home/jo/"},
    {"HOME": "/"},
    {"HOME": "//home//jo"},
    {"HOME": "/home/jo and co"},
    {"HOME": "/home/josé"},
    {"HOME": ""},
    {"HOME": "relative"},
    {"HOME": "."},
    {"HOME": "~"},
    {},
    {**HOME, "XDG_CONFIG_HOME": "/xdg/config", "XDG_STATE_HOME": "/xdg/state"},
    {**HOME, "XDG_CONFIG_HOME": "/xdg/config"},
    {**HOME, "XDG_STATE_HOME": "/xdg/state"},
    {**HOME, "XDG_CONFIG_HOME": "/xdg/config/", "XDG_STATE_HOME": "/"},
    {**HOME, "XDG_CONFIG_HOME": "//xdg", "XDG_STATE_HOME": "/xdg//"},
    {**HOME, "XDG_CONFIG_HOME": "/xdg/../config"},
    {**HOME, "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""},
    {**HOME, "XDG_CONFIG_HOME": " ", "XDG_STATE_HOME": "\t"},
    {**HOME, "XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": "."},
    {**HOME, "XDG_CONFIG_HOME": "~/config", "XDG_STATE_HOME": "$HOME/state"},
    {**HOME, "XDG_CONFIG_HOME": "/xdg/config "},
    {**HOME, "XDG_DATA_HOME": "/xdg/data", "XDG_CACHE_HOME": "/xdg/cache"},
    {"XDG_CONFIG_HOME": "/xdg/config", "XDG_STATE_HOME": "/xdg/state"},
    {**HOME, "ANDROID_DATA": "/data", "ANDROID_ROOT": "/system"},
]

POSIX: dict[str, Callable[..., PlatformDirsABC]] = {
    "linux": platformdirs.unix.Unix,
    "darwin": platformdirs.macos.MacOS,
    "freebsd14": platformdirs.unix.Unix,
}


@posix_only
@pytest.mark.parametrize("platform", POSIX)
@pytest.mark.parametrize("environ", ENVIRONMENTS, ids=str)
def test_choices_and_payloads_live_where_platformdirs_says(
    environment: Environment,
    platform: str,
    environ: dict[str, str],
) -> None:
    folders = environment.of(POSIX[platform], environ)
    found = places(os.environ, platform)
    assert (found.config, found.state) == (folders.user_config_dir, folders.user_state_dir)
    assert os.path.isabs(found.config)  # noqa: PTH117
    assert os.path.isabs(found.state)  # noqa: PTH117


@posix_only
@settings(deadline=None)
@given(
    environ=st.fixed_dictionaries(
        {"HOME": st.text(alphabet="/.~ aß", max_size=6).map("/{}".format)},
        optional={
            name: st.text(alphabet="/.~ aß$", max_size=6)
            for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")
        },
    ),
    platform=st.sampled_from(["linux", "darwin"]),
)
def test_whatever_the_variables_are(environ: dict[str, str], platform: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        folders = Environment(monkeypatch).of(POSIX[platform], environ)
        found = places(os.environ, platform)
        assert (found.config, found.state) == (folders.user_config_dir, folders.user_state_dir)


WINDOWS: list[dict[str, str]] = [
    {"LOCALAPPDATA": "C:\\Users\\jo\\AppData\\Local"},
    {"LOCALAPPDATA": "C:\\Users\\jo\\AppData\\Local\\"},
    {"LOCALAPPDATA": "C:\\Users\\jo.co\\App Data"},
    {"LOCALAPPDATA": "C:\\Users\\josé"},
    {"LOCALAPPDATA": "D:\\"},
    {"LOCALAPPDATA": "C:/Users/jo/AppData/Local"},
    {"LOCALAPPDATA": "C:\\Users\\jo\\..\\jo\\.\\AppData\\Local"},
    {"LOCALAPPDATA": "C:\\Users\\\\jo"},
    {"LOCALAPPDATA": "C:\\.hidden"},
    {"LOCALAPPDATA": "\\\\server\\share\\jo"},
    {"LOCALAPPDATA": "\\\\?\\C:\\Users\\jo"},
    {"LOCALAPPDATA": "C:\\a", "WIN_PD_OVERRIDE_LOCAL_APPDATA": "E:\\b"},
]


@pytest.fixture
def windows(environment: Environment) -> Callable[[Mapping[str, str]], PlatformDirsABC]:
    """platformdirs as it is on Windows, where this is another system."""
    module = platformdirs.windows
    environment.monkeypatch.setattr(
        module, "os", SimpleNamespace(path=ntpath, environ=os.environ), raising=True
    )
    environment.monkeypatch.setattr(
        module, "_RESOLVE_WIN_FOLDER", module.get_win_folder_from_env_vars, raising=False
    )
    environment.monkeypatch.setattr("cqtel_tui.paths.os.path.isabs", ntpath.isabs)
    return lambda environ: environment.of(module.Windows, environ)


@pytest.mark.parametrize("environ", WINDOWS, ids=str)
def test_on_windows_too(
    windows: Callable[[Mapping[str, str]], PlatformDirsABC], environ: dict[str, str]
) -> None:
    folders = windows(environ)
    found = places(os.environ, "win32")
    assert (found.config, found.state) == (folders.user_config_dir, folders.user_state_dir)


@pytest.mark.parametrize("platform", ["linux", "freebsd14", "cygwin", "ios"])
def test_a_system_that_we_do_not_know_is_left_to_platformdirs(
    environment: Environment, platform: str
) -> None:
    environment.is_now({**HOME, "ANDROID_DATA": "/data"})
    environment.monkeypatch.setattr(
        platformdirs,
        "PlatformDirs",
        lambda *_, **__: SimpleNamespace(user_config_dir="/its/own", user_state_dir="/its/state"),
    )
    found = places(os.environ, platform)
    assert (found.config, found.state) == ("/its/own", "/its/state")


class TestOneFolderForAll:
    def test_is_named_by_a_variable(self, tmp_path: Path) -> None:
        found = places({"CQ_TELEMETRY_HOME": str(tmp_path)})
        assert (found.config, found.state) == (str(tmp_path), str(tmp_path))

    def test_counts_before_all_others(self, tmp_path: Path) -> None:
        environ = {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "CQ_TELEMETRY_HOME": str(tmp_path)}
        assert places(environ).config == str(tmp_path)

    @pytest.mark.parametrize("tail", ["/", "//", "/.", "/below/.."])
    def test_is_one_folder_however_it_is_written(self, tmp_path: Path, tail: str) -> None:
        assert places({"CQ_TELEMETRY_HOME": f"{tmp_path}{tail}"}).config == str(tmp_path)

    @pytest.mark.parametrize("home", [".tele", "here/../there/", ".", "..", " ", "~/t", "$HOME/t"])
    def test_is_refused_by_name_where_the_current_directory_would_answer(self, home: str) -> None:
        with pytest.raises(CqtelError) as refused:
            places({"HOME": "/home/jo", "CQ_TELEMETRY_HOME": home})
        assert f"CQ_TELEMETRY_HOME={home} is not an absolute path" in str(refused.value)
        assert "Unset it, or set it to an absolute path." in str(refused.value)
        assert ("~" in home) == ("nothing but a shell knows what ~ is" in str(refused.value))

    @posix_only
    @pytest.mark.parametrize(
        "home",
        ["/proc/self/cwd/.tele", "//proc/1/cwd", "/x/../proc/self/cwd", "/dev/fd/3/t", "/./proc/t"],
    )
    def test_is_refused_where_the_current_directory_answers_by_another_name(
        self, home: str
    ) -> None:
        with pytest.raises(CqtelError, match="is another folder in every process"):
            places({"HOME": "/home/jo", "CQ_TELEMETRY_HOME": home})

    @posix_only
    def test_may_be_in_memory(self) -> None:
        assert places({"CQ_TELEMETRY_HOME": "/dev/shm/t"}).config == "/dev/shm/t"  # noqa: S108

    def test_is_unset_when_empty(self) -> None:
        environ = {"HOME": "/home/jo", "CQ_TELEMETRY_HOME": ""}
        assert places(environ, "linux").config == "/home/jo/.config/cqtel"

    def test_does_not_move_the_administrator_s_policy(self, tmp_path: Path) -> None:
        found = places({"CQ_TELEMETRY_HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/site"}, "linux")
        assert found.admin == ("/site/cqtel", "/etc/xdg/cqtel")

    def test_is_not_made(self, tmp_path: Path) -> None:
        places({"CQ_TELEMETRY_HOME": str(tmp_path / "not yet")})
        assert list(tmp_path.iterdir()) == []


class TestTheAdministratorsPolicy:
    @posix_only
    @pytest.mark.parametrize(
        "listed",
        [None, "", "/site", "/site:/second/", "relative:/site", ":", "/etc/xdg:/site", "."],
    )
    @pytest.mark.parametrize("platform", ["linux", "darwin"])
    def test_lies_wherever_platformdirs_looks_and_always_where_the_system_has_it(
        self, environment: Environment, platform: str, listed: str | None
    ) -> None:
        environ = HOME if listed is None else {**HOME, "XDG_CONFIG_DIRS": listed}
        folders = environment.of(POSIX[platform], environ)
        found = places(os.environ, platform).admin
        own = "/Library/Application Support" if platform == "darwin" else "/etc/xdg"
        assert f"{own}/cqtel" in found
        # Homebrew's own prefix is no place of the system's.
        expected = set(folders.site_config_dir.split(":")) - {f"{sys.prefix}/share/cqtel"}
        assert expected <= set(found)
        assert set(found) <= expected | {f"{own}/cqtel"}
        assert len(set(found)) == len(found)

    def test_lies_in_program_data_whatever_the_variables_say(
        self, windows: Callable[[Mapping[str, str]], PlatformDirsABC]
    ) -> None:
        default = "C:\\ProgramData\\cqtel"
        folders = windows({"ALLUSERSPROFILE": "D:\\Shared\\", "LOCALAPPDATA": "C:\\l"})
        found = places(os.environ, "win32").admin
        assert found == (folders.site_config_dir, default) == ("D:\\Shared\\cqtel", default)
        windows({"PROGRAMDATA": "C:\\ProgramData", "LOCALAPPDATA": "C:\\l"})
        assert places(os.environ, "win32").admin == (default,)


class TestWithoutAHomeFolder:
    """A path relative to the current directory would be the project's, which is untrusted."""

    @pytest.mark.parametrize(
        ("config", "state"), [("~/.config/cqtel", "/s"), ("/c", "relative"), ("", "")]
    )
    def test_a_relative_path_is_refused_with_the_way_out(
        self, environment: Environment, config: str, state: str
    ) -> None:
        environment.is_now({})
        environment.monkeypatch.setattr(
            platformdirs,
            "PlatformDirs",
            lambda *_, **__: SimpleNamespace(user_config_dir=config, user_state_dir=state),
        )
        with pytest.raises(CqtelError, match="Set HOME or CQ_TELEMETRY_HOME to an absolute path"):
            places(os.environ, "linux")

    def test_a_user_whom_nobody_knows_is_told_so(self, environment: Environment) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise RuntimeError("could not determine the home directory")

        environment.is_now({})
        environment.monkeypatch.setattr(platformdirs, "PlatformDirs", unknown)
        with pytest.raises(CqtelError, match=r"could not determine the home .* CQ_TELEMETRY_HOME"):
            places(os.environ, "linux")


class TestAgreeing:
    def test_both_sides_look_in_the_same_place(self) -> None:
        here, there = places(), agreed()
        assert (here.config, here.state, here.admin) == (there.config, there.state, there.admin)

    def test_a_moved_home_needs_no_agreement(self, tmp_path: Path) -> None:
        assert agreed({"CQ_TELEMETRY_HOME": str(tmp_path)}).config == str(tmp_path)

    def test_a_difference_is_told_with_both_places(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CQ_TELEMETRY_HOME", raising=False)
        monkeypatch.setattr(
            "cqtel_tui.paths.places", lambda *_: Places("/elsewhere", "/elsewhere", ())
        )
        with pytest.raises(CqtelError, match=r"in /elsewhere, but platformdirs says .* Set CQ_TEL"):
            agreed()
