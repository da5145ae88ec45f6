"""`contract`: what a program's makers check, publish, and tell apart before a release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from cqtel_tui.catalogue import ON_SPANS, RECORDED
from cqtel_tui.consent.contracts import RISKS, SHAPES
from cqtel_tui.review.promises import FIELDS

from ..contracts import PAID, SHOP, changed, written
from .test_reviewing import assert_harmless

if TYPE_CHECKING:
    from .conftest import Here

README = Path(__file__).parents[2] / "README.md"


def test_check_says_what_a_contract_promises(cq: Here) -> None:
    ended = cq("contract", "check", written(cq.project))
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines == [
        "shop, version 1",
        "payloads go to https://telemetry.shop.example",
        "what was sent is deleted after 90 days",
        "documentation: https://shop.example/telemetry",
        "contact: privacy@shop.example",
        "1 field of its own",
        (
            "    shop.theme (string: letters, digits, . _ -, up to 40): Which theme is in use. "
            "Shows which themes are worth keeping. Identifying: low"
        ),
    ]


def test_the_contract_of_the_readme_is_one_with_every_shape_and_risk_named(cq: Here) -> None:
    text = README.read_text(encoding="utf-8").partition("<!-- contract:begin -->\n```toml\n")[2]
    text = text.partition("```")[0]
    assert cq("contract", "check", written(cq.project, text)).code == 0
    assert f"# {', '.join(SHAPES)}\n" in text
    assert f"{', '.join(RISKS)}\n" in text


def test_check_fails_with_every_problem_and_lets_none_of_it_reach_the_terminal(cq: Here) -> None:
    path = written(cq.project, changed(SHOP, ("90", "0"), ("since = 1", '"\\u001b[2J" = 1')))
    ended = cq("contract", "check", path)
    assert (ended.code, ended.out) == (1, b"")
    assert ended.said.count("telemetry.toml is not a contract") == 1
    assert '"retention_days" is not a whole number' in ended.said
    assert '"fields[1].since" is missing' in ended.said
    assert "[2J" in ended.said
    assert_harmless(ended.err)


def test_check_gives_json(cq: Here) -> None:
    assert cq("contract", "check", written(cq.project), "--json").json == {
        "program": "shop",
        "version": 1,
        "endpoint": "https://telemetry.shop.example",
        "documentation": "https://shop.example/telemetry",
        "contact": "privacy@shop.example",
        "retention_days": 90,
        "fields": [
            {
                "key": "shop.theme",
                "type": "string",
                "shape": "name",
                "sentence": "Which theme is in use",
                "why": "Shows which themes are worth keeping.",
                "risk": "low",
                "since": 1,
            }
        ],
    }


def test_docs_is_a_page_with_every_field_that_may_be_stored(cq: Here) -> None:
    text = changed(SHOP, ("Which theme is in use", "Which <b>theme</b> | skin is in use"))
    ended = cq("contract", "docs", written(cq.project, text))
    assert (ended.code, ended.err) == (0, b"")
    page = ended.out.decode()
    assert page.startswith("# Telemetry of shop\n")
    assert [field.key for field in FIELDS if f"\n| `{field.key}` | " not in page] == []
    assert (
        "\n| `shop.theme` | string: letters, digits, . _ -, up to 40 | "
        "Which &lt;b>theme&lt;/b> \\| skin is in use | Shows which themes are worth keeping. | "
        "low | 1 |\n"
    ) in page
    for told in (
        "https://telemetry.shop.example",
        "deleted after 90 days",
        "<https://shop.example/telemetry>",
        "privacy@shop.example",
    ):
        assert told in page


def test_each_command_that_the_page_names_is_one(cq: Here) -> None:
    page = cq("contract", "docs", written(cq.project)).out.decode()
    commands = [line.partition("#")[0] for line in page.splitlines() if line[:3] == "cq-"]
    assert len(commands) == 5
    for command in commands:
        assert "--program" in cq(*command.split()[1:2], "--help").out.decode()


def test_docs_of_a_program_without_endpoint_or_fields_says_so(cq: Here) -> None:
    text = changed(SHOP, ('endpoint = "https://telemetry.shop.example"\n', ""))
    page = cq("contract", "docs", written(cq.project, text.partition("\n[[")[0])).out.decode()
    assert "There is no endpoint: payloads stay on your machine" in page
    assert "Only shop records these" not in page


def test_diff_says_what_a_yes_does_not_cover(cq: Here) -> None:
    old = written(cq.project)
    text = changed(SHOP, ("version = 1", "version = 2"), ("= 90", "= 30")) + PAID
    ended = cq("contract", "diff", old, written(cq.project, text, "new.toml"))
    assert (ended.code, ended.err) == (0, b"")
    assert ended.lines == [
        "A yes to version 1 of shop does not cover:",
        (
            "    new field: shop.is_paid (boolean: true or false): Whether the order was paid. "
            "Shows whether paying works. Identifying: none"
        ),
        "Changes that need no new yes:",
        "    retention: what was sent is deleted after 30 days, not 90",
    ]


def test_diff_of_a_version_with_nothing_new_says_so(cq: Here) -> None:
    path = written(cq.project)
    ended = cq("contract", "diff", path, path)
    assert (ended.code, ended.lines) == (0, ["A yes to version 1 of shop covers all of it."])


def test_diff_fails_where_the_version_was_not_raised(cq: Here) -> None:
    new = written(cq.project, changed(SHOP, ("= 90", "= 91")), "new.toml")
    ended = cq("contract", "diff", written(cq.project), new)
    assert ended.code == 1
    assert f'{new}: there is something new to agree to: raise "version" to 2' in ended.said
    told = cq("contract", "diff", written(cq.project), new, "--json").json
    assert told == {
        "program": "shop",
        "old": 1,
        "new": 1,
        "changes": [
            {
                "kind": "retention",
                "key": "",
                "text": "what was sent is deleted after 91 days, not 90",
                "asks": True,
            }
        ],
        "problems": ['there is something new to agree to: raise "version" to 2'],
    }


@pytest.mark.parametrize("line", ["contract", "contract check", "contract diff a", "contract x"])
def test_what_is_no_command_is_wrong_usage(cq: Here, line: str) -> None:
    assert cq(*line.split()).code == 2


def test_registry_writes_what_opentelemetrys_weaver_reads(cq: Here) -> None:
    path = written(cq.project, SHOP + PAID.replace("since = 2", "since = 1"))
    assert cq("contract", "registry", path, "registry").code == 0
    folder = cq.project / "registry"
    manifest = yaml.safe_load((folder / "registry_manifest.yaml").read_text("utf-8"))
    assert (manifest["name"], manifest["semconv_version"]) == ("shop", "1.0.0")
    groups = yaml.safe_load((folder / "telemetry.yaml").read_text("utf-8"))["groups"]
    common, own, span = groups
    assert {one["id"] for one in common["attributes"]} == set(RECORDED)
    assert [(one["id"], one["type"]) for one in own["attributes"]] == [
        ("shop.theme", "string"),
        ("shop.is_paid", "boolean"),
    ]
    assert own["attributes"][0]["brief"] == "Which theme is in use"
    assert {one["ref"] for one in span["attributes"]} == {*ON_SPANS, "shop.theme", "shop.is_paid"}
    again = cq("contract", "registry", path, "registry")
    assert again.code == 1
    assert "Give a folder that is not there yet" in again.said


def test_none_of_them_writes_anything(cq: Here) -> None:
    path = written(cq.project)
    before = cq.files()
    for line in (["check", path], ["docs", path], ["diff", path, path]):
        assert cq("contract", *line).code == 0
    assert cq.files() == before
