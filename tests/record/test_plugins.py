"""What is installed in a project, as far as its folders tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cqtel_tui.catalogue import MAX_PLUGINS
from cqtel_tui.record.plugins import MAX_LISTED_IN_ONE, installed_plugins

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cq(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / ".cq"
    folder.mkdir(parents=True)
    return folder


def installed(cq: Path, *named: str) -> tuple[list[str], int]:
    return installed_plugins(str(cq.parent), named)


def provide(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    "name",
    [
        "v0.5.1-linux_amd64",
        "v0.5.1-darwin_arm64",
        "v0.5.1-windows_amd64.exe",
        "v0.5.1-linux_386",
        "v0.5.1",
    ],
)
def test_the_providers_of_2021_are_files(cq: Path, name: str) -> None:
    provide(cq / "providers" / "cloudquery" / "aws", name)
    assert installed(cq) == (["provider/cloudquery/aws@v0.5.1"], 0)


def test_a_version_keeps_what_is_its_own(cq: Path) -> None:
    provide(cq / "providers" / "cloudquery" / "aws", "v0.5.1-rc.1-linux_amd64")
    assert installed(cq) == (["provider/cloudquery/aws@v0.5.1-rc.1"], 0)


def test_folders_of_providers_count_as_well(cq: Path) -> None:
    (cq / "providers" / "cloudquery" / "aws" / "v0.5.1-linux_amd64").mkdir(parents=True)
    assert installed(cq) == (["provider/cloudquery/aws@v0.5.1"], 0)


def test_one_version_for_many_machines_is_one(cq: Path) -> None:
    names = ("v0.5.1-linux_amd64", "v0.5.1-darwin_arm64", "v0.5.1-windows_amd64.exe")
    provide(cq / "providers" / "cloudquery" / "aws", *names)
    assert installed(cq) == (["provider/cloudquery/aws@v0.5.1"], 0)


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "v0.5.1-linux_amd64.tmp", "v0.5.1-linux_amd64.sha256", "latest", "v1-_amd64"],
)
def test_what_is_no_version_is_counted_and_not_told(cq: Path, name: str) -> None:
    provide(cq / "providers" / "cloudquery" / "aws", name)
    assert installed(cq) == ([], 1)


def test_a_link_is_no_provider(cq: Path) -> None:
    provide(cq / "elsewhere", "v0.5.1-linux_amd64")
    (cq / "providers" / "cloudquery" / "aws").mkdir(parents=True)
    (cq / "providers" / "cloudquery" / "aws" / "v0.5.1-linux_amd64").symlink_to(
        cq / "elsewhere" / "v0.5.1-linux_amd64"
    )
    (cq / "providers" / "cloudquery" / "gcp").symlink_to(cq / "elsewhere")
    assert installed(cq) == ([], 0)


def test_a_file_is_no_plugin_and_no_part_of_a_path(cq: Path) -> None:
    provide(cq / "plugins" / "source" / "cloudquery" / "aws", "v1.0.0")
    provide(cq / "providers" / "cloudquery", "aws")
    assert installed(cq) == ([], 0)


def test_plugins_are_found_in_the_folders_that_a_program_was_told(cq: Path, tmp_path: Path) -> None:
    named = tmp_path / "elsewhere"
    (named / "plugins" / "source" / "cloudquery" / "aws" / "v1.0.0").mkdir(parents=True)
    provide(named / "providers" / "cloudquery" / "gcp", "v0.2.0-linux_amd64")
    expected = ["provider/cloudquery/gcp@v0.2.0", "source/cloudquery/aws@v1.0.0"]
    assert installed(cq) == ([], 0)
    assert installed(cq, str(named)) == (expected, 0)
    assert installed(cq, "../elsewhere") == (expected, 0)
    (tmp_path / "link").symlink_to(named)
    assert installed(cq, str(tmp_path / "link")) == (expected, 0)
    assert installed(cq, str(tmp_path / "not there")) == ([], 0)


class TestTheBounds:
    def test_as_many_as_may_be_told_are(self, cq: Path) -> None:
        for number in range(MAX_PLUGINS):
            (cq / "plugins" / "source" / "o" / f"n{number}" / "1.0").mkdir(parents=True)
        plugins, unfit = installed(cq)
        assert (len(plugins), unfit) == (MAX_PLUGINS, 0)

    def test_what_is_more_is_counted(self, cq: Path) -> None:
        for number in range(MAX_PLUGINS + 3):
            (cq / "plugins" / "source" / "o" / f"n{number}" / "1.0").mkdir(parents=True)
        plugins, unfit = installed(cq)
        assert (len(plugins), unfit) == (MAX_PLUGINS, 3)

    @pytest.mark.parametrize(("more", "unfit"), [(0, 0), (1, 1)])
    def test_a_folder_is_read_up_to_its_bound(self, cq: Path, more: int, unfit: int) -> None:
        assert MAX_LISTED_IN_ONE == 256
        versions = cq / "providers" / "o" / "n"
        provide(versions, *(f"{number}" for number in range(MAX_LISTED_IN_ONE + more)))
        plugins, left_out = installed(cq)
        assert len(plugins) == MAX_PLUGINS
        assert left_out == MAX_LISTED_IN_ONE - MAX_PLUGINS + unfit

    def test_all_folders_together_are_read_up_to_theirs(self, cq: Path) -> None:
        # 5 folders of 256 are 1,285 entries with those on the way, and 1,000 are read.
        for name in "abcde":
            provide(cq / "providers" / "o" / name, *(f"{n}" for n in range(MAX_LISTED_IN_ONE)))
        plugins, left_out = installed(cq)
        assert len(plugins) + left_out == 1000 - 1 - 5 + 1
