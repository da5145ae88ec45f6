"""A program's own fields: recorded as its contract and the user's yes have it, and no other way."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqtel_tui import Telemetry
from cqtel_tui.actions.choosing import plan_telemetry, set_telemetry
from cqtel_tui.actions.destinations import read_outlook
from cqtel_tui.actions.showing import note_payload_shown
from cqtel_tui.consent.contract_changes import compare
from cqtel_tui.consent.contract_seen import asked, last_seen
from cqtel_tui.consent.contracts import MAX_BYTES, RISKS, read_contract
from cqtel_tui.consent.decision import ask
from cqtel_tui.consent.saving import save
from cqtel_tui.deliver.permission import ALL, DUE, NAMED, grounds, permission
from cqtel_tui.outbox import dispatch
from cqtel_tui.outbox.left_out import BROKEN, UNFIT, UNKNOWN, kept
from cqtel_tui.outbox.shown import was_shown
from cqtel_tui.paths import places

from ..contracts import NOWHERE, PAID, changed, local
from ..contracts import SHOP as ANYWHERE
from ..contracts import written as written_as

if TYPE_CHECKING:
    from pathlib import Path

    from cqtel_tui.outbox.envelope import Envelope

    from .conftest import Machine

SHOP = local(ANYWHERE)
SECOND = changed(SHOP, ("version = 1", "version = 2")) + PAID
THEME = {"shop.theme": "dark"}


def written(folder: Path, text: str = SHOP, name: str = "telemetry.toml") -> str:
    """Write a contract whose payloads leave no machine."""
    return written_as(folder, text, name)


@pytest.fixture(autouse=True)
def no_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no sender, which would set aside what is looked at here."""
    monkeypatch.setattr(dispatch, "start_if_due", lambda *_: None)


def record(machine: Machine, contract: object, values: dict[str, Any]) -> Envelope:
    """Record one operation of the shop; return its envelope."""
    telemetry = Telemetry("shop", version="1.0.0", contract=contract)  # type: ignore[arg-type]
    with telemetry.operation("buy") as operation:
        for key, value in values.items():
            operation.set(key, value)
    assert telemetry.lost == 0
    return machine.envelopes()[-1]


def recorded(machine: Machine, contract: object, values: dict[str, Any]) -> dict[str, object]:
    """Record one operation; return the attributes of its span."""
    return machine.payload_of(record(machine, contract, values)).attributes("buy")


def agree() -> None:
    """Say yes to the shop, as it asks now."""
    here = places()
    set_telemetry(here, plan_telemetry("on", "shop", outlook=read_outlook(here, "shop")))


def test_what_the_contract_has_is_shown_before_anything_is_decided(machine: Machine) -> None:
    contract = written(machine.project)
    envelope = record(machine, contract, THEME)
    assert machine.payload_of(envelope).attributes("buy") == THEME
    seen = last_seen(places().state, "shop")
    assert seen is not None
    assert (envelope.contract, envelope.dropped) == (seen.digest, 0)
    assert seen.contract == read_contract(contract)


def test_a_resource_of_a_package_is_a_contract_as_well(machine: Machine) -> None:
    assert recorded(machine, machine.project.joinpath(written(machine.project)), THEME) == THEME


def test_a_payload_without_a_field_of_its_own_names_no_contract(machine: Machine) -> None:
    assert record(machine, written(machine.project), {}).contract == ""


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("shop.tmhee", "dark", UNKNOWN),
        ("other.theme", "dark", UNKNOWN),
        ("shop.theme", "not a name", UNFIT),
        ("shop.theme", ["dark"], UNFIT),
        ("shop.theme", 1, UNFIT),
        ("shop.theme", b"dark", UNFIT),
        ("process.exit.code", "none", UNFIT),
    ],
)
def test_what_is_unknown_or_unfit_is_left_out_counted_and_named(
    machine: Machine, key: str, value: object, why: str
) -> None:
    envelope = record(machine, written(machine.project), {**THEME, key: value})
    attributes = machine.payload_of(envelope).attributes("buy")
    assert attributes == ({} if key == "shop.theme" else THEME)
    assert envelope.dropped == 1
    assert kept(places().state, "shop") == [(key, why)]
    record(machine, written(machine.project), THEME)
    assert kept(places().state, "shop") == [], "the last payload is whole"


PROGRAM = """
import sys
from cqtel_tui import Telemetry
telemetry = Telemetry("shop", version="1.0.0", contract=sys.argv[1])
with telemetry.operation("buy") as operation:
    operation.set("shop.theme", "dark")
    operation.set("shop.tmhee\\x1b[31m", "dark")
print(telemetry.lost, "tomllib" in sys.modules, "re" in sys.modules)
"""


def test_a_developer_who_is_strict_is_told_and_nobody_else(machine: Machine) -> None:
    contract = written(machine.project)
    assert not machine.run(PROGRAM, contract).stderr
    told = machine.run(PROGRAM, contract, CQTEL_STRICT="1").stderr
    assert told.startswith("cq-telemetry: shop left out shop.tmhee")
    assert "\x1b" not in told
    written(machine.project, "name = 1")
    assert "is not a contract" in machine.run(PROGRAM, contract, CQTEL_STRICT="1").stderr


def test_a_contract_is_read_once(machine: Machine) -> None:
    contract = written(machine.project)
    assert machine.run(PROGRAM, contract).stdout.split()[:2] == ["0", "True"]
    assert machine.run(PROGRAM, contract).stdout.split() == ["0", "False", "False"]
    written(machine.project, SECOND)
    assert machine.run(PROGRAM, contract).stdout.split()[:2] == ["0", "True"], "it has changed"


@pytest.mark.parametrize("damage", ["", "cqtel 1\nshop\n", "garbage\n" * 9, "shop.theme nosuch\n"])
def test_a_table_that_is_damaged_is_made_again(machine: Machine, damage: str) -> None:
    contract = written(machine.project)
    assert recorded(machine, contract, THEME) == THEME
    table = machine.state / "contracts" / "tables" / "shop"
    whole = table.read_text("ascii")
    head = "".join(whole.splitlines(keepends=True)[:5])
    table.write_text(head + damage if damage.startswith("shop") else damage, "ascii")
    assert recorded(machine, contract, THEME) == THEME
    table.write_text(whole[:-3], "ascii")
    assert recorded(machine, contract, THEME) == THEME
    assert table.read_text("ascii") == whole


def broken(folder: Path, how: str) -> object:
    """Return a contract that is none."""
    path = folder / "telemetry.toml"
    if how == "not TOML":
        return written(folder, "name =")
    if how == "another program's":
        return written(folder, changed(SHOP, ('name = "shop"', 'name = "shop2"')))
    if how == "too large":
        return written(folder, SHOP + "#" * MAX_BYTES)
    if how == "a FIFO":
        os.mkfifo(path)
    return {"absent": str(path), "a FIFO": str(path), "not a path": 7, "a folder": str(folder)}[how]


@pytest.mark.parametrize(
    "how",
    ["absent", "not TOML", "another program's", "too large", "a FIFO", "not a path", "a folder"],
)
def test_without_a_contract_that_can_be_read_only_the_rest_is_recorded(
    machine: Machine, how: str
) -> None:
    envelope = record(machine, broken(machine.project, how), {**THEME, "process.exit.code": 0})
    assert machine.payload_of(envelope).attributes("buy") == {"process.exit.code": 0}
    assert (envelope.contract, envelope.dropped) == ("", 1)
    [(_, first), second] = kept(places().state, "shop")
    assert (first, second) == (BROKEN, ("shop.theme", UNKNOWN))


def test_nothing_is_kept_where_telemetry_is_off_or_inspected(machine: Machine) -> None:
    contract = written(machine.project)
    for option in ("no_telemetry", "inspect_telemetry"):
        telemetry = Telemetry("shop", contract=contract, **{option: True})  # type: ignore[arg-type]
        with telemetry.operation("buy") as operation:
            operation.set("shop.theme", "dark")
        assert not machine.state.exists()
    assert '"shop.theme"' in machine.inspection.read_text("utf-8")


# Consent -----------------------------------------------------------------------------------------


def test_a_yes_is_to_the_contract_that_was_shown_and_to_its_endpoint(machine: Machine) -> None:
    contract = written(machine.project)
    record(machine, contract, THEME)
    agree()
    decision = ask(places(), program="shop")
    assert decision.endpoint == f"{NOWHERE}/v1/traces"
    assert not asked(places().state, decision)
    envelope = record(machine, contract, THEME)
    assert machine.payload_of(envelope).attributes("buy") == THEME
    assert envelope.contract == decision.contract


def test_an_endpoint_of_the_users_own_stays(machine: Machine) -> None:
    here = places()

    save(here.config, {"endpoint": "http://127.0.0.1:9/mine"}, program="shop")
    record(machine, written(machine.project), THEME)
    agree()
    assert ask(here, program="shop").endpoint == "http://127.0.0.1:9/mine"


def test_a_yes_before_there_was_a_contract_covers_none_of_it(machine: Machine) -> None:
    agree()
    contract = written(machine.project)
    assert recorded(machine, contract, THEME) == {}
    assert [change.key for change in asked(places().state, ask(places(), program="shop"))] == [
        "shop.theme",
        "",
    ], "the field, and the endpoint"


@pytest.mark.parametrize(
    ("old", "new", "is_covered"),
    [
        ('"Which theme is in use"', '"Which theme was bought"', False),
        ('"Shows which themes are worth keeping."', '"Shows who pays."', False),
        ('risk = "low"', 'risk = "high"', False),
        ('risk = "low"', 'risk = "none"', True),
        ('shape = "name"', 'shape = "version"', False),
        ("retention_days = 90", "retention_days = 900", True),
        ('"https://shop.example/telemetry"', '"https://shop.example/other"', True),
    ],
)
def test_what_another_version_asks_is_left_out_until_another_yes(
    machine: Machine, old: str, new: str, *, is_covered: bool
) -> None:
    contract = written(machine.project)
    record(machine, contract, THEME)
    agree()
    written(machine.project, changed(SECOND, (old, new)))
    values: dict[str, Any] = {"shop.theme": "v1.0" if "version" in new else "dark"}
    values["shop.is_paid"] = True
    if "version" in new:
        values["shop.theme"] = "1.0"
    assert recorded(machine, contract, values) == (
        {"shop.theme": values["shop.theme"]} if is_covered else {}
    )
    agree()
    assert recorded(machine, contract, values) == values


def test_a_yes_that_is_widened_still_covers_what_was_recorded_under_it(machine: Machine) -> None:
    contract = written(machine.project)
    record(machine, contract, THEME)
    agree()
    before = record(machine, contract, THEME).consent
    written(machine.project, SECOND)
    record(machine, contract, THEME)
    agree()
    assert record(machine, contract, {"shop.is_paid": True}).consent == before != ""


def test_an_older_version_beside_it_neither_asks_nor_widens(machine: Machine) -> None:
    older = written(machine.project, SHOP, "older.toml")
    newer = written(machine.project, SECOND, "newer.toml")
    values = {**THEME, "shop.is_paid": True}
    record(machine, newer, values)
    agree()
    assert recorded(machine, older, values) == THEME
    assert recorded(machine, newer, values) == values


def test_what_was_recorded_under_a_version_nobody_agreed_to_goes_only_once_it_was_read(
    machine: Machine,
) -> None:
    older = written(machine.project, SHOP, "older.toml")
    newer = written(machine.project, SECOND, "newer.toml")
    here = places()
    held = record(machine, newer, {**THEME, "shop.is_paid": True})
    record(machine, older, THEME)
    plan = plan_telemetry("on", "shop", outlook=read_outlook(here, "shop"))
    assert held.id in plan.pending
    set_telemetry(here, plan, include_pending=True)
    known = grounds(here, held)
    for request in (DUE, ALL, NAMED, replace(ALL, was_read=True)):
        may = permission(held, known, request)
        assert may.refusal == "it has fields of shop's own that you did not agree to"
        assert may.remedy.endswith(f"cq-telemetry show {held.id}")
    assert not permission(held, known, replace(NAMED, was_read=True)).refusal
    note_payload_shown(here, held)
    assert was_shown(here.state, held)
    record(machine, newer, THEME)
    agree()
    assert not permission(held, grounds(here, held), ALL).refusal, "now it is agreed to"


CHOICES = st.fixed_dictionaries(
    {
        "theme": st.sampled_from(["Which theme is in use", "Which theme was bought"]),
        "why": st.sampled_from(["Shows which are worth keeping.", "Shows who pays."]),
        "risk": st.sampled_from(RISKS),
        "shape": st.sampled_from(["name", "class_name"]),
        "endpoint": st.sampled_from(["http://127.0.0.1:9", "http://127.0.0.1:7"]),
        "is_paid": st.booleans(),
        "version": st.integers(2, 3),
    }
)


def made(choice: dict[str, Any]) -> str:
    """Return a contract as it was chosen."""
    text = changed(
        SHOP,
        ("version = 1", f"version = {choice['version']}"),
        ('"Which theme is in use"', f'"{choice["theme"]}"'),
        ('"Shows which themes are worth keeping."', f'"{choice["why"]}"'),
        ('risk = "low"', f'risk = "{choice["risk"]}"'),
        ('shape = "name"', f'shape = "{choice["shape"]}"'),
        (NOWHERE, choice["endpoint"]),
    )
    return text + (PAID if choice["is_paid"] else "")


@given(st.lists(st.tuples(CHOICES, st.booleans()), min_size=2, max_size=4))
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_field_is_recorded_under_a_yes_that_was_not_shown_for_it(
    machine: Machine, releases: list[tuple[dict[str, Any], bool]]
) -> None:
    machine.choose(None)
    agreed: str | None = None
    path = machine.project / "telemetry.toml"
    values = {**THEME, "shop.is_paid": True}
    for choice, says_yes in releases:
        path.write_text(made(choice), "utf-8")
        attributes = recorded(machine, str(path), values)
        if agreed is not None:
            (machine.project / "agreed.toml").write_text(agreed, "utf-8")
            old = read_contract(str(machine.project / "agreed.toml"))
            comparison = compare(old, read_contract(str(path)))
            assert not attributes.keys() & {change.key for change in comparison.asked}
            decision = ask(places(), program="shop")
            assert decision.endpoint == f"{old.endpoint}/v1/traces"
        if says_yes:
            agree()
            agreed = made(choice)
            assert not asked(places().state, ask(places(), program="shop"))
