from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.gate.rules import published_plugins

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no folder is opened without links here")


def test_a_plugin_counts_as_published_where_the_program_was_told_to_download_it(
    tmp_path: Path,
) -> None:
    for folder, name in ((".cq", "aws"), ("files", "gcp"), ("others", "azure")):
        place = tmp_path / folder / "plugins" / "source" / "cloudquery" / name / "v1.0.0"
        place.mkdir(parents=True)
    assert published_plugins(str(tmp_path)) == {"cloudquery/aws"}
    assert published_plugins(str(tmp_path), ["files"]) == {"cloudquery/aws", "cloudquery/gcp"}
    elsewhere = str(tmp_path / "others")
    assert published_plugins(str(tmp_path / "files"), [elsewhere]) == {"cloudquery/azure"}
