"""An endpoint without a path is a base URL: the path of traces is added, and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent.choices import read_user
from cqtel_tui.consent.endpoint import endpoint_problem, with_path
from cqtel_tui.consent.saving import decide_endpoint, save

if TYPE_CHECKING:
    from pathlib import Path

H = "https://h.example"


@pytest.mark.parametrize(
    ("given", "posted_to"),
    [
        (H, f"{H}/v1/traces"),
        (f"{H}/", f"{H}/v1/traces"),
        (f"{H}//", f"{H}/v1/traces"),
        (f"{H}/v1", f"{H}/v1/traces"),
        (f"{H}/v1/", f"{H}/v1/traces"),
        (f"{H}:4318", f"{H}:4318/v1/traces"),
        (f"{H}?key=a/b", f"{H}/v1/traces?key=a/b"),
        (f"{H}/?key=1", f"{H}/v1/traces?key=1"),
        (f"{H}#part", f"{H}/v1/traces#part"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        (f"{H}/v1/traces", f"{H}/v1/traces"),
        (f"{H}/v1/traces/", f"{H}/v1/traces/"),
        (f"{H}/otlp", f"{H}/otlp"),
        (f"{H}/v1/other", f"{H}/v1/other"),
        (f"{H}/v1/traces?to=https://other.example", f"{H}/v1/traces?to=https://other.example"),
    ],
)
def test_a_base_url_gets_the_path_of_traces_and_a_path_stays(
    tmp_path: Path, given: str, posted_to: str
) -> None:
    assert with_path(given) == posted_to
    assert with_path(posted_to) == posted_to
    assert endpoint_problem(posted_to) is None
    assert decide_endpoint(given) == {"endpoint": posted_to}
    # As somebody wrote it by hand, or an earlier version did.
    config = tmp_path / "config"
    save(str(config), {"debug": True})
    (config / "choices.json").write_text(json.dumps({"version": 1, "all": {"endpoint": given}}))
    assert read_user(str(config)).choice("cloudquery").endpoint == posted_to
