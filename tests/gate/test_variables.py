from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.formats.grpc import SUMMARY_CALL
from cqtel_tui.gate.channels import Blocked, Channels
from cqtel_tui.gate.listening import Gate
from cqtel_tui.gate.profile_files import SHIPPED, read_profile
from cqtel_tui.gate.profiles import CLOUDQUERY, ENDPOINTS_EVERYWHERE, REFUSED_EVERYWHERE
from cqtel_tui.gate.records import replace
from cqtel_tui.gate.shipped import PROFILES
from cqtel_tui.gate.variables import BLOCKED_ADDRESS, BLOCKED_URL, blocked, held, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOP = replace(read_profile(SHIPPED), name="shop")
BANK = replace(SHOP, name="bank")
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"
RUDDERSTACK = "CQ_RUDDERSTACK_DATA_PLANE_URL"
PROXY = {"HTTPS_PROXY": "http://proxy.example:3128"}


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.finish()


def opened(gate: Gate, **given: str) -> Mapping[str, str]:
    return held([CLOUDQUERY], given, gate).variables


# Held --------------------------------------------------------------------------------------------


def test_cloudquery_is_pointed_to_the_gate_and_to_nowhere_else(gate: Gate) -> None:
    found = held([CLOUDQUERY], {"HOME": "/home/alice"}, gate)
    assert found.variables == {
        "HOME": "/home/alice",
        RUDDERSTACK: gate.url_for("cloudquery"),
        "CQ_TELEMETRY_LEVEL": "stats",
        "CQ_NO_TELEMETRY": "T",
        "CQ_ANALYTICS_HOST": gate.blocked_address,
    }
    assert found.upstreams == {
        "cloudquery": "https://analytics-events.cloudquery.io",
        SUMMARY_CALL: "https://analyticsv1.cloudquery.io",
    }
    assert found.notes == ()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{32}", gate.url_for("cloudquery"))


def test_every_known_program_is_pointed_to_the_gate_each_by_a_url_of_its_own(gate: Gate) -> None:
    found = held([CLOUDQUERY, SHOP], {}, gate)
    assert found.variables[RUDDERSTACK] == gate.url_for("cloudquery")
    assert found.variables[OTLP] == gate.url_for("shop") != gate.url_for("cloudquery")


def test_a_variable_that_two_profiles_take_is_the_first_ones_and_is_told(gate: Gate) -> None:
    found = held([BANK, SHOP], {}, gate)
    assert found.variables[OTLP] == gate.url_for("bank")
    [note] = found.notes
    assert "noted as bank's, not as shop's" in note


def test_the_secret_is_added_to_headers_once_and_to_what_the_user_has_set(gate: Gate) -> None:
    names = ("HEADERS", "TRACES_HEADERS", "LOGS_HEADERS")
    shop = replace(SHOP, channels=replace(SHOP.channels, headers=names))
    bank = replace(BANK, channels=replace(shop.channels, variable="BANK_URL"))
    own = {"HEADERS": "a=b", "LOGS_HEADERS": "c=d"}
    found = held([shop, bank], own, gate).variables
    header = gate.header_for("shop")
    assert header.partition("=")[2] == gate.url_for("shop").rpartition("/")[2]
    assert [found[name] for name in names] == [f"a=b,{header}", f"a=b,{header}", f"c=d,{header}"]
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"):
        pathless = held([SHOP], {name: "grpc"}, gate).variables[OTLP]
        assert f"{pathless}/{header.partition('=')[2]}" == gate.url_for("shop") == found[OTLP]
    place = {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs.example"}
    assert (own | place).items() <= held([shop], own | place, gate).variables.items()
    alone = held([shop], {**place, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, gate).variables
    assert "HEADERS" not in alone
    assert alone[OTLP] == gate.url_for("shop")


@pytest.mark.parametrize(
    ("given", "under_the_gate"),
    [("all", "stats"), ("stats", "stats"), ("errors", "none"), ("none", "none"), ("x", "x")],
)
def test_a_level_is_never_raised_beyond_what_the_user_set(
    gate: Gate, given: str, under_the_gate: str
) -> None:
    assert opened(gate, CQ_TELEMETRY_LEVEL=given)["CQ_TELEMETRY_LEVEL"] == under_the_gate


def test_a_users_own_settings_are_kept_and_told(gate: Gate) -> None:
    own = {"OTEL_ENDPOINT": "logs.example:4318", OTLP: "https://x.example"}
    found = held([CLOUDQUERY], {**own, RUDDERSTACK: "http://127.0.0.1:9/mine"}, gate)
    assert own.items() <= found.variables.items()
    assert found.upstreams["cloudquery"] == "http://127.0.0.1:9/mine"
    assert [note.partition(" ")[0] for note in found.notes] == [RUDDERSTACK, "OTEL_ENDPOINT"]
    assert found.open_channels == ("OTEL_ENDPOINT",)


def test_of_opentelemetry_what_is_set_is_told_and_nothing_is_overridden_in_silence(
    gate: Gate,
) -> None:
    own = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs.example",
    }
    found = held([SHOP], {**own, OTLP: "https://x.example"}, gate)
    assert own.items() <= found.variables.items()
    assert found.variables[OTLP] == gate.url_for("shop")
    assert found.upstreams == {"shop": "https://x.example"}
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("http://rudder.internal:8080", "not https"),
        ("rudder.internal:8080", "not a URL"),
        ("rudder.internal", "not a URL"),
        ("ftp://rudder.internal", "not https"),
        ("https://me:secret@rudder.example", "a password"),
        ("https://rudder.example/in?token=1", "query"),
        ("https://rudder.example/in#here", "fragment"),
        ("https://rudder.example:99999", "port"),
    ],
)
def test_an_upstream_that_nothing_can_ever_be_sent_to_is_told_before_the_program_starts(
    gate: Gate, own: str, problem: str
) -> None:
    found = held([CLOUDQUERY], {RUDDERSTACK: own}, gate)
    assert found.variables[RUDDERSTACK] == gate.url_for("cloudquery")
    assert found.upstreams["cloudquery"] == ""
    [note] = found.notes
    assert problem in note
    assert "stays on this machine" in note
    assert "secret" not in note


def test_every_blocked_channel_has_a_reason() -> None:
    assert all(one.name and one.reason for one in CLOUDQUERY.channels.blocked)


# Refused -----------------------------------------------------------------------------------------


def test_a_no_refuses_every_known_program_and_closes_where_each_would_send_to() -> None:
    found = refused([CLOUDQUERY, SHOP], {"HOME": "/home/alice"})
    assert found.variables == {
        "HOME": "/home/alice",
        **REFUSED_EVERYWHERE,
        **CLOUDQUERY.refuse,
        **dict.fromkeys((RUDDERSTACK, *ENDPOINTS_EVERYWHERE), BLOCKED_URL),
        "CQ_ANALYTICS_HOST": BLOCKED_ADDRESS,
    }
    assert found.notes == ()
    assert found.variables["DO_NOT_TRACK"] == "1"
    assert found.variables["OTEL_TRACES_EXPORTER"] == "none"


@pytest.mark.parametrize("name", [OTLP, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", RUDDERSTACK])
def test_a_no_closes_an_endpoint_of_the_users_own_and_says_so(name: str) -> None:
    found = refused([CLOUDQUERY], {name: "https://mine.example"})
    assert found.variables[name] == BLOCKED_URL
    assert found.notes == (f"{name} is blocked while telemetry is off",)


def test_what_stays_open_while_telemetry_is_off_is_named() -> None:
    found = refused([CLOUDQUERY], {"OTEL_ENDPOINT": "logs.example:4318"})
    assert found.variables["OTEL_ENDPOINT"] == "logs.example:4318"
    assert found.open_channels == ("OTEL_ENDPOINT",)
    [note] = found.notes
    assert note.startswith("OTEL_ENDPOINT is your own setting, and is left as it is")


def test_a_profile_that_refuses_nothing_is_told_of_where_not_all_of_it_can_be_blocked() -> None:
    quiet = replace(SHOP, refuse={})
    assert refused([quiet], {}).notes == ()  # its only channel is blocked
    channels = Channels(OTLP, blocked=(Blocked("crash reports", "they are sent by TLS"),))
    [note] = refused([replace(quiet, channels=channels)], {}).notes
    assert note.startswith("shop may still report")


def test_what_cannot_be_held_is_blocked_and_no_more() -> None:
    found = blocked([CLOUDQUERY], {"HOME": "/home/alice"})
    assert found.variables == {
        "HOME": "/home/alice",
        **CLOUDQUERY.blocked,
        RUDDERSTACK: BLOCKED_URL,
        "CQ_ANALYTICS_HOST": BLOCKED_ADDRESS,
    }


# Proxies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (
            {"NO_PROXY": "db.internal", "no_proxy": "localhost"},
            {"NO_PROXY": "db.internal,127.0.0.1", "no_proxy": "localhost,127.0.0.1"},
        ),
        ({"NO_PROXY": "*"}, {"NO_PROXY": "*"}),
        ({"no_proxy": "*"}, {"no_proxy": "*"}),
        ({"NO_PROXY": "*", "no_proxy": "a"}, {"NO_PROXY": "*", "no_proxy": "a,127.0.0.1"}),
        # the other spelling alone would hide it from those who heed that one first
        ({"NO_PROXY": "a.example"}, {"NO_PROXY": "a.example,127.0.0.1"}),
        ({"no_proxy": "10.0.0.0/8,.b"}, {"no_proxy": "10.0.0.0/8,.b,127.0.0.1"}),
        ({}, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}),
        ({"no_proxy": ""}, {"no_proxy": "127.0.0.1"}),
        ({"NO_PROXY": "127.0.0.1, x"}, {"NO_PROXY": "127.0.0.1, x"}),
    ],
)
@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_what_goes_past_a_proxy_is_passed_on_as_it_was_with_this_machine_added(
    gate: Gate, given: dict[str, str], passed_on: dict[str, str], proxy: str
) -> None:
    given = {**given, proxy: "http://proxy.example:3128"}
    for found in (held([CLOUDQUERY], given, gate), refused([CLOUDQUERY], given)):
        listed = {name: v for name, v in found.variables.items() if name.lower() == "no_proxy"}
        assert listed == passed_on


def test_without_a_proxy_nothing_is_said_of_proxies(gate: Gate) -> None:
    assert "NO_PROXY" not in opened(gate, http_proxy="")
    assert opened(gate, no_proxy="a")["no_proxy"] == "a"


# Whole addresses, and none -----------------------------------------------------------------------

PROFILES_BY_NAME = {one.name: one for one in PROFILES}


@pytest.mark.parametrize(
    ("own", "path", "upstream"),
    [
        ("", "/metrics", "https://aws-serverless-tools-telemetry.us-west-2.amazonaws.com"),
        ("https://stats.example/a/b", "/a/b", "https://stats.example"),
        ("https://stats.example", "/", "https://stats.example"),
        ("ftp://stats.example/a", "/metrics", ""),
    ],
)
def test_a_variable_that_holds_a_whole_address_keeps_its_path(
    gate: Gate, own: str, path: str, upstream: str
) -> None:
    sam = PROFILES_BY_NAME["aws-sam-cli"]
    given = {sam.channels.variable: own} if own else {}
    found = held([sam], given, gate)
    assert found.variables[sam.channels.variable] == gate.url_for(sam.name) + path
    assert found.upstreams == {sam.name: upstream}
    assert bool(found.notes) == bool(own)


@pytest.mark.parametrize("name", ["meltano", "aws-cdk"])
def test_a_program_that_cannot_be_pointed_anywhere_is_blocked_by_its_own_opt_out(
    gate: Gate, name: str
) -> None:
    profile = PROFILES_BY_NAME[name]
    found = held([profile], {}, gate)
    assert profile.channels.blocking.items() <= found.variables.items()
    assert "" not in found.variables
    assert found.upstreams == {}
    assert profile.refuse.items() <= refused([profile], {}).variables.items()
    assert profile.blocked.items() <= blocked([profile], {}).variables.items()


def test_no_shipped_profile_takes_a_variable_of_another() -> None:
    taken = [one.channels.variable for one in PROFILES if one.channels.variable]
    assert len(taken) == len(set(taken))
    names = [name for one in PROFILES for name in one.programs]
    assert len(names) == len(set(names))
