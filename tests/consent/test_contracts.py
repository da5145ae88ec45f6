"""A program's contract: data, read strictly, and what a yes to an older version covers."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.catalogue import RECORDED, is_cookie, is_message
from cqtel_tui.consent.contract_changes import (
    CHANGED_FIELD,
    ENDPOINT,
    NEW_FIELD,
    REMOVED_FIELD,
    RETENTION,
    compare,
)
from cqtel_tui.consent.contracts import (
    MAX_BYTES,
    MAX_FIELDS,
    MAX_PROBLEMS,
    RISKS,
    SHAPES,
    Contract,
    ContractError,
    OwnField,
    prefix_of,
    read_contract,
)

from ..contracts import PAID, SHOP, changed, written

if TYPE_CHECKING:
    from pathlib import Path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ContractError) as told:
        read_contract(written(folder, text))
    assert str(folder / "telemetry.toml") in str(told.value)
    assert "cq-telemetry contract check" in str(told.value)
    return list(told.value.problems)


# Reading -----------------------------------------------------------------------------------------


def test_a_contract_says_whose_it_is_where_payloads_go_and_what_is_added(tmp_path: Path) -> None:
    assert read_contract(written(tmp_path)) == Contract(
        program="shop",
        version=1,
        endpoint="https://telemetry.shop.example",
        documentation="https://shop.example/telemetry",
        contact="privacy@shop.example",
        retention_days=90,
        fields=(
            OwnField(
                "shop.theme",
                SHAPES["name"],
                "Which theme is in use",
                "Shows which themes are worth keeping.",
                "low",
                1,
            ),
        ),
    )


def test_neither_an_endpoint_nor_a_field_has_to_be_there(tmp_path: Path) -> None:
    text = changed(SHOP, ('endpoint = "https://telemetry.shop.example"\n', ""))
    contract = read_contract(written(tmp_path, text.partition("\n[[")[0]))
    assert (contract.endpoint, contract.fields) == (None, ())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "shop"', "", '"name" is missing'),
        ('name = "shop"', 'name = "../shop"', '"name" is not a plain name'),
        ('name = "shop"', 'name = "unnamed"', '"name" is not a plain name'),
        ("version = 1", "", '"version" is missing'),
        ("version = 1", "version = 0", '"version" is not a whole number'),
        ("version = 1", "version = true", '"version" is not a whole number'),
        ("version = 1", "version = 1.0", '"version" is not a whole number'),
        ("https://telemetry.shop.example", "http://shop.example", "it is not https"),
        ("https://telemetry.shop.example", "https://key@shop.example", "a password"),
        ('"https://telemetry.shop.example"', "1979-05-27", '"endpoint" is not a text'),
        ('documentation = "https://shop.example/telemetry"', "", '"documentation" is missing'),
        ("https://shop.example/telemetry", "shop.example", '"documentation" cannot be used'),
        ("privacy@shop.example", "privacy", '"contact" is neither'),
        ("retention_days = 90", "retention_days = 99999", '"retention_days" is not a whole'),
        ("retention_days = 90", "retention_days = 90\ncookies = 1", '"cookies" is not a key'),
        ('"shop.theme"', '"theme"', "is not lower-case words"),
        ('"shop.theme"', '"shop.Theme"', "is not lower-case words"),
        ('"shop.theme"', '"shop.theme."', "is not lower-case words"),
        ('"shop.theme"', '"shops.theme"', 'own prefix, "shop."'),
        ('"shop.theme"', '"cloudquery.theme"', 'own prefix, "shop."'),
        ('"shop.theme"', f'"shop.{"a" * 80}"', "up to 80"),
        ('type = "string"', 'type = "integer"', 'is not "string", which the shape "name" has'),
        ('shape = "name"', 'shape = "cookie"', '"fields[1].shape" is not one of'),
        ('shape = "name"', 'shape = "message"', '"fields[1].shape" is not one of'),
        ('risk = "low"', 'risk = "lowish"', "is not one of none, low, medium, high"),
        ("since = 1", "since = 2", "later than the contract's version, 1"),
        ("since = 1", "since = 1\nnote = 1", '"fields[1].note" is not a key'),
        ('"Which theme is in use"', '""', '"fields[1].sentence" is not 1 to 300'),
        ('"Which theme is in use"', '"   "', '"fields[1].sentence" is not 1 to 300'),
        ('"Which theme is in use"', f'"{"a" * 301}"', '"fields[1].sentence" is not 1 to 300'),
        ('"Which theme is in use"', '"a\\nb"', "a line break or a character that cannot be seen"),
        ('"Which theme is in use"', '"\\u001b[2J"', "a character that cannot be seen"),
        ('"Which theme is in use"', '"\\u202Eno"', "a character that cannot be seen"),
        ("[[fields]]", "[fields]", '"fields" is not a list of tables'),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    told = problems(tmp_path, changed(SHOP, (old, new)))
    assert len(told) == 1
    assert problem in told[0]


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = changed(SHOP, ("version = 1\n", ""), ('risk = "low"', 'risk = "no"'), ("90", "0"))
    assert len(problems(tmp_path, text)) == 3


def test_of_very_many_problems_some_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    unknown = "\n".join(f"key_{at} = 1" for at in range(100))
    told = problems(tmp_path, changed(SHOP, ("version = 1", f"version = 1\n{unknown}")))
    assert len(told) == MAX_PROBLEMS + 1
    assert told[-1] == f"and {100 - MAX_PROBLEMS} more"


def test_a_key_is_there_once(tmp_path: Path) -> None:
    field = SHOP.partition("\n[[")[2]
    assert problems(tmp_path, f"{SHOP}\n[[{field}") == [
        '"fields" has the key shop.theme more than once'
    ]


def test_there_are_not_more_fields_than_somebody_can_read(tmp_path: Path) -> None:
    field = "\n[[" + SHOP.partition("\n[[")[2]
    head = SHOP.partition("\n[[")[0]
    many = "".join(field.replace("shop.theme", f"shop.theme_{at}") for at in range(MAX_FIELDS + 1))
    assert problems(tmp_path, head + many) == [f'"fields" has more than {MAX_FIELDS} tables']


@pytest.mark.parametrize("name", ["service", "Process", "cloudquery", "geo", "otel", "error"])
def test_nobody_adds_a_field_under_a_prefix_of_the_catalogue_or_of_opentelemetry(
    tmp_path: Path, name: str
) -> None:
    text = changed(SHOP, ('"shop"', f'"{name}"'), ("shop.theme", f"{name.lower()}.theme"))
    [told] = problems(tmp_path, text)
    assert "is not the program's own" in told


def test_a_program_that_is_called_like_that_may_have_a_contract_without_fields(
    tmp_path: Path,
) -> None:
    text = changed(SHOP.partition("\n[[")[0], ('"shop"', '"cloudquery"'))
    assert read_contract(written(tmp_path, text)).program == "cloudquery"


def test_no_shape_is_an_identifier_or_free_text() -> None:
    offered = {shape.accepts for shape in SHAPES.values()}
    assert offered == {accepts for accepts, _, _ in RECORDED.values()} - {is_cookie, is_message}


def test_the_prefix_is_the_name_as_opentelemetry_writes_names() -> None:
    assert prefix_of("My-shop.v2") == "my_shop_v2."


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff", "utf-8"),
        (b"name", "Expected"),
        (b"a = " + b"[" * 20_000, "it is nested too deeply"),
        (b"a = 1\na = 2", "Cannot overwrite"),
        (b"#" * (MAX_BYTES + 1), f"it is larger than {MAX_BYTES} bytes"),
        (b"version = " + b"9" * 5000, "limit"),
    ],
)
def test_what_is_no_toml_within_bounds_is_no_contract(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "telemetry.toml"
    path.write_bytes(data)
    with pytest.raises(ContractError, match=problem):
        read_contract(str(path))


def test_what_is_no_file_is_no_contract_and_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="it cannot be read: No such file"):
        read_contract(str(tmp_path / "nothing"))
    with pytest.raises(ContractError, match=r"it is not a regular file|it cannot be read"):
        read_contract(str(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(ContractError, match="it is not a regular file"):
            read_contract(str(tmp_path / "fifo"))


@given(
    where=st.integers(0, len(SHOP)),
    inserted=st.one_of(st.text(max_size=8), st.sampled_from(['"', "\n[x]\n", "=", "[[fields]]\n"])),
    cut=st.integers(0, 40),
)
def test_whatever_is_written_over_a_contract_it_is_one_within_its_rules_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, where: int, inserted: str, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "telemetry.toml"
    text = SHOP[:where] + inserted + SHOP[where + cut :]
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        contract = read_contract(str(path))
    except ContractError:
        return
    assert all(field.key.startswith(prefix_of(contract.program)) for field in contract.fields)
    assert all(0 < field.since <= contract.version for field in contract.fields)


# Comparing ---------------------------------------------------------------------------------------


def test_a_new_field_has_to_be_agreed_to(tmp_path: Path) -> None:
    old = read_contract(written(tmp_path))
    new = read_contract(written(tmp_path, changed(SHOP, ("version = 1", "version = 2")) + PAID))
    comparison = compare(old, new)
    assert comparison.problems == ()
    [change] = comparison.changes
    assert (change.kind, change.key, change.asks) == (NEW_FIELD, "shop.is_paid", True)
    assert change.text == (
        "shop.is_paid (boolean: true or false): Whether the order was paid. "
        "Shows whether paying works. Identifying: none"
    )


@pytest.mark.parametrize(
    ("old", "new", "kind", "asks"),
    [
        ("https://telemetry.shop.example", "https://other.example", ENDPOINT, True),
        ('endpoint = "https://telemetry.shop.example"\n', "", ENDPOINT, False),
        ("retention_days = 90", "retention_days = 91", RETENTION, True),
        ("retention_days = 90", "retention_days = 89", RETENTION, False),
        ("Which theme is in use", "Which theme was bought", CHANGED_FIELD, True),
        ("worth keeping", "worth selling", CHANGED_FIELD, True),
        ('shape = "name"', 'shape = "class_name"', CHANGED_FIELD, True),
        ('risk = "low"', 'risk = "medium"', CHANGED_FIELD, True),
        ('risk = "low"', 'risk = "none"', CHANGED_FIELD, False),
        ("shop.theme", "shop.skin", NEW_FIELD, True),
        ("https://shop.example/telemetry", "https://shop.example/t", "documentation", False),
        ("privacy@shop.example", "data@shop.example", "contact", False),
    ],
)
def test_what_was_not_agreed_to_asks_and_what_is_less_does_not(
    tmp_path: Path, old: str, new: str, kind: str, *, asks: bool
) -> None:
    of_field = kind in {NEW_FIELD, CHANGED_FIELD} and asks
    text = changed(SHOP, (old, new), ("version = 1", "version = 2"))
    text = changed(text, ("since = 1", "since = 2")) if of_field else text
    comparison = compare(
        read_contract(written(tmp_path)), read_contract(written(tmp_path, text, "new.toml"))
    )
    assert comparison.problems == ()
    told = [(change.kind, change.asks) for change in comparison.changes]
    assert [one for one in told if one != (REMOVED_FIELD, False)] == [(kind, asks)]


def test_an_endpoint_where_there_was_none_has_to_be_agreed_to(tmp_path: Path) -> None:
    without = changed(SHOP, ('endpoint = "https://telemetry.shop.example"\n', ""))
    new = read_contract(written(tmp_path, changed(SHOP, ("version = 1", "version = 2")), "new"))
    [change] = compare(read_contract(written(tmp_path, without)), new).changes
    assert change.asks
    assert change.text == (
        "payloads go to https://telemetry.shop.example; until now they stayed here"
    )


def test_an_endpoint_written_in_another_way_is_the_same_place(tmp_path: Path) -> None:
    text = changed(SHOP, (".shop.example", ".shop.example/v1/traces"))
    comparison = compare(
        read_contract(written(tmp_path)), read_contract(written(tmp_path, text, "new.toml"))
    )
    assert comparison.changes == ()


@pytest.mark.parametrize(
    ("replaced", "problem"),
    [
        ([("version = 1", "version = 1"), ("= 90", "= 91")], 'raise "version" to 2'),
        (
            [("version = 1", "version = 2"), ('"low"', '"high"')],
            '"since" of shop.theme has to be 2',
        ),
        (
            [("version = 1", "version = 2"), ("since = 1", "since = 2")],
            '"since" of shop.theme has to stay 1',
        ),
        (
            [("version = 1", "version = 2"), ('"shop"', '"shop2"'), ("shop.th", "shop2.th")],
            "of two",
        ),
    ],
)
def test_a_newer_version_that_would_slip_past_a_yes_is_a_problem(
    tmp_path: Path, replaced: list[tuple[str, str]], problem: str
) -> None:
    new = read_contract(written(tmp_path, changed(SHOP, *replaced), "new.toml"))
    [told] = compare(read_contract(written(tmp_path)), new).problems
    assert problem in told


def test_a_newer_version_is_not_the_lower_one(tmp_path: Path) -> None:
    old = read_contract(written(tmp_path, changed(SHOP, ("version = 1", "version = 3"))))
    [told] = compare(old, read_contract(written(tmp_path))).problems
    assert told == "the newer version, 1, is lower than the older one, 3"


SENTENCES = st.sampled_from(["a", "b"])


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    version = draw(st.integers(1, 3))
    fields = {
        key: OwnField(
            key,
            draw(st.sampled_from([SHAPES["name"], SHAPES["boolean"]])),
            draw(SENTENCES),
            draw(SENTENCES),
            draw(st.sampled_from(RISKS)),
            draw(st.integers(1, version)),
        )
        for key in draw(st.sets(st.sampled_from(["shop.a", "shop.b", "shop.c"])))
    }
    endpoint = draw(st.sampled_from([None, "https://a.example", "https://b.example"]))
    days = draw(st.integers(1, 2))
    return Contract(
        "shop", version, endpoint, "https://a.example", "a@b.c", days, (*fields.values(),)
    )


@given(old=contracts(), new=contracts())
def test_without_a_problem_the_version_alone_tells_what_a_yes_covers(
    old: Contract, new: Contract
) -> None:
    comparison = compare(old, new)
    if comparison.problems:
        return
    later = {field.key for field in new.fields if field.since > old.version}
    assert later == {change.key for change in comparison.asked if change.key}
    if comparison.asked:
        assert new.version > old.version


@given(contract=contracts())
def test_a_contract_has_nothing_new_beside_itself(contract: Contract) -> None:
    comparison = compare(contract, dataclasses.replace(contract))
    assert (comparison.changes, comparison.problems) == ((), ())
