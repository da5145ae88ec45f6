"""What a program's contract adds to the list of what may be kept, and what becomes of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cqtel_tui.cli import main
from cqtel_tui.collector.allowing import NO_FIELDS, Allowed, own_fields
from cqtel_tui.collector.arrivals import Origin
from cqtel_tui.collector.checking import check
from cqtel_tui.collector.json_reading import from_json
from cqtel_tui.collector.otlp_writing import encode
from cqtel_tui.collector.protobuf_reading import from_protobuf
from cqtel_tui.collector.report import read
from cqtel_tui.collector.settling import settle_all
from cqtel_tui.collector.store import Store

from ..contracts import SHOP, changed, written
from .arriving import NOW, arrival, cookie, some
from .own import OWN, UNFIT, contract, own_of, request_of, with_own
from .requests import as_json, as_protobuf
from .served import Command, command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cqtel_tui.collector.arrivals import Arrival

FIELDS = own_fields([contract()])
ENCODINGS = pytest.mark.parametrize("encoding", ["json", "protobuf"])


def taken(encoding: str, value: Any, own: Any = FIELDS) -> Allowed:
    """Read a request as a collector with the shop's contract does."""
    origin = Origin("ab" * 20)
    if encoding == "json":
        return from_json(as_json(value), origin, time.time(), own)
    return from_protobuf(as_protobuf(value), origin, time.time(), own)


def kept(path: Path, arrivals: Sequence[Arrival]) -> Path:
    path.unlink(missing_ok=True)
    with closing(Store(path, clock=lambda: NOW)) as store:
        store.keep(arrivals).result()
    return path


# Reading -----------------------------------------------------------------------------------------


@ENCODINGS
def test_what_a_contract_has_is_kept_of_its_program_alone(encoding: str) -> None:
    mine = taken(encoding, request_of("shop", OWN))
    [one] = mine.arrivals[0].spans
    assert (one.own, mine.message) == (own_of(OWN), "")
    other = taken(encoding, request_of("cloudquery", OWN))
    [one] = other.arrivals[0].spans
    assert one.own == ()
    assert "span shop.name (not in the catalogue)" in other.message
    without = taken(encoding, request_of("shop", OWN), NO_FIELDS)
    assert without.arrivals[0].spans[0].own == ()


@ENCODINGS
@pytest.mark.parametrize("key", UNFIT)
def test_what_does_not_fit_the_contract_is_left_out_and_told(encoding: str, key: str) -> None:
    found = taken(encoding, request_of("shop", {**OWN, key: UNFIT[key]}))
    [one] = found.arrivals[0].spans
    assert dict(one.own).keys() == OWN.keys() - {key}
    assert found.message == f"left out span {key} (not of the shape in the contract)"


@ENCODINGS
def test_what_is_beside_the_contract_is_judged_as_before(encoding: str) -> None:
    asked = request_of("shop", {"shop.other": "x", "process.exit.code": 3, "shop.name": "dark"})
    asked["resourceSpans"][0]["resource"]["attributes"].append(
        {"key": "shop.name", "value": {"stringValue": "dark"}}
    )
    found = taken(encoding, asked)
    [one] = found.arrivals[0].spans
    assert (one.own, one.exit_code) == ((("shop.name", "dark"),), 3)
    assert "span shop.other (not in the catalogue)" in found.message
    assert "resource shop.name (not in the catalogue)" in found.message


# The store ----------------------------------------------------------------------------------------


def test_it_is_kept_given_back_counted_and_erased(tmp_path: Path) -> None:
    arrivals = [
        replace(one, app="shop", spans=(replace(one.spans[0], own=own_of(OWN)), *one.spans[1:]))
        for one in (arrival(number, who=number) for number in range(6))
    ]
    path = kept(tmp_path / "store", arrivals)
    settle_all(path)
    assert check(path) == []
    rows = {row.of: row.installations for row in read(path, now=NOW, k=1).tables["fields"]}
    assert rows["shop", "shop.name", "dark"] == 6
    assert rows["shop", "shop.boolean", "true"] == 6
    assert rows["shop", "shop.plugins", '["source/shop/shelf@v1.2.3"]'] == 6
    with closing(Store(path, clock=lambda: NOW)) as store:
        [mine] = store.mine(cookie(1))
        first, *others = mine["spans"]
        assert {key: first[key] for key in OWN} == OWN
        assert not any(OWN.keys() & other.keys() for other in others)
        for number in range(6):
            store.erase(cookie(number)).result()
    assert check(path) == []
    with closing(sqlite3.connect(path)) as connection:
        assert (
            connection.execute("SELECT text FROM traits WHERE kind LIKE 'field%'").fetchall() == []
        )
        assert connection.execute("SELECT * FROM counts").fetchall() == []


def test_a_store_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = kept(tmp_path / "store", some(20))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP VIEW own_fields")
        connection.execute("PRAGMA user_version = 3")
    with closing(Store(path, clock=lambda: NOW)) as store:
        store.keep(with_own([arrival(1000, who=1)], seed=3)).result()
        assert len(store.mine(cookie(1))) >= 1
    assert check(path) == []


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(4, 25))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_value_and_no_rest_is_of_fewer_than_k(
    tmp_path: Path, seed: int, k: int, installations: int
) -> None:
    arrivals = with_own(some(60, installations=installations, days=3, seed=seed), seed)
    found = read(kept(tmp_path / "store", arrivals), now=NOW, days=60, k=k)
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    having: defaultdict[str, set[str]] = defaultdict(set)
    everybody = {each.cookie or each.origin.address_hash for each in arrivals}
    for each in arrivals:
        who = each.cookie or each.origin.address_hash
        for one in each.spans:
            for name, value in one.own:
                plain = json.dumps(value, separators=(",", ":"))
                values[name, value if isinstance(value, str) else plain].add(who)
                having[name].add(who)
    shown: defaultdict[str, set[str | None]] = defaultdict(set)
    for row in found.tables["fields"]:
        key, told_value = row.of[1:]
        assert key is not None
        shown[key].add(told_value)
        assert row.installations >= k
        if told_value is not None:
            assert len(values[key, told_value]) >= k
    for key, told in shown.items():
        assert len(everybody - having[key]) >= k, "those without it can be told from all"
        rest = [some for (of, text), some in values.items() if of == key and text not in told]
        assert not rest or (None in told and len(set().union(*rest)) >= k), "all are accounted for"


# The edge and the command -------------------------------------------------------------------------


def test_an_edge_hands_it_on_as_it_came() -> None:
    [found] = taken("json", request_of("shop", OWN)).arrivals
    handed = encode([found])
    assert ExportTraceServiceRequest.FromString(handed).ByteSize() == len(handed)
    again = from_protobuf(handed, Origin("ab" * 20), time.time(), FIELDS)
    assert again.arrivals[0].spans == found.spans


@pytest.fixture
def running(tmp_path: Path) -> Any:
    with command(tmp_path, "--contract", written(tmp_path)) as it:
        yield it


def test_the_command_takes_contracts_and_announces_them(running: Command) -> None:
    answer = running.client.post(
        "/v1/traces",
        content=as_json(request_of("shop", {"shop.theme": "dark", "shop.name": "x"})),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 200
    message = answer.json()["partialSuccess"]["errorMessage"]
    assert message == "left out span shop.name (not in the catalogue)"
    policy = running.client.get("/v1/policy").json()
    assert policy["programs"] == [
        {
            "program": "shop",
            "contract": 1,
            "fields": [{"field": "shop.theme", "sentence": "Which theme is in use"}],
        }
    ]


def test_two_contracts_of_one_program_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = written(tmp_path)
    second = written(tmp_path, changed(SHOP, ("version = 1", "version = 2")), "second.toml")
    assert main(["collector", "--contract", first, "--contract", second]) == 2
    assert "one contract for each program" in capsys.readouterr().err
    assert main(["collector", "engine-config", "--contract", str(tmp_path / "none")]) == 1
    assert main(["collector", "engine-config", "--contract", first]) == 0
    assert '"shop.theme"' in capsys.readouterr().out
