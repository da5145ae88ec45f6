"""The versions that the project is content with: each bound is there, and each has its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .lowest import lowest

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_an_upper_bound_has_its_reason_beside_it() -> None:
    text = PYPROJECT.read_text(encoding="utf-8").partition("[project.scripts]")[0]
    bounded = [line for line in text.splitlines() if re.search(r'"[\w.-]+(>=[^",]+,<|==)', line)]
    assert len(bounded) > 20
    assert [line for line in bounded if "  # " not in line] == []


def test_what_a_user_installs_is_bounded_below() -> None:
    found = lowest(PYPROJECT.read_text(encoding="utf-8"))
    assert {"httpx", "textual", "h11", "uvicorn"} <= found.keys()
    assert all(re.fullmatch(r"\d+(\.\d+)*", version) for version in found.values())


def test_a_requirement_without_a_bound_is_an_error() -> None:
    text = '[project]\ndependencies = ["rich"]\n[project.optional-dependencies]\n'
    with pytest.raises(ValueError, match="'rich' has no lower bound"):
        lowest(text + "cloudquery = []\ngate = []\ngrpc = []\ncollector = []\nserve = []\n")


def test_a_bound_is_read_whatever_stands_around_it() -> None:
    text = (
        '[project]\ndependencies = ["a.b-c >= 1.2 , < 2 ; x == 1"]\n'
        '[project.optional-dependencies]\ncloudquery = ["d[e]>=3"]\n'
        "gate = []\ngrpc = []\ncollector = []\nserve = []\n"
    )
    assert lowest(text) == {"a.b-c": "1.2", "d": "3"}
